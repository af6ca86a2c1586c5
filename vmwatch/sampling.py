"""Samples shared by all who ask: one at a time for each host, reused while fresh, and one now and then unasked."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from vmwatch.events import Event
from vmwatch.pipeline import Source, Sources
from vmwatch.sample import HostSample, without_figures

SLICE_SECONDS = 0.001
"""After so long of telling a sample others have their turn, for as long."""

RETRY_SECONDS = 1.0
LOOK_SECONDS = 1.0

_MARGIN_SHARE = 0.1  # of the time to the deadline is kept for putting the sample together,
_MARGIN_SECONDS = 0.1  # but no more than this

log = structlog.get_logger(__name__)


class HostSampling:
    """The samples of one *source*; one younger than *max_age_seconds* is used again."""

    def __init__(self, source: Source, max_age_seconds: float) -> None:
        self.source = source
        self.last: HostSample | None = None
        self.last_at = float("-inf")
        self.taken = asyncio.Event()
        self._max_age_seconds = max_age_seconds
        self._running: asyncio.Task[None] | None = None

    async def sample(self, deadline: float) -> HostSample | None:
        """Return a fresh sample; None while away.

        Where there is none at *deadline* (seconds of the loop's clock), all domains of the last one are marked.
        """
        loop = asyncio.get_running_loop()
        if self.last is not None and loop.time() - self.last_at <= self._max_age_seconds:
            return self.last
        if self._running is None:
            self._running = asyncio.create_task(self._measure(deadline), name=f"sample {self.source.name}")
        running = self._running
        await asyncio.wait({running}, timeout=max(0.0, deadline - loop.time()))
        if self.last is None or running.done():
            return self.last
        return without_figures(self.last)

    async def _measure(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        margin = min(_MARGIN_SECONDS, _MARGIN_SHARE * max(0.0, deadline - loop.time()))
        try:
            self.last = await self.source.sample(deadline - margin)
        except Exception:  # a bug in one host's sampling harms that host's figures only
            log.exception("sampling has a bug", host=self.source.name)
            self.last = None
        finally:
            self._running = None
        if self.last is not None:
            self.last_at = loop.time()
            self.taken.set()

    async def taken_or(self, due: float) -> None:
        """Wait until a sample is taken, or it is *due* (seconds of the loop's clock)."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self.taken.wait()
        self.taken.clear()

    async def close(self) -> None:
        """Cancel the sample that is being taken."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})


class Sampling:
    """The samples of all *sources*; *events* turns one into what exporters that want samples get by *publish*."""

    def __init__(
        self,
        sources: Sources,
        *,
        max_age_seconds: float,
        interval_seconds: float,
        timeout_seconds: float,
        publish: Callable[[Event], None],
        events: Callable[[HostSample], Iterable[Event]],
        wanted: bool,
    ) -> None:
        self._sources = sources
        self._max_age_seconds = max_age_seconds
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._publish = publish
        self._events = events
        self._wanted = wanted
        self._hosts: dict[Source, HostSampling] = {}

    def _present(self) -> Sequence[HostSampling]:
        self._hosts = {
            source: self._hosts.get(source) or HostSampling(source, self._max_age_seconds) for source in self._sources()
        }
        return list(self._hosts.values())

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        """Return a sample of each host that is there, by *deadline*; of *hosts* only, where given."""
        chosen = [one for one in self._present() if not hosts or one.source.name in hosts]
        samples = await asyncio.gather(*(one.sample(deadline) for one in chosen))
        return [sample for sample in samples if sample is not None]

    async def run(self) -> None:
        """Sample each host whenever nobody has for an interval, and tell a sample in each, until cancelled."""
        keeping: dict[HostSampling, asyncio.Task[None]] = {}
        try:
            while True:
                present = self._present()
                await _end({one: keeping.pop(one) for one in [*keeping] if one not in present})
                for one in present:
                    if one not in keeping:
                        keeping[one] = asyncio.create_task(self._keep(one), name=f"keep sampling {one.source.name}")
                await asyncio.sleep(LOOK_SECONDS)
                for task in keeping.values():
                    if task.done():  # by a bug
                        task.result()
        finally:
            await _end(keeping)

    async def _keep(self, one: HostSampling) -> None:
        await (self._keep_telling(one) if self._wanted else self._keep_sampling(one))

    async def _keep_sampling(self, one: HostSampling) -> None:
        while True:
            due = one.last_at + self._interval_seconds
            await one.taken_or(due)
            await self._sample_if(due, one)

    async def _keep_telling(self, one: HostSampling) -> None:
        """Tell a sample that somebody asked for, if it comes at about the right time, else one taken for this."""
        loop = asyncio.get_running_loop()
        told_at = float("-inf")
        while True:
            due = told_at + self._interval_seconds
            await one.taken_or(due)
            if loop.time() < told_at + 0.9 * self._interval_seconds:
                continue
            sample = await self._sample_if(due, one)
            if sample is not None:
                told_at = loop.time()
                await self._tell(sample)

    async def _sample_if(self, due: float, one: HostSampling) -> HostSample | None:
        """Return a fresh sample if one is *due*, else the last; None, after a pause, where there is none."""
        now = asyncio.get_running_loop().time()
        if now < due:
            return one.last
        sample = await one.sample(now + self._timeout_seconds)
        if sample is None:
            await asyncio.sleep(min(RETRY_SECONDS, self._interval_seconds))
        return sample

    async def _tell(self, sample: HostSample) -> None:
        began = time.perf_counter()
        for event in self._events(sample):
            self._publish(event)
            if time.perf_counter() - began > SLICE_SECONDS:
                await asyncio.sleep(SLICE_SECONDS)
                began = time.perf_counter()


async def _end(keeping: Mapping[HostSampling, "asyncio.Task[None]"]) -> None:
    for task in keeping.values():
        task.cancel()
    await asyncio.gather(*keeping.values(), return_exceptions=True)
    for one in keeping:
        await one.close()
