"""Live migration between two daemons that one vmwatch watches: one guest, two hosts, one story."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Guest, define
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Line, Vmwatch
from tests.beds.program import free_port
from tests.e2e.watching import BOOTED, DESTROYED, assert_gapless, hosts, listed, settled, short, story

pytestmark = pytest.mark.real

FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE

LEFT = (
    "migration-iteration",
    "suspended/migrated running->paused part_of=migration",
    "migration-iteration",
    "stopped/migrated paused->shutoff part_of=migration cause=migrated",
    "job-completed part_of=migration operation=migration-out",
)
ARRIVED = (
    "started/migrated shutoff->paused part_of=migration",
    "defined/added paused->paused part_of=migration",
    "resumed/migrated paused->running part_of=migration",
    "migration result=completed",
)


@pytest.fixture
def other_libvirtd(capabilities: Path) -> Iterator[Libvirtd]:
    with Libvirtd(host_name="other", capabilities=capabilities) as daemon:
        yield daemon


def test_a_guest_moves_and_moves_back(libvirtd: Libvirtd, other_libvirtd: Libvirtd, rom: Path, tmp_path: Path) -> None:
    configuration = hosts(**{"kvm-1": libvirtd.uri, "kvm-2": other_libvirtd.uri})
    with libvirtd.connection() as here, other_libvirtd.connection() as there, ExitStack() as running:
        for connection in (here, there):
            define(connection, Guest(name="there-before", rom=rom))
        vmwatch = running.enter_context(Vmwatch(tmp_path, "run", configuration=configuration))
        listed(vmwatch, host="kvm-1")
        listed(vmwatch, host="kvm-2")
        domain = define(here, Guest(name="mover", rom=rom))
        domain.create()
        moved = migrate(domain, there)
        vmwatch.wait_for(lambda line: line["event"] == "domain.migration")
        migrate(moved, here)
        vmwatch.wait_for(lambda line: line["event"] == "domain.migration" and line["host"] == "kvm-1")
        here.lookupByName("mover").destroy()
        vmwatch.wait_for(lambda line: line["event"] == "domain.stopped" and line["cause"] == "destroyed")
        told = vmwatch.events.copy()
        assert vmwatch.terminate() == 0
    assert_gapless(vmwatch.events)
    assert settled(story(told, "mover", host="kvm-1")) == [*BOOTED, *LEFT, *ARRIVED, *DESTROYED[:2]]
    assert settled(story(told, "mover", host="kvm-2")) == [
        ARRIVED[0].replace("shutoff", "undefined"),
        *ARRIVED[1:],
        *LEFT,
    ]
    assert_measured(vmwatch.events, "kvm-1", "kvm-2")
    assert_measured(vmwatch.events, "kvm-2", "kvm-1")


def assert_measured(events: Sequence[Line], from_host: str, to_host: str) -> None:
    """Fail unless the migration was told where the guest is now, with what libvirt measured and what it rests on."""
    (line,) = [line for line in events if line["event"] == "domain.migration" and line["host"] == to_host]
    assert (line["from_host"], line["to_host"], line["seen"], line["origin"]) == (from_host, to_host, "both", "derived")
    assert 0 < line["downtime_seconds"] <= line["duration_seconds"]
    evidence = sorted(short(other) for other in events if other["event_id"] in line["evidence"])
    assert evidence == sorted(
        [
            ARRIVED[0] if to_host == "kvm-1" else ARRIVED[0].replace("shutoff", "undefined"),
            ARRIVED[2],
            *LEFT[1::2],
            LEFT[4],
        ]
    )


def migrate(domain: libvirt.virDomain, target: libvirt.virConnect) -> libvirt.virDomain:
    """Move *domain* to *target* for good, and return it as it is there."""
    parameters = {libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://127.0.0.1:{free_port()}"}
    return domain.migrate3(target, parameters, FLAGS)
