import queue
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.beds.guest import Disk, Guest, define, press, press_power_button, start, start_all
from tests.beds.libvirtd import Libvirtd
from tests.beds.program import PATIENCE_SECONDS, until
from tests.beds.rom import Key
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real

Callback = tuple[int, ...]  # the event's number; for lifecycle events kind and detail, too

LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
REBOOT = libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
CLOCK = libvirt.VIR_DOMAIN_EVENT_ID_RTC_CHANGE
WATCHDOG = libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG


class Listener:
    """All that is told about the guests of one daemon."""

    def __init__(self, connection: libvirt.virConnect) -> None:
        self._told: queue.Queue[tuple[str, Callback]] = queue.Queue()
        self._connection = connection
        self._registered = [
            connection.domainEventRegisterAny(None, number, self._take, number)
            for number in (LIFECYCLE, REBOOT, CLOCK, WATCHDOG)
        ]

    def _take(self, _connection: object, domain: libvirt.virDomain, *arguments: Any) -> None:
        *details, number = arguments
        self._told.put((domain.name(), (number, *details) if number == LIFECYCLE else (number,)))

    def until_told(self, callback: Callback, domain: libvirt.virDomain) -> None:
        while self._told.get(timeout=PATIENCE_SECONDS) != (domain.name(), callback):
            pass

    def close(self) -> None:
        for registered in self._registered:
            self._connection.domainEventDeregisterAny(registered)


@pytest.fixture(scope="module")
def connection(shared_libvirtd: Libvirtd) -> Iterator[libvirt.virConnect]:
    start_event_loop()
    with shared_libvirtd.connection() as connection:
        yield connection
        for domain in connection.listAllDomains():
            domain.destroy()


@pytest.fixture(scope="module")
def listener(connection: libvirt.virConnect) -> Iterator[Listener]:
    with closing(Listener(connection)) as listener:
        yield listener


@pytest.fixture(scope="module")
def lasting(connection: libvirt.virConnect, rom: Path, tmp_path_factory: pytest.TempPathFactory) -> libvirt.virDomain:
    image = tmp_path_factory.mktemp("disk") / "image"
    image.write_bytes(bytes(1 << 20))
    return start(connection, Guest(name="lasting", rom=rom, disks=[Disk(image=image)], watchdog_action="none"))


@pytest.mark.parametrize(
    ("key", "callback"),
    [
        (Key.SET_CLOCK, (CLOCK,)),
        (Key.FIRE_WATCHDOG, (WATCHDOG,)),
        (Key.CRASH_LOADED, (LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_CRASHED, libvirt.VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED)),
        (Key.RESET, (REBOOT,)),
    ],
)
def test_a_key_makes_a_guest_do_something_and_go_on(
    key: Key, callback: Callback, lasting: libvirt.virDomain, listener: Listener
) -> None:
    press(lasting, key)
    listener.until_told(callback, lasting)
    assert lasting.state()[0] == libvirt.VIR_DOMAIN_RUNNING


@pytest.mark.parametrize(
    ("key", "kind", "detail"),
    [
        (Key.POWER_OFF, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST),
        (Key.PANIC, libvirt.VIR_DOMAIN_EVENT_CRASHED, libvirt.VIR_DOMAIN_EVENT_CRASHED_PANICKED),
        (Key.SUSPEND_TO_DISK, libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED, libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED_DISK),
    ],
)
def test_a_key_ends_a_guest(
    key: Key, kind: int, detail: int, connection: libvirt.virConnect, listener: Listener, rom: Path
) -> None:
    domain = start(connection, Guest(name=key.name, rom=rom))
    press(domain, key)
    listener.until_told((LIFECYCLE, kind, detail), domain)
    until(lambda: key.name not in names(connection), "guest gone")


def names(connection: libvirt.virConnect) -> list[str]:
    return [domain.name() for domain in connection.listAllDomains()]


def test_a_guest_sleeps_and_wakes(connection: libvirt.virConnect, listener: Listener, rom: Path) -> None:
    domain = start(connection, Guest(name="sleeper", rom=rom))
    press(domain, Key.SUSPEND_TO_MEMORY)
    listener.until_told((LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED, 0), domain)
    domain.pMWakeup()
    listener.until_told((LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_WAKEUP), domain)
    press(domain, Key.SET_CLOCK)
    listener.until_told((CLOCK,), domain)


def test_a_guest_powers_off_at_its_power_button(connection: libvirt.virConnect, listener: Listener, rom: Path) -> None:
    domain = start(connection, Guest(name="button", rom=rom))
    press_power_button(domain)
    listener.until_told((LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_STOPPED, 0), domain)


def test_an_emulated_processor_runs_a_guest_too(connection: libvirt.virConnect, listener: Listener, rom: Path) -> None:
    domain = start(connection, Guest(name="emulated", rom=rom, kvm=False))
    press(domain, Key.POWER_OFF)
    listener.until_told((LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_STOPPED, 0), domain)


def test_disk_and_processor_figures_move(lasting: libvirt.virDomain) -> None:
    press(lasting, Key.READ_DISK)
    until(lambda: lasting.blockStats("hda")[1] == 512, "a sector is read")
    press(lasting, Key.WRITE_DISK)
    until(lambda: lasting.blockStats("hda")[3] == 512, "a sector is written")
    cpu_seconds = lasting.info()[4] / 1e9
    press(lasting, Key.WORK)
    until(lambda: lasting.info()[4] / 1e9 > cpu_seconds + 0.2, "the processor is busy")
    press(lasting, Key.SET_CLOCK)


def test_a_guest_lets_go_of_a_device(connection: libvirt.virConnect, rom: Path) -> None:
    interface = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"
    domain = start(connection, Guest(name="unplugged", rom=rom, devices=interface))
    domain.detachDevice(interface)
    until(lambda: "52:54:00:00:00:01" not in domain.XMLDesc(), "device gone")


def test_a_name_may_be_anything_libvirt_takes(connection: libvirt.virConnect, rom: Path) -> None:
    name = "Büro \"1\" <'&'> 東京 \u2028 \t\\ ${x} \U0001f600"
    metadata = "<n:n xmlns:n='urn:n'>a &lt; b\n</n:n>"
    domain = define(connection, Guest(name=name, rom=rom, metadata=metadata))
    told = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:n")
    domain.undefine()
    assert domain.name() == name
    assert "a &lt; b\n" in told


def test_many_guests_start_side_by_side(connection: libvirt.virConnect, rom: Path) -> None:
    domains = start_all(connection, [Guest(name=f"many-{number}", rom=rom) for number in range(3)])
    assert [domain.name() for domain in domains] == ["many-0", "many-1", "many-2"]
