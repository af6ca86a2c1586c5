"""Latency histograms of disks: libvirt's counts of single bins into the cumulative buckets of a histogram."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from vmwatch.sample import Column, Metric, Row, columns_of
from vmwatch.source.stats_fields import Field, fill


class HistogramPlan(msgspec.Struct, frozen=True):
    """Where in the values of a record one histogram stands: its *labels*, and its bins by rising lower bound."""

    field: Field
    labels: tuple[int, ...]
    bins: tuple[tuple[int, int], ...]
    sum: int | None

    def row(self, values: Sequence[Any]) -> Row:
        """Return the histogram: libvirt gives each bin's lower bound, which is the upper one of the bin before."""
        upper = [repr(values[start] / 1e9) for start, _ in self.bins[1:]]
        counts = list(accumulate(values[count] for _, count in self.bins))
        metric = self.field.metrics[0]
        columns = [*(Column(metric, (("le", bound),), "_bucket") for bound in (*upper, "+Inf"))]
        if self.sum is None:
            return self._row(values, columns, counts)
        parts = (Column(metric, (), "_count"), Column(metric, (), "_sum"))
        return self._row(values, [*columns, *parts], [*counts, counts[-1], values[self.sum] / 1e9])

    def _row(self, values: Sequence[Any], columns: Sequence[Column], numbers: Sequence[int | float]) -> Row:
        thing = self.field.thing
        head = columns_of(thing.of, tuple(label for label, _ in thing.labels), tuple(columns))
        return Row(head, tuple(str(values[label]) for label in self.labels), numbers)


def plan_histograms(
    found: Iterable[tuple[int, Field, Mapping[str, str]]], positions: Mapping[str, int]
) -> list[HistogramPlan]:
    """Return where the histograms stand in a record: *found* are its counts, with their position and key's parts."""
    bins: dict[tuple[Metric, str], dict[int, tuple[int, int]]] = {}
    about: dict[tuple[Metric, str], tuple[Field, Mapping[str, str]]] = {}
    for at, field, parts in found:
        start = positions.get(fill(field.bounds, parts))
        if start is not None:
            which = (field.metrics[0], parts["<n>"])
            bins.setdefault(which, {})[int(parts["<b>"])] = (start, at)
            about[which] = (field, parts)
    plans = (_plan(*about[which], bins[which], positions) for which in bins)
    return [plan for plan in plans if plan]


def _plan(
    field: Field, parts: Mapping[str, str], bins: Mapping[int, tuple[int, int]], positions: Mapping[str, int]
) -> HistogramPlan | None:
    labels = [positions.get(fill(where, parts)) for _, where in field.thing.labels]
    known = tuple(label for label in labels if label is not None)
    if len(known) < len(labels):
        return None
    return HistogramPlan(field, known, tuple(bins[b] for b in sorted(bins)), positions.get(fill(field.sum, parts)))
