"""Text for people at a terminal: nothing in it moves the cursor, colours only where they can be shown."""

import os
from datetime import datetime
from typing import Any, TextIO

from vmwatch.encode import fields
from vmwatch.events import Event
from vmwatch.severity import level

_CONTROLS = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{
        code: f"\\u{code:04x}"
        for code in (0x061C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
    },
    **dict.fromkeys(range(55296, 57344), "?"),
}
"""Control characters, what turns the direction of text around, and halves of characters."""

_COLOURS = {"info": "", "warning": "\x1b[33m", "error": "\x1b[31m"}
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_STATE_COLOURS = {"running": "\x1b[32m", "shutdown": "\x1b[36m", "crashed": "\x1b[31m", "paused": "\x1b[33m"}

_SHOWN = frozenset(
    {
        "type",
        "id",
        "sequence",
        "time",
        "host",
        "uri",
        "origin",
        "labels",
        "domain",
        "state",
        "previous_state",
        "evidence",
    }
)


def printable(text: str) -> str:
    """Return *text* with all that a terminal would act upon made visible: guests' names are their owners' choice."""
    return text.translate(_CONTROLS)


def wants_colours(stream: TextIO) -> bool:
    """Say whether *stream* is a terminal that shows colours, and nobody asked for none (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def event_line(event: Event, *, colours: bool, now: datetime | None = None) -> str:
    """Return *event* as one line, without its end; local time, with the date where it is not that of *now*."""
    wire = fields(event)
    domain = wire.get("domain")
    name = printable(domain["name"] if domain else str(wire.get("name", "")))
    kind, state = event.type, wire.get("state", "")
    paint = _COLOURS[level(event)] or _BOLD
    columns = [
        _painted(_moment(event.time, now), _DIM, colours),
        f"{printable(event.host):<16}",
        f"{name:<20}",
        _painted(f"{kind:<26}", paint, colours),
    ]
    if state:
        arrow = f"{wire['previous_state']} → " if wire.get("previous_state", state) != state else ""
        columns.append(arrow + _painted(state, _STATE_COLOURS.get(state, ""), colours))
    columns.append(_painted(_rest(wire), _DIM, colours))
    return "  ".join(column for column in columns if column).rstrip()


def _moment(time: int, now: datetime | None) -> str:
    local = datetime.fromtimestamp(time / 1e9).astimezone()
    today = (now or datetime.now().astimezone()).date()
    text = f"{local:%H:%M:%S}.{time // 1_000_000 % 1000:03d}"
    return text if local.date() == today else f"{local:%Y-%m-%d} {text}"


def _rest(wire: dict[str, Any]) -> str:
    given = {key: value for key, value in wire.items() if key not in _SHOWN and value is not None}
    origin = {"origin": wire["origin"]} if wire["origin"] in ("resync", "polling") else {}
    return printable("  ".join(f"{key}={value}" for key, value in (given | origin).items()))


def _painted(text: str, colour: str, colours: bool) -> str:
    return f"{colour}{text}{_PLAIN}" if colours and colour and text else text
