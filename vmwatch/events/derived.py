"""What vmwatch itself says of a domain: discovered, unresponsive, and what earlier events add up to."""

from vmwatch.events.base import DomainEvent, State, Time


class Discovered(DomainEvent, frozen=True, kw_only=True, tag="domain.discovered"):
    """A domain of which nothing was known stands in the first listing of its host."""

    state: State
    reason: str | None = None
    persistent: bool | None = None


class Unresponsive(DomainEvent, frozen=True, kw_only=True, tag="domain.unresponsive"):
    """The domain's monitor has not answered for *seconds*; *call* is what was asked."""

    seconds: float
    call: str


class Responsive(DomainEvent, frozen=True, kw_only=True, tag="domain.responsive"):
    """The domain's monitor answers again, after *seconds*."""

    seconds: float


class Outage(DomainEvent, frozen=True, kw_only=True, tag="domain.outage"):
    """A domain that was up was down from *began* to *ended*; *seconds* only where both ends were seen."""

    evidence: list[str]
    began: Time
    ended: Time
    end: str
    cause: str | None = None
    seconds: float | None = None


class Flapping(DomainEvent, frozen=True, kw_only=True, tag="domain.flapping"):
    """The third outage of a domain began within ten minutes."""

    evidence: list[str]
    outages: int
    within_seconds: int


class Migration(DomainEvent, frozen=True, kw_only=True, tag="domain.migration"):
    """A domain was moved to another host, or should have been; unknown fields are absent."""

    evidence: list[str]
    result: str
    seen: str
    from_host: str | None = None
    to_host: str | None = None
    duration_seconds: float | None = None
    downtime_seconds: float | None = None
