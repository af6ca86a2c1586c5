"""Every way in which a real guest ends, told as what it is."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.beds.guest import Guest, press, press_power_button, start
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.beds.rom import Key
from tests.e2e.watching import BOOTED, POWERED_OFF, assert_told, boot, end, find, power_off, wait_for

pytestmark = pytest.mark.real

KEYS = [
    (
        "power-off",
        Key.POWER_OFF,
        {},
        POWERED_OFF,
    ),
    (
        "panic",
        Key.PANIC,
        {},
        [
            "crashed/panicked running->crashed",
            "stopped/crashed crashed->shutoff cause=guest-panic",
            "undefined/removed shutoff->undefined",
            "outage cause=guest-panic end=undefined",
        ],
    ),
    (
        "hibernation",
        Key.SUSPEND_TO_DISK,
        {},
        [
            "pm-suspended/disk running->pmsuspended",
            "shutdown-finished/guest pmsuspended->shutdown",
            "stopped/shutdown shutdown->shutoff cause=hibernated flushed",
            "undefined/removed shutoff->undefined",
            "outage cause=hibernated end=undefined",
        ],
    ),
    (
        "watchdog-poweroff",
        Key.FIRE_WATCHDOG,
        {"watchdog_action": "poweroff"},
        [
            "watchdog-fired action=poweroff",
            "stopped/failed running->shutoff cause=watchdog",
            "undefined/removed shutoff->undefined",
            "outage cause=watchdog end=undefined",
        ],
    ),
    (
        "reset-destroys",
        Key.RESET,
        {"on_reboot": "destroy"},
        POWERED_OFF,
    ),
]


@pytest.mark.parametrize(("name", "key", "settings", "expected"), KEYS, ids=[name for name, *_ in KEYS])
def test_a_guest_that_ends_itself(
    name: str,
    key: Key,
    settings: dict[str, Any],
    expected: Sequence[str],
    vmwatch: Vmwatch,
    connection: libvirt.virConnect,
    rom: Path,
) -> None:
    domain = boot(vmwatch, connection, Guest(name=name, rom=rom, **settings))
    press(domain, key)
    wait_for(vmwatch, domain.name(), "domain.stopped")
    domain.undefine()
    assert_told(vmwatch, name, *BOOTED, *expected)


def test_a_guest_that_goes_on_after_its_panic(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="panic-restart", rom=rom, on_crash="restart"))
    press(domain, Key.PANIC)
    wait_for(vmwatch, domain.name(), "domain.outage")
    power_off(vmwatch, domain)
    assert_told(
        vmwatch,
        "panic-restart",
        *BOOTED,
        "crashed/panicked running->crashed",
        "rebooted part_of=crash-restart",
        "resumed/unpaused crashed->running part_of=crash-restart",
        "outage cause=guest-panic end=running",
        *POWERED_OFF,
    )
    assert find(vmwatch.events, "domain.outage", "panic-restart")["seconds"] > 0


def test_a_guest_kept_as_it_crashed(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    domain = boot(vmwatch, connection, Guest(name="panic-preserve", rom=rom, on_crash="preserve"))
    press(domain, Key.PANIC)
    wait_for(vmwatch, domain.name(), "domain.crashed")
    vmwatch.wait_for_metrics(
        lambda page: page.value("libvirt_domain_state", domain="panic-preserve", state="crashed") == 1, "it crashed"
    )
    end(domain)
    assert_told(
        vmwatch,
        "panic-preserve",
        *BOOTED,
        "crashed/panicked running->crashed",
        "shutdown-finished/host crashed->shutdown",
        "stopped/destroyed shutdown->shutoff cause=destroyed",
        "undefined/removed shutoff->undefined",
        "outage cause=guest-panic end=undefined",
    )


def test_a_transient_guest_at_its_power_button(vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path) -> None:
    press_power_button(start(connection, Guest(name="button", rom=rom)))
    assert_told(
        vmwatch,
        "button",
        "resumed/unpaused undefined->running part_of=boot",
        "started/booted running->running",
        "shutdown-finished/guest running->shutdown",
        "stopped/shutdown shutdown->undefined cause=guest-shutdown flushed",
        "outage cause=guest-shutdown end=undefined",
    )


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGKILL, ["stopped/failed running->shutoff cause=process-died"]),
        (
            signal.SIGTERM,
            [
                "shutdown-finished/host running->shutdown",
                "stopped/shutdown shutdown->shutoff cause=hypervisor-quit flushed",
            ],
        ),
    ],
)
def test_a_hypervisor_process_ended_by_a_signal(
    number: signal.Signals,
    told: list[str],
    vmwatch: Vmwatch,
    shared_libvirtd: Libvirtd,
    connection: libvirt.virConnect,
    rom: Path,
) -> None:
    domain = boot(vmwatch, connection, Guest(name=number.name, rom=rom))
    os.kill(shared_libvirtd.guest_pid(domain), number)
    wait_for(vmwatch, domain.name(), "domain.stopped")
    domain.create()
    assert_told(
        vmwatch,
        number.name,
        *BOOTED,
        *told,
        "resumed/unpaused shutoff->running part_of=boot",
        f"outage cause={told[-1].partition('cause=')[2].removesuffix(' flushed')} end=running",
        "started/booted running->running",
    )
