"""Libvirt's test driver behind a mask, for drivers that cannot be had here.

These are bhyve, ch, Virtuozzo, Hyper-V, VirtualBox, and POWER as a libvirt before 6.0.0 has it.

Everything real is the test driver's: domains, calls, callbacks, their order.  The mask takes away and changes what the
driver's row in `vmwatch.source.drivers` says, and nothing else:

* the type is the row's;
* without events, their registration is refused; bhyve and ch tell only what libvirt itself did (define, undefine,
  start, destroy), so what looks here like a guest's own doing is silent; Virtuozzo says "started" for a resume and
  "shutdown" for every stop;
* without bulk statistics they are refused, and so is each call that is not in the row; Virtuozzo has its five groups
  (but for the state they are those recorded of a guest of QEMU, as the test driver has none) and refuses NOWAIT and
  BACKING;
* a CPU time or memory that is always 0 is 0, and ids that mean nothing are other ones each time.

So these tests show that vmwatch does what the rows ask for, not that the rows are right.
"""

import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import libvirt

from vmwatch.source.connection import open_libvirt
from vmwatch.source.drivers import Driver, Events
from vmwatch.source.sampler_reader import GROUP_BITS

_DEFINED, _UNDEFINED, _STARTED, _SUSPENDED, _RESUMED, _STOPPED = range(6)
_BOOTED, _SHUTDOWN, _DESTROYED = 0, 0, 1

_CALLS = {
    "getCPUStats": "CPUStats",
    **{call: call for call in ("memoryStats", "vcpus", "blockStats", "interfaceStats")},
}

_RECORDED = json.loads((Path(__file__).parent / "data" / "record-qemu-9.0.0.json").read_text())
_REFUSED_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING

_ids = count(1000)

Event = tuple[int, int]
"""Kind and detail of a lifecycle callback."""


def by_libvirt_only(event: Event) -> Event | None:
    """Let pass what libvirt did on request."""
    kind, detail = event
    told = kind in (_DEFINED, _UNDEFINED, _STARTED) or (kind == _STOPPED and detail == _DESTROYED)
    return event if told else None


def as_virtuozzo_says(event: Event) -> Event | None:
    """Change what Virtuozzo's driver says in other words."""
    return {_RESUMED: (_STARTED, _BOOTED), _STOPPED: (_STOPPED, _SHUTDOWN)}.get(event[0], event)


def unsupported(call: str) -> libvirt.libvirtError:
    """Return what libvirt raises for a call that a driver does not have."""
    text = f"this function is not supported by the connection driver: {call}"
    return _error(libvirt.VIR_ERR_NO_SUPPORT, text, call)


def _refused(flags: int) -> libvirt.libvirtError:
    text = f"invalid argument: unsupported flags (0x{flags:x}) in function vzConnectGetAllDomainStats"
    return _error(libvirt.VIR_ERR_INVALID_ARG, text, "vzConnectGetAllDomainStats")


def _error(code: int, text: str, call: str) -> libvirt.libvirtError:
    error = libvirt.libvirtError("")
    error.err = (code, libvirt.VIR_FROM_NONE, text, libvirt.VIR_ERR_ERROR, call, None, None, -1, -1)
    error.args = (text,)
    return error


def _recorded(groups: int) -> dict[str, Any]:
    """Return what was recorded of *groups* (bits), by libvirt's keys."""
    names = [{"interface": "net"}.get(name, name) for name, bit in GROUP_BITS.items() if groups & bit]
    return {key: value for key, value in _RECORDED.items() if key.partition(".")[0] in names}


class MaskedConnection:
    """A connection to the test driver that passes for one of *driver*.

    *flags_asked* has the flags of each call for bulk statistics.
    """

    def __init__(self, connection: libvirt.virConnect, driver: Driver) -> None:
        self._connection = connection
        self._driver = driver
        self.flags_asked: list[int] = []
        self._translate: Callable[[Event], Event | None] = lambda event: event
        if driver.type == "vz":
            self._translate = as_virtuozzo_says
        elif driver.events is Events.PARTIAL:
            self._translate = by_libvirt_only

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def getType(self) -> str:  # noqa: N802 - libvirt's name
        return self._driver.type

    def domainEventRegisterAny(self, domain: Any, number: int, callback: Any, opaque: Any) -> int:  # noqa: N802
        if self._driver.events is Events.NONE:
            raise unsupported("virConnectDomainEventRegisterAny")
        if number == libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE:
            callback = self._translated(callback)
        return int(self._connection.domainEventRegisterAny(domain, number, callback, opaque))

    def _translated(self, callback: Any) -> Any:
        def told(connection: Any, domain: Any, kind: int, detail: int, opaque: Any) -> None:
            event = self._translate((kind, detail))
            if event is not None:
                callback(connection, domain, *event, opaque)

        return told

    def listAllDomains(self, flags: int = 0) -> list["MaskedDomain"]:  # noqa: N802
        return [MaskedDomain(domain, self, self._driver) for domain in self._connection.listAllDomains(flags)]

    def lookupByUUIDString(self, uuid: str) -> "MaskedDomain":  # noqa: N802
        return MaskedDomain(self._connection.lookupByUUIDString(uuid), self, self._driver)

    def getAllDomainStats(self, groups: int = 0, flags: int = 0) -> Any:  # noqa: N802
        return self.domainListGetStats([], groups, flags)

    def domainListGetStats(self, domains: Sequence["MaskedDomain"], groups: int = 0, flags: int = 0) -> Any:  # noqa: N802
        self.flags_asked.append(flags)
        if not self._driver.bulk:
            raise unsupported("virConnectGetAllDomainStats")
        if flags & _REFUSED_FLAGS:
            raise _refused(flags & _REFUSED_FLAGS)
        groups &= sum(GROUP_BITS[name] for name in self._driver.bulk)
        records = self._connection.domainListGetStats([one.real for one in domains], groups, flags)
        return [(MaskedDomain(domain, self, self._driver), _recorded(groups) | record) for domain, record in records]


class MaskedDomain:
    """A domain of the test driver that passes for one of *driver*."""

    def __init__(self, real: libvirt.virDomain, connection: MaskedConnection, driver: Driver) -> None:
        self.real = real
        self._connection = connection
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        if name in _CALLS and _CALLS[name] not in self._driver.calls:
            raise unsupported(name)
        return getattr(self.real, name)

    def connect(self) -> MaskedConnection:
        return self._connection

    def ID(self) -> int:  # noqa: N802
        number: int = self.real.ID()
        return next(_ids) if number >= 0 and not self._driver.new_ids else number

    def info(self) -> list[int]:
        state, maximum, current, vcpus, nanoseconds = self.real.info()
        wrong = self._driver.wrong
        return [
            state,
            0 if "balloon.maximum" in wrong else maximum,
            0 if "balloon.current" in wrong or self._driver.type == "bhyve" else current,
            vcpus,
            0 if "cpu.time" in wrong else nanoseconds,
        ]


def mask(driver: Driver) -> Callable[[str], Any]:
    """Return what opens a URI of the test driver as if it were one of *driver*."""
    return lambda uri: MaskedConnection(open_libvirt(uri), driver)
