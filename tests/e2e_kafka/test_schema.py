"""What stands in the topics of a vmwatch at work is what its schema and its AsyncAPI document say, in both modes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from tests.beds.kafka import Broker
from tests.beds.process import Vmwatch, run_to_its_end
from tests.beds.topics import Record

pytestmark = pytest.mark.real

MODES = ("binary", "structured")
EVENTS = 60
_EXPORTER = """
[exporters.{mode}]
type = "kafka"
brokers = ["{broker}"]
content_mode = "{mode}"
topic = "described-{mode}.events"
state_topic = "described-{mode}.state"
samples_topic = "described-{mode}.samples"
create_topics = true
"""


def schema(folder: Path, *arguments: str) -> Any:
    """Return what `vmwatch schema` prints."""
    return json.loads(run_to_its_end(folder, "schema", *arguments).stdout)


class Described:
    """The messages of one channel of the AsyncAPI *document*."""

    def __init__(self, document: Any, channel: str) -> None:
        messages, components = document["components"]["messages"], {"components": document["components"]}
        self._messages = [messages[name] for name in document["channels"][channel]["messages"]]
        self._validators = [
            (Draft7Validator(one.get("headers", {}) | components), Draft7Validator(one["payload"] | components))
            for one in self._messages
        ]

    def suit(self, headers: Mapping[str, str], value: Any) -> list[str]:
        """Return the names or summaries of the messages that a record with *headers* and *value* may be."""
        return [
            message["summary"]
            for message, (for_headers, for_value) in zip(self._messages, self._validators, strict=True)
            if for_headers.is_valid(headers) and for_value.is_valid(value)
        ]


def parts(record: Record) -> tuple[dict[str, str], Any]:
    return {name: value.decode() for name, value in record.headers}, record.value and json.loads(record.value)


@pytest.fixture(scope="module")
def topics(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence[Record]]:
    """What the demonstration tells: the topics by name."""
    folder = tmp_path_factory.mktemp("demonstration")
    exporters = "".join(_EXPORTER.format(mode=mode, broker=broker.bootstrap) for mode in MODES)
    with Vmwatch(folder, "demo", configuration=f"[stats]\ninterval = 1\n{exporters}") as vmwatch:
        for mode in MODES:
            broker.read_until(f"described-{mode}.events", lambda records: len(records) >= EVENTS)
            broker.read_until(f"described-{mode}.samples", lambda records: len(records) >= EVENTS)
            broker.read_until(f"described-{mode}.state", lambda records: any(one.value is None for one in records))
        vmwatch.terminate()
    return {
        f"described-{mode}.{what}": broker.read_all(f"described-{mode}.{what}")
        for mode in MODES
        for what in ("events", "samples", "state")
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("topic", "channel"), [("events", "events"), ("samples", "samples"), ("state", "states")])
def test_each_record_is_one_message_of_its_channel(
    topics: Mapping[str, Sequence[Record]], tmp_path: Path, mode: str, topic: str, channel: str
) -> None:
    described = Described(schema(tmp_path, "--asyncapi"), channel)
    records = topics[f"described-{mode}.{topic}"]
    assert records
    for record in records:
        assert len(described.suit(*parts(record))) == 1, record


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("topic", ["events", "samples"])
def test_each_event_is_one_of_the_schema(
    topics: Mapping[str, Sequence[Record]], tmp_path: Path, mode: str, topic: str
) -> None:
    validator = Draft202012Validator(schema(tmp_path))
    for record in topics[f"described-{mode}.{topic}"]:
        _headers, value = parts(record)
        validator.validate(value["data"] if mode == "structured" else value)
