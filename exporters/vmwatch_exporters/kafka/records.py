"""Events as Kafka records: topic, key, headers and value, for the Kafka exporter; pure.

CloudEvents 1.0 over Kafka: in binary mode the attributes are headers and the value is the event; in structured mode
the value is the whole CloudEvent, with the event as its `data`.
"""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from vmwatch.encode import SCHEMA, encode, rfc3339
from vmwatch.events import DomainEvent, Event

_SPECVERSION = ("ce_specversion", b"1.0")
_DATASCHEMA = ("ce_dataschema", SCHEMA.encode())
_BINARY = ("content-type", b"application/json")
_STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


class Record(NamedTuple):
    """What is sent: to *topic*, under *key*; a *value* of None deletes the key.  *event* is what it was made from."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int
    event: Event | None = None


def binary_record(event: Event, topic: str) -> Record:
    """Return *event* as a record whose headers are the CloudEvent's attributes."""
    kind, source = _kind_and_source(event.type, event.host)
    headers = [
        _SPECVERSION,
        kind,
        source,
        ("ce_id", _utf8(event_id(event))),
        ("ce_time", rfc3339(event.time).encode()),
        _DATASCHEMA,
        _BINARY,
    ]
    if event.sequence:
        headers.append(("ce_sequence", b"%020d" % event.sequence))
    if isinstance(event, DomainEvent):
        headers.append(("ce_subject", _utf8(event.domain.uuid)))
    return Record(topic, record_key(event), encode(event), headers, event.time // 1_000_000, event)


def structured_record(event: Event, topic: str) -> Record:
    """Return *event* as a record whose value is the whole CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "type": f"io.vmwatch.{event.type}",
        "source": event_source(event.host),
        "id": event_id(event),
        "time": rfc3339(event.time),
        "datacontenttype": "application/json",
        "dataschema": SCHEMA,
    }
    if event.sequence:
        attributes["sequence"] = f"{event.sequence:020d}"
    if isinstance(event, DomainEvent):
        attributes["subject"] = event.domain.uuid
    value = msgspec.json.encode(attributes | {"data": msgspec.Raw(encode(event))})
    return Record(topic, record_key(event), value, _STRUCTURED, event.time // 1_000_000, event)


def record_key(event: Event) -> bytes:
    """Return what keeps the events of one thing in one partition: the domain's uuid, else the host."""
    return _utf8(event.domain.uuid if isinstance(event, DomainEvent) else event.host)


def event_source(host: str) -> str:
    """Return the CloudEvent's source, a URI reference."""
    return f"/libvirt/{quote(host, safe='', errors='replace')}"


def event_id(event: Event) -> str:
    """Return the event's id; samples have none of their own, for them it is made of what they are about and when."""
    return event.id or f"{record_key(event).decode()}@{event.time}"


@lru_cache(maxsize=4096)
def _kind_and_source(kind: str, host: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    return ("ce_type", f"io.vmwatch.{kind}".encode()), ("ce_source", event_source(host).encode())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
