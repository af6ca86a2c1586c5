"""Statistics call by call, for what a driver does not have in bulk: in the words of libvirt's bulk statistics.

Called in the sampler's threads; everything blocks.  A call that the driver does not have is not made again; one that
fails for a domain costs that domain these figures; what a driver is known to answer without knowing is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import libvirt

from vmwatch.source.connection import UNSUPPORTED
from vmwatch.source.drivers import Driver, driver_of_type
from vmwatch.source.fallback_devices import Devices
from vmwatch.source.sampler_reader import Record

_GROUPS = {
    "info": ("cpu", "balloon", "vcpu"),
    "CPUStats": ("cpu",),
    "memoryStats": ("balloon",),
    "vcpus": ("vcpu",),
    "blockStats": ("block",),
    "interfaceStats": ("interface",),
}
"""The calls, and the groups of statistics that each tells something of."""


class Fallback:
    """Reads the domains of one host, one after the other: what belongs to *groups*."""

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = frozenset(groups)
        self._driver: Driver | None = None
        self._lacking: frozenset[str] = frozenset()
        self._devices = Devices()
        self._read: Mapping[str, Callable[[libvirt.virDomain], Record]] = {
            "info": _info,
            "CPUStats": _cpu,
            "memoryStats": _memory,
            "vcpus": _vcpus,
            "blockStats": partial(_blocks, self._devices),
            "interfaceStats": partial(_interfaces, self._devices),
        }

    def forget(self) -> None:
        """Ask anew what the host can: it may be another version of it."""
        self._driver, self._lacking = None, frozenset()

    def complete(self, connection: libvirt.virConnect, domain: libvirt.virDomain, record: Record) -> Record:
        """Return *record* with what else can be said of *domain*; libvirt.libvirtError where that is nothing."""
        driver = self._driver = self._driver or driver_of_type(connection.getType())
        wanted = self._groups.difference(driver.bulk) if record else self._groups
        calls = [call for call in driver.calls if call not in self._lacking and not wanted.isdisjoint(_GROUPS[call])]
        if record and not calls:
            return record
        more, failure = self._call(calls, connection, domain)
        if not record and "state.state" not in more:
            more |= _state_or_raise(domain, failure)
        return {key: value for key, value in more.items() if self._is_wanted(key) and key not in driver.wrong} | record

    def had(self, connection: libvirt.virConnect, domains: Sequence[libvirt.virDomain]) -> tuple[str, ...]:
        """Return the calls of which the driver does not say that it lacks them, asked of each of *domains*."""
        for domain in domains:
            with suppress(libvirt.libvirtError):  # it is gone, or the connection is: no word about the driver
                self._call([call for call in self._read if call not in self._lacking], connection, domain)
        return tuple(call for call in self._read if call not in self._lacking)

    def _call(
        self, calls: Sequence[str], connection: libvirt.virConnect, domain: libvirt.virDomain
    ) -> tuple[Record, libvirt.libvirtError | None]:
        """Make *calls*; return what they say, and the first failure."""
        record: Record = {}
        failure: libvirt.libvirtError | None = None
        for call in calls:
            try:
                record |= self._read[call](domain)
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN or not connection.isAlive():
                    raise
                if error.get_error_code() in UNSUPPORTED:
                    self._lacking |= {call}
                failure = failure or error
        return record, failure

    def _is_wanted(self, key: str) -> bool:
        group = key.partition(".")[0]
        return {"net": "interface"}.get(group, group) in self._groups or group == "state"


def _state_or_raise(domain: libvirt.virDomain, failure: libvirt.libvirtError | None) -> Record:
    """Return the state alone: a domain whose other figures cannot be read (OpenVZ's CPU time) still has one."""
    try:
        state, reason = domain.state()
    except libvirt.libvirtError as error:
        raise failure or error from None
    return {"state.state": state, "state.reason": reason}


def _info(domain: libvirt.virDomain) -> Record:
    state, maximum_kib, current_kib, vcpus, cpu_nanoseconds = domain.info()
    figures = {
        "balloon.maximum": maximum_kib,
        "balloon.current": current_kib,
        "vcpu.current": vcpus,
        "cpu.time": cpu_nanoseconds,
    }
    return {"state.state": state} | {key: value for key, value in figures.items() if value}  # 0 says nothing


def _cpu(domain: libvirt.virDomain) -> Record:
    (total,) = domain.getCPUStats(True)
    return {f"cpu.{key.removeprefix('cpu_').removesuffix('_time')}": value for key, value in total.items()}


_BALLOON_KEYS = {"actual": "current", "last_update": "last-update"}


def _memory(domain: libvirt.virDomain) -> Record:
    return {f"balloon.{_BALLOON_KEYS.get(key, key)}": value for key, value in domain.memoryStats().items()}


def _vcpus(domain: libvirt.virDomain) -> Record:
    record: Record = {}
    for number, state, nanoseconds, _processor in domain.vcpus()[0]:
        record[f"vcpu.{number}.state"] = state
        if nanoseconds:
            record[f"vcpu.{number}.time"] = nanoseconds
    return record


_BLOCK_KEYS = ("rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes", "errors")
_INTERFACE_KEYS = ("rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop")


def _blocks(devices: Devices, domain: libvirt.virDomain) -> Record:
    return _by_device("block", devices.of(domain).disks, _BLOCK_KEYS, domain.blockStats)


def _interfaces(devices: Devices, domain: libvirt.virDomain) -> Record:
    return _by_device("net", devices.of(domain).interfaces, _INTERFACE_KEYS, domain.interfaceStats)


def _by_device(kind: str, names: Sequence[str], keys: Sequence[str], call: Callable[[str], Sequence[int]]) -> Record:
    """Ask for each device; one that fails has no figures, all that fail are a failure."""
    record: dict[str, Any] = {f"{kind}.count": len(names)}
    failure: libvirt.libvirtError | None = None
    for number, name in enumerate(names):
        try:
            values = call(name)
        except libvirt.libvirtError as error:
            failure = error
            continue
        record[f"{kind}.{number}.name"] = name
        record |= {f"{kind}.{number}.{key}": value for key, value in zip(keys, values, strict=False) if value >= 0}
    if failure is not None and len(record) == 1:
        raise failure
    return record
