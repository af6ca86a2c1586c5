"""A `Watch` that stands still: what an exporter asks it for is what a test gave it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from vmwatch.counters import DomainCounters
from vmwatch.events import Event
from vmwatch.pipeline import Batches, ExporterStatus, Handler, HostStatus, JournalStatus
from vmwatch.sample import HostSample
from vmwatch.state import KnownState

_JOURNAL = JournalStatus(size_bytes=4096, events=7, position=9, waiting=0, waiting_bytes=0, writable=True)


@dataclass
class FixedWatch:
    """Knows, counts and measures what it is told to; *asked* are the deadlines it was asked to sample by."""

    state: KnownState = field(default_factory=KnownState)
    host_statuses: Sequence[HostStatus] = ()
    exporter_statuses: Sequence[ExporterStatus] = ()
    journal_status: JournalStatus = _JOURNAL
    told_events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    samples: Sequence[HostSample] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    mounted: dict[str, Handler] = field(default_factory=dict)
    asked: list[tuple[float, Sequence[str]]] = field(default_factory=list)

    def known(self) -> KnownState:
        return self.state

    def counters(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        return self.state.counters

    def hosts(self) -> Sequence[HostStatus]:
        return self.host_statuses

    def exporters(self) -> Sequence[ExporterStatus]:
        return self.exporter_statuses

    def journal(self) -> JournalStatus:
        return self.journal_status

    def told(self) -> Mapping[tuple[str, str], int]:
        return self.told_events

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        self.asked.append((deadline, hosts))
        return [sample for sample in self.samples if not hosts or sample.host in hosts]

    def since(self, position: int) -> AsyncIterator[tuple[int, Event]]:
        raise NotImplementedError(position)

    def follow(self, wanted: Callable[[Event], bool]) -> AbstractContextManager[Batches]:
        raise NotImplementedError(wanted)

    def mount(self, path: str, handler: Handler) -> None:
        self.mounted[path] = handler
