"""What every event has: where, when, which in the row, who says so, and which domain it is about."""

from enum import StrEnum
from typing import Self

import msgspec


class Time(int):
    """A point in time: nanoseconds since 1970, UTC; on the wire RFC 3339 with nine digits.

    *monotonic* is the monotonic clock's reading in nanoseconds at that moment, where it was taken in this run: it lets
    durations ignore steps of the wall clock.  Two times are equal when their nanoseconds are.
    """

    monotonic: int | None

    def __new__(cls, nanoseconds: int, monotonic: int | None = None) -> Self:
        """Make a time from *nanoseconds* since 1970 and, where known, the *monotonic* clock at that moment."""
        time = super().__new__(cls, nanoseconds)
        time.monotonic = monotonic
        return time

    def since(self, earlier: "Time") -> float:
        """Return the seconds from *earlier* to this time, at least 0; by the monotonic clock where both have it."""
        if self.monotonic is not None and earlier.monotonic is not None:
            return max(0, self.monotonic - earlier.monotonic) / 1e9
        return max(0, self - earlier) / 1e9


class Origin(StrEnum):
    """Who says so."""

    LIBVIRT = "libvirt"  # a callback
    RESYNC = "resync"  # inferred from a listing
    POLLING = "polling"  # inferred; the driver sends no events
    DERIVED = "derived"  # follows from earlier events
    VMWATCH = "vmwatch"  # about ourselves, or measured by us


class State(StrEnum):
    """A domain's state: libvirt's words, and `undefined` (does not exist) and `unknown` (not told yet)."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"  # the guest has finished, its process flushes: neither paused nor shutoff
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    PMSUSPENDED = "pmsuspended"
    UNDEFINED = "undefined"
    UNKNOWN = "unknown"

    @property
    def active(self) -> bool:
        """Say whether a hypervisor process (or what stands for one) exists in this state."""
        return self in ACTIVE_STATES


ACTIVE_STATES = frozenset({State.RUNNING, State.PAUSED, State.SHUTDOWN, State.CRASHED, State.PMSUSPENDED})


class Domain(msgspec.Struct, frozen=True, gc=False):
    """Which domain; *id* is the hypervisor's number while it is active, else None."""

    uuid: str
    name: str
    id: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """One thing that happened on *host*.

    The stream fills in *id* (`<epoch>-<sequence>`) and *sequence* (gapless for each host) when it tells the event;
    until then they are empty.  *uri* is the connection's, without credentials.  *labels* are the user's own fields.

    There are many, and never one in a cycle: the garbage collector need not look at them.
    """

    id: str = ""
    sequence: int = 0
    time: Time
    host: str
    uri: str | None = None
    origin: Origin
    labels: dict[str, str] = {}

    @property
    def type(self) -> str:
        """Return the event's type as it stands on the wire, such as `domain.started`."""
        return str(self.__struct_config__.tag)


class DomainEvent(Event, frozen=True, kw_only=True):
    """Something that happened to a domain."""

    domain: Domain
