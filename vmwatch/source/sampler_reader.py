"""The libvirt calls of the sampler, made in its threads: list, read, describe, probe.  All of them block."""

from collections.abc import Callable, Sequence
from typing import Any

import libvirt
import msgspec
import structlog

from vmwatch.events import Domain
from vmwatch.source.connection import UNSUPPORTED

Record = dict[str, Any]
"""What libvirt says of one domain, by its keys of bulk statistics."""

PerDomain = Callable[[libvirt.virConnect, libvirt.virDomain, Record], Record]
"""Completes a record call by call, where bulk statistics lack something; it is empty where there are none."""

GROUP_BITS = {
    "state": libvirt.VIR_DOMAIN_STATS_STATE,
    "cpu": libvirt.VIR_DOMAIN_STATS_CPU_TOTAL,
    "balloon": libvirt.VIR_DOMAIN_STATS_BALLOON,
    "vcpu": libvirt.VIR_DOMAIN_STATS_VCPU,
    "interface": libvirt.VIR_DOMAIN_STATS_INTERFACE,
    "block": libvirt.VIR_DOMAIN_STATS_BLOCK,
    "perf": libvirt.VIR_DOMAIN_STATS_PERF,
    "iothread": libvirt.VIR_DOMAIN_STATS_IOTHREAD,
    "memory": libvirt.VIR_DOMAIN_STATS_MEMORY,
    "dirtyrate": libvirt.VIR_DOMAIN_STATS_DIRTYRATE,
    "vm": getattr(libvirt, "VIR_DOMAIN_STATS_VM", 0),  # libvirt 8.9.0
}

_REFUSED = UNSUPPORTED | {libvirt.VIR_ERR_INVALID_ARG}

log = structlog.get_logger(__name__)


class Listed(msgspec.Struct, frozen=True, gc=False):
    """A domain in the list, and libvirt's handle of it."""

    domain: Domain
    handle: libvirt.virDomain


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What reading one domain gave: a *record*, or why there is none."""

    domain: Domain
    record: Record | None
    reason: str = ""


def _handle(connection: libvirt.virConnect, one: Listed) -> libvirt.virDomain | None:
    """Return a handle of this connection; the list may have come by one that was given up since."""
    if one.handle.connect() is connection:
        return one.handle
    try:
        return connection.lookupByUUIDString(one.domain.uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return None


def list_domains(connection: libvirt.virConnect) -> list[Listed]:
    """Return all domains; served by workers that libvirtd reserves for such calls, so hung guests do not delay it."""
    return [Listed(_domain(handle), handle) for handle in connection.listAllDomains(0)]


def _domain(handle: libvirt.virDomain) -> Domain:
    number = handle.ID()
    return Domain(handle.UUIDString(), handle.name(), number if number >= 0 else None)


class Reader:
    """Reads domains' statistics in bulk as far as the driver can, and completes them by *per_domain*."""

    def __init__(self, groups: Sequence[str], per_domain: PerDomain) -> None:
        self._groups = sum(GROUP_BITS[group] for group in {"state", *groups})
        self._per_domain = per_domain
        self.forget()

    def forget(self) -> None:
        """Ask anew what the host can: it may be another version of it."""
        self._flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        self._in_bulk = True

    def read(self, connection: libvirt.virConnect, domains: Sequence[Listed]) -> list[Reading]:
        """Return what *domains* say of themselves; libvirt.libvirtError where the host fails.

        One that has vanished is missing.  NOWAIT lets calls pass a guest that is busy with something else; it does not
        help the first one to ask a guest that hangs (libvirt 9.0.0).
        """
        if self._in_bulk:
            try:
                return self._read_bulk(connection, domains)
            except libvirt.libvirtError as error:
                if not connection.isAlive():
                    raise
                if error.get_error_code() in _REFUSED and self._flags:  # libvirt before 4.5, vz
                    self._flags = 0
                    return self.read(connection, domains)
                self._in_bulk = error.get_error_code() not in UNSUPPORTED
        return [reading for one in domains if (reading := self._read_one(connection, one))]

    def _read_bulk(self, connection: libvirt.virConnect, domains: Sequence[Listed]) -> list[Reading]:
        handles = [handle for one in domains if (handle := _handle(connection, one))]
        if not handles:
            return []
        records = connection.domainListGetStats(handles, self._groups, self._flags)
        return [Reading(_domain(handle), self._per_domain(connection, handle, record)) for handle, record in records]

    def _read_one(self, connection: libvirt.virConnect, one: Listed) -> Reading | None:
        try:
            if self._in_bulk:
                return next(iter(self._read_bulk(connection, [one])), None)
            handle = _handle(connection, one)
            return Reading(one.domain, self._per_domain(connection, handle, {})) if handle else None
        except libvirt.libvirtError as error:
            if not connection.isAlive():
                raise
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            return Reading(one.domain, None, str(error))


def info_record(_connection: libvirt.virConnect, domain: libvirt.virDomain, record: Record) -> Record:
    """Return *record*, or what every driver can say: `virDomainGetInfo`; a CPU time of 0 says nothing."""
    if record:
        return record
    state, maximum_kib, current_kib, vcpus, cpu_nanoseconds = domain.info()
    record = {
        "state.state": state,
        "balloon.maximum": maximum_kib,
        "balloon.current": current_kib,
        "vcpu.current": vcpus,
    }
    return {**record, "cpu.time": cpu_nanoseconds} if cpu_nanoseconds else record


def describe(connection: libvirt.virConnect, domains: Sequence[Listed]) -> list[tuple[Domain, str]]:
    """Return the XML of *domains*, without secrets; of those that have it."""
    described = []
    for one in domains:
        try:
            handle = _handle(connection, one)
            if handle is not None:
                described.append((one.domain, handle.XMLDesc(0)))
        except libvirt.libvirtError as error:
            log.debug("no description", domain=one.domain.name, reason=str(error))
    return described


def busy_seconds(connection: libvirt.virConnect, domains: Sequence[Domain]) -> dict[str, float]:
    """Return how long the monitors of *domains* have been busy with one command, by uuid; 0 for those that are not.

    One that is unknown there, or whose driver cannot say, is missing.  libvirt 9.0.0: a guest that hangs shows as busy
    only while a call waits for it.
    """
    found = {}
    for domain in domains:
        try:
            state, _details, milliseconds = connection.lookupByUUIDString(domain.uuid).controlInfo()
        except libvirt.libvirtError as error:
            if not connection.isAlive():
                raise
            log.debug("no control information", domain=domain.name, reason=str(error))
            continue
        found[domain.uuid] = milliseconds / 1000 if state == libvirt.VIR_DOMAIN_CONTROL_OCCUPIED else 0.0
    return found
