"""The AsyncAPI 3 document of the Kafka topics: what stands in them, under which key, with which headers.

By default events are CloudEvents in binary mode: a message for each type.  In structured mode, a choice of the
exporter's configuration, the value is the whole CloudEvent: one message for all types, with the event as its data.
"""

from typing import Any

from vmwatch import __version__
from vmwatch.encode import SCHEMA
from vmwatch.events import EVENT_CLASSES, SAMPLES, DomainEvent, Event
from vmwatch.schema import Schema, event_schemas

BINDING_VERSION = "0.5.0"

_TEXT = {"type": "string"}
_UUID_OR_HOST = {"type": "string", "description": "The domain's uuid; the host's name for an event without a domain."}


def asyncapi() -> Schema:
    """Return the document, for topics called as they are by default."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vmwatch",
            "version": __version__,
            "description": "Events of virtual machines: at least once, in order for each host and domain.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel(
                "vmwatch.events", "Every event but samples.", "delete", [*_names(samples=False), "Structured"]
            ),
            "states": _channel("vmwatch.state", "Each domain's present state, whole.", "compact", ["State", "Gone"]),
            "samples": _channel(
                "vmwatch.samples",
                "Figures, at most once; off by default.",
                "delete",
                [*_names(samples=True), "StructuredSample"],
            ),
        },
        "operations": {
            name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in ("events", "states", "samples")
        },
        "components": {
            "messages": {
                **{kind.__name__: _message(kind) for kind in EVENT_CLASSES.values()},
                "Structured": _structured_message("An event in structured mode.", samples=False),
                "StructuredSample": _structured_message("Figures in structured mode.", samples=True),
                "State": _state_message("DomainState", "A domain as it stands."),
                "Gone": _state_message("Nothing", "The domain has gone."),
            },
            "schemas": {
                **event_schemas("#/components/schemas/{name}"),
                "DomainState": domain_state_schema("#/components/schemas/{name}"),
                "Nothing": {"type": "null", "description": "A tombstone: compaction drops the key."},
            },
        },
    }


def _names(*, samples: bool) -> list[str]:
    return [kind.__name__ for kind in EVENT_CLASSES.values() if (kind in SAMPLES) == samples]


def _channel(topic: str, description: str, policy: str, messages: list[str]) -> Schema:
    return {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {"cleanup.policy": [policy]},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _message(kind: type[Event]) -> Schema:
    tag = str(kind.__struct_config__.tag)
    return {
        "name": tag,
        "summary": (kind.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": _headers(kind, tag),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": _UUID_OR_HOST, "bindingVersion": BINDING_VERSION}},
    }


def _headers(kind: type[Event], tag: str) -> Schema:
    """Return the attributes of the CloudEvent, in binary mode."""
    headers: dict[str, Any] = {
        "ce_specversion": {"const": "1.0"},
        "ce_type": {"const": f"io.vmwatch.{tag}"},
        "ce_source": {"type": "string", "pattern": "^/libvirt/"},
        "ce_id": _TEXT,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"const": SCHEMA},
        "content-type": {"const": "application/json"},
    }
    if kind not in SAMPLES:
        headers["ce_sequence"] = {"type": "string", "pattern": "^[0-9]{20}$"}
    if issubclass(kind, DomainEvent):
        headers["ce_subject"] = {"type": "string", "description": "The domain's uuid."}
    return {"type": "object", "properties": headers, "required": list(headers)}


def _structured_message(summary: str, *, samples: bool) -> Schema:
    attributes: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "pattern": r"^io\.vmwatch\."},
        "source": {"type": "string", "pattern": "^/libvirt/"},
        "id": _TEXT,
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"const": SCHEMA},
        "sequence": {"type": "string", "pattern": "^[0-9]{20}$"},
        "subject": {"type": "string", "description": "The domain's uuid, for an event about one."},
        "data": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in _names(samples=samples)]},
    }
    optional = {"subject", "sequence"} if samples else {"subject"}
    content_type = "application/cloudevents+json; charset=UTF-8"
    headers = {"type": "object", "properties": {"content-type": {"const": content_type}}, "required": ["content-type"]}
    return {
        "summary": summary,
        "contentType": content_type,
        "headers": headers,
        "payload": {
            "type": "object",
            "properties": attributes,
            "required": [name for name in attributes if name not in optional],
        },
        "bindings": {"kafka": {"key": _UUID_OR_HOST, "bindingVersion": BINDING_VERSION}},
    }


def _state_message(schema: str, summary: str) -> Schema:
    return {
        "summary": summary,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{schema}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "host/uuid"},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def domain_state_schema(reference: str) -> Schema:
    """Return the schema of a domain's present state; *reference* is how it refers to others."""
    time = {"type": "string", "format": "date-time"}
    return {
        "type": "object",
        "description": "A domain as it stands on `host` after event `sequence` of that host, told at `time`.",
        "properties": {
            "host": _TEXT,
            "uri": _TEXT,
            "sequence": {"type": "integer"},
            "time": time,
            "domain": {"$ref": reference.format(name="Domain")},
            "state": {"$ref": reference.format(name="State")},
            "since": time,
            "started": time,
            "persistent": {"type": "boolean"},
            "owner": {
                "type": "string",
                "description": "The host that has the guest; absent while nobody known has it.",
            },
            "labels": {"type": "object", "additionalProperties": _TEXT},
        },
        "required": ["host", "sequence", "domain", "state"],
    }
