"""Guests that end while nobody looks, neither libvirt's daemon nor vmwatch: each end is told once, and as inferred."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.beds.guest import Guest, define, press, start
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.beds.program import state_of_process, until
from tests.beds.rom import Key
from tests.e2e.watching import assert_gapless, find, hosts, listed, story, wait_for

pytestmark = pytest.mark.real


def end_behind_its_back(pid: int) -> None:
    """Kill a guest's process, and wait until it has gone."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: state_of_process(pid) in ("", "Z"), "the guest's process has ended")


def begin(libvirtd: Libvirtd, rom: Path) -> Mapping[str, int]:
    """Run some guests; return the numbers of their processes."""
    with libvirtd.connection() as connection:
        define(connection, Guest(name="there-before", rom=rom))
        domains = [define(connection, Guest(name=name, rom=rom)) for name in ("dies", "powers-off")]
        for domain in domains:
            domain.create()
        domains += [start(connection, Guest(name=name, rom=rom)) for name in ("vanishes", "lasts")]
        return {domain.name(): libvirtd.guest_pid(domain) for domain in domains}


def test_guests_that_end_while_their_daemon_is_dead(libvirtd: Libvirtd, rom: Path, tmp_path: Path) -> None:
    pids = begin(libvirtd, rom)
    with Vmwatch(tmp_path, "run", configuration=hosts(**{"kvm-1": libvirtd.uri})) as vmwatch:
        listed(vmwatch)
        with libvirtd.connection() as connection:
            press(connection.lookupByName("powers-off"), Key.POWER_OFF)
            libvirtd.kill()
        for name in ("dies", "vanishes"):
            end_behind_its_back(pids[name])
        libvirtd.start()
        cause = assert_ends_told(vmwatch, libvirtd)
    assert cause in ("guest-shutdown", "process-died")  # as far as the daemon came in ending its process
    assert len([line for line in vmwatch.events if line["event"] == "host.connected"]) == 2


def test_guests_that_end_while_vmwatch_is_down(libvirtd: Libvirtd, rom: Path, tmp_path: Path) -> None:
    pids = begin(libvirtd, rom)
    with Vmwatch(tmp_path, "run", configuration=hosts(**{"kvm-1": libvirtd.uri})) as vmwatch:
        listed(vmwatch)
        assert vmwatch.terminate() == 0
        with libvirtd.connection() as connection:
            press(connection.lookupByName("powers-off"), Key.POWER_OFF)
            for name in ("dies", "vanishes"):
                end_behind_its_back(pids[name])
            until(lambda: connection.numOfDomains() == 1, "only one guest is left")
        vmwatch.start()
        assert assert_ends_told(vmwatch, libvirtd) == "guest-shutdown"
    assert {line["origin"] for line in vmwatch.events if line["event"] == "domain.stopped"} == {"resync", "libvirt"}


def assert_ends_told(vmwatch: Vmwatch, libvirtd: Libvirtd) -> str:
    """Fail unless each end is told once and life goes on after that; return the cause of the power-off."""
    for name in ("dies", "vanishes", "powers-off"):
        wait_for(vmwatch, name, "domain.stopped")
    with libvirtd.connection() as connection:
        connection.lookupByName("dies").create()
        connection.lookupByName("lasts").destroy()
    wait_for(vmwatch, "lasts", "domain.outage")
    assert vmwatch.terminate() == 0
    assert_gapless(vmwatch.events)
    stops = [line for line in vmwatch.events if line["event"] == "domain.stopped"]
    causes = {line["domain"]: str(line["cause"]) for line in stops}
    assert len(stops) == len(causes)
    cause = causes.pop("powers-off")
    assert causes == {"dies": "process-died", "vanishes": "unknown", "lasts": "destroyed"}
    assert story(vmwatch.events, "dies") == [
        "discovered reason=booted",
        "stopped running->shutoff cause=process-died reason=crashed",
        "resumed/unpaused shutoff->running part_of=boot",
        "outage cause=process-died end=running",
        "started/booted running->running",
    ]
    inferred = find(vmwatch.events, "domain.outage", "dies")
    assert "seconds" not in inferred  # one of its ends is inferred
    return cause
