"""A host that is watched, and all it told: for the tests of hosts of every kind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.beds.libvirtd import Libvirtd
from vmwatch.events import DomainEvent, Event, Origin
from vmwatch.settings import HostSettings, ShowSettings, StatsSettings
from vmwatch.source.connection import Open
from vmwatch.source.host import Host
from vmwatch.source.openings import PATIENCE, Patience
from vmwatch.state import KnownState
from vmwatch.stream import Stream

PATIENCE_SECONDS = 30

NAMED = "<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


class Watched:
    """A host that is watched, and all it told."""

    def __init__(self, host: Host, known: KnownState | None = None, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.host = host
        self.events: list[Event] = []
        self.stream = Stream(known or KnownState())
        self.stream.listen(self._take)
        self._changed = asyncio.Event()
        self._patience_seconds = patience_seconds

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def types(self, origin: Origin | None = None) -> list[str]:
        return [event.type for event in self.events if origin is None or event.origin is origin]

    def told_of(self, domain: str) -> list[str]:
        """Say what was told of *domain*, in short and without what follows from it: `origin type`."""
        events = [one for one in self.events if isinstance(one, DomainEvent) and one.domain.name == domain]
        told = [one for one in events if one.origin is not Origin.DERIVED]
        return [f"{one.origin} {one.type.removeprefix('domain.')}" for one in told]

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until *enough* holds after an event."""
        async with asyncio.timeout(self._patience_seconds):
            while not enough():
                self._changed.clear()
                await self._changed.wait()

    async def until_told(self, kind: str, times: int = 1) -> None:
        await self.until(lambda: self.types().count(kind) >= times)


@asynccontextmanager
async def watching(
    uri: str,
    known: KnownState | None = None,
    open: Open | None = None,  # noqa: A002 - as Host calls it
    patience: Patience = PATIENCE,
    patience_seconds: float = PATIENCE_SECONDS,
    stats: StatsSettings | None = None,
    **settings: Any,
) -> AsyncIterator[Watched]:
    named = HostSettings(**{"uri": uri, "name": "h"} | settings)
    host = Host(named, stats or StatsSettings(), ShowSettings(), open=open, patience=patience)
    watched = Watched(host, known, patience_seconds)
    task = asyncio.create_task(watched.host.run(watched.stream.publish, watched.stream.known))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task})


def toggle(daemon: Libvirtd, times: int = 1) -> None:
    with daemon.connection() as connection:
        domain = connection.lookupByName("test")
        for _ in range(times):
            domain.suspend()
            domain.resume()
