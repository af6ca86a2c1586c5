"""JSON Schema of every event, made from the classes themselves: for whoever reads the stream in another language.

A schema only grows: fields, words and events are added, none goes or changes its meaning without another version.
Readers have to expect fields and words that they do not know.
"""

from inspect import cleandoc
from typing import Any

import msgspec

from vmwatch.encode import SCHEMA
from vmwatch.events import EVENT_CLASSES, SAMPLES, Event, Time

Schema = dict[str, Any]

_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
}


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) that every event on the wire fulfils, samples too."""
    definitions = event_schemas("#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "vmwatch event",
        "version": int(SCHEMA.rpartition(":")[2]),
        "description": "One event of the stream; `type` says which.  New fields, words and types may be added.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in EVENT_CLASSES.values()],
        "$defs": definitions,
    }


def event_schemas(reference: str) -> dict[str, Schema]:
    """Return the schema of each event class and of what they have in them, by name; *reference* is how they refer."""
    kinds = list(EVENT_CLASSES.values())
    _, components = msgspec.json.schema_components(kinds, schema_hook=_time_schema, ref_template=reference)
    for kind in kinds:
        _as_on_the_wire(kind, components[kind.__name__])
    for schema in components.values():
        schema.pop("title")
        schema["description"] = cleandoc(schema.get("description", ""))
    return dict(sorted(components.items()))


def _time_schema(kind: type) -> Schema:
    if kind is Time:
        return dict(_TIME)
    raise NotImplementedError


def _as_on_the_wire(kind: type[Event], schema: Schema) -> None:
    """Say what msgspec cannot know: what is unknown is absent, never null, and what the stream always fills in."""
    properties = schema["properties"]
    properties["type"] = {"const": kind.__struct_config__.tag}
    for name, property_ in properties.items():
        properties[name] = _without_null(property_)
    if kind in SAMPLES:
        for name in ("id", "sequence"):
            del properties[name]
    else:
        properties["sequence"]["minimum"] = 1
        schema["required"] = ["type", "id", "sequence", *schema["required"][1:]]


def _without_null(property_: Schema) -> Schema:
    stated = {name: value for name, value in property_.items() if name != "default"}
    choices = [choice for choice in stated.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else stated | ({"anyOf": choices} if choices else {})
