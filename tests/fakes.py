"""Small honest stand-ins for the parts around the one under test; there are no others."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import libvirt

from vmwatch.delivery import Delivery
from vmwatch.errors import VmwatchError
from vmwatch.events import Domain, Event, Origin, Started, State, Time
from vmwatch.pipeline import (
    Batches,
    Exporter,
    ExporterStatus,
    Handler,
    HostStatus,
    JournalStatus,
    Publish,
    Watch,
)
from vmwatch.sample import HostSample
from vmwatch.state import DomainCounters, KnownState

SECOND = 1_000_000_000


def started(sequence: int = 1, host: str = "host-a", name: str = "web-1", **fields: Any) -> Started:
    """Return a told event; each *sequence* makes another one."""
    given: dict[str, Any] = {
        "id": f"epoch-{sequence}",
        "sequence": sequence,
        "time": Time(1_700_000_000 * SECOND + sequence),
        "host": host,
        "uri": "test:///default",
        "origin": Origin.LIBVIRT,
        "domain": Domain("00000000-0000-4000-8000-000000000001", name, 1),
        "detail": "booted",
        "state": State.RUNNING,
        "previous_state": State.SHUTOFF,
    }
    return Started(**(given | fields))


class Replay:
    """A source that publishes *events* and then has nothing more to tell."""

    def __init__(self, events: Sequence[Event], name: str = "host-a") -> None:
        self.name = name
        self.told = asyncio.Event()
        self._events = events

    async def run(self, publish: Publish, _known: KnownState, /) -> None:
        for event in self._events:
            publish(event)
        self.told.set()
        await asyncio.Event().wait()

    async def sample(self, _deadline: float, /) -> HostSample | None:
        return None

    def status(self) -> HostStatus:
        return HostStatus(host=self.name, uri="test:///default", up=True, since=Time(0))


class Collect:
    """An exporter that keeps what it gets; *durable* or not."""

    durable: ClassVar[bool] = False
    wants_samples = False

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches = 0
        self.ended = False
        self._changed = asyncio.Event()

    async def run(self, batches: Batches, _watch: Watch, /) -> None:
        async for batch in batches:
            self.take(batch)
        self.ended = True

    def take(self, batch: Sequence[Event]) -> None:
        self.batches += 1
        self.events.extend(batch)
        self._changed.set()

    async def got(self, count: int) -> None:
        """Wait until there are *count* events."""
        while len(self.events) < count:
            self._changed.clear()
            await self._changed.wait()


class CollectDurably(Collect):
    """The same out of the journal."""

    durable: ClassVar[bool] = True


class Stuck(Collect):
    """An exporter that takes its first batch and never comes back, but for being cancelled."""

    async def run(self, batches: Batches, _watch: Watch, /) -> None:
        self.take(await anext(batches))
        await asyncio.Event().wait()


class FailsOnce(Collect):
    """An exporter that fails with its first batch in hand, and then works."""

    failed = False

    async def run(self, batches: Batches, watch: Watch, /) -> None:
        if not self.failed:
            await anext(batches)
            self.failed = True
            raise VmwatchError("the first time never works")
        await super().run(batches, watch)


class FakeWatch:
    """What exporters and pages may ask for, set by hand; `told_events` is its journal, `tell` its stream."""

    def __init__(self) -> None:
        self.state = KnownState()
        self.statuses: list[HostStatus] = []
        self.exporter_statuses: list[ExporterStatus] = []
        self.journal_status = JournalStatus(
            size_bytes=0, events=0, position=0, waiting=0, waiting_bytes=0, writable=True
        )
        self.samples: list[HostSample] = []
        self.sampled: list[tuple[float, Sequence[str]]] = []
        self.counted: dict[tuple[str, str], int] = {}
        self.told_events: list[Event] = []
        self.refusals: list[tuple[Event | None, str]] = []
        self.unconcerning: set[tuple[str, str]] = set()
        self.unchosen: set[str] = set()
        self.mounted: dict[str, Handler] = {}
        self.labels: Mapping[str, str] = {}
        self.followed = asyncio.Event()
        self._followers: list[Delivery] = []

    def known(self) -> KnownState:
        return self.state

    def counters(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        return self.state.counters

    def hosts(self) -> Sequence[HostStatus]:
        return self.statuses

    def exporters(self) -> Sequence[ExporterStatus]:
        return self.exporter_statuses

    def journal(self) -> JournalStatus:
        return JournalStatus(
            size_bytes=self.journal_status.size_bytes,
            events=len(self.told_events),
            position=len(self.told_events),
            waiting=self.journal_status.waiting,
            waiting_bytes=self.journal_status.waiting_bytes,
            writable=self.journal_status.writable,
        )

    def told(self) -> Mapping[tuple[str, str], int]:
        return self.counted

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        self.sampled.append((deadline, hosts))
        return [one for one in self.samples if not hosts or one.host in hosts]

    async def since(self, position: int) -> AsyncIterator[tuple[int, Event]]:
        for number, event in enumerate(self.told_events[position:], start=position + 1):
            yield number, event

    def tell(self, event: Event) -> None:
        """Tell *event* to all who follow."""
        self.told_events.append(event)
        for follower in self._followers:
            follower.put(event)

    @contextmanager
    def follow(self, wanted: Callable[[Event], bool]) -> Iterator[Batches]:
        delivery = Delivery(wanted, done=lambda _count: None, lose=lambda _lost: None)
        self._followers.append(delivery)
        self.followed.set()
        try:
            yield delivery
        finally:
            self._followers.remove(delivery)

    def refused(self, _exporter: Exporter, event: Event | None, reason: str) -> None:
        self.refusals.append((event, reason))

    def concerns(self, _exporter: Exporter, host: str, domain: Domain) -> bool:
        return (host, domain.name) not in self.unconcerning

    def chooses(self, _exporter: Exporter) -> Callable[[Event], bool]:
        return lambda event: event.type not in self.unchosen

    def mount(self, path: str, handler: Handler) -> None:
        self.mounted[path] = handler


class WithoutBulkStatistics:
    """A connection of a driver without bulk statistics: libvirt's test driver with that one call taken away."""

    def __init__(self, connection: libvirt.virConnect) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def domainListGetStats(self, *_: object) -> None:  # noqa: N802 - libvirt's name
        error = libvirt.libvirtError("this function is not supported by the connection driver")
        error.err = (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_FROM_NONE, str(error), 2)
        raise error
