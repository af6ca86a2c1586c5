"""Where something stands in the configuration, for the errors of `vmwatch.config`: the key's path and its line."""

import re
from dataclasses import dataclass

from vmwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: the keys and indices that lead to it."""

    keys: tuple[str | int, ...] = ()

    def __truediv__(self, key: str | int) -> "Place":
        return Place((*self.keys, key))

    def __str__(self) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys).removeprefix(".")


class WrongKeyError(ConfigError):
    """What stands at *place* is not what has to be there."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place.keys else problem)
        self.place = place


def line_of(text: str, place: Place) -> int | None:
    """Return the line where the longest part of *place* stands in *text*, as far as a look at its lines can tell."""
    best, best_line = 0, None
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)([^\[\]]+)\]", line):
            table = _keys(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            here = table
        elif pair := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            here = (*table, *_keys(pair[1]))
        else:
            continue
        if best < len(here) <= len(place.keys) and place.keys[: len(here)] == here:
            best, best_line = len(here), number
    return best_line


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip(" \t\"'") for key in dotted.split("."))
