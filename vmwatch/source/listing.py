"""What a host lists: every domain with its state, for re-sync and polling.  Everything here blocks.

What is called depends on the driver (`vmwatch.source.drivers.Look`).  libvirt.libvirtError means that the host fails.
"""

from collections.abc import Callable, Iterable

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.source.connection import UNSUPPORTED
from vmwatch.source.drivers import Look
from vmwatch.source.listed import Listed, Listing
from vmwatch.stream import now

_STATES = (
    (libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING, libvirt.VIR_DOMAIN_RUNNING),
    (libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED, libvirt.VIR_DOMAIN_PAUSED),
    (libvirt.VIR_CONNECT_LIST_DOMAINS_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF),
)
"""Flags of a listing, and the state of all that it has."""

log = structlog.get_logger(__name__)


class Lister:
    """Lists the domains of the host called *host_name* by *look*; *connect* opens one more connection to it."""

    def __init__(self, host_name: str, uri: str, look: Look, connect: Callable[[], libvirt.virConnect]) -> None:
        self._host_name = host_name
        self._uri = uri
        self._look = look
        self._connect = connect
        self._held: list[libvirt.virConnect] = []
        self._refusal = ""

    def __call__(self, connection: libvirt.virConnect) -> Listing:
        """Return all domains and how each stands, by *connection*; one that vanishes meanwhile is not among them."""
        began = now()
        domains = list(self._domains(connection))
        return Listing(host=self._host_name, uri=self._uri, began=began, returned=now(), domains=domains)

    def _domains(self, connection: libvirt.virConnect) -> Iterable[Listed]:
        if self._look is Look.BY_STATE:
            return by_state(connection)
        if self._look is Look.BY_DOMAIN:
            return by_domain(connection)
        return self._anew().values()

    def _anew(self) -> dict[str, Listed]:
        """Ask a new connection, and for domains that it does not list the one that listed them last."""
        connections = [*self._opened(), *self._held]
        self._held = []
        found: dict[str, Listed] = {}
        for connection in connections:
            more = [one for one in by_domain(connection) if one.uuid not in found]
            found |= {one.uuid: one for one in more}
            if more and self._look is Look.ANEW_AND_HELD:
                self._held.append(connection)
            else:
                connection.close()
        return found

    def _opened(self) -> list[libvirt.virConnect]:
        """Open a connection; none where that fails and there are older ones to go on with.

        libvirt 9.0.0: a running VM of VMware Player without vmware.log makes every opening fail, and open connections
        do not mind.
        """
        try:
            connection = self._connect()
        except HostError as error:
            if not self._held:
                raise
            self._note(error.reason)
            return []
        self._note("")
        return [connection]

    def _note(self, refusal: str) -> None:
        if refusal and refusal != self._refusal:
            log.warning("new domains are not seen: no new connection", host=self._host_name, reason=refusal)
        elif self._refusal and not refusal:
            log.info("new domains are seen again", host=self._host_name)
        self._refusal = refusal

    def close(self) -> None:
        """Close what is held; call it where the calls are made."""
        for connection in self._held:
            connection.close()
        self._held = []


def by_domain(connection: libvirt.virConnect) -> list[Listed]:
    """Ask each domain for its state.

    Uses only calls that libvirtd serves with workers of their own, so that guests which hang do not hold it up (libvirt
    9.0.0: `state` stays instant while every bulk call waits).
    """
    transient = _transient(connection)
    domains = []
    for domain in connection.listAllDomains(0):
        known = None if transient is None else domain.UUIDString() not in transient
        state = _state(domain)
        if state is None:
            continue
        if known is False and state[0] == libvirt.VIR_DOMAIN_SHUTOFF:
            state = libvirt.VIR_DOMAIN_NOSTATE, 0  # a transient one is never off: Xen takes seconds to start it
        domains.append(_listed(domain, *state, persistent=known))
    return domains


def by_state(connection: libvirt.virConnect) -> list[Listed]:
    """List once for each state, which is cheap where every other call goes over the network.

    A domain that changes between the listings has the state of the last one; one that is in none of them says nothing.
    """
    listed = connection.listAllDomains(0)
    states = dict.fromkeys((domain.UUIDString() for domain in listed), libvirt.VIR_DOMAIN_NOSTATE)
    for flag, state in _STATES:
        states |= dict.fromkeys((domain.UUIDString() for domain in connection.listAllDomains(flag)), state)
    return [_listed(domain, states[domain.UUIDString()], 0, persistent=True) for domain in listed]


def _transient(connection: libvirt.virConnect) -> set[str] | None:
    """Return who is transient; None where the driver cannot tell."""
    try:
        return {domain.UUIDString() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
    except libvirt.libvirtError as error:
        if error.get_error_code() not in UNSUPPORTED:
            raise
        return None


def _state(domain: libvirt.virDomain) -> tuple[int, int] | None:
    try:
        state, reason = domain.state()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        if not domain.connect().isAlive():
            raise
        return libvirt.VIR_DOMAIN_NOSTATE, 0  # this one cannot be read: no information, others go on
    return state, reason


def _listed(domain: libvirt.virDomain, state: int, reason: int, *, persistent: bool | None) -> Listed:
    number = domain.ID()
    return Listed(
        uuid=domain.UUIDString(),
        name=domain.name(),
        id=number if number >= 0 else None,
        state=state,
        reason=reason,
        persistent=persistent,
    )
