"""Samples on their whole way: from libvirt's test driver by `vmwatch run` to a JSON line and to Kafka's topic."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.beds.process import Line, Vmwatch
from tests.beds.topics import Record

SAMPLES = {"domain.sampled", "host.sampled"}
CONFIGURATION = """
[[libvirt]]
uri = "test:///default"
name = "here"
[stats]
interval = 0.2
[exporters.prometheus]
[exporters.json_log]
samples = true
"""
KAFKA = """
[exporters.kafka]
brokers = ["{broker}"]
topic = "whole-way.events"
state_topic = ""
samples_topic = "whole-way.samples"
create_topics = true
"""


def _is_sample(line: Line) -> bool:
    return line["event"] in SAMPLES


def _two_of_each(lines: list[Line]) -> tuple[list[Line], list[Line]] | None:
    hosts = [line for line in lines if line["event"] == "host.sampled"]
    domains = [line for line in lines if line["event"] == "domain.sampled"]
    return (hosts, domains) if min(len(hosts), len(domains)) > 1 else None


def test_samples_are_told_in_each_interval_to_who_asks_for_them(tmp_path: Path) -> None:
    with Vmwatch(tmp_path, "run", configuration=CONFIGURATION) as vmwatch:
        hosts, domains = vmwatch.wait_until(_two_of_each)
        stored = vmwatch.metrics().value("vmwatch_journal_events")
    assert (domains[0]["domain"], domains[0]["state"], domains[0]["origin"]) == ("test", "running", "vmwatch")
    assert hosts[0]["values"]["libvirt_host_cpus"] == 16
    assert not [line for line in (*hosts, *domains) if line.get("sequence") is not None]
    others = [line["sequence"] for line in vmwatch.events if not _is_sample(line) and line["host"] == "here"]
    assert others == list(range(1, len(others) + 1))
    assert stored is not None
    assert stored <= len([line for line in vmwatch.events if not _is_sample(line)])


@pytest.mark.real
def test_samples_go_to_their_own_topic_and_events_to_theirs(broker: Broker, tmp_path: Path) -> None:
    configuration = CONFIGURATION + KAFKA.format(broker=broker.bootstrap)
    with Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        vmwatch.wait_until(_two_of_each)
        broker.read_until("whole-way.samples", lambda records: _types(records) == SAMPLES)
        broker.read_until("whole-way.events", lambda records: "domain.discovered" in _types(records))
    assert not _types(broker.read_all("whole-way.events")) & SAMPLES


def _types(records: Sequence[Record]) -> set[str]:
    return {json.loads(record.value or b"{}")["type"] for record in records}
