"""Single arguments of libvirt's callbacks, checked: a reader returns the value as we tell it, or raises ValueError."""

import math
from collections.abc import Callable
from typing import Any

from vmwatch import words
from vmwatch.settings import ShowSettings
from vmwatch.words import Words, word

Fields = dict[str, Any]
Read = Callable[[Any, ShowSettings], Any]


def clean(text: str) -> str:
    """Return *text* with what no encoding can write (lone surrogates) replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def integer(value: Any, _show: ShowSettings | None = None) -> int:
    """Return *value* if it is a number that libvirt can send (64 bits); ValueError for any other."""
    if type(value) is not int or not -(2**63) <= value < 2**64:
        raise ValueError("no 64 bit number")
    return value


def text(value: Any, _show: ShowSettings) -> str:
    """Return *value* if it is text."""
    if not isinstance(value, str):
        raise ValueError("no text")
    return clean(value)


def text_or_none(value: Any, show: ShowSettings) -> str | None:
    """Return *value* if it is text; None where it is None or empty."""
    return None if value is None or value == "" else text(value, show)


def bytes_of_kib(value: Any, _show: ShowSettings) -> int:
    """Return the bytes of *value* KiB."""
    return integer(integer(value) * 1024)


def word_of(of: Words) -> Read:
    """Return a reader of a number that stands for a word *of* an enum."""
    return lambda value, _show: word(of, integer(value))


def if_shown(key: str, read: Read) -> Read:
    """Return a reader that checks as *read* does, and returns None unless the setting *key* shows such values."""

    def read_if_shown(value: Any, show: ShowSettings) -> Any:
        told = read(value, show)
        return told if getattr(show, key) else None

    return read_if_shown


def address(value: Any, show: ShowSettings) -> dict[str, str]:
    """Return one end of a graphics connection."""
    parts = {"family": word(words.GRAPHICS_FAMILIES, integer(_mapping(value)["family"]))}
    for key in ("node", "service"):
        part = text_or_none(value.get(key), show)
        if part is not None:
            parts[key] = part
    return parts


def subject(value: Any, show: ShowSettings) -> list[list[str]]:
    """Return who a graphics client says it is, as pairs of kind and name."""
    return [[text(kind, show), text(name, show)] for kind, name in value or ()]


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError("no parameters")
    return value


def _parameters(value: Any, show: ShowSettings) -> dict[str, int | float | bool | str]:
    return {text(key, show): _parameter(item, show) for key, item in _mapping(value).items()}


def _parameter(value: Any, show: ShowSettings) -> int | float | bool | str:
    if isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return integer(value) if isinstance(value, int) else text(value, show)


def tunables(value: Any, show: ShowSettings) -> Fields:
    """Return the changed tunables: their names, and their values where these are shown."""
    values = _parameters(value, show)
    return {"names": sorted(values), "values": values if show.tunables else None}


def job(value: Any, show: ShowSettings) -> Fields:
    """Return what a finished job was and libvirt's statistics of it."""
    statistics = _parameters(value, show)
    success = statistics.pop("success", None)
    return {
        "operation": word(words.JOB_OPERATIONS, integer(statistics.pop("operation", 0))),
        "success": None if success is None else bool(success),
        "statistics": statistics,
    }
