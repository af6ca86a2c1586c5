"""Events to JSON and back: the one wire form, used by journal, Kafka and logs alike."""

from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import msgspec

from vmwatch.events import EVENT_CLASSES, Event, Time

SCHEMA = "urn:vmwatch:event:1"
"""The wire form's name; the number is its version, which grows when a field or word goes or changes its meaning."""


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=2048)
def rfc3339(time: int) -> str:
    """Return *time* (nanoseconds since 1970) in RFC 3339: UTC, nine digits and Z."""
    seconds, nanoseconds = divmod(time, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds:09d}Z"


def parse_rfc3339(text: str) -> Time:
    """Return the time that *text* says; ValueError where it is not as `rfc3339` writes it."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return Time(_seconds(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")))


@lru_cache(maxsize=64)
def _seconds(whole: str) -> int:
    return int(datetime.fromisoformat(whole + "+00:00").timestamp())


def encode_time(value: Any) -> str:
    """Write what msgspec cannot write by itself, which is only `Time`."""
    if isinstance(value, Time):
        return rfc3339(value)
    raise NotImplementedError


def decode_time(kind: type, value: Any) -> Any:
    """Read what msgspec cannot read by itself, which is only `Time`."""
    if kind is Time:
        return parse_rfc3339(value)
    raise NotImplementedError


_AnyEvent: Any = reduce(or_, EVENT_CLASSES.values())
_encoder = msgspec.json.Encoder(enc_hook=encode_time)
_decoder = msgspec.json.Decoder(_AnyEvent, dec_hook=decode_time)


def encode(event: Event) -> bytes:
    """Return *event* as one line of JSON, without the line's end.

    Text that is no valid Unicode (lone surrogates) is written with replacement characters.
    """
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(_clean(fields(event)))


def decode(line: bytes) -> Event:
    """Return the event that *line* says; msgspec.ValidationError where it is none."""
    event: Event = _decoder.decode(line)
    return event


def fields(event: Event) -> dict[str, Any]:
    """Return *event* as a dict of what stands on the wire, in the same order."""
    built: dict[str, Any] = msgspec.to_builtins(event, enc_hook=encode_time)
    return built


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
