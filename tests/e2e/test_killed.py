"""A broker, a daemon, vmwatch itself: each is killed while events flow, and nothing is lost."""

from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Guest, define, start
from tests.beds.kafka import Broker
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Line, Vmwatch
from tests.e2e.watching import (
    all_exporters,
    assert_gapless,
    by_key,
    flow,
    hosts,
    journal,
    listed,
    story,
    told_in,
    wait_for_more,
)

pytestmark = pytest.mark.real

NAMES = ("test", "second", "third")


def three_guests(connection: libvirt.virConnect) -> None:
    """Add two guests to the one that libvirt's test driver has."""
    for name in NAMES[1:]:
        xml = f"<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        connection.createXML(xml)


def test_each_event_reaches_a_broker_that_is_killed_meanwhile(
    fresh_broker: Broker, test_daemon: Libvirtd, tmp_path: Path
) -> None:
    configuration = hosts(**{"kvm-1": test_daemon.uri}) + all_exporters(fresh_broker, "killed")
    with test_daemon.connection() as connection, Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        three_guests(connection)
        listed(vmwatch, domain="test")
        with flow(connection, *NAMES):
            told_in(fresh_broker, "killed.events", vmwatch.events)
            fresh_broker.kill()
            wait_for_more(vmwatch, 200)
            suspended = vmwatch.metrics().value("libvirt_domain_events_total", domain="test", event="suspended")
            vmwatch.wait_for_metrics(
                lambda page: page.value("libvirt_domain_events_total", domain="test", event="suspended") != suspended,
                "metrics go on",
            )
            fresh_broker.start()
            wait_for_more(vmwatch, 200)
        told = told_with_the_end(fresh_broker, "killed.events", connection, vmwatch)
        assert vmwatch.terminate() == 0
    assert_gapless(vmwatch.events)
    assert by_key(told) == by_key(vmwatch.events)


def test_what_was_in_the_journal_of_a_killed_vmwatch_is_in_kafka(
    broker: Broker, test_daemon: Libvirtd, tmp_path: Path
) -> None:
    configuration = hosts(**{"kvm-1": test_daemon.uri}) + all_exporters(broker, "survivor")
    with test_daemon.connection() as connection, Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        three_guests(connection)
        listed(vmwatch, domain="test")
        with flow(connection, *NAMES):
            wait_for_more(vmwatch, 500)
            vmwatch.kill()
            in_journal = journal(vmwatch)
            vmwatch.start()
            wait_for_more(vmwatch, 200)
        told = told_with_the_end(broker, "survivor.events", connection, vmwatch)
        assert vmwatch.terminate() == 0
    assert len(in_journal) > 100
    assert {event["id"] for event in in_journal} <= {line["event_id"] for line in told}
    assert_gapless(sorted(told, key=lambda line: (line["host"], line["sequence"])))
    for lines in by_key(told).values():
        assert_rising(lines)


def told_with_the_end(broker: Broker, topic: str, connection: libvirt.virConnect, vmwatch: Vmwatch) -> list[Line]:
    """End a guest, and return what *topic* tells as soon as it tells that and what the log tells since the start."""
    connection.lookupByName(NAMES[-1]).destroy()
    end = vmwatch.wait_for(lambda line: line["event"] == "domain.outage")
    since = max(number for number, line in enumerate(vmwatch.events) if line["event"] == "host.connected")
    return told_in(broker, topic, [*vmwatch.events[since:], end])


def assert_rising(lines: list[Line]) -> None:
    """Fail where the sequence goes back."""
    sequences = [line["sequence"] for line in lines]
    assert sequences == sorted(sequences)


def test_a_daemon_that_is_killed_is_told_and_watched_again(libvirtd: Libvirtd, rom: Path, tmp_path: Path) -> None:
    with libvirtd.connection() as connection:
        define(connection, Guest(name="there-before", rom=rom))
        start(connection, Guest(name="lasting", rom=rom))
    with Vmwatch(tmp_path, "run", configuration=hosts(**{"kvm-1": libvirtd.uri})) as vmwatch:
        listed(vmwatch)
        vmwatch.wait_for_metrics(lambda page: page.value("libvirt_up", host="kvm-1") == 1, "the host is up")
        libvirtd.kill()
        away = vmwatch.wait_for(lambda line: line["event"] == "host.disconnected")
        page = vmwatch.metrics()
        assert page.value("libvirt_up", host="kvm-1") == 0
        assert page.value("libvirt_domain_state", host="kvm-1", domain="lasting", state="unknown") == 1
        assert away["reason"]
        libvirtd.start()
        vmwatch.wait_for_metrics(lambda page: page.value("libvirt_up", host="kvm-1") == 1, "the host is back")
        with libvirtd.connection() as connection:
            connection.lookupByName("lasting").suspend()
        vmwatch.wait_for(lambda line: line["event"] == "domain.suspended" and line["domain"] == "lasting")
        assert vmwatch.terminate() == 0
    assert_gapless(vmwatch.events)
    assert [line["event"] for line in vmwatch.events if line["host"] == "kvm-1" and line["origin"] == "vmwatch"] == [
        "host.connected",
        "host.disconnected",
        "host.connected",
    ]
    assert story(vmwatch.events, "lasting", origin="libvirt") == ["suspended/paused running->paused"]
