"""What is counted of each event: by the domain's name, by the stop's cause, and durations by host.

All origins count.  Duplicates are not counted twice, the resume of a boot is no resume, and the resets of a wake-up or
a crash-restart are no reboots; `domain.discovered` counts nowhere.
"""

from bisect import bisect_left
from functools import lru_cache

from vmwatch.counters import HISTOGRAM_BOUNDS_SECONDS, Histogram
from vmwatch.events import (
    EVENT_CLASSES,
    Cause,
    Discovered,
    DomainEvent,
    Event,
    LifecycleEvent,
    Migration,
    Outage,
    PartOf,
    Time,
    device,
    lifecycle,
)
from vmwatch.state import KnownState
from vmwatch.words import is_word

KEEP_GONE = 3_600_000_000_000  # nanoseconds; must be more than exporters show them for

_DETAIL: dict[type[DomainEvent], str] = {
    device.WatchdogFired: "action",
    device.DiskError: "action",
    device.Graphics: "phase",
    device.BlockJob: "status",
    device.DiskChanged: "reason",
    device.TrayChanged: "reason",
    device.AgentChanged: "status",
    device.ChannelChanged: "status",
    device.JobCompleted: "operation",
    device.MetadataChanged: "part",
    device.MemoryFailure: "action",
    Migration: "result",
    **{kind: "detail" for kind in EVENT_CLASSES.values() if issubclass(kind, LifecycleEvent)},
}
"""Which field of an event is counted as its detail: those that are words of an enum."""

_NAMES = {kind: name.removeprefix("domain.") for name, kind in EVENT_CLASSES.items()}

_NOT_COUNTED: dict[type[DomainEvent], frozenset[PartOf]] = {
    lifecycle.Resumed: frozenset({PartOf.BOOT}),
    device.Rebooted: frozenset({PartOf.WAKEUP, PartOf.CRASH_RESTART}),
}
"""As part of what an event is not counted as what it looks like."""


def count(known: KnownState, event: DomainEvent) -> None:
    """Count *event* under its domain's name, and observe the durations that it tells."""
    kind = type(event)
    if kind in _DURATIONS:
        _observe_durations(known, event)
    if not _counts(kind, event):
        return
    counters = known.change_counters(event.host, event.domain.name)
    name, field = _NAMES[kind], _DETAIL.get(kind)
    key = _key(name, getattr(event, field) or "" if field else "")
    counters.events[key] = counters.events.get(key, 0) + 1
    counters.last[name] = event.time
    if kind is lifecycle.Stopped:
        cause: Cause = event.cause or Cause.UNKNOWN  # type: ignore[attr-defined]
        counters.stops[cause] = counters.stops.get(cause, 0) + 1


def _counts(kind: type[DomainEvent], event: DomainEvent) -> bool:
    if kind is Discovered or getattr(event, "duplicate", False):
        return False
    parts = _NOT_COUNTED.get(kind)
    return parts is None or event.part_of not in parts  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def _key(name: str, detail: str) -> str:
    return f"{name} {detail if is_word(detail) else ''}"


_DURATIONS = frozenset({lifecycle.Stopped, Outage, Migration})


def _observe_durations(known: KnownState, event: Event) -> None:
    if isinstance(event, lifecycle.Stopped):
        _observe(known, event.host, "shutdown_flush", event.flush_seconds)
    elif isinstance(event, Outage):
        _observe(known, event.host, "outage", event.seconds)
    elif isinstance(event, Migration):
        _observe(known, event.host, "migration_duration", event.duration_seconds)
        _observe(known, event.host, "migration_downtime", event.downtime_seconds)


def _observe(known: KnownState, host: str, name: str, seconds: float | None) -> None:
    if seconds is None:
        return
    bounds = HISTOGRAM_BOUNDS_SECONDS[name]
    histogram = known.host(host).histograms.setdefault(name, Histogram(buckets=[0] * (len(bounds) + 1)))
    histogram.buckets[bisect_left(bounds, seconds)] += 1
    histogram.sum_seconds += seconds


def mark_there(known: KnownState, host: str, name: str) -> None:
    """Note that a domain called *name* exists: it has counters from now on, at zero if it had none."""
    known.change_counters(host, name).gone = None


def mark_gone(known: KnownState, host: str, name: str, at: Time) -> None:
    """Note that a domain called *name* has gone; its counters stay for a while, unless another has the same name."""
    if not any(domain.name == name and domain.exists for domain in known.domains[host].values()):
        known.change_counters(host, name).gone = at
    _forget_long_gone(known, host, at)


def _forget_long_gone(known: KnownState, host: str, at: Time) -> None:
    for name, counters in list(known.counters[host].items()):
        if counters.gone is not None and at - counters.gone > KEEP_GONE:
            known.forget_counters(host, name)
