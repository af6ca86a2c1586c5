"""What a scrape asks for: format, compression, deadline, and which part of the page."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from vmwatch_exporters.prometheus.text import Format

GROUPS = (
    *("state", "cpu", "balloon", "vcpu", "interface", "block", "perf", "iothread", "memory", "dirtyrate", "vm"),
    *("info", "events", "host", "vmwatch"),
)
"""What `collect[]` may name: libvirt's groups of statistics, and ours."""

DEFAULT_TIMEOUT_SECONDS = 10.0
LONGEST_TIMEOUT_SECONDS = 300.0
_SHARE = 0.85  # of the timeout; the rest is for rendering and for the way


class WrongRequestError(ValueError):
    """The request asks for something that there is not."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for: *groups* and *hosts* (all where empty), by when, and written how."""

    form: Format
    gzip: bool
    seconds: float
    groups: frozenset[str]
    hosts: frozenset[str]

    def includes(self, group: str) -> bool:
        """Say whether metrics of *group* are asked for."""
        return not self.groups or group in self.groups


def read_request(headers: Mapping[str, str], query: Mapping[str, Sequence[str]], hosts: Sequence[str]) -> Wanted:
    """Return what is wanted, of *hosts*; WrongRequestError with a sentence where a group or host is none."""
    return Wanted(
        form=_form(headers.get("accept", "")),
        gzip=_accepts(headers.get("accept-encoding", ""), "gzip"),
        seconds=_seconds(headers.get("x-prometheus-scrape-timeout-seconds", "")),
        groups=frozenset(_chosen("collect[]", query.get("collect[]", ()), GROUPS)),
        hosts=frozenset(_chosen("host", query.get("host", ()), hosts)),
    )


def _chosen(name: str, values: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    for value in values:
        if value not in known:
            raise WrongRequestError(f"{name}={value[:80]}: there is none; there are {', '.join(known)}")
    return values


def _form(accept: str) -> Format:
    openmetrics = _quality(accept, "application/openmetrics-text")
    return Format.OPENMETRICS if openmetrics and openmetrics >= _quality(accept, "text/plain") else Format.TEXT


def _accepts(header: str, word: str) -> bool:
    return _quality(header, word) > 0


def _quality(header: str, word: str) -> float:
    """Return how much *header* (a list with `q` weights) wants *word*: 0 if it is not named; the highest if often."""
    best = 0.0
    for item in header.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name == word:
            weights = [part[2:] for part in parameters if part.startswith("q=")]
            best = max(best, _number(weights[0], 0.0) if weights else 1.0)
    return best


def _seconds(text: str) -> float:
    seconds = _number(text, DEFAULT_TIMEOUT_SECONDS)
    return min(seconds, LONGEST_TIMEOUT_SECONDS) * _SHARE if seconds > 0 else DEFAULT_TIMEOUT_SECONDS


def _number(text: str, default: float) -> float:
    try:
        number = float(text)
    except ValueError:
        return default
    return number if math.isfinite(number) else default
