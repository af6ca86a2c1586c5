"""One guest's life from its start to its power-off, in all three outputs at once."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import libvirt
import pytest

from tests.beds.fetch import Page
from tests.beds.guest import Guest, define, press, start
from tests.beds.kafka import Broker
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.beds.program import until
from tests.beds.rom import Key
from tests.beds.topics import Record
from tests.e2e.slow_disk import slow_disk
from tests.e2e.watching import all_exporters, assert_told, by_key, find, hosts, listed, told_in

pytestmark = pytest.mark.real

LIFE = (
    "resumed/unpaused undefined->running part_of=boot",
    "started/booted running->running",
    "suspended/paused running->paused",
    "resumed/unpaused paused->running",
    "shutdown-finished/guest running->shutdown",
)
END = ("stopped/shutdown shutdown->undefined cause=guest-shutdown flushed", "outage cause=guest-shutdown end=undefined")


def test_lines_metrics_and_records_tell_the_same_life(
    broker: Broker, shared_libvirtd: Libvirtd, connection: libvirt.virConnect, rom: Path, tmp_path: Path
) -> None:
    define(connection, Guest(name="there-before", rom=rom))
    configuration = hosts(**{"kvm-1": shared_libvirtd.uri}) + all_exporters(broker, "life")
    with slow_disk() as disk, Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        listed(vmwatch)
        domain = start(connection, Guest(name="life", rom=rom, devices=disk.device))
        domain.suspend()
        domain.resume()
        press(domain, Key.WRITE_DISK)
        until(lambda: domain.blockStats("hda")[3] == 512, "there is something to flush")
        disk.hang()
        press(domain, Key.POWER_OFF)
        assert_told(vmwatch, "life", *LIFE)
        assert vmwatch.wait_for_metrics(states, "the guest has a state") == {"shutdown"}
        key = f"kvm-1/{domain.UUIDString()}".encode()
        broker.read_until("life.state", lambda records: stored_state(records, key) == "shutdown")
        assert domain.isActive()
        disk.go_on()
        assert_told(vmwatch, "life", *LIFE, *END)
        assert find(vmwatch.events, "domain.stopped", "life")["flush_seconds"] > 0
        broker.read_until("life.state", lambda records: stored_state(records, key) == "gone")
        vmwatch.wait_for_metrics(lambda page: counted(page) == in_lines(vmwatch), "the counters agree with the lines")
        assert vmwatch.metrics().value("libvirt_domain_stops_total", domain="life", cause="guest-shutdown") == 1
        assert vmwatch.terminate() == 0
    assert by_key(told_in(broker, "life.events", vmwatch.events)) == by_key(vmwatch.events)


def states(page: Page) -> set[str]:
    """Return the states that are 1."""
    found = page.all("libvirt_domain_state", domain="life")
    return {sample.labels["state"] for sample in found if sample.value == 1}


def stored_state(records: Sequence[Record], key: bytes) -> str:
    """Return what the last of *records* with that *key* says."""
    values = [record.value for record in records if record.key == key]
    if not values:
        return "not told"
    return "gone" if values[-1] is None else str(json.loads(values[-1])["state"])


def counted(page: Page) -> dict[str, float]:
    """Return how often each type was counted that was seen."""
    samples = page.all("libvirt_domain_events_total", domain="life")
    return {sample.labels["event"]: sample.value for sample in samples if sample.value}


def in_lines(vmwatch: Vmwatch) -> Mapping[str, float]:
    """Return how often each type is among the lines; the resume that is part of the boot does not count."""
    mine = [line for line in vmwatch.events if line.get("domain") == "life" and line.get("part_of") != "boot"]
    counts = Counter(line["event"].removeprefix("domain.") for line in mine)
    return {kind: float(count) for kind, count in counts.items()}
