"""What is known of domains and what was counted, as lines of text: states, events, stops, durations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import TypeVar

from vmwatch.counters import HISTOGRAM_BOUNDS_SECONDS, DomainCounters
from vmwatch.events import State
from vmwatch.pipeline import HostStatus
from vmwatch.sample import Kind, Metric
from vmwatch.state import KnownDomain, KnownHost
from vmwatch_exporters.prometheus.naming import Naming
from vmwatch_exporters.prometheus.series import CHUNK, Piece, plain_series
from vmwatch_exporters.prometheus.text import escape

_C, _G = Kind.COUNTER, Kind.GAUGE

_STATE = Metric("libvirt_domain_state", _G, "1 for the state that the domain is in, 0 for all others.", "state")
_INFO_STATE = Metric("libvirt_domain_info_state", _G, "The domain's state as libvirt's number.", "state")
_STARTED = Metric("libvirt_domain_start_timestamp_seconds", _G, "When the domain became active.", "state")
_CHANGED = Metric("libvirt_domain_state_change_timestamp_seconds", _G, "When its state was entered.", "state")
_DOMAINS = Metric("libvirt_domains", _G, "How many domains the host has.", "state")
_HOST_DOMAINS = Metric("libvirt_host_domains", _G, "How many of the host's domains are in each state.", "state")
_EVENTS = Metric("libvirt_domain_events_total", _C, "Events of the domain, by type and libvirt's detail.", "events")
_STOPS = Metric("libvirt_domain_stops_total", _C, "Stops of the domain, by cause.", "events")
_LAST = Metric("libvirt_domain_last_event_timestamp_seconds", _G, "When the domain's last such event was.", "events")

_DURATIONS = {
    name: Metric(f"libvirt_domain_{name}_seconds", Kind.HISTOGRAM, text, "events")
    for name, text in (
        ("shutdown_flush", "From the guest's end of shutdown to the end of its process."),
        ("outage", "How long domains were down, where both ends were seen."),
        ("migration_duration", "How long migrations took."),
        ("migration_downtime", "How long guests stood still at the end of migrations."),
    )
}

STATE_NUMBERS = {
    State.RUNNING: 1,
    State.PAUSED: 3,
    State.SHUTDOWN: 4,
    State.SHUTOFF: 5,
    State.CRASHED: 6,
    State.PMSUSPENDED: 7,
}
"""libvirt's virDomainState of each state that is one."""

T = TypeVar("T")

Labels = Callable[[str], str]
"""The labels of a domain's series, from its name."""


def labels_of(host: str, static: str) -> Labels:
    """Return what makes the labels of the *host*'s domains, with the text of the *static* ones."""
    before, after = f'host="{escape(host)}",domain="', f'"{static}'
    return lambda name: f"{before}{escape(name)}{after}"


def state_series(status: HostStatus, domains: Sequence[KnownDomain], static: str, naming: Naming) -> Iterator[Piece]:
    """Yield what is known of a host's *domains*: while it is away, only that their state is unknown."""
    labels = labels_of(status.host, static)
    numbers: dict[State, int] = dict.fromkeys((state for state in State if state is not State.UNDEFINED), 0)
    names: set[str] = set()
    for chunk in _chunks(domains):
        some = list({one.name: one for one in chunk if one.exists and one.name not in names}.values())
        names.update(one.name for one in some)
        for one in some:  # before anything is yielded: a domain may go between two pieces
            numbers[one.state] += 1
        yield from _states(some if status.up else [], some, labels, naming)
        if status.up:
            yield from _times(some, labels, naming)
    if status.up:
        yield from _host_series(status.host, numbers, static, naming)


def _host_series(name: str, numbers: Mapping[State, int], static: str, naming: Naming) -> Iterator[Piece]:
    host = f'host="{escape(name)}"'
    yield from plain_series(naming, _DOMAINS, [(host + static, sum(numbers.values()))])
    counted = [(f'{host},state="{state}"{static}', number) for state, number in numbers.items()]
    yield from plain_series(naming, _HOST_DOMAINS, counted)


def _states(
    up: Sequence[KnownDomain], domains: Sequence[KnownDomain], labels: Labels, naming: Naming
) -> Iterator[Piece]:
    shown = {domain.uuid: domain.state for domain in up}
    rows = [
        (f'{labels(domain.name)},state="{state}"', int(shown.get(domain.uuid, State.UNKNOWN) is state))
        for domain in domains
        for state in State
    ]
    yield from plain_series(naming, _STATE, rows)
    numbers = [(labels(domain.name), STATE_NUMBERS[domain.state]) for domain in up if domain.state in STATE_NUMBERS]
    yield from plain_series(naming, _INFO_STATE, numbers)


def _times(domains: Sequence[KnownDomain], labels: Labels, naming: Naming) -> Iterator[Piece]:
    started = [(labels(one.name), one.started / 1e9) for one in domains if one.started and one.state.active]
    yield from plain_series(naming, _STARTED, started)
    yield from plain_series(naming, _CHANGED, [(labels(one.name), one.since / 1e9) for one in domains if one.since])


def counter_series(host: str, counters: Mapping[str, DomainCounters], static: str, naming: Naming) -> Iterator[Piece]:
    """Yield what was counted of the *host*'s domains."""
    labels = labels_of(host, static)
    for some in _chunks(counters.items()):
        named = [(labels(name), one) for name, one in some]
        events = [(who + _event_and_detail(key), number) for who, one in named for key, number in one.events.items()]
        yield from plain_series(naming, _EVENTS, events)
        stops = [(f'{who},cause="{escape(cause)}"', n) for who, one in named for cause, n in one.stops.items()]
        yield from plain_series(naming, _STOPS, stops)
        last = [(who + _event(key), time / 1e9) for who, one in named for key, time in one.last.items()]
        yield from plain_series(naming, _LAST, last)


@lru_cache(maxsize=4096)
def _event_and_detail(key: str) -> str:
    event, _, detail = key.partition(" ")
    return f'{_event(event)},detail="{escape(detail)}"'


@lru_cache(maxsize=4096)
def _event(key: str) -> str:
    return f',event="{escape(key.removeprefix("domain."))}"'


def duration_series(host: KnownHost, static: str, naming: Naming) -> Iterator[Piece]:
    """Yield the histograms of one host."""
    who = f'host="{escape(host.name)}"{static}'
    for name, metric in _DURATIONS.items():
        histogram = host.histograms.get(name)
        buckets = (
            histogram.buckets if histogram and histogram.buckets else [0] * (len(HISTOGRAM_BOUNDS_SECONDS[name]) + 1)
        )
        counts = list(accumulate(buckets))
        bounds = [*map(repr, HISTOGRAM_BOUNDS_SECONDS[name]), "+Inf"]
        lines = [f'_bucket{{{who},le="{bound}"}} {n}\n' for bound, n in zip(bounds, counts, strict=True)]
        lines += [f"_count{{{who}}} {counts[-1]}\n", f"_sum{{{who}}} {histogram.sum_seconds if histogram else 0.0}\n"]
        for named, _ in naming.names(metric):
            yield named, "".join(named.name + line for line in lines)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    these = iter(list(items))  # a copy: others change them between two pieces
    while some := list(islice(these, CHUNK)):
        yield some
