"""libvirt's statistics of one domain, a dict of its keys, into rows of figures; pure, for the sampler.

Thousands of figures arrive at once, so what can be known from keys alone is found out once for each set of keys; what
remains is to pick and to scale.  A key that no line of the table knows is named to the caller and otherwise ignored.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

import msgspec

from vmwatch.sample import Column, Columns, Row, columns_of
from vmwatch.source.stats_fields import Field, Thing, fill
from vmwatch.source.stats_histogram import HistogramPlan, plan_histograms
from vmwatch.source.stats_table import FIELDS

_GUEST_SIDE = frozenset(
    f"balloon.{key}"
    for key in (
        "swap_in",
        "swap_out",
        "major_fault",
        "minor_fault",
        "unused",
        "available",
        "usable",
        "last-update",
        "disk_caches",
        "hugetlb_pgalloc",
        "hugetlb_pgfail",
    )
)

_STALE_SECONDS = 60.0


def convert(
    record: Mapping[str, Any], now_seconds: float, period_seconds: float = 0.0
) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows that *record* (of `virDomainListGetStats`) makes, and the keys that nobody knows.

    What the guest tells of its memory is left out when it is older than a minute and three of its reporting periods
    (*period_seconds*), or was never told: libvirt 9.0.0 keeps repeating the last it heard.
    """
    record = _with_fresh_guest_memory(record, now_seconds, _STALE_SECONDS + 3 * period_seconds)
    if not all(isfinite(value) for value in record.values() if type(value) is float):
        record = {key: value for key, value in record.items() if type(value) is not float or isfinite(value)}
    values = tuple(record.values())
    shape = _shape(tuple(record), tuple(map(type, values)))
    return shape.rows(values), shape.unknown


def _with_fresh_guest_memory(record: Mapping[str, Any], now: float, stale: float) -> Mapping[str, Any]:
    updated = record.get("balloon.last-update")
    if updated is None:
        return record
    if not updated or now - updated > stale:
        return {key: value for key, value in record.items() if key not in _GUEST_SIDE}
    seen, usable = record.get("balloon.available"), record.get("balloon.usable")
    if seen and usable is not None:
        return {**record, "balloon.used_percent": 100 * (seen - usable) / seen}
    return record


class _RowPlan(msgspec.Struct, frozen=True):
    """Where in the values of a record one row stands: its labels (a position, or the text itself) and its figures."""

    columns: Columns
    labels: tuple[int | str, ...]
    figures: tuple[tuple[int, int, int], ...]

    def row(self, values: Sequence[Any]) -> Row:
        labels = tuple(str(values[label]) if isinstance(label, int) else label for label in self.labels)
        numbers = [
            values[at] * times if per == 1 else values[at] * times / per  # divided last: 0.1, not 0.1000000001
            for at, times, per in self.figures
        ]
        return Row(self.columns, labels, numbers)


class _Shape(msgspec.Struct, frozen=True):
    """What can be known of all records with the same keys."""

    plans: tuple[_RowPlan | HistogramPlan, ...]
    unknown: tuple[str, ...]

    def rows(self, values: Sequence[Any]) -> list[Row]:
        """Return the rows; of two with the same labels (a name twice in one reply) the first."""
        rows: dict[tuple[str, tuple[str, ...]], Row] = {}
        for plan in self.plans:
            row = plan.row(values)
            rows.setdefault((row.columns.of, row.labels), row)
        return list(rows.values())


@lru_cache(maxsize=512)
def _shape(keys: tuple[str, ...], types: tuple[type, ...]) -> _Shape:
    positions = {key: at for at, key in enumerate(keys)}
    found = [(at, matched) for at, key in enumerate(keys) if (matched := match(key)) and types[at] is not str]
    lines: dict[tuple[Thing, tuple[int | str | None, ...]], list[tuple[Column, tuple[int, int, int]]]] = {}
    for at, (field, parts) in found:
        if field.bounds:
            continue
        labels = tuple(_label(where, parts, positions) for _, where in field.thing.labels)
        for column in field.columns(parts):
            figure = (at, field.scale.times, field.scale.per)
            lines.setdefault((field.thing, labels), []).append((column, figure))
    plans = [_row_plan(thing, labels, line) for (thing, labels), line in lines.items() if None not in labels]
    histograms = plan_histograms([(at, *matched) for at, matched in found if matched[0].bounds], positions)
    return _Shape((*plans, *histograms), tuple(key for key in keys if match(key) is None))


def _label(where: str, parts: Mapping[str, str], positions: Mapping[str, int]) -> int | str | None:
    if where.startswith("<"):
        return parts[where]
    return positions.get(fill(where, parts))


def _row_plan(thing: Thing, labels: tuple[Any, ...], line: Iterable[tuple[Column, tuple[int, int, int]]]) -> _RowPlan:
    columns, figures = zip(*line, strict=True)
    return _RowPlan(columns_of(thing.of, tuple(label for label, _ in thing.labels), columns), labels, figures)


@lru_cache(maxsize=65536)
def match(key: str) -> tuple[Field, dict[str, str]] | None:
    """Return the table's line for libvirt's *key*, and what stands at its variable parts."""
    words = key.split(".")
    for field, pattern in _patterns().get((words[0], len(words)), ()):
        if all(_fits(word, wanted) for word, wanted in zip(words, pattern, strict=True)):
            return field, {wanted: word for word, wanted in zip(words, pattern, strict=True) if wanted[0] == "<"}
    return None


def _fits(word: str, wanted: str) -> bool:
    if wanted in ("<stat>", "<event>"):
        return bool(word)
    return word.isdecimal() if wanted[0] == "<" else word == wanted


@lru_cache(maxsize=1)
def _patterns() -> dict[tuple[str, int], list[tuple[Field, list[str]]]]:
    patterns: dict[tuple[str, int], list[tuple[Field, list[str]]]] = {}
    for field in FIELDS:
        words = field.key.split(".")
        patterns.setdefault((words[0], len(words)), []).append((field, words))
    return patterns
