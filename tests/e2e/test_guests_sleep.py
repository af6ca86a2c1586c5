"""Real guests that sleep, are saved, snapshotted, reset: told as steps of that, and nothing more."""

from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Disk, Guest, press
from tests.beds.process import Vmwatch
from tests.beds.rom import Key
from tests.e2e.qcow2 import write_qcow2
from tests.e2e.watching import BOOTED, DESTROYED, POWERED_OFF, assert_told, boot, end, power_off, wait_for

pytestmark = pytest.mark.real

RESTORED = (
    "started/restored shutoff->paused part_of=restore",
    "resumed/from-snapshot paused->running part_of=restore",
    "outage cause=saved end=running",
)
SAVED = (
    "suspended/paused running->paused",
    "migration-iteration",
    "migration-iteration",
    "job-completed operation=save",
    "stopped/saved paused->shutoff cause=saved",
)
THIRD_OUTAGE = (DESTROYED[0], "flapping", *DESTROYED[1:])


def test_a_guest_sleeps_and_wakes(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="sleeper", rom=rom))
    press(domain, Key.SUSPEND_TO_MEMORY)
    wait_for(vmwatch, domain.name(), "domain.pm-suspended")
    domain.pMWakeup()
    wait_for(vmwatch, domain.name(), "domain.started", times=2)
    power_off(vmwatch, domain)
    assert_told(
        vmwatch,
        "sleeper",
        *BOOTED,
        "pm-suspended/memory running->pmsuspended",
        "started/wakeup pmsuspended->running part_of=wakeup",
        *POWERED_OFF,
    )


def test_a_guest_that_resets_itself(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="resetter", rom=rom))
    press(domain, Key.RESET)
    wait_for(vmwatch, domain.name(), "domain.rebooted")
    power_off(vmwatch, domain)
    assert_told(vmwatch, "resetter", *BOOTED, "rebooted", *POWERED_OFF)


def test_a_watchdog_that_resets(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="watchdog-reset", rom=rom, watchdog_action="reset"))
    press(domain, Key.FIRE_WATCHDOG)
    wait_for(vmwatch, domain.name(), "domain.rebooted")
    power_off(vmwatch, domain)
    assert_told(vmwatch, "watchdog-reset", *BOOTED, "watchdog-fired action=reset", "rebooted", *POWERED_OFF)


def test_a_watchdog_that_pauses(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="watchdog-pause", rom=rom, watchdog_action="pause"))
    press(domain, Key.FIRE_WATCHDOG)
    wait_for(vmwatch, domain.name(), "domain.suspended")
    domain.resume()
    wait_for(vmwatch, domain.name(), "domain.resumed", times=2)
    end(domain)
    assert_told(
        vmwatch,
        "watchdog-pause",
        *BOOTED,
        "watchdog-fired action=pause",
        "suspended/watchdog running->paused",
        "resumed/unpaused paused->running",
        *DESTROYED,
    )


def test_a_guest_is_saved_and_restored(
    vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path, tmp_path: Path
) -> None:
    domain = boot(vmwatch, connection, Guest(name="saved", rom=rom))
    domain.save(str(tmp_path / "saved"))
    connection.restore(str(tmp_path / "saved"))
    domain.managedSave()
    domain.create()
    end(domain)
    assert_told(vmwatch, "saved", *BOOTED, *SAVED, *RESTORED, *SAVED, *RESTORED, *THIRD_OUTAGE)


def test_a_guest_goes_back_to_its_snapshot(
    vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path, tmp_path: Path
) -> None:
    disk = Disk(image=write_qcow2(tmp_path / "image"), format="qcow2")
    domain = boot(vmwatch, connection, Guest(name="reverted", rom=rom, disks=[disk]))
    snapshot = domain.snapshotCreateXML("<domainsnapshot/>")
    domain.revertToSnapshot(snapshot)
    domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
    snapshot.delete()
    end(domain)
    assert_told(
        vmwatch,
        "reverted",
        *BOOTED,
        "suspended/paused running->paused",
        "migration-iteration",
        "migration-iteration",
        "resumed/unpaused paused->running",
        "stopped/from-snapshot running->shutoff part_of=revert cause=snapshot-revert",
        "started/from-snapshot shutoff->paused part_of=revert",
        "resumed/from-snapshot paused->running part_of=revert",
        "defined/from-snapshot running->running part_of=revert",
        "stopped/from-snapshot running->shutoff part_of=revert cause=snapshot-revert",
        "started/from-snapshot shutoff->paused part_of=revert",
        "suspended/from-snapshot paused->paused part_of=revert",
        "defined/from-snapshot paused->paused part_of=revert",
        "shutdown-finished/host paused->shutdown",
        "stopped/destroyed shutdown->shutoff cause=destroyed",  # it was not up: no outage
        "undefined/removed shutoff->undefined",
    )
