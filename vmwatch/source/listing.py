"""What a host lists: every domain with its state, read call by call, for re-sync and polling.  Blocks."""

import time

import libvirt

from vmwatch.events import Time
from vmwatch.source.resync import Listed, Listing


def list_domains(connection: libvirt.virConnect, host: str, uri: str) -> Listing:
    """Return all domains of *connection* and how each stands; one that vanishes meanwhile is not among them.

    Uses only calls that libvirtd serves with workers of their own, so that guests which hang do not hold it up (libvirt
    9.0.0: `state` stays instant while every bulk call waits).  Raises libvirt.libvirtError when the host fails.
    """
    began = _now()
    transient = {domain.UUIDString() for domain in _list(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
    domains = [
        listed for domain in _list(connection, 0) if (listed := _look(domain, domain.UUIDString() not in transient))
    ]
    return Listing(host=host, uri=uri, began=began, returned=_now(), domains=domains)


def _list(connection: libvirt.virConnect, flags: int) -> list[libvirt.virDomain]:
    domains: list[libvirt.virDomain] = connection.listAllDomains(flags)
    return domains


def _look(domain: libvirt.virDomain, persistent: bool) -> Listed | None:
    try:
        state, reason = domain.state()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        if not domain.connect().isAlive():
            raise
        state, reason = libvirt.VIR_DOMAIN_NOSTATE, 0  # this one cannot be read: no information, others go on
    number = domain.ID()
    return Listed(
        uuid=domain.UUIDString(),
        name=domain.name(),
        id=number if number >= 0 else None,
        state=state,
        reason=reason,
        persistent=persistent,
    )


def _now() -> Time:
    return Time(time.time_ns(), time.monotonic_ns())
