"""One record of bulk statistics into rows of figures."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from vmwatch.sample import Row, figures
from vmwatch.source.stats import convert, match
from vmwatch.source.stats_table import FIELDS

_DATA = Path(__file__).parent / "data"
_EVERY_FIELD: dict[str, Any] = json.loads((_DATA / "record-of-every-field.json").read_text())
_QEMU: dict[str, Any] = json.loads((_DATA / "record-qemu-9.0.0.json").read_text())
_NOW = 1_700_000_010.0

_SHARED_BY_THREE_EXPORTERS = {
    "libvirt_domain_info_maximum_memory_bytes",
    "libvirt_domain_info_memory_usage_bytes",
    "libvirt_domain_info_virtual_cpus",
    "libvirt_domain_info_cpu_time_seconds_total",
    "libvirt_domain_block_stats_read_bytes_total",
    "libvirt_domain_block_stats_read_requests_total",
    "libvirt_domain_block_stats_write_bytes_total",
    "libvirt_domain_block_stats_write_requests_total",
    "libvirt_domain_block_stats_flush_requests_total",
    "libvirt_domain_interface_stats_receive_bytes_total",
    "libvirt_domain_interface_stats_receive_packets_total",
    "libvirt_domain_interface_stats_receive_errors_total",
    "libvirt_domain_interface_stats_receive_drops_total",
    "libvirt_domain_interface_stats_transmit_bytes_total",
    "libvirt_domain_interface_stats_transmit_packets_total",
    "libvirt_domain_interface_stats_transmit_errors_total",
    "libvirt_domain_interface_stats_transmit_drops_total",
}

_OF_THE_INOVEX_EXPORTER = {  # 2.5.0: all that it reads from bulk statistics
    "libvirt_domain_memory_stats_current_balloon_bytes",
    "libvirt_domain_memory_stats_maximum_bytes",
    "libvirt_domain_memory_stats_swap_in_bytes",
    "libvirt_domain_memory_stats_swap_out_bytes",
    "libvirt_domain_memory_stats_major_fault_total",
    "libvirt_domain_memory_stats_minor_fault_total",
    "libvirt_domain_memory_stats_unused_bytes",
    "libvirt_domain_memory_stats_available_bytes",
    "libvirt_domain_memory_stats_usable_bytes",
    "libvirt_domain_memory_stats_last_update_timestamp_seconds",
    "libvirt_domain_memory_stats_disk_caches_bytes",
    "libvirt_domain_memory_stats_hugetlb_pgalloc_total",
    "libvirt_domain_memory_stats_hugetlb_pgfail_total",
    "libvirt_domain_memory_stats_rss_bytes",
    "libvirt_domain_memory_stats_used_percent",
    "libvirt_domain_block_stats_read_bytes_total",
    "libvirt_domain_block_stats_read_requests_total",
    "libvirt_domain_block_stats_write_bytes_total",
    "libvirt_domain_block_stats_write_requests_total",
    "libvirt_domain_block_stats_read_time_seconds_total",
    "libvirt_domain_block_stats_write_time_seconds_total",
    "libvirt_domain_block_stats_flush_requests_total",
    "libvirt_domain_block_stats_flush_time_seconds_total",
    "libvirt_domain_block_stats_capacity_bytes",
    "libvirt_domain_interface_stats_receive_bytes_total",
    "libvirt_domain_interface_stats_receive_packets_total",
    "libvirt_domain_interface_stats_receive_errors_total",
    "libvirt_domain_interface_stats_receive_drops_total",
    "libvirt_domain_interface_stats_transmit_bytes_total",
    "libvirt_domain_interface_stats_transmit_packets_total",
    "libvirt_domain_interface_stats_transmit_errors_total",
    "libvirt_domain_interface_stats_transmit_drops_total",
    "libvirt_domain_vcpu_current",
    "libvirt_domain_vcpu_maximum",
    "libvirt_domain_vcpu_state",
    "libvirt_domain_vcpu_time_seconds_total",
    "libvirt_domain_vcpu_wait_seconds_total",
    "libvirt_domain_vcpu_delay_seconds_total",
}


def _told(rows: list[Row]) -> dict[str, int | float]:
    return {column.key + "".join(f" {v}" for v in labels.values()): value for column, labels, value in figures(rows)}


def _converted(record: dict[str, Any], now: float = _NOW, period: float = 0.0) -> dict[str, int | float]:
    return _told(convert(record, now, period)[0])


def test_every_field_of_libvirt_has_its_figure() -> None:
    lines = []
    for column, labels, value in figures(convert(_EVERY_FIELD, _NOW)[0]):
        pairs = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{column.metric.name}{column.suffix}{{{pairs}}} {value} {column.metric.kind}")
    assert lines == (_DATA / "figures-of-every-field.txt").read_text().splitlines()


def test_every_field_is_known() -> None:
    assert convert(_EVERY_FIELD, _NOW)[1] == ()


def test_every_line_of_the_table_is_reached_by_a_key() -> None:
    reached = {matched[0].key for key in _EVERY_FIELD if (matched := match(key))}
    assert {field.key for field in FIELDS} - reached == {"balloon.used_percent"}


def test_the_names_that_the_common_exporters_share_are_there() -> None:
    names = {column.metric.name for column, _, _ in figures(convert(_EVERY_FIELD, _NOW)[0])}
    assert names >= _SHARED_BY_THREE_EXPORTERS


def test_the_names_of_the_inovex_exporter_are_there() -> None:
    names = {column.metric.name for column, _, _ in figures(convert(_EVERY_FIELD, _NOW)[0])}
    assert names >= _OF_THE_INOVEX_EXPORTER


def test_every_metric_says_what_it_is() -> None:
    metrics = [metric for field in FIELDS for metric in field.metrics]
    assert all(metric.help.endswith(".") and metric.name.startswith("libvirt_domain_") for metric in metrics)


def test_a_metric_has_one_meaning() -> None:
    metrics = {metric for field in FIELDS for metric in field.metrics}
    assert len(metrics) == len({metric.name for metric in metrics})


def test_a_real_record_is_wholly_known() -> None:
    rows, unknown = convert(_QEMU, _NOW)
    assert unknown == ()
    assert len(list(figures(rows))) == 106


def test_devices_go_by_their_names_not_by_their_place() -> None:
    told = _converted({"net.count": 2, "net.1.name": "vnet7", "net.1.rx.bytes": 5, "net.0.rx.bytes": 9})
    assert told == {"libvirt_domain_interfaces": 2, "libvirt_domain_interface_stats_receive_bytes_total vnet7": 5}


def test_of_two_devices_with_one_name_the_first_is_told() -> None:
    record = {"block.0.name": "vda", "block.0.rd.reqs": 1, "block.1.name": "vda", "block.1.rd.reqs": 2}
    assert _converted(record) == {"libvirt_domain_block_stats_read_requests_total vda": 1}


def test_the_same_keys_with_other_names_are_other_devices() -> None:
    first = _converted({"block.0.name": "vda", "block.0.rd.reqs": 1})
    second = _converted({"block.0.name": "sda", "block.0.rd.reqs": 2})
    assert (list(first), list(second)) == (
        ["libvirt_domain_block_stats_read_requests_total vda"],
        ["libvirt_domain_block_stats_read_requests_total sda"],
    )


def test_rows_of_one_shape_share_their_columns() -> None:
    first = convert({"vcpu.0.state": 1, "vcpu.1.state": 1}, _NOW)[0]
    second = convert({"vcpu.0.state": 2}, _NOW)[0]
    assert first[0].columns is first[1].columns is second[0].columns


def test_units_are_seconds_and_bytes() -> None:
    told = _converted({"cpu.time": 100_000_000, "balloon.rss": 3, "dirtyrate.megabytes_per_second": 2})
    assert told == {
        "libvirt_domain_info_cpu_time_seconds_total": 0.1,
        "libvirt_domain_memory_stats_rss_bytes": 3072,
        "libvirt_domain_dirty_rate_bytes_per_second": 2097152,
    }


def test_truth_is_a_number() -> None:
    assert repr(_converted({"vcpu.3.halted": True})) == "{'libvirt_domain_vcpu_halted 3': 1}"


def test_an_unknown_key_is_named_and_harms_nothing() -> None:
    rows, unknown = convert({"vcpu.current": 2, "net.0.rx.teapots": 1, "teapot": 3, "vcpu.x.state": 1}, _NOW)
    assert unknown == ("net.0.rx.teapots", "teapot", "vcpu.x.state")
    assert _told(rows) == {"libvirt_domain_vcpu_current": 2, "libvirt_domain_info_virtual_cpus": 2}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "text"])
def test_what_is_no_number_is_absent(value: Any) -> None:
    assert _converted({"block.0.name": "vda", "block.0.rd.reqs": value, "vcpu.maximum": 1}) == {
        "libvirt_domain_vcpu_maximum": 1
    }


@pytest.mark.parametrize("updated", [0, 1_700_000_010 - 61])
def test_guest_memory_that_is_stale_or_was_never_told_is_absent(updated: int) -> None:
    told = _converted({**_EVERY_FIELD, "balloon.last-update": updated})
    memory = {name for name in told if name.startswith("libvirt_domain_memory_stats_")}
    assert memory == {
        "libvirt_domain_memory_stats_current_balloon_bytes",
        "libvirt_domain_memory_stats_maximum_bytes",
        "libvirt_domain_memory_stats_rss_bytes",
    }


def test_a_guest_that_tells_its_memory_seldom_is_given_time() -> None:
    record = {**_EVERY_FIELD, "balloon.last-update": 1_700_000_010 - 300}
    assert "libvirt_domain_memory_stats_usable_bytes" not in _converted(record)
    assert "libvirt_domain_memory_stats_usable_bytes" in _converted(record, period=100.0)


def test_a_histogram_is_cumulative_and_has_a_sum() -> None:
    prefix = "block.0.latency_histogram.read.bin"
    bins = {f"{prefix}.0.start": 0, f"{prefix}.0.value": 2, f"{prefix}.1.start": 10_000_000, f"{prefix}.1.value": 3}
    told = _converted({"block.0.name": "vda", "block.0.rd.times": 5_000_000_000, f"{prefix}.count": 2, **bins})
    name = "libvirt_domain_block_read_latency_seconds"
    assert {key: value for key, value in told.items() if key.startswith(name)} == {
        f"{name}_bucket.0.01 vda 0.01": 2,
        f"{name}_bucket.+Inf vda +Inf": 5,
        f"{name}_count vda": 5,
        f"{name}_sum vda": 5.0,
    }


def test_a_histogram_without_bounds_is_absent() -> None:
    assert _converted({"block.0.name": "vda", "block.0.latency_histogram.read.bin.0.value": 2}) == {}
