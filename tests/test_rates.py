"""Rates between two samples: for people, so never negative, never invented."""

from vmwatch.events import Domain, State, Time
from vmwatch.rates import Rates, rates
from vmwatch.sample import Column, DomainSample, HostSample, Kind, Metric, Number, Row, columns_of

CPU = "libvirt_domain_info_cpu_time_seconds_total"
READ = "libvirt_domain_block_stats_read_bytes_total"
RSS = "libvirt_domain_memory_stats_rss_bytes"
USAGE = "libvirt_domain_info_memory_usage_bytes"


def row(of: str, labels: dict[str, str], **values: Number) -> Row:
    columns = tuple(Column(Metric(name, Kind.COUNTER, "", of)) for name in values)
    return Row(columns_of(of, tuple(labels), columns), tuple(labels.values()), list(values.values()))


def sample(seconds: float, *rows: Row, number: int = 1) -> HostSample:
    time = Time(0, int(seconds * 1e9))
    domain = DomainSample(domain=Domain("u", "web", number), state=State.RUNNING, time=time, rows=rows)
    return HostSample(host="h", time=time, seconds=0.0, domains=[domain])


def test_counters_are_summed_over_devices_and_divided_by_the_time_between() -> None:
    earlier = sample(
        10,
        row("domain", {}, **{CPU: 5.0, RSS: 100}),
        row("block", {"target_device": "vda"}, **{READ: 100}),
        row("block", {"target_device": "vdb"}, **{READ: 1000}),
    )
    later = sample(
        12,
        row("domain", {}, **{CPU: 8.0, RSS: 300}),
        row("block", {"target_device": "vda"}, **{READ: 500}),
        row("block", {"target_device": "vdb"}, **{READ: 1200}),
    )
    assert rates([earlier], [later]) == {("h", "u"): Rates(memory_bytes=300, cpu=1.5, read=300.0)}


def test_a_first_sample_and_one_of_another_start_have_no_rates() -> None:
    first, restarted = sample(10, row("domain", {}, **{CPU: 5.0, USAGE: 7})), sample(12, number=2)
    assert rates([], [first]) == {("h", "u"): Rates(memory_bytes=7)}
    assert rates([first], [restarted]) == {("h", "u"): Rates()}


def test_a_counter_that_went_back_is_no_negative_rate() -> None:
    earlier, later = (sample(at, row("domain", {}, **{CPU: used})) for at, used in ((10, 5.0), (12, 1.0)))
    assert rates([earlier], [later])["h", "u"].cpu == 0.0


def test_a_sample_that_is_used_again_has_no_rates() -> None:
    same = sample(10, row("domain", {}, **{CPU: 5.0}))
    assert rates([same], [same])["h", "u"].cpu is None
