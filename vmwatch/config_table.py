"""Turn a table of the configuration into a frozen dataclass; `vmwatch.config` and nobody else uses it.

The dataclass says it all: its fields are the keys, their types what may stand there.  What is wrong is told by the
key's whole path and what was expected, never by the value: it could be a secret.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from vmwatch.config_place import Place, WrongKeyError
from vmwatch.errors import ConfigError

T = TypeVar("T")

_UNITS: dict[str, dict[str, float]] = {
    "seconds": {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400},
    "bytes": {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3},
}
_WORDS: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    Any: "a value",
    object: "a value",
}


def read_table(kind: type[T], table: Any, place: Place, *, also: Collection[str] = ()) -> T:
    """Return *table* as a *kind*, a dataclass; *also* are keys that somebody else reads, for suggestions only."""
    if not isinstance(table, Mapping):
        raise WrongKeyError(place, f"expected a table, as in [{place}]")
    hints = get_type_hints(kind, include_extras=True)
    own = [field for field in fields(kind) if field.init]  # type: ignore[arg-type]  # dataclasses only
    refuse_unknown(table, [field.name for field in own], place, also=also)
    values = {field.name: _field(field, hints[field.name], table, place) for field in own if _stands(field, table)}
    try:
        return kind(**values)
    except (ValueError, ConfigError) as error:
        key, _, problem = str(error).partition(": ")
        if key in values:
            raise WrongKeyError(place / key, problem) from error
        raise WrongKeyError(place, str(error)) from error


def refuse_unknown(table: Mapping[str, Any], known: Collection[str], place: Place, *, also: Collection[str]) -> None:
    """Raise for the first key of *table* that is not *known*, with the nearest one that is."""
    for key in table:
        if key not in known:
            raise WrongKeyError(place / key, f"unknown key; {suggest(key, [*known, *also])}")


def suggest(word: str, known: Collection[str]) -> str:
    """Return what to do about a *word* that is not *known*."""
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def convert(value: Any, kind: Any, place: Place) -> Any:
    """Return *value* as a *kind* (a type as it stands at a dataclass's field)."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return read_table(kind, value, place)
    if origin in (Union, UnionType):
        return convert(value, next(part for part in arguments if part is not NoneType), place)
    if origin is Annotated:
        return _measured(value, kind, place)
    if origin is tuple and isinstance(value, list):
        return tuple(convert(item, arguments[0], place / index) for index, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {key: convert(item, arguments[1], place / key) for key, item in value.items()}
    return _leaf(value, kind, place)


def _stands(field: "Field[Any]", table: Mapping[str, Any]) -> bool:
    optional = field.default is not MISSING or field.default_factory is not MISSING
    return field.name in table or not optional


def _field(field: "Field[Any]", kind: Any, table: Mapping[str, Any], place: Place) -> Any:
    if field.name not in table:
        raise WrongKeyError(place, f"{field.name} is missing: expected {_expected(kind)}")
    return convert(table[field.name], kind, place / field.name)


def _leaf(value: Any, kind: Any, place: Place) -> Any:
    if kind is Any or kind is object:
        return value
    try:
        return msgspec.convert(value, kind, dec_hook=_path)
    except (msgspec.ValidationError, NotImplementedError) as error:
        hint = f"; {suggest(value, get_args(kind))}" if get_origin(kind) is Literal and isinstance(value, str) else ""
        hint = hint if "did you mean" in hint else ""
        raise WrongKeyError(place, f"expected {_expected(kind)}, not {_said(value)}{hint}") from error


def _measured(value: Any, kind: Any, place: Place) -> Any:
    plain, meta = get_args(kind)[:2]
    unit = (meta.extra or {}).get("unit") if isinstance(meta, msgspec.Meta) else None
    if unit and isinstance(value, str):
        value = _amount(value, _UNITS[unit], plain)
    if isinstance(value, float) and not math.isfinite(value):
        value = None
    return _leaf(value, kind, place)


def _amount(text: str, units: Mapping[str, float], plain: type) -> float | str:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text, re.ASCII)
    if match is None or match[2] not in units:
        return text
    amount: float = plain(float(match[1]) * units[match[2]])
    return amount


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


def _expected(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated and isinstance(arguments[1], msgspec.Meta) and arguments[1].description:
        return arguments[1].description
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, UnionType):
        return _expected(next(part for part in arguments if part is not NoneType))
    if origin is tuple:
        return f"a list of {_expected(arguments[0]).removeprefix('a ')}"
    if is_dataclass(kind) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "a table"
    return _WORDS.get(kind, str(kind))


def _said(value: Any) -> str:
    words = {bool: "true or false", str: "this text", int: "this number", float: "this number", list: "a list"}
    return words.get(type(value), "a table" if isinstance(value, Mapping) else "this")
