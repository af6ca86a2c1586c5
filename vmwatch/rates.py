"""What happens each second in a domain, from two samples of it: for people who look, as in `vmwatch top`; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from vmwatch.sample import DomainSample, HostSample, Row, figures

MEMORY = ("libvirt_domain_memory_stats_rss_bytes", "libvirt_domain_info_memory_usage_bytes")
"""What a domain uses: the first that is told."""

COUNTERS = {
    "cpu": "libvirt_domain_info_cpu_time_seconds_total",
    "read": "libvirt_domain_block_stats_read_bytes_total",
    "written": "libvirt_domain_block_stats_write_bytes_total",
    "received": "libvirt_domain_interface_stats_receive_bytes_total",
    "sent": "libvirt_domain_interface_stats_transmit_bytes_total",
}
"""What is counted, over all devices, by the name it has in `Rates`."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """One domain's figures: seconds of CPU and bytes, each for a second; None is what cannot be told (yet)."""

    memory_bytes: float | None = None
    cpu: float | None = None
    read: float | None = None
    written: float | None = None
    received: float | None = None
    sent: float | None = None


def rates(earlier: Iterable[HostSample], later: Iterable[HostSample]) -> dict[tuple[str, str], Rates]:
    """Return the rates between two samples of the same hosts, by host and the domain's uuid."""
    before = {(host.host, one.domain.uuid): one for host in earlier for one in host.domains}
    return {
        (host.host, one.domain.uuid): _between(before.get((host.host, one.domain.uuid)), one)
        for host in later
        for one in host.domains
    }


def _between(earlier: DomainSample | None, later: DomainSample) -> Rates:
    totals = _totals(later.rows)
    memory = next((totals[name] for name in MEMORY if name in totals), None)
    if earlier is None or earlier.domain.id != later.domain.id or earlier.time is None or later.time is None:
        return Rates(memory_bytes=memory)
    seconds = later.time.since(earlier.time)
    if seconds <= 0:
        return Rates(memory_bytes=memory)
    return Rates(memory_bytes=memory, **_each_second(_totals(earlier.rows), totals, seconds))


def _each_second(before: Mapping[str, float], now: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {
        name: max(0.0, now[metric] - before[metric]) / seconds
        for name, metric in COUNTERS.items()
        if metric in before and metric in now
    }


def _totals(rows: Sequence[Row]) -> dict[str, float]:
    totals: defaultdict[str, float] = defaultdict(float)
    for column, _labels, value in figures(rows):
        totals[column.metric.name] += value
    return totals
