"""A callback that we cannot read, told as it came: for newer libvirts than ours, and for faults of our own."""

from functools import lru_cache
from typing import Any

import structlog

from vmwatch.events import Domain, Event, Origin
from vmwatch.events.device import UnknownDomainEvent
from vmwatch.events.host import UnknownObjectEvent
from vmwatch.source.arguments import clean, integer
from vmwatch.source.callbacks import Callback

MAX_ARGUMENTS = 1024  # characters

log = structlog.get_logger(__name__)

_SENSITIVE = frozenset(
    {
        "GRAPHICS",
        "TUNABLE",
        "IO_ERROR",
        "IO_ERROR_REASON",
        "BLOCK_JOB",
        "DISK_CHANGE",
        "BLOCK_THRESHOLD",
        "METADATA_CHANGE",
    }
)
"""Callbacks that have sensitive arguments: of these only the numbers are told."""


def unknown_event(callback: Callback) -> Event:
    """Return the event that tells *callback* unread.  Never raises, whatever stands in it."""
    text = _text_of(callback)
    name, uuid = _printable(callback.object_name), _printable(callback.object_uuid)
    if callback.family != "domain":
        return UnknownObjectEvent(
            time=callback.time,
            host=callback.host,
            uri=callback.uri,
            origin=Origin.LIBVIRT,
            name=name,
            uuid=uuid or None,
            family=callback.family,
            callback=callback.name,
            arguments=text,
        )
    numbers = [argument for argument in callback.arguments[:2] if _number(argument) is not None]
    return UnknownDomainEvent(
        time=callback.time,
        host=callback.host,
        uri=callback.uri,
        origin=Origin.LIBVIRT,
        domain=Domain(uuid=uuid, name=name, id=_active(callback.object_id)),
        callback=callback.name,
        kind=f"unknown-{numbers[0]}" if numbers else None,
        detail=f"unknown-{numbers[1]}" if len(numbers) == 2 else None,
        arguments=text,
    )


def complain(callback: Callback, error: Exception) -> None:
    """Log that *callback* could not be read: once for each event id and kind of *error*."""
    _complain(callback.family, callback.name, type(error).__name__)


@lru_cache(maxsize=1024)
def _complain(family: str, name: str, trouble: str) -> None:
    log.warning("callback not understood", family=family, event_id=name, trouble=trouble)


def _text_of(callback: Callback) -> str:
    sensitive = callback.name in _SENSITIVE
    parts = [_part(argument, sensitive=sensitive) for argument in callback.arguments]
    return clean(", ".join(parts)[:MAX_ARGUMENTS])


def _part(argument: Any, *, sensitive: bool) -> str:
    if _number(argument) is not None:
        return str(argument)
    if sensitive:
        return type(argument).__name__
    try:
        return repr(argument)[:MAX_ARGUMENTS]
    except Exception:  # noqa: BLE001 - what cannot even be shown is named by its type
        return type(argument).__name__


def _printable(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    try:
        return integer(value)
    except ValueError:
        return None


def _active(value: Any) -> int | None:
    number = _number(value)
    return number if number is not None and number >= 0 else None
