"""Try one hypervisor for `vmwatch check`: what its driver gives, and what vmwatch does where it gives nothing."""

import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import libvirt
import msgspec

from vmwatch.errors import HostError
from vmwatch.settings import HostSettings
from vmwatch.source.connection import UNSUPPORTED, host_error, open_libvirt
from vmwatch.source.drivers import Driver, driver_of_type, driver_of_uri
from vmwatch.source.facts import connected_event, family_uri, is_local
from vmwatch.source.fallback import Fallback
from vmwatch.source.loop import start_event_loop
from vmwatch.source.register import FAMILIES
from vmwatch.source.rights import MissingRight, ask_rights
from vmwatch.source.sampler_reader import GROUP_BITS
from vmwatch.uris import without_credentials

ANSWER_SECONDS = 15.0

_DOMAINS_ASKED = 5

_ASKED_DIRECTLY = frozenset({"esx", "hyper-v", "phyp"})
_BY_PROGRAMS = frozenset({"openvz", "vmware", "vbox"})
"""Drivers that have no daemon of libvirt's where their domains run."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a host said: its *driver*, how many *domains* it has, whether it takes the registration of events.

    *calls* are those for each domain that its driver does not deny having (None: no domain runs that could be asked),
    *families* why events of networks, pools, devices and secrets cannot be had, where they cannot.
    """

    driver: Driver
    libvirt_version: str
    domains: int
    takes_events: bool
    has_bulk_statistics: bool
    calls: tuple[str, ...] | None
    families: Mapping[str, str]
    missing_rights: tuple[MissingRight, ...]
    perhaps_missing: tuple[MissingRight, ...] = ()


def probe(settings: HostSettings, seconds: float = ANSWER_SECONDS) -> Found:
    """Open the host that *settings* name and ask it; HostError where it cannot be watched, or is silent.  Blocks."""
    start_event_loop()
    answers: SimpleQueue[Found | HostError] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_found(settings)), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise HostError(f"no answer within {seconds:g} s", cure_of_silence(settings.uri)) from None
    if isinstance(answer, HostError):
        raise answer
    return answer


def cure_of_silence(uri: str) -> str:
    """Say where to look when *uri* does not answer: at who answers there."""
    driver = driver_of_uri(uri)
    if driver.type in _ASKED_DIRECTLY:
        return f"look whether {urlsplit(uri).hostname} is up and not overloaded: libvirt asks it directly"
    if driver.type in _BY_PROGRAMS and is_local(uri):
        return f"look whether the programs of {driver.name} hang, which libvirt asks"
    return "look whether libvirt's daemon there hangs"


def _found(settings: HostSettings) -> Found | HostError:
    try:
        connection = open_libvirt(settings.uri, read_only=settings.read_only, auth_file=settings.auth_file)
    except HostError as error:
        return error
    try:
        rights = ask_rights(connection, settings.uri)
        event = connected_event(connection, settings.name, without_credentials(settings.uri), local=False)
        return Found(
            driver=driver_of_type(event.driver),
            libvirt_version=event.libvirt_version or "unknown",
            domains=len(_domains(connection, 0)),
            takes_events=_has(lambda: _register(connection)),
            has_bulk_statistics=_has(lambda: connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)),
            calls=_answering(connection),
            families=dict(_families(settings)),
            missing_rights=rights.missing,
            perhaps_missing=rights.perhaps,
        )
    except libvirt.libvirtError as error:
        return host_error(error)
    finally:
        connection.close()


def _domains(connection: libvirt.virConnect, flags: int) -> list[libvirt.virDomain]:
    try:
        domains: list[libvirt.virDomain] = connection.listAllDomains(flags)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_ACCESS_DENIED:
            raise
        return []
    return domains


def _answering(connection: libvirt.virConnect) -> tuple[str, ...] | None:
    """Ask a few domains that run; one that hangs is what the deadline is for."""
    domains = _domains(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)[:_DOMAINS_ASKED]
    return Fallback(tuple(GROUP_BITS)).had(connection, domains) if domains else None


def _families(settings: HostSettings) -> list[tuple[str, str]]:
    """Return the families whose own drivers cannot be reached beside that of the domains, and why."""
    away = []
    for family in FAMILIES:
        uri = family_uri(settings.uri, family.scheme)
        if uri is None:
            continue
        try:
            open_libvirt(uri, read_only=settings.read_only, auth_file=settings.auth_file).close()
        except HostError as error:
            away.append((family.name, error.reason))
    return away


def _register(connection: libvirt.virConnect) -> None:
    number = connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: None, None)
    connection.domainEventDeregisterAny(number)


def _has(call: Callable[[], object]) -> bool:
    """Say whether the driver has *call*; one that it refuses us it has."""
    try:
        call()
    except libvirt.libvirtError as error:
        if error.get_error_code() in UNSUPPORTED:
            return False
        if error.get_error_code() != libvirt.VIR_ERR_ACCESS_DENIED:
            raise
    return True
