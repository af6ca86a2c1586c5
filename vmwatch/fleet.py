"""The sources that are watched at this moment: started, kept running, and ended when nobody wants them any more."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from vmwatch.events import HostDisconnected, Origin
from vmwatch.pipeline import Publish, Source, Sources
from vmwatch.state import KnownState
from vmwatch.stream import now

LOOK_SECONDS = 1.0
END_SECONDS = 3.0  # a call to libvirt may hang: its thread is left behind

log = structlog.get_logger(__name__)


class Fleet:
    """Runs all that *sources* names, each on its own; what they tell goes to *publish* and leads to *known*."""

    def __init__(self, sources: Sources, publish: Publish, known: KnownState) -> None:
        self._sources = sources
        self._publish = publish
        self._known = known
        self._present: Sequence[Source] = tuple(sources())
        self._running: dict[Source, asyncio.Task[None]] = {}

    def present(self) -> Sequence[Source]:
        """Return who is watched now."""
        return self._present

    async def run(self) -> None:
        """Keep all running until cancelled, and look again and again who they are."""
        try:
            while True:
                await self._change(tuple(self._sources()))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await _ended(list(self._running.values()))

    async def _change(self, wanted: Sequence[Source]) -> None:
        staying = frozenset(wanted)
        leaving = [source for source in self._running if source not in staying]
        self._present = wanted
        await _ended([self._running.pop(source) for source in leaving])
        for source in leaving:
            self._tell_gone(source)
        for source in wanted:
            if source not in self._running:
                self._running[source] = asyncio.create_task(self._keep(source), name=source.name)

    def _tell_gone(self, source: Source) -> None:
        log.info("host no longer watched", host=source.name)
        known = self._known.hosts.get(source.name)
        if known is not None and known.connected:
            reason = "no longer watched, or otherwise configured"
            self._publish(
                HostDisconnected(
                    time=now(), host=source.name, uri=source.status().uri, origin=Origin.VMWATCH, reason=reason
                )
            )

    async def _keep(self, source: Source) -> None:
        pause_seconds = 1.0
        while True:
            try:
                await source.run(self._publish, self._known)
            except Exception:  # a bug in one host harms that host only
                log.exception("host has a bug", host=source.name)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 60.0)


async def _ended(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=END_SECONDS)


def fixed(sources: Sequence[Source]) -> Callable[[], Sequence[Source]]:
    """Return what names the same *sources* for ever."""
    return lambda: sources
