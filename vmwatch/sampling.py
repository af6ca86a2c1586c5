"""Samples shared by all who ask: one at a time for each host, reused while fresh, and one now and then unasked."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from vmwatch.events import Event
from vmwatch.pipeline import Source
from vmwatch.sample import HostSample

log = structlog.get_logger(__name__)


class HostSampling:
    """The samples of one *source*; one younger than *max_age_seconds* is used again."""

    def __init__(self, source: Source, max_age_seconds: float, taken: Callable[[HostSample], None]) -> None:
        self.source = source
        self._max_age_seconds = max_age_seconds
        self._taken = taken
        self._running: asyncio.Task[None] | None = None
        self._last: HostSample | None = None
        self.last_at = float("-inf")

    async def sample(self, deadline: float) -> HostSample | None:
        """Return a fresh sample, or what there is at *deadline* (seconds of the loop's clock); None while away."""
        loop = asyncio.get_running_loop()
        if loop.time() - self.last_at <= self._max_age_seconds:
            return self._last
        if self._running is None:
            self._running = asyncio.create_task(self._measure(deadline), name=f"sample {self.source.name}")
        await asyncio.wait({self._running}, timeout=max(0.0, deadline - loop.time()))
        return self._last

    async def _measure(self, deadline: float) -> None:
        try:
            self._last = await self.source.sample(deadline)
            self.last_at = asyncio.get_running_loop().time()
            if self._last is not None:
                self._taken(self._last)
        except Exception:  # a bug in one host's sampling harms that host's figures only
            log.exception("sampling has a bug", host=self.source.name)
            self._last = None
        finally:
            self._running = None

    async def close(self) -> None:
        """Cancel the sample that is being taken."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})


class Sampling:
    """The samples of all *sources*; *events* turns one into what exporters that want samples get by *publish*."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        max_age_seconds: float,
        interval_seconds: float,
        timeout_seconds: float,
        publish: Callable[[Event], None],
        events: Callable[[HostSample], Sequence[Event]],
        wanted: bool,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._publish = publish
        self._events = events
        self._wanted = wanted
        self._told_at: dict[str, float] = {}
        self._hosts = {source.name: HostSampling(source, max_age_seconds, self._tell) for source in sources}

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        """Return a sample of each host that is there, by *deadline*; of *hosts* only, where given."""
        chosen = [one for name, one in self._hosts.items() if not hosts or name in hosts]
        samples = await asyncio.gather(*(one.sample(deadline) for one in chosen))
        return [sample for sample in samples if sample is not None]

    async def run(self) -> None:
        """Sample each host whenever nobody has for an interval, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for one in self._hosts.values():
                    tasks.create_task(self._keep_sampling(one))
        finally:
            for one in self._hosts.values():
                await one.close()

    async def _keep_sampling(self, one: HostSampling) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(
                max(0.1, min(self._interval_seconds, one.last_at + self._interval_seconds - loop.time()))
            )
            if loop.time() - one.last_at >= self._interval_seconds:
                await one.sample(loop.time() + self._timeout_seconds)

    def _tell(self, sample: HostSample) -> None:
        now = asyncio.get_running_loop().time()
        if not self._wanted or now - self._told_at.get(sample.host, float("-inf")) < self._interval_seconds * 0.9:
            return
        self._told_at[sample.host] = now
        for event in self._events(sample):
            self._publish(event)
