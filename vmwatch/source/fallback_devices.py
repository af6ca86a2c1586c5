"""Which disks and interfaces a domain has, from its XML, kept for a while: for statistics that are asked by device."""

import time
from typing import NamedTuple
from xml.etree import ElementTree

import libvirt

KEEP_SECONDS = 60.0  # a device that was plugged in is seen after this time at the latest
MOST_DOMAINS = 10_000


class DomainDevices(NamedTuple):
    """The names that libvirt takes for them: targets."""

    disks: tuple[str, ...]
    interfaces: tuple[str, ...]


class Devices:
    """The devices of one host's domains."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[float, DomainDevices]] = {}

    def of(self, domain: libvirt.virDomain) -> DomainDevices:
        """Return the devices of *domain*; libvirt.libvirtError where it does not tell."""
        key, at = (domain.UUIDString(), domain.ID()), time.monotonic()
        found = self._found.get(key)
        if found is not None and at - found[0] < KEEP_SECONDS:
            return found[1]
        devices = devices_of(domain.XMLDesc(0))
        if len(self._found) >= MOST_DOMAINS:
            self._found.clear()
        self._found[key] = (at, devices)
        return devices


def devices_of(xml: str) -> DomainDevices:
    """Return the devices that a domain's *xml* names.

    A container has no disks of its own: its figures are asked for by an empty name, and are those of all together
    (libvirt 9.0.0).
    """
    root = ElementTree.fromstring(xml)  # noqa: S314 - written by libvirt
    disks = ("",) if root.get("type") == "lxc" else _targets(root, "disk")
    return DomainDevices(disks, _targets(root, "interface"))


def _targets(root: ElementTree.Element, kind: str) -> tuple[str, ...]:
    targets = (target.get("dev") for target in root.iterfind(f"./devices/{kind}/target"))
    return tuple(target for target in targets if target)
