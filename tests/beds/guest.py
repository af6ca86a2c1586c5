"""Tiny real guests: what to define or start, and the keys by which a test tells them what to do."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import libvirt

from tests.beds.program import find, until
from tests.beds.rom import Key, rom

_STARTED_AT_ONCE = 4
_KEY_HELD_MILLISECONDS = 1


@cache
def kvm_is_usable() -> bool:
    """Tell whether this user may use the processor's virtualisation; else QEMU emulates one, quick enough for these."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def write_rom(folder: Path) -> Path:
    """Write the guests' firmware into *folder* and return its path."""
    path = folder / "guest.rom"
    path.write_bytes(rom())
    return path


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A disk in an image file; keys reach only the IDE disk `hda`."""

    image: Path
    target: str = "hda"
    format: Literal["raw", "qcow2"] = "raw"
    error_policy: Literal["stop", "report", "ignore", "enospace"] = "report"

    def xml(self) -> ElementTree.Element:
        """Return libvirt's description."""
        disk = ElementTree.Element("disk", type="file", device="disk")
        ElementTree.SubElement(disk, "driver", name="qemu", type=self.format, error_policy=self.error_policy)
        ElementTree.SubElement(disk, "source", file=str(self.image))
        ElementTree.SubElement(disk, "target", dev=self.target, bus="ide" if self.target.startswith("hd") else "virtio")
        return disk


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A guest that runs the firmware at *rom* and nothing else; it is a `pc` with ACPI, which can sleep.

    *metadata* and *devices* are XML, put in as they are.
    """

    name: str
    rom: Path
    uuid: str | None = None
    memory_mib: int = 16
    vcpus: int = 1
    on_poweroff: str = "destroy"
    on_reboot: str = "restart"
    on_crash: str = "destroy"
    panic_device: bool = True
    watchdog_action: str | None = None
    disks: Sequence[Disk] = ()
    interface: Literal["user"] | None = None
    metadata: str = ""
    devices: str = ""
    kvm: bool = field(default_factory=kvm_is_usable)

    def xml(self) -> str:
        """Return libvirt's description, with every name escaped as XML wants it."""
        domain = ElementTree.Element("domain", type="kvm" if self.kvm else "qemu")
        for tag, text in self._texts():
            ElementTree.SubElement(domain, tag).text = text
        ElementTree.SubElement(domain, "memory", unit="MiB").text = str(self.memory_mib)
        domain.append(self._firmware())
        domain.extend(_sleep_states())
        if not self.kvm:
            domain.append(_emulated_processor())
        domain.append(ElementTree.fromstring(f"<metadata>{self.metadata}</metadata>"))  # noqa: S314 - the test's own
        domain.append(self._devices())
        return ElementTree.tostring(domain, encoding="unicode")

    def _texts(self) -> Iterable[tuple[str, str]]:
        yield "name", self.name
        if self.uuid is not None:
            yield "uuid", self.uuid
        yield "vcpu", str(self.vcpus)
        yield "on_poweroff", self.on_poweroff
        yield "on_reboot", self.on_reboot
        yield "on_crash", self.on_crash

    def _firmware(self) -> ElementTree.Element:
        system = ElementTree.Element("os")
        ElementTree.SubElement(system, "type", arch="x86_64", machine="pc").text = "hvm"
        ElementTree.SubElement(system, "loader", readonly="yes", type="rom").text = str(self.rom)
        return system

    def _devices(self) -> ElementTree.Element:
        devices = ElementTree.fromstring(f"<devices>{self.devices}</devices>")  # noqa: S314 - the test's own
        ElementTree.SubElement(devices, "emulator").text = find("qemu-system-x86_64", package="qemu-system-x86")
        ElementTree.SubElement(devices, "controller", type="usb", model="none")
        devices.extend(disk.xml() for disk in self.disks)
        if self.interface is not None:
            interface = ElementTree.SubElement(devices, "interface", type=self.interface)
            ElementTree.SubElement(interface, "model", type="virtio")
        if self.panic_device:
            ElementTree.SubElement(devices, "panic", model="isa")
        if self.watchdog_action is not None:
            ElementTree.SubElement(devices, "watchdog", model="ib700", action=self.watchdog_action)
        return devices


def _sleep_states() -> Iterable[ElementTree.Element]:
    features = ElementTree.Element("features")
    ElementTree.SubElement(features, "acpi")
    power = ElementTree.Element("pm")
    ElementTree.SubElement(power, "suspend-to-mem", enabled="yes")
    ElementTree.SubElement(power, "suspend-to-disk", enabled="yes")
    return features, power


def _emulated_processor() -> ElementTree.Element:
    """Return a processor without a local APIC: the emulated one, turned off by the firmware, passes no interrupt on."""
    processor = ElementTree.Element("cpu", mode="custom", match="exact", check="none")
    ElementTree.SubElement(processor, "model", fallback="forbid").text = "qemu64"
    ElementTree.SubElement(processor, "feature", policy="disable", name="apic")
    return processor


def start(connection: libvirt.virConnect, guest: Guest) -> libvirt.virDomain:
    """Start *guest* as a transient domain."""
    return connection.createXML(guest.xml())


def define(connection: libvirt.virConnect, guest: Guest) -> libvirt.virDomain:
    """Define *guest* as a persistent domain; `create` starts it."""
    return connection.defineXML(guest.xml())


def start_all(connection: libvirt.virConnect, guests: Iterable[Guest]) -> list[libvirt.virDomain]:
    """Start *guests* side by side, some at once: 41 take about 6 s on two processors."""
    with ThreadPoolExecutor(_STARTED_AT_ONCE) as pool:
        return list(pool.map(lambda guest: start(connection, guest), guests))


def press(domain: libvirt.virDomain, key: Key) -> None:
    """Press *key* on the guest's keyboard: it acts within milliseconds, or as soon as it has begun.

    A reset empties the keyboard: wait for the reboot before the next key.
    """
    domain.sendKey(libvirt.VIR_KEYCODE_SET_ATSET2, _KEY_HELD_MILLISECONDS, [int(key)], 1, 0)


def press_power_button(domain: libvirt.virDomain) -> None:
    """Press the ACPI power button, which unlike a key is lost on a guest that has just begun, until it is heard."""

    def heard() -> bool:
        try:
            domain.shutdown()
            return bool(domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING)
        except libvirt.libvirtError:  # it has gone
            return True

    until(heard, f"{domain.name()} hears its power button")
