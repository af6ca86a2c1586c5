"""The Prometheus exporter's page: whole, in both formats, and what it may and may not contain."""

import asyncio
import gzip
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import libvirt
import pytest
from prometheus_client import Metric as ParsedMetric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.exporters.prometheus_scene import HOSTILE, answer, scene, scrape
from vmwatch.events import Domain, State, Time
from vmwatch.pipeline import Exporter
from vmwatch.sample import Column, Columns, DomainSample, HostSample, Kind, Metric, Row, columns_of, figures
from vmwatch.source.metadata import parse_definition
from vmwatch.source.sampler_host import read_host
from vmwatch_exporters.prometheus import Prometheus
from vmwatch_exporters.prometheus.text import static_labels

_DATA = Path(__file__).parent / "data"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_CHANGING = ("process_*", "vmwatch_build_info")

_EVERYTHING_DESCRIBED = """
<domain type='kvm'>
  <name>space_web</name><uuid>u</uuid><os><type arch='x' machine='y'>hvm</type></os>
  <metadata>
    <instance xmlns='http://openstack.org/xmlns/libvirt/nova/1.1'>
      <name>a</name><flavor name='b'/><root type='c' uuid='d'/>
      <owner><user uuid='e'>f</user><project uuid='g'>h</project></owner>
    </instance>
    <uid xmlns='http://kubevirt.io'>i</uid>
  </metadata>
  <devices>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <source protocol='rbd' name='image'/><target dev='vda' bus='virtio'/><serial>1</serial>
    </disk>
    <interface type='bridge'>
      <source bridge='br0' network='n'/><target dev='vnet0'/><mac address='m'/><model type='virtio'/><mtu size='1500'/>
      <virtualport><parameters interfaceid='p'/></virtualport>
    </interface>
  </devices>
</domain>
"""

conforms: list[Exporter] = [Prometheus()]


def _samples(families: Iterable[ParsedMetric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples), "a series stands twice on the page"
    return found


def _series(page: str, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
    return {
        pairs: value
        for (series, pairs), value in _samples(parse_text(page)).items()
        if series == name and pairs >= labels.items()
    }


def _value(page: str, name: str, **labels: str) -> float | None:
    found = list(_series(page, name, **labels).values())
    assert len(found) < 2
    return found[0] if found else None


@pytest.mark.parametrize(("accept", "file"), [("text/plain", "page.txt"), (_OPENMETRICS, "page.openmetrics.txt")])
async def test_the_whole_page(accept: str, file: str) -> None:
    exporter = Prometheus(compatibility=("tinkoff", "debian"), deny=_CHANGING)
    assert await scrape(scene(), exporter, accept=accept) == (_DATA / file).read_text()


async def test_both_formats_say_the_same_and_are_read_back_by_the_reference_parsers() -> None:
    watch, exporter = scene(), Prometheus(deny=_CHANGING)
    text = _samples(parse_text(await scrape(watch, exporter)))
    page = await scrape(watch, exporter, accept=_OPENMETRICS)
    openmetrics = _samples(parse_openmetrics(page))  # type: ignore[no-untyped-call]
    assert text == openmetrics
    assert len(text) > 300


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is in Debian's prometheus")
def test_promtool_finds_nothing_to_say() -> None:
    page = asyncio.run(scrape(scene(), Prometheus()))
    found = subprocess.run(["promtool", "check", "metrics"], input=page.encode(), capture_output=True, check=False)
    assert (found.returncode, found.stderr.decode(), found.stdout.decode()) == (0, "", "")


async def test_the_type_of_the_page_follows_what_is_accepted() -> None:
    watch, exporter = scene(), Prometheus()
    for accept, expected in (
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.5", "text/plain; version=0.0.4; charset=utf-8"),
        (_OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ):
        response, _ = await answer(watch, exporter, headers={"accept": accept})
        assert response.headers["content-type"] == expected


async def test_the_page_is_compressed_for_who_accepts_it() -> None:
    watch, exporter = scene(), Prometheus(deny=_CHANGING)
    response, body = await answer(watch, exporter, headers={"accept-encoding": "deflate, gzip;q=0.5"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-length"] == str(len(body))
    assert gzip.decompress(body).decode() == await scrape(watch, exporter, accept_encoding="gzip;q=0")


async def test_hostile_names_are_escaped_and_stay_on_their_line() -> None:
    page = await scrape(scene(), Prometheus())
    assert _value(page, "libvirt_domain_vcpu_current", domain=HOSTILE.replace("\ud800", "?")) == 1


async def test_a_label_that_is_very_long_is_cut_and_stays_unique() -> None:
    watch = scene()
    for end in "ab":
        watch.state.change_domain("node-1", f"u-long-{end}", "x" * 65536 + end).state = State.SHUTOFF
    page = await scrape(watch, Prometheus())
    names = {dict(pairs)["domain"] for pairs in _series(page, "libvirt_domain_info_state")}
    long = sorted(name for name in names if name.startswith("xxx"))
    assert [len(name) for name in long] == [256, 256]
    assert long[0] != long[1]


async def test_a_domain_is_in_one_state_and_in_no_other() -> None:
    page = await scrape(scene(), Prometheus())
    states = {
        dict(pairs)["state"]: value for pairs, value in _series(page, "libvirt_domain_state", domain="web-1").items()
    }
    assert states == {state: float(state is State.RUNNING) for state in State}
    assert _value(page, "libvirt_domain_info_state", domain="web-1") == 1


async def test_domains_of_a_host_that_is_away_are_in_an_unknown_state_and_keep_their_counters() -> None:
    page = await scrape(scene(), Prometheus())
    assert _value(page, "libvirt_up", host="node-2") == 0
    assert _value(page, "libvirt_domain_state", host="node-2", state="unknown") == 1
    assert _value(page, "libvirt_domain_state", host="node-2", state="running") == 0
    assert _value(page, "libvirt_domain_events_total", host="node-2", event="started") == 3
    assert {name for name, pairs in _samples(parse_text(page)) if ("host", "node-2") in pairs} == {
        "libvirt_up",
        "libvirt_domain_state",
        "libvirt_domain_events_total",
        "libvirt_domain_stops_total",
        "libvirt_domain_last_event_timestamp_seconds",
        "vmwatch_host_since_timestamp_seconds",
        *(
            f"libvirt_domain_{name}_seconds_{part}"
            for name in ("shutdown_flush", "outage", "migration_duration", "migration_downtime")
            for part in ("bucket", "count", "sum")
        ),
    }


async def test_a_sample_from_before_a_host_went_away_is_not_served() -> None:
    watch = scene()
    watch.statuses = watch.statuses[1:]
    watch.samples = [type(watch.samples[0])(host="node-2", time=Time(1), seconds=1.0, domains=watch.samples[0].domains)]
    assert not _series(await scrape(watch, Prometheus()), "libvirt_domain_vcpu_current")


async def test_a_host_that_has_left_the_configuration_leaves_nothing_behind() -> None:
    watch = scene()
    watch.statuses = watch.statuses[:1]
    assert not [
        pairs for _, pairs in _samples(parse_text(await scrape(watch, Prometheus()))) if ("host", "node-2") in pairs
    ]


async def test_a_domain_that_could_not_be_read_is_marked_and_has_no_figures() -> None:
    page = await scrape(scene(), Prometheus())
    assert _value(page, "libvirt_domain_timed_out", domain="hung") == 1
    assert _value(page, "libvirt_domain_timed_out", domain="web-1") == 0
    assert _value(page, "libvirt_domain_vcpu_current", domain="hung") is None
    assert _value(page, "libvirt_domain_last_sample_timestamp_seconds", domain="hung") is None


async def test_figures_of_a_life_that_has_ended_go_with_it() -> None:
    watch, exporter = scene(), Prometheus()
    page = await scrape(watch, exporter)
    assert _value(page, "libvirt_domain_vcpu_current", domain="web-1") is not None
    assert _value(page, "libvirt_domain_vcpu_current", domain="off") is None
    assert _value(page, "libvirt_domain_vcpu_current", domain="never-told") is None
    watch.state.change_domain("node-1", "u-web", "web-1").id = 99
    assert _value(await scrape(watch, exporter), "libvirt_domain_vcpu_current", domain="web-1") is None


async def test_a_domain_that_is_off_is_described_and_has_no_figures() -> None:
    names = {
        name
        for name, pairs in _samples(parse_text(await scrape(scene(), Prometheus())))
        if ("domain", "off-2") in pairs
    }
    assert names == {
        "libvirt_domain_info",
        "libvirt_domain_info_state",
        "libvirt_domain_state",
        "libvirt_domain_state_change_timestamp_seconds",
    }


async def test_a_domain_that_has_gone_keeps_its_counters_for_a_while() -> None:
    watch = scene()
    watch.state.change_counters("node-1", "gone").gone = Time(time.time_ns() - 60_000_000_000)
    page = await scrape(watch, Prometheus())
    assert _value(page, "libvirt_domain_stops_total", domain="gone", cause="guest-shutdown") == 2
    assert not _series(page, "libvirt_domain_state", domain="gone")
    page = await scrape(watch, Prometheus(keep_gone_seconds=30))
    assert "gone" in watch.state.counters["node-1"]
    watch.mounted.clear()
    assert 'domain="gone"' not in await scrape(watch, Prometheus(keep_gone_seconds=30))


async def test_what_was_told_since_the_last_scrape_is_on_the_next_one() -> None:
    watch, exporter = scene(), Prometheus()
    await scrape(watch, exporter)
    watch.state.change_counters("node-1", "web-1").events["started booted"] = 4
    watch.counted = {("libvirt", "domain.started"): 4, ("vmwatch", "host.connected"): 1}
    assert (
        _value(
            await scrape(watch, exporter), "libvirt_domain_events_total", host="node-1", domain="web-1", event="started"
        )
        == 4
    )


async def test_a_new_sample_replaces_the_old_one() -> None:
    watch, exporter = scene(), Prometheus()
    await scrape(watch, exporter)
    first = watch.samples[0]
    watch.samples = [type(first)(host="node-1", time=first.time, seconds=2.0, domains=first.domains[:1])]
    page = await scrape(watch, exporter)
    assert _value(page, "vmwatch_sample_duration_seconds", host="node-1") == 2.0
    assert _value(page, "libvirt_domain_timed_out", domain="hung") is None


async def test_collect_chooses_groups() -> None:
    page = await scrape(scene(), Prometheus(), query="collect[]=cpu&collect[]=perf")
    names = {name for name, _ in _samples(parse_text(page))}
    assert "libvirt_domain_info_cpu_time_seconds_total" in names
    assert "libvirt_domain_perf_cmt_bytes" in names
    assert all("cpu" in name or "perf" in name for name in names)


async def test_host_chooses_hosts() -> None:
    watch = scene()
    page = await scrape(watch, Prometheus(), query="host=node-2")
    assert watch.sampled[-1][1] == ["node-2"]
    assert {dict(pairs).get("host") for _, pairs in _samples(parse_text(page))} == {"node-2", None}


@pytest.mark.parametrize("query", ["collect[]=teapot", "host=nowhere"])
async def test_a_wrong_choice_says_what_there_is(query: str) -> None:
    response, body = await answer(scene(), Prometheus(), query=query)
    assert response.status_code == 400
    assert b"there are" in body


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("1", 0.5, 0.9), ("10", 7, 9), ("", 7, 10), ("nonsense", 7, 9), ("-1", 7, 10), ("nan", 7, 9)],
)
async def test_a_sample_is_asked_for_well_before_the_scrape_times_out(header: str, least: float, most: float) -> None:
    watch = scene()
    now = asyncio.get_running_loop().time()
    await scrape(watch, Prometheus(), X_Prometheus_Scrape_Timeout_Seconds=header)
    assert least < watch.sampled[0][0] - now < most + 1


async def test_series_of_virtual_cpus_and_devices_can_be_left_out() -> None:
    page = await scrape(scene(), Prometheus(per_vcpu=False, per_device=False))
    labels = {name for _, pairs in _samples(parse_text(page)) for name, _ in pairs}
    assert "iothread" in labels
    assert not labels & {"vcpu", "target_device"}


async def test_metrics_are_chosen_by_globs_on_their_names() -> None:
    exporter = Prometheus(allow=("libvirt_domain_*", "vmwatch_journal_*"), deny=("*_vcpu_*", "*_events"))
    names = {name for name, _ in _samples(parse_text(await scrape(scene(), exporter)))}
    assert "libvirt_domain_block_stats_read_bytes_total" in names
    assert "vmwatch_journal_writable" in names
    assert not [name for name in names if "_vcpu_" in name or name.startswith(("libvirt_up", "process_"))]
    assert "vmwatch_journal_events" not in names


async def test_static_labels_stand_on_every_series() -> None:
    page = await scrape(scene(), Prometheus(compatibility=("tinkoff",)))
    wanted = {("site", "berlin"), ("static_host", "clash"), ("data_center", 'a"b')}
    assert not [name for name, pairs in _samples(parse_text(page)) if not pairs >= wanted]


async def test_no_series_has_a_label_twice_whatever_the_static_labels_are_called() -> None:
    watch = scene()
    watch.labels = {}
    plain = await scrape(watch, Prometheus(compatibility=("tinkoff", "debian")))
    ours = {label for _, pairs in _samples(parse_text(plain)) for label, _ in pairs}
    with libvirt.open("test:///default") as connection:
        ours |= {label for _, labels, _ in figures(read_host(connection)) for label in labels}
    ours |= {label for row in parse_definition(_EVERYTHING_DESCRIBED).rows for label in row.columns.labels}
    assert {"mode", "mac_address", "serial", "flavor_name", "kubevirt_name", "os_type"} <= ours
    assert not ours & set(static_labels(dict.fromkeys(ours, "mine")))


async def test_a_label_out_of_metadata_that_is_called_like_a_static_one_is_renamed() -> None:
    watch = scene()
    team = columns_of("metadata_info", ("team",), (Column(Metric("team_info", Kind.INFO, "Whose.", "info")),))
    web = DomainSample(domain=Domain("u-web", "web-1", 3), state=State.RUNNING, time=Time(1), rows=(_row(team),))
    watch.samples = [HostSample(host="node-1", time=Time(1), seconds=1.0, domains=[web])]
    watch.labels = {"team": "mine"}
    (labels,) = _series(await scrape(watch, Prometheus()), "team_info")
    assert dict(labels) == {"host": "node-1", "domain": "web-1", "team": "mine", "metadata_team": "theirs"}


def _row(columns: Columns) -> Row:
    return Row(columns, ("theirs",), (1,))


async def test_other_exporters_names_are_there_when_asked_for() -> None:
    plain = {name for name, _ in _samples(parse_text(await scrape(scene(), Prometheus())))}
    both = {
        name for name, _ in _samples(parse_text(await scrape(scene(), Prometheus(compatibility=("tinkoff", "debian")))))
    }
    assert both - plain == {
        "libvirt_domain_info_vstate",
        "libvirt_domain_block_stats_allocation",
        "libvirt_domain_block_stats_physicalsize_bytes",
        "libvirt_domain_memory_stats_actual_balloon_bytes",
        "libvirt_domain_memory_stats_disk_cache_bytes",
        "libvirt_pool_info_capacity_bytes",
        "libvirt_domains_number",
        "libvirt_domain_state_code",
        "libvirt_domain_block_stats_read_seconds_total",
        "libvirt_domain_block_stats_write_seconds_total",
        "libvirt_domain_block_stats_flush_seconds_total",
    }


async def test_an_alias_has_its_own_label_names() -> None:
    page = await scrape(scene(), Prometheus(compatibility=("tinkoff",)))
    assert _value(page, "libvirt_pool_info_capacity_bytes", pool="default") == 2**40
    assert _value(page, "libvirt_storage_pool_capacity_bytes", storage_pool="default") == 2**40


async def test_the_process_and_the_build_are_told() -> None:
    page = await scrape(scene(), Prometheus())
    assert (_value(page, "process_resident_memory_bytes") or 0) > 1_000_000
    assert _series(page, "vmwatch_build_info")
