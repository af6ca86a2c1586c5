"""Figures of hosts and domains on their way from the sampler to exporters: rows of numbers under shared columns.

A row is one thing's figures (a domain's own, one of its disks', one vCPU's); its columns name them once for all rows of
the same shape, so that thousands of figures cost little more than their numbers.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from vmwatch.events import Domain, DomainSampled, Event, HostSampled, Origin, State, Time

Number = int | float


class Kind(StrEnum):
    """What a number does over time; UNKNOWN is for figures that a hypervisor does not explain."""

    COUNTER = "counter"
    GAUGE = "gauge"
    INFO = "info"
    HISTOGRAM = "histogram"
    UNKNOWN = "unknown"


class Metric(msgspec.Struct, frozen=True):
    """A quantity: *name* with its unit, *help* a sentence; *group* is what it is chosen by (`cpu`, `block`, ...)."""

    name: str
    kind: Kind
    help: str
    group: str


class Column(msgspec.Struct, frozen=True):
    """One figure of a row: *labels* beside the row's own, *suffix* after the name for the parts of a histogram."""

    metric: Metric
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""

    @property
    def key(self) -> str:
        """Return its name in an event: the metric's, and the values of *labels* after dots."""
        return ".".join((self.metric.name + self.suffix, *(value for _, value in self.labels)))


class Columns(msgspec.Struct, frozen=True, eq=False):
    """The head of rows: what they are *of* (`domain`, `vcpu`, `block`, ...), the names of their labels, their figures.

    Compared by identity, and `columns_of` keeps one of each, so that readers can keep what they made of it.
    """

    of: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]


@lru_cache(maxsize=4096)
def columns_of(of: str, labels: tuple[str, ...], columns: tuple[Column, ...]) -> Columns:
    """Return the one head of such rows."""
    return Columns(of, labels, columns)


class Row(msgspec.Struct, frozen=True, gc=False):
    """One thing's figures: the values of its *labels* (besides host and domain), and a number for each column."""

    columns: Columns
    labels: tuple[str, ...]
    values: Sequence[Number]


class DomainSample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One domain's figures, as libvirt told them at *time* (None: never); *timed_out*: it could not be read now.

    A figure that libvirt did not tell has no column.
    """

    domain: Domain
    state: State
    time: Time | None
    timed_out: bool = False
    rows: Sequence[Row] = ()


class HostSample(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One host's figures at *time*, and its domains'; *seconds* is how long they took.  Compared by identity."""

    host: str
    time: Time
    seconds: float
    rows: Sequence[Row] = ()
    domains: Sequence[DomainSample] = ()


def figures(rows: Sequence[Row]) -> Iterator[tuple[Column, dict[str, str], Number]]:
    """Yield each figure of *rows*: its column, all its labels besides host and domain, its number."""
    for row in rows:
        own = dict(zip(row.columns.labels, row.labels, strict=True))
        for column, value in zip(row.columns.columns, row.values, strict=True):
            yield column, own | dict(column.labels), value


def without_figures(sample: HostSample) -> HostSample:
    """Return *sample* as what could not be read in time: its active domains marked, with their descriptions only."""
    domains = [
        msgspec.structs.replace(one, timed_out=one.domain.id is not None, rows=[*filter(_is_info, one.rows)])
        for one in sample.domains
    ]
    return HostSample(host=sample.host, time=sample.time, seconds=sample.seconds, domains=domains)


def _is_info(row: Row) -> bool:
    return row.columns.columns[0].metric.kind is Kind.INFO


def sample_events(sample: HostSample) -> Iterator[Event]:
    """Yield *sample* as events: one for the host, one for each domain that could be read."""
    values, devices = _nested(sample.rows)
    yield HostSampled(time=sample.time, host=sample.host, origin=Origin.VMWATCH, values=values, devices=devices or None)
    for domain in sample.domains:
        if domain.time is not None and not domain.timed_out:
            yield _domain_sampled(sample.host, domain, domain.time)


def _domain_sampled(host: str, sample: DomainSample, time: Time) -> DomainSampled:
    values, devices = _nested(sample.rows)
    return DomainSampled(
        time=time,
        host=host,
        origin=Origin.VMWATCH,
        domain=sample.domain,
        state=sample.state,
        values=values,
        devices=devices or None,
    )


def _nested(rows: Sequence[Row]) -> tuple[dict[str, Number], dict[str, dict[str, dict[str, Number]]]]:
    values: dict[str, Number] = {}
    devices: dict[str, dict[str, dict[str, Number]]] = {}
    for row in rows:
        if _is_info(row):
            continue  # descriptions change seldom and are no figures
        into = values if not row.labels else devices.setdefault(row.columns.of, {}).setdefault("/".join(row.labels), {})
        into.update(zip(_keys(row.columns), row.values, strict=True))
    return values, devices


@lru_cache(maxsize=4096)
def _keys(columns: Columns) -> tuple[str, ...]:
    return tuple(column.key for column in columns.columns)
