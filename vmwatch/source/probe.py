"""Try one hypervisor for `vmwatch check`: what its driver gives, and what vmwatch does where it gives nothing."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

import libvirt
import msgspec

from vmwatch.errors import HostError
from vmwatch.settings import HostSettings
from vmwatch.source.connection import UNSUPPORTED, host_error, open_libvirt, without_credentials
from vmwatch.source.drivers import Driver, driver_of_type, refusal
from vmwatch.source.facts import connected_event
from vmwatch.source.loop import start_event_loop

ANSWER_SECONDS = 15.0


class Found(msgspec.Struct, frozen=True):
    """What a host said: its *driver*, how many *domains* it has, whether it takes the registration of events."""

    driver: Driver
    libvirt_version: str
    domains: int
    takes_events: bool
    has_bulk_statistics: bool


def probe(settings: HostSettings, seconds: float = ANSWER_SECONDS) -> Found:
    """Open the host that *settings* name and ask it; HostError where it cannot be watched, or is silent.  Blocks."""
    start_event_loop()
    answers: SimpleQueue[Found | HostError] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_found(settings)), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise HostError(f"no answer within {seconds:g} s", "look whether libvirt's daemon there hangs") from None
    if isinstance(answer, HostError):
        raise answer
    return answer


def _found(settings: HostSettings) -> Found | HostError:
    refused = refusal(settings.uri, libvirt.getVersion())
    if refused:
        return HostError(refused)
    try:
        connection = open_libvirt(settings.uri, read_only=settings.read_only, auth_file=settings.auth_file)
    except HostError as error:
        return error
    try:
        event = connected_event(connection, settings.name, without_credentials(settings.uri), local=False)
        return Found(
            driver=driver_of_type(event.driver),
            libvirt_version=event.libvirt_version or "unknown",
            domains=len(connection.listAllDomains()),
            takes_events=_has(lambda: _register(connection)),
            has_bulk_statistics=_has(lambda: connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)),
        )
    except libvirt.libvirtError as error:
        return host_error(error)
    finally:
        connection.close()


def _register(connection: libvirt.virConnect) -> None:
    number = connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: None, None)
    connection.domainEventDeregisterAny(number)


def _has(call: Callable[[], object]) -> bool:
    try:
        call()
    except libvirt.libvirtError as error:
        if error.get_error_code() in UNSUPPORTED:
            return False
        raise
    return True
