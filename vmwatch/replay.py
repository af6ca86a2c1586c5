"""Recorded callbacks, read and fed through the very normaliser that live hosts use, as a stream of their own.

A recording is lines of JSON: callbacks as libvirt made them, and notes (their event begins with `_`), of which only a
lost connection matters.  It has no uuids and no wall clock.
"""

import json
import uuid
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import msgspec

from vmwatch import words
from vmwatch.errors import VmwatchError
from vmwatch.events import Event, HostConnected, HostDisconnected, Origin, Time
from vmwatch.settings import ShowSettings
from vmwatch.source.arguments import clean
from vmwatch.source.callbacks import POORER_TWINS, Callback
from vmwatch.source.normalise import normalise
from vmwatch.state import KnownState
from vmwatch.stream import Stream
from vmwatch.words import word

EPOCH = "replay"
LOST = "_CONNECTION_CLOSED"
MAX_OFFSET_MS = 1e14  # some 3,000 years: our times have years of four digits

_DEFINED_RENAMED = [0, 2]
_UNDEFINED_RENAMED = [1, 1]


class ConnectionLost(msgspec.Struct, frozen=True):
    """A recorded loss of the connection to *host*."""

    host: str
    reason: str
    time: Time


class RecordedLine(msgspec.Struct):
    """A line of a recording; domains have *domain*, objects of other families *family* and *object*."""

    t_offset_ms: float
    event: str
    host: str = ""
    domain: str | None = None
    family: str = "domain"
    object: str | None = None
    id: int | None = None
    args: list[Any] | None = None


def replay(lines: Iterable[str | bytes], show: ShowSettings) -> Generator[Event, None, None]:
    """Yield the events that the recorded *lines* become: a stream of its own, of hosts that are listed and empty.

    After a lost connection nothing is re-synced.  Raises VmwatchError for a line that cannot be one of a recording.
    """
    known = KnownState()
    stream = Stream(known, epoch=lambda _host: EPOCH)
    told: list[Event] = []
    stream.listen(told.append)
    for item in recorded(lines):
        known.host(item.host).listed = True
        for event in _events(known, item, show):
            stream.publish(event)
        yield from told
        told.clear()


def recorded(lines: Iterable[str | bytes]) -> Iterator[Callback | ConnectionLost]:
    """Yield what the *lines* of a recording say, but notes and the poorer one of libvirt's twins; VmwatchError."""
    uuids: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for number, text in enumerate(lines, 1):
        line = _parse(text, number) if text.strip() else None
        if line is None or (line.family == "domain" and line.event in POORER_TWINS):
            continue
        if line.event == LOST:
            yield ConnectionLost(line.host, _close_reason(line.args or []), _time(line))
        else:
            yield _callback(line, uuids, renamed)


def _events(known: KnownState, item: Callback | ConnectionLost, show: ShowSettings) -> Iterator[Event]:
    uri = f"replay:{item.host}"
    if isinstance(item, ConnectionLost):
        yield HostDisconnected(time=item.time, host=item.host, uri=uri, origin=Origin.VMWATCH, reason=item.reason)
        return
    if known.host(item.host).connected is False:
        yield HostConnected(time=item.time, host=item.host, uri=uri, origin=Origin.VMWATCH)
    yield normalise(known, item, show)


def _parse(text: str | bytes, number: int) -> RecordedLine | None:
    """Return what line *number* says, None for a note."""
    try:
        told = json.loads(text)
        event = msgspec.convert(told["event"], str)
        if event.startswith("_") and event != LOST:
            return None
        line = msgspec.convert(told, RecordedLine)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise VmwatchError(f"line {number}: no recorded callback: {error}") from None
    if not abs(line.t_offset_ms) <= MAX_OFFSET_MS:  # NaN is neither
        raise VmwatchError(f"line {number}: no recorded callback: t_offset_ms is no time")
    if event == LOST:
        return line if line.host else None
    if not line.host or (line.domain is None and line.object is None):
        raise VmwatchError(f"line {number}: no recorded callback: expected host, and domain or object")
    return line


def _callback(line: RecordedLine, uuids: dict[str, str], renamed: dict[str, str]) -> Callback:
    name = (line.domain if line.domain is not None else line.object) or ""
    return Callback(
        host=line.host,
        uri=f"replay:{line.host}",
        family=line.family,
        name=line.event,
        object_uuid=_object_uuid(line, name) if line.family != "domain" else _domain_uuid(line, name, uuids, renamed),
        object_name=name,
        object_id=-1 if line.id is None else line.id,
        arguments=tuple(line.args or ()),
        time=_time(line),
    )


def _domain_uuid(line: RecordedLine, name: str, uuids: dict[str, str], renamed: dict[str, str]) -> str:
    """Return the uuid of *name*; who is renamed keeps the one of the old name, which is that of the last undefined."""
    if line.event == "LIFECYCLE" and line.args == _DEFINED_RENAMED and line.host in renamed:
        uuids[name] = renamed.pop(line.host)
    own = uuids.get(name) or _uuid_of(name)
    if line.event == "LIFECYCLE" and line.args == _UNDEFINED_RENAMED:
        renamed[line.host] = own
    return own


def _object_uuid(line: RecordedLine, name: str) -> str | None:
    if line.family == "node_device":
        return None
    return name if line.family == "secret" else _uuid_of(name)


def _uuid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, clean(name)))


def _time(line: RecordedLine) -> Time:
    nanoseconds = round(line.t_offset_ms * 1_000_000)
    return Time(nanoseconds, nanoseconds)


def _close_reason(arguments: list[Any]) -> str:
    reason = arguments[0] if arguments else None
    return word(words.CLOSE_REASONS, reason) if isinstance(reason, int) else "unknown"
