import json
from collections.abc import Iterator
from typing import Any

import pytest
from asyncapi3 import AsyncAPI3
from jsonschema import Draft7Validator

from tests.fakes import started
from vmwatch.asyncapi import asyncapi
from vmwatch.encode import encode
from vmwatch.events import EVENT_CLASSES, HostConnected, Origin, Time
from vmwatch_exporters.kafka import Kafka
from vmwatch_exporters.kafka.records import binary_record

DOCUMENT = asyncapi()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(reference: str) -> Any:
    value: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def test_it_is_an_asyncapi_3_document() -> None:
    assert AsyncAPI3.model_validate(DOCUMENT).asyncapi == "3.0.0"


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_each_reference_leads_somewhere(reference: str) -> None:
    assert resolved(reference)


def test_each_schema_is_one_that_asyncapi_takes() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_the_topics_are_the_exporters() -> None:
    topics = {name: channel["address"] for name, channel in DOCUMENT["channels"].items()}
    kafka = Kafka(brokers=("127.0.0.1:9092",))
    assert (topics["events"], topics["states"]) == (kafka.topic, kafka.state_topic)
    policies = [
        channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]
        for channel in DOCUMENT["channels"].values()
    ]
    assert policies == [["delete"], ["compact"], ["delete"]]


def test_every_event_stands_in_one_topic() -> None:
    channels = DOCUMENT["channels"]
    events, samples = set(channels["events"]["messages"]), set(channels["samples"]["messages"])
    structured = {"Structured", "StructuredSample"}
    assert (events | samples) - structured == {kind.__name__ for kind in EVENT_CLASSES.values()}
    assert samples == {"DomainSampled", "HostSampled", "StructuredSample"}
    assert events & samples == set()


@pytest.mark.parametrize(
    "event",
    [started(), HostConnected(id="e-1", sequence=1, time=Time(1), host="h/1", origin=Origin.VMWATCH)],
    ids=lambda event: event.type,
)
def test_a_record_has_the_headers_and_the_payload_it_says(event: Any) -> None:
    message = DOCUMENT["components"]["messages"][type(event).__name__]
    record = binary_record(event, "vmwatch.events")
    headers = {name: value.decode() for name, value in record.headers}
    Draft7Validator(message["headers"] | {"additionalProperties": False}).validate(headers)
    payload = message["payload"] | {"components": DOCUMENT["components"]}
    Draft7Validator(payload).validate(json.loads(encode(event)))
