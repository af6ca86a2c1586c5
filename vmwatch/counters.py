"""What is counted of events, for each domain's name and each host; kept in known state, shown by exporters."""

import msgspec

from vmwatch import words
from vmwatch.events import Time
from vmwatch.severity import BAD_CAUSES

EVENTS_BORN_AT_ZERO = (
    "crashed ",  # inferred ones have no detail
    *(f"crashed {detail}" for detail in words.LIFECYCLE[8][1]),
    *(f"watchdog-fired {action}" for action in words.WATCHDOG_ACTIONS),
    *(f"io-error {action}" for action in words.IO_ERROR_ACTIONS),
)
"""Counted events that every known domain has from the start: increase() sees nothing in a series born at 1."""

STOPS_BORN_AT_ZERO = tuple(sorted(BAD_CAUSES))
"""Counted causes that every known domain has from the start."""

HISTOGRAM_BOUNDS_SECONDS = {
    "shutdown_flush": (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
    "outage": (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0),
    "migration_duration": (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
    "migration_downtime": (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
}
"""The histograms kept for each host, and their buckets' upper bounds; one more bucket stands for infinity."""


def _zero_events() -> dict[str, int]:
    return dict.fromkeys(EVENTS_BORN_AT_ZERO, 0)


def _zero_stops() -> dict[str, int]:
    return dict.fromkeys(STOPS_BORN_AT_ZERO, 0)


class DomainCounters(msgspec.Struct, kw_only=True, gc=False):
    """What was counted for one name on one host: *events* by "event detail", *stops* by cause, *last* by event.

    Kept by name, as Prometheus sees it; the detail is empty where the event has none that is a word of an enum.  *gone*
    is when the last domain of that name went; None while one exists.
    """

    events: dict[str, int] = msgspec.field(default_factory=_zero_events)
    stops: dict[str, int] = msgspec.field(default_factory=_zero_stops)
    last: dict[str, Time] = {}
    gone: Time | None = None


class Histogram(msgspec.Struct, kw_only=True):
    """Observations of one duration: *buckets* counts them by `HISTOGRAM_BOUNDS_SECONDS`, not cumulative."""

    buckets: list[int] = []
    sum_seconds: float = 0.0
