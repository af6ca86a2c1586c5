import json
import re

import pytest

from vmwatch.asyncapi import asyncapi
from vmwatch.encode import encode
from vmwatch.events import Domain, DomainSampled, Event, HostConnected, Origin, ShutdownFinished, State, Time
from vmwatch_exporters.kafka.records import binary_record, structured_record

GUEST = Domain("c7a5fdbd-edaf-9455-926a-d65c16db1809", "web-1", 3)
TIME = Time(1_700_000_000_123_456_789)


def shutdown_finished() -> ShutdownFinished:
    return ShutdownFinished(
        id="8d3f-41",
        sequence=41,
        time=TIME,
        host="rack 1/ü",
        origin=Origin.LIBVIRT,
        domain=GUEST,
        detail="finished",
        state=State.SHUTDOWN,
        previous_state=State.RUNNING,
    )


def test_a_binary_record_carries_the_attributes_as_headers_and_the_event_as_its_value() -> None:
    event = shutdown_finished()
    record = binary_record(event, "vmwatch.events")
    assert (record.topic, record.key, record.value) == ("vmwatch.events", GUEST.uuid.encode(), encode(event))
    assert record.timestamp_ms == 1_700_000_000_123
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_type": b"io.vmwatch.domain.shutdown-finished",
        "ce_source": b"/libvirt/rack%201%2F%C3%BC",
        "ce_id": b"8d3f-41",
        "ce_time": b"2023-11-14T22:13:20.123456789Z",
        "ce_dataschema": b"urn:vmwatch:event:1",
        "ce_sequence": b"00000000000000000041",
        "ce_subject": GUEST.uuid.encode(),
        "content-type": b"application/json",
    }


def test_a_structured_record_is_the_whole_cloudevent_and_says_the_same() -> None:
    event = shutdown_finished()
    record = structured_record(event, "vmwatch.events")
    assert record.value is not None
    told = json.loads(record.value)
    assert told.pop("data") == json.loads(encode(event))
    headers = dict(binary_record(event, "vmwatch.events").headers)
    assert told.pop("datacontenttype").encode() == headers.pop("content-type")
    assert {f"ce_{name}": value.encode() for name, value in told.items()} == headers
    assert dict(record.headers)["content-type"] == b"application/cloudevents+json; charset=UTF-8"
    assert record.key == GUEST.uuid.encode()


@pytest.mark.parametrize(
    "event",
    [
        shutdown_finished(),
        HostConnected(id="8d3f-1", sequence=1, time=TIME, host="kvm-1", origin=Origin.VMWATCH),
        DomainSampled(time=TIME, host="h", origin=Origin.VMWATCH, domain=GUEST, state=State.RUNNING, values={}),
    ],
    ids=lambda event: event.type,
)
def test_the_headers_are_those_of_the_asyncapi_document(event: Event) -> None:
    described = asyncapi()["components"]["messages"][type(event).__name__]["headers"]
    headers = {name: value.decode() for name, value in binary_record(event, "vmwatch.events").headers}
    assert headers.keys() == set(described["required"]) == described["properties"].keys()
    for name, value in headers.items():
        assert described["properties"][name].get("const", value) == value
        assert re.search(described["properties"][name].get("pattern", ""), value)


def test_an_event_about_no_domain_is_keyed_by_its_host_and_has_no_subject() -> None:
    event = HostConnected(id="8d3f-1", sequence=1, time=TIME, host="kvm-1", origin=Origin.VMWATCH)
    record = binary_record(event, "vmwatch.events")
    assert record.key == b"kvm-1"
    assert "ce_subject" not in dict(record.headers)


def test_a_sample_has_an_id_of_its_own_and_no_sequence() -> None:
    sample = DomainSampled(
        time=TIME, host="kvm-1", origin=Origin.VMWATCH, domain=GUEST, state=State.RUNNING, values={"cpu": 1.0}
    )
    headers = dict(binary_record(sample, "vmwatch.samples").headers)
    assert headers["ce_id"] == f"{GUEST.uuid}@{TIME:d}".encode()
    assert "ce_sequence" not in headers


def test_names_that_are_no_valid_unicode_are_sent_with_replacement_characters() -> None:
    event = HostConnected(id="8d3f-1", sequence=1, time=TIME, host="kvm\udcff", origin=Origin.VMWATCH)
    record = binary_record(event, "vmwatch.events")
    assert record.key == b"kvm?"
    assert dict(record.headers)["ce_source"] == b"/libvirt/kvm%3F"
    assert json.loads(structured_record(event, "vmwatch.events").value or b"")["source"] == "/libvirt/kvm%3F"
