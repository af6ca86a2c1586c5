"""Rows of figures, and the events that tell them."""

from vmwatch.encode import decode, encode
from vmwatch.events import Domain, DomainSampled, HostSampled, Origin, State, Time
from vmwatch.sample import (
    Column,
    DomainSample,
    HostSample,
    Kind,
    Metric,
    Row,
    columns_of,
    figures,
    sample_events,
    without_figures,
)

_CPU = Metric("cpu_seconds_total", Kind.COUNTER, "CPU time.", "cpu")
_READ = Metric("read_bytes_total", Kind.COUNTER, "Bytes read.", "block")
_STAT = Metric("stat", Kind.UNKNOWN, "Something.", "vm")
_INFO = Metric("domain_info", Kind.INFO, "What it is.", "info")

_OWN = columns_of("domain", (), (Column(_CPU), Column(_STAT, (("stat", "exits"), ("type", "sum")))))
_DISK = columns_of("block", ("target_device",), (Column(_READ),))
_ROWS = (
    Row(_OWN, (), (1.5, 7)),
    Row(_DISK, ("vda",), (512,)),
    Row(columns_of("info", ("os",), (Column(_INFO),)), ("hvm",), (1,)),
)
_WEB = Domain(uuid="5c0c6f3a", name="web-1", id=3)


def _sample(**changes: object) -> HostSample:
    domain = DomainSample(domain=_WEB, state=State.RUNNING, time=Time(5), rows=_ROWS)
    return HostSample(host="h", time=Time(9), seconds=0.1, domains=(domain, *changes.values()))  # type: ignore[arg-type]


def test_equal_heads_are_one_object() -> None:
    assert columns_of("block", ("target_device",), (Column(_READ),)) is _DISK


def test_figures_carry_all_their_labels() -> None:
    assert list(figures(_ROWS[:2])) == [
        (_OWN.columns[0], {}, 1.5),
        (_OWN.columns[1], {"stat": "exits", "type": "sum"}, 7),
        (_DISK.columns[0], {"target_device": "vda"}, 512),
    ]


def test_a_sample_is_told_as_one_event_for_the_host_and_one_for_each_domain() -> None:
    host, domain = sample_events(_sample())
    assert host == HostSampled(time=Time(9), host="h", origin=Origin.VMWATCH, values={})
    assert domain == DomainSampled(
        time=Time(5),
        host="h",
        origin=Origin.VMWATCH,
        domain=_WEB,
        state=State.RUNNING,
        values={"cpu_seconds_total": 1.5, "stat.exits.sum": 7},
        devices={"block": {"vda": {"read_bytes_total": 512}}},
    )


def test_a_domain_that_could_not_be_read_is_not_told() -> None:
    late = DomainSample(domain=_WEB, state=State.RUNNING, time=Time(5), timed_out=True, rows=_ROWS)
    never = DomainSample(domain=_WEB, state=State.RUNNING, time=None)
    assert len(list(sample_events(_sample(late=late, never=never)))) == 2


def test_sampled_events_go_to_json_and_back() -> None:
    events = list(sample_events(_sample()))
    assert [decode(encode(event)) for event in events] == events


def test_what_came_too_late_is_marked_and_described() -> None:
    off = DomainSample(domain=Domain(uuid="u-off", name="off"), state=State.SHUTOFF, time=None, rows=_ROWS[2:])
    web, still_off = without_figures(_sample(off=off)).domains
    assert (web.domain, web.timed_out, web.time, list(web.rows)) == (_WEB, True, Time(5), [_ROWS[2]])
    assert (still_off.timed_out, list(still_off.rows)) == (False, [_ROWS[2]])
