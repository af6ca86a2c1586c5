"""What a change of a JSON Schema would break for those who read what it describes."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


_MEANING = ("type", "const", "$ref", "format", "pattern", "anyOf", "items", "additionalProperties", "version", "$id")


def breaks(old: Schema, new: Schema, place: str = "") -> Iterator[str]:
    """Yield each change from *old* to *new* that is not additive: something went, or means or may be another thing."""
    for key in ("$defs", "properties"):
        for name, part in old.get(key, {}).items():
            if name not in new.get(key, {}):
                yield f"{place}.{name}: gone"
            else:
                yield from breaks(part, new[key][name], f"{place}.{name}")
    for key in ("required", "enum", "oneOf"):
        yield from (f"{place}: {key} {gone}: gone" for gone in old.get(key, ()) if gone not in new.get(key, ()))
    for key in _MEANING:
        if old.get(key) != new.get(key):
            yield f"{place}: {key} was {old.get(key)}, is {new.get(key)}"
