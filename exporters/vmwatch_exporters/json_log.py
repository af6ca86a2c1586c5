"""Write the stream as JSON lines, flat, to standard output or a file: for log shippers and for people with jq.

The file is opened anew as soon as its path names another file or none, which is looked at before each batch: so
logrotate needs to do no more than rename it (a SIGHUP is welcome, and does nothing here).
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from structlog.processors import JSONRenderer

from vmwatch.encode import encode, encode_time, rfc3339
from vmwatch.events import Event
from vmwatch.pipeline import Batches, Watch
from vmwatch.severity import level
from vmwatch.threads import Worker
from vmwatch_exporters.json_output import Output

_SLICE = 100
"""So many events are rendered in less than a millisecond; then others may run."""

_PLACED = frozenset({"id", "time", "host", "domain"})
"""Fields that stand in front, under the names they have in logs."""

_encoder = msgspec.json.Encoder(enc_hook=encode_time)


def _dumps(line: dict[str, Any], **_options: object) -> bytes:
    return _encoder.encode(line)


_render = JSONRenderer(serializer=_dumps)


@dataclass(frozen=True, slots=True)
class JsonLog:
    """Write one line per event to the file *path*, else to standard output; with *samples* those too."""

    durable: ClassVar[bool] = False
    path: Path | None = None
    samples: bool = False

    @property
    def wants_samples(self) -> bool:
        """Say whether samples are written too."""
        return self.samples

    async def run(self, batches: Batches, _watch: Watch, /) -> None:
        """Write each batch with one call, in a thread unless it cannot block: a slow disk holds up nobody else."""
        worker, output = Worker("json-log"), Output(self.path)
        try:
            await worker.call(output.open)
            async for batch in batches:
                lines = await _lines(batch)
                if not output.write_at_once(lines):
                    await worker.call(output.write, lines)
        finally:
            worker.submit(output.close)
            worker.end()

    async def try_target(self) -> str:
        """Open the file, which makes it where it is missing."""
        output = Output(self.path)
        output.open()
        output.close()
        return str(self.path or "standard output")


async def _lines(batch: Sequence[Event]) -> bytes:
    lines: list[bytes] = []
    for start in range(0, len(batch), _SLICE):
        if start:
            await asyncio.sleep(0)
        lines.extend(map(line, batch[start : start + _SLICE]))
    return b"".join(lines)


def line(event: Event) -> bytes:
    """Return *event* as a line of the log."""
    kind = level(event)
    try:
        return _rendered(kind, _flat(event, kind)) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate in a name: the wire form has it replaced
        return _rendered(kind, _flat_wire(msgspec.json.decode(encode(event)), kind)) + b"\n"


def _rendered(kind: str, fields: dict[str, Any]) -> bytes:
    rendered = _render(None, kind, fields)
    return rendered.encode() if isinstance(rendered, str) else rendered


def _flat(event: Event, kind: str) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "timestamp": rfc3339(event.time),
        "level": kind,
        "event": event.type,
        "event_id": event.id,
        "host": event.host,
    }
    domain = getattr(event, "domain", None)
    if domain is not None:
        flat["domain"], flat["domain_uuid"], flat["domain_id"] = domain.name, domain.uuid, domain.id
    for name, default in _others(type(event)):
        value = getattr(event, name)
        if value != default:
            flat[name] = value
    return flat


@lru_cache(maxsize=256)
def _others(kind: type[Event]) -> Sequence[tuple[str, Any]]:
    """Return the fields of *kind* that are not placed, with what they are when they are absent on the wire."""
    return tuple(_defaults(kind))


def _defaults(kind: type[Event]) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(kind):
        if field.name not in _PLACED:
            made: Callable[[], Any] | Any = field.default_factory
            yield field.name, field.default if made is msgspec.NODEFAULT else made()


def _flat_wire(wire: dict[str, Any], kind: str) -> dict[str, Any]:
    domain = wire.pop("domain", None)
    flat = {"timestamp": wire.pop("time"), "level": kind, "event": wire.pop("type"), "event_id": wire.pop("id", "")}
    flat["host"] = wire.pop("host")
    if domain is not None:
        flat |= {"domain": domain["name"], "domain_uuid": domain["uuid"], "domain_id": domain["id"]}
    return flat | wire
