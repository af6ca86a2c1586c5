"""The interfaces between sources, the stream and exporters; all who write one of these need only this module.

libvirt --> Source.run(publish) --> Stream --> Exporter.run(batches)
                                      |
                                   Journal --> durable Exporter.run(batches)
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import msgspec

from vmwatch.events import Domain, Event, Time
from vmwatch.sample import HostSample
from vmwatch.state import DomainCounters, KnownState

if TYPE_CHECKING:  # the web framework is loaded by `vmwatch.web` alone
    from starlette.requests import Request
    from starlette.responses import Response

Publish = Callable[[Event], None]
"""Tell an event: never blocks and never fails, as libvirt cannot wait for us.  Call it on the event loop's thread."""

Batches = AsyncIterator[Sequence[Event]]
"""Events in order, at most 1,000 or 1 MiB at once, whatever is waiting.

Asking for the next batch says that the last one is done.  Waiting can be cancelled or timed out without harm; a run
that failed or was cancelled is given the same batch again.  It ends when vmwatch stops.
"""

Handler = Callable[["Request"], Awaitable["Response"]]


class Source(Protocol):
    """Something that events come from: one host."""

    @property
    def name(self) -> str:
        """The host's name, which every event of it carries."""

    async def run(self, publish: Publish, known: KnownState, /) -> None:
        """Publish events until cancelled; *known* is to look at, and is up to date when *publish* returns."""

    async def sample(self, deadline: float, /) -> HostSample | None:
        """Measure by *deadline* (seconds of the loop's clock) what can be; None while the host is away."""

    def status(self) -> "HostStatus":
        """Say how it stands with the connection."""


Sources = Callable[[], Sequence[Source]]
"""Return who is to be watched now; asked again and again.  A source that stays is the same object."""


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one host: *reason* and *cure* in words while it is not *up*; *since* when it is so.

    *figures* are counts and gauges about our own work for it (reconnects, overdue calls, ...), by metric name.
    """

    host: str
    uri: str
    up: bool
    since: Time
    reason: str = ""
    cure: str = ""
    versions: Mapping[str, str] = {}
    figures: Mapping[str, float] = {}


class ExporterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one exporter; *waiting* events in its buffer or journal, the oldest of them *oldest*.

    *dropped* is what it never got, *refused* what it got and its target did not take.
    """

    exporter: str
    up: bool
    reason: str = ""
    events: int = 0
    waiting: int = 0
    dropped: int = 0
    refused: int = 0
    failures: int = 0
    oldest: Time | None = None


class JournalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the journal: *size_bytes* with its log, *writable* or not, and what waits for it."""

    size_bytes: int
    events: int
    position: int
    waiting: int
    waiting_bytes: int
    writable: bool
    reason: str = ""


@runtime_checkable
class Exporter(Protocol):
    """Where events go.  A frozen dataclass whose fields are the keys of its table in the configuration.

    *durable* exporters get their batches from the journal, from their last acknowledged position on; the others from
    memory, where the oldest go (and are counted) when they are too slow.
    """

    durable: ClassVar[bool]

    @property
    def wants_samples(self) -> bool:
        """Say whether samples belong into its batches."""

    async def run(self, batches: Batches, watch: "Watch", /) -> None:
        """Consume *batches* to their end, then return.

        Called again, after a pause, when it raises or returns before the end.  It is cancelled when vmwatch stops and
        it has not come to its end in time.
        """


@runtime_checkable
class Tried(Protocol):
    """An exporter whose target can be tried without telling it anything: for `vmwatch check`."""

    async def try_target(self) -> str:
        """Say in a few words what was found; VmwatchError says what would fail."""


@runtime_checkable
class KeepsStates(Protocol):
    """An exporter that may keep the states of domains: then it is given events of all types about its domains."""

    @property
    def keeps_states(self) -> bool:
        """Say whether it does."""


class Watch(Protocol):
    """What an exporter may ask for; read-only."""

    def known(self) -> KnownState:
        """Return the one fold of the stream."""

    def counters(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        """Return the event counters by host and name: as committed, or as told while nothing can be committed."""

    def hosts(self) -> Sequence[HostStatus]:
        """Return how it stands with each host."""

    def exporters(self) -> Sequence[ExporterStatus]:
        """Return how it stands with each exporter."""

    def journal(self) -> JournalStatus:
        """Return how it stands with the journal."""

    def told(self) -> Mapping[tuple[str, str], int]:
        """Return how many events were told in this run, by origin and type."""

    async def sample(self, deadline: float, hosts: Sequence[str] = ()) -> Sequence[HostSample]:
        """Return a sample of each host (of *hosts* only, where given), fresh enough, shared by all who ask at once.

        Back by *deadline* (seconds of the loop's clock) whatever hangs; what could not be read is marked in the sample.
        """

    def since(self, position: int) -> AsyncIterator[tuple[int, Event]]:
        """Yield the journal's events after *position*, with theirs, up to the last one committed."""

    def follow(self, wanted: Callable[[Event], bool]) -> AbstractContextManager[Batches]:
        """Give the *wanted* events from now on, out of memory, while the context lasts: for live pages."""

    def refused(self, exporter: Exporter, event: Event | None, reason: str) -> None:
        """Take *exporter*'s word that its target refuses *event* for good: log and count it; the next one's turn.

        None stands for what it made of something else; *reason* says what that is.
        """

    def concerns(self, exporter: Exporter, host: str, domain: Domain) -> bool:
        """Say whether a *domain* on *host* is *exporter*'s business, by the globs that choose its events."""

    def chooses(self, exporter: Exporter) -> Callable[[Event], bool]:
        """Return whether an event is one that *exporter* tells, by all of its globs: who keeps states gets more."""

    def mount(self, path: str, handler: Handler) -> None:
        """Serve *path* on the one web server."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The user's static labels, for every series and event."""
