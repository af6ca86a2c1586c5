import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.schema_changes import Schema, breaks
from tests.source.test_normalise import CASES, OBJECT_CASES, callback
from vmwatch.asyncapi import domain_state_schema
from vmwatch.encode import encode, encode_time
from vmwatch.events import EVENT_CLASSES, Domain, DomainSampled, Event, HostSampled, Origin, State, Time
from vmwatch.schema import event_schemas, json_schema
from vmwatch.settings import ShowSettings
from vmwatch.source.normalise import normalise
from vmwatch.state import KnownState
from vmwatch_exporters.kafka.state import DomainState

GOLDEN = Path(__file__).parent / "golden"
ALL = ShowSettings(graphics=True, tunables=True, paths=True, metadata=True)


@cache
def strict(kind: str) -> Draft202012Validator:
    """Return a validator of one type of event that also refuses fields which the schema does not name."""
    schema = json_schema()
    for definition in schema["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    (name,) = (
        name
        for name, definition in schema["$defs"].items()
        if definition.get("properties", {}).get("type") == {"const": kind}
    )
    chosen = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
    return Draft202012Validator(chosen, format_checker=Draft202012Validator.FORMAT_CHECKER)


def validate(wire: bytes) -> None:
    event = json.loads(wire)
    strict(event["type"]).validate(event)


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_it_has_every_event_and_says_its_version() -> None:
    schema = json_schema()
    tags = {schema["$defs"][one["$ref"].rpartition("/")[2]]["properties"]["type"]["const"] for one in schema["oneOf"]}
    assert tags == set(EVENT_CLASSES)
    assert (schema["$id"], schema["version"]) == ("urn:vmwatch:event:1", 1)


def test_one_choice_fits_an_event_and_no_other() -> None:
    line = (GOLDEN / "start-destroy.jsonl").read_bytes().splitlines()[4]
    Draft202012Validator(json_schema()).validate(json.loads(line))
    with pytest.raises(ValidationError):
        validate(line.replace(b"1970-01-01T00:00:04.667900000Z", b"1970-01-01T00:00:04Z"))


def test_every_event_and_field_is_described_by_its_class() -> None:
    for name, definition in json_schema()["$defs"].items():
        assert definition["description"], name


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_events_of_real_guests_fulfil_it(path: Path) -> None:
    for line in path.read_bytes().splitlines():
        validate(line)


@pytest.mark.parametrize(("name", "arguments"), [case[:2] for case in CASES])
def test_every_domain_event_fulfils_it(name: str, arguments: tuple[Any, ...]) -> None:
    validate(told(normalise(KnownState(), callback(name, *arguments), ALL)))


@pytest.mark.parametrize(("family", "name", "arguments"), [case[:3] for case in OBJECT_CASES])
def test_every_other_event_fulfils_it(family: str, name: str, arguments: tuple[Any, ...]) -> None:
    validate(told(normalise(KnownState(), callback(name, *arguments, family=family), ALL)))


def test_samples_fulfil_it_without_a_sequence() -> None:
    common: dict[str, Any] = {"time": Time(1), "host": "h1", "origin": Origin.VMWATCH}
    subject = Domain("6f9d60a6-4ddb-4c41-93b5-6dac6094233e", "web", 7)
    devices: dict[str, dict[str, dict[str, int | float]]] = {"block": {"vda": {"bytes": 1}}}
    for sample in (
        HostSampled(**common, values={"cpus": 2}),
        DomainSampled(**common, domain=subject, state=State.RUNNING, values={"seconds": 1.5}, devices=devices),
    ):
        validate(encode(sample))


def told(event: Event) -> bytes:
    return encode(msgspec.structs.replace(event, id="epoch-1", sequence=1))


def test_the_committed_schema_is_what_the_code_says_and_only_ever_grows() -> None:
    committed = json.loads((GOLDEN / "schema.json").read_text())
    assert list(breaks(committed, json_schema())) == [], "not additive: this is another version"
    assert committed == json_schema(), "additive: write it down with `vmwatch schema > tests/golden/schema.json`"


CHANGES: dict[str, Callable[[Schema], Any]] = {
    "an event that goes": lambda schema: schema["$defs"].pop("Stopped"),
    "an event that is no choice any more": lambda schema: schema["oneOf"].pop(),
    "a field that goes": lambda schema: schema["$defs"]["Stopped"]["properties"].pop("cause"),
    "a field that may be absent": lambda schema: schema["$defs"]["Stopped"]["required"].remove("state"),
    "a word that goes": lambda schema: schema["$defs"]["Cause"]["enum"].remove("watchdog"),
    "a type that changes": lambda schema: schema["$defs"]["Stopped"]["properties"].update(
        flush_seconds={"type": "string"}
    ),
    "another name on the wire": lambda schema: schema["$defs"]["Stopped"]["properties"]["type"].update(const="x"),
    "a time of another form": lambda schema: schema["$defs"]["Stopped"]["properties"]["time"].update(pattern="^x$"),
    "another version": lambda schema: schema.update(version=2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_not_additive_is_refused(name: str) -> None:
    changed = json_schema()
    CHANGES[name](changed)
    assert list(breaks(json_schema(), changed)) != []


def test_a_new_event_field_or_word_is_additive() -> None:
    changed = json_schema()
    changed["$defs"]["Melted"] = {"type": "object"}
    changed["oneOf"].append({"$ref": "#/$defs/Melted"})
    changed["$defs"]["Stopped"]["properties"]["degrees"] = {"type": "number"}
    changed["$defs"]["Cause"]["enum"].append("melted")
    assert list(breaks(json_schema(), changed)) == []


def test_a_domains_present_state_is_as_the_kafka_exporter_sends_it() -> None:
    schema = {"$defs": event_schemas("#/$defs/{name}")} | domain_state_schema("#/$defs/{name}")
    sent = DomainState(
        host="h1",
        uri="test:h1",
        sequence=3,
        time=Time(1),
        domain=Domain("6f9d60a6-4ddb-4c41-93b5-6dac6094233e", "web", 7),
        state=State.RUNNING,
        since=Time(1),
        started=Time(1),
        persistent=True,
        owner="h1",
        labels={"site": "x"},
    )
    value = json.loads(msgspec.json.encode(sent, enc_hook=encode_time))
    Draft202012Validator(schema | {"additionalProperties": False}).validate(value)
    assert set(schema["properties"]) == set(value)
    assert set(schema["properties"]) == set(DomainState.__struct_fields__)
