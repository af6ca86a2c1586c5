"""Which callbacks are registered, and how their arguments are copied for the trip to asyncio's loop.

Enumerated from the installed libvirt-python at run time: it has the ids of the libvirt it was compiled with.  Of twins
only the richer one is registered; an id that this libvirt or a daemon lacks is skipped, and said once.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import libvirt
import structlog

from vmwatch.source.callbacks import POORER_TWINS, Callback
from vmwatch.source.connection import UNSUPPORTED, Connection
from vmwatch.source.decode import DOMAIN_READINGS, OBJECT_READINGS
from vmwatch.stream import now

Put = Callable[[Callback], None]


class Family(NamedTuple):
    """A kind of object: the *prefix* of its event ids, its calls, and the *scheme* of the driver that owns it."""

    name: str
    prefix: str
    register: str
    deregister: str
    scheme: str | None


FAMILIES = (
    Family("domain", "VIR_DOMAIN_EVENT_ID_", "domainEventRegisterAny", "domainEventDeregisterAny", None),
    Family("network", "VIR_NETWORK_EVENT_ID_", "networkEventRegisterAny", "networkEventDeregisterAny", "network"),
    Family(
        "storage_pool",
        "VIR_STORAGE_POOL_EVENT_ID_",
        "storagePoolEventRegisterAny",
        "storagePoolEventDeregisterAny",
        "storage",
    ),
    Family(
        "node_device",
        "VIR_NODE_DEVICE_EVENT_ID_",
        "nodeDeviceEventRegisterAny",
        "nodeDeviceEventDeregisterAny",
        "nodedev",
    ),
    Family("secret", "VIR_SECRET_EVENT_ID_", "secretEventRegisterAny", "secretEventDeregisterAny", "secret"),
)

_SAID: set[tuple[str, str]] = set()

log = structlog.get_logger(__name__)


def event_ids(family: Family) -> Iterator[tuple[str, int]]:
    """Yield the names (without their prefix) and numbers of the *family*'s events that this libvirt-python has."""
    for symbol in dir(libvirt):
        name = symbol.removeprefix(family.prefix)
        if name != symbol and name not in {"LAST", *POORER_TWINS}:
            yield name, getattr(libvirt, symbol)


def lacking(family: Family) -> set[str]:
    """Return the names of the *family*'s events that we could read and this libvirt-python does not have."""
    others = {name for of, name in OBJECT_READINGS if of == family.name}
    return (set(DOMAIN_READINGS) if family.name == "domain" else others) - dict(event_ids(family)).keys()


def register(
    connection: Connection,
    family: Family,
    host: str,
    uri: str,
    put: Put,
    said: set[tuple[str, str]] = _SAID,
) -> int:
    """Register all of *family*'s callbacks so that each is *put*; return how many the driver took.

    Ids that cannot be had are logged, but for those in *said*.  Raises libvirt.libvirtError when the connection fails.
    """
    taken = 0
    refused = dict.fromkeys(sorted(lacking(family)), "libvirt-python was built on a libvirt without it")
    for name, number in event_ids(family):
        try:
            _register(connection, family, number, _copier(family.name, name, host, uri, put))
            taken += 1
        except libvirt.libvirtError as error:
            if error.get_error_code() not in {*UNSUPPORTED, libvirt.VIR_ERR_INVALID_ARG}:
                raise
            refused[name] = str(error)
    if taken:
        for name, reason in refused.items():
            _say_once(said, family.name, name, reason)
    return taken


def _register(connection: Connection, family: Family, number: int, callback: Callable[..., None]) -> None:
    calls = connection.libvirt
    connection.register(
        lambda: int(getattr(calls, family.register)(None, number, callback, None)), getattr(calls, family.deregister)
    )


def _copier(family: str, name: str, host: str, uri: str, put: Put) -> Callable[..., None]:
    def copy(_connection: Any, thing: Any, *arguments: Any) -> None:
        at = now()
        try:
            uuid, object_name, number = _identity(family, thing)
        except Exception as error:  # noqa: BLE001 - a name that is no text must not cost the event
            uuid, object_name, number = None, f"unreadable: {type(error).__name__}", -1
        put(
            Callback(
                host=host,
                uri=uri,
                family=family,
                name=name,
                object_uuid=uuid,
                object_name=object_name,
                object_id=number,
                arguments=arguments[:-1],  # the last one is the opaque of the registration
                time=at,
            )
        )

    return copy


def _identity(family: str, thing: Any) -> tuple[str | None, str, int]:
    if family == "domain":
        return thing.UUIDString(), thing.name(), thing.ID()
    if family == "node_device":
        return None, thing.name(), -1
    if family == "secret":
        shown = thing.usageType() != libvirt.VIR_SECRET_USAGE_TYPE_VOLUME  # that of a volume is an image's path
        return thing.UUIDString(), (thing.usageID() if shown else "") or thing.UUIDString(), -1
    return thing.UUIDString(), thing.name(), -1


def _say_once(said: set[tuple[str, str]], family: str, name: str, reason: str) -> None:
    if (family, name) not in said:
        said.add((family, name))
        log.info("event id not supported", family=family, event_id=name, reason=reason)
