"""What exporters and pages may ask of a running vmwatch: the one implementation of `vmwatch.pipeline.Watch`."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import structlog

from vmwatch.delivery import Delivery
from vmwatch.events import Domain, Event
from vmwatch.journal import Journal
from vmwatch.journal_file import Lost
from vmwatch.pipeline import Batches, Exporter, ExporterStatus, Handler, HostStatus, JournalStatus, Sources
from vmwatch.sample import HostSample
from vmwatch.sampling import Sampling
from vmwatch.state import DomainCounters, KnownState
from vmwatch.stream import Stream
from vmwatch.supervise import SupervisedExporter

FOLLOWER_EVENTS = 1000

log = structlog.get_logger(__name__)


class Core:
    """The parts of a running vmwatch, for those who look; *mount* serves a path on its web server."""

    def __init__(
        self,
        *,
        stream: Stream,
        journal: Journal,
        sources: Sources,
        exporters: Sequence[SupervisedExporter],
        sampling: Sampling,
        labels: Mapping[str, str],
        mount: Callable[[str, Handler], None],
    ) -> None:
        self._stream = stream
        self._journal = journal
        self._sources = sources
        self._exporters = exporters
        self._sampling = sampling
        self._labels = labels
        self._mount = mount

    @property
    def labels(self) -> Mapping[str, str]:
        """The user's static labels."""
        return self._labels

    def known(self) -> KnownState:
        """Return the one fold of the stream."""
        return self._stream.known

    def counters(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        """Return the committed event counters; those of the fold while nothing can be committed."""
        return self._journal.committed if self._journal.status().writable else self._stream.known.counters

    def hosts(self) -> Sequence[HostStatus]:
        """Return how it stands with each host."""
        return [source.status() for source in self._sources()]

    def exporters(self) -> Sequence[ExporterStatus]:
        """Return how it stands with each exporter."""
        return [exporter.status() for exporter in self._exporters]

    def journal(self) -> JournalStatus:
        """Return how it stands with the journal."""
        return self._journal.status()

    def told(self) -> Mapping[tuple[str, str], int]:
        """Return how many events were told in this run, by origin and type."""
        return self._stream.told

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        """Return a fresh enough sample of each host, by *deadline*."""
        return await self._sampling.sample(deadline, hosts)

    def since(self, position: int) -> AsyncIterator[tuple[int, Event]]:
        """Yield the journal's events after *position*."""
        return self._journal.since(position)

    def follow(self, wanted: Callable[[Event], bool]) -> AbstractContextManager[Batches]:
        """Give the *wanted* events from now on; whoever reads too slowly loses the oldest."""
        return self._follow(wanted)

    @contextmanager
    def _follow(self, wanted: Callable[[Event], bool]) -> Iterator[Batches]:
        delivery = Delivery(wanted, done=lambda _count: None, lose=_say_lost, buffer=FOLLOWER_EVENTS)
        self._stream.listen(delivery.put)
        try:
            yield delivery
        finally:
            self._stream.forget(delivery.put)

    def refused(self, exporter: Exporter, event: Event | None, reason: str) -> None:
        """Log and count an *event*, or something else, that the target of *exporter* refuses for good."""
        for supervised in self._exporters:
            if supervised.exporter is exporter:
                supervised.refused(event, reason)

    def concerns(self, exporter: Exporter, host: str, domain: Domain) -> bool:
        """Say whether *domain* on *host* is among what *exporter* is told about."""
        return any(one.exporter is exporter and one.concerns(host, domain) for one in self._exporters)

    def chooses(self, exporter: Exporter) -> Callable[[Event], bool]:
        """Return whether an event is one that *exporter* tells."""
        return next(one.chooses for one in self._exporters if one.exporter is exporter)

    def mount(self, path: str, handler: Handler) -> None:
        """Serve *path* on the one web server."""
        self._mount(path, handler)


def _say_lost(lost: Lost) -> None:
    log.info("a live page was too slow", host=lost.host, events=lost.count)
