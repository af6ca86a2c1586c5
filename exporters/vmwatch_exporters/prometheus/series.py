"""Figures as lines of text, in pieces: pure, for the page, which puts the pieces of one metric together."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from vmwatch.sample import Columns, DomainSample, HostSample, Kind, Metric, Row
from vmwatch_exporters.prometheus.naming import Naming
from vmwatch_exporters.prometheus.text import escape, labels_text

Piece = tuple[Metric, str]
"""Some lines of a metric."""

CHUNK = 50
"""Domains in one piece: so few that a piece takes well below a millisecond."""

_SAMPLE_SECONDS = Metric("vmwatch_sample_duration_seconds", Kind.GAUGE, "How long the last sample took.", "vmwatch")
_TIMED_OUT = Metric("libvirt_domain_timed_out", Kind.GAUGE, "Whether the domain could not be read in time.", "state")
_SAMPLED = Metric(
    "libvirt_domain_last_sample_timestamp_seconds", Kind.GAUGE, "When the domain's figures were last read.", "state"
)


def sample_series(
    sample: HostSample, naming: Naming, static: str, without: Sequence[str], gone: frozenset[str]
) -> Iterator[Piece]:
    """Yield the series of *sample*, the text *static* among their labels, but rows that begin with one of *without*.

    *gone* are the uuids of domains whose figures are of a life that has ended.
    """
    host = labels_text([("host", sample.host)])
    yield from plain_series(naming, _SAMPLE_SECONDS, [(host + static, sample.seconds)])
    yield from rows_series([(host + static, row) for row in sample.rows], naming)
    domains = iter(domain for domain in sample.domains if domain.domain.uuid not in gone)
    while chunk := list(islice(domains, CHUNK)):
        whose = [(f'{host},domain="{escape(domain.domain.name)}"{static}', domain) for domain in chunk]
        yield from _about_sampling([(who, one) for who, one in whose if one.domain.id is not None], naming)
        rows = [(who, row) for who, domain in whose for row in domain.rows if not _starts(row, without)]
        yield from rows_series(rows, naming)


def _starts(row: Row, words: Sequence[str]) -> bool:
    return bool(words) and row.columns.of.startswith(tuple(words))


def _about_sampling(whose: Sequence[tuple[str, DomainSample]], naming: Naming) -> Iterator[Piece]:
    yield from plain_series(naming, _TIMED_OUT, [(who, int(domain.timed_out)) for who, domain in whose])
    yield from plain_series(
        naming, _SAMPLED, [(who, domain.time / 1e9) for who, domain in whose if domain.time is not None]
    )


def plain_series(naming: Naming, metric: Metric, values: Iterable[tuple[str, int | float]]) -> Iterator[Piece]:
    """Yield the series of *metric*: one for each text of labels in *values*, which has its number."""
    numbers = list(values)
    for named, _ in naming.names(metric):
        yield named, "".join([f"{named.name}{{{who}}} {value}\n" for who, value in numbers])


def rows_series(rows: Iterable[tuple[str, Row]], naming: Naming) -> Iterator[Piece]:
    """Yield the series of *rows*, each with the labels that stand before its own."""
    alike: dict[Columns, list[tuple[str, Row]]] = {}
    for who, row in rows:
        alike.setdefault(row.columns, []).append((who, row))
    for columns, those in alike.items():
        for names, families in naming.plan(columns):
            lines = [(_who(who, names, row.labels), row.values) for who, row in those]
            for metric, cells in families:
                yield (
                    metric,
                    "".join(
                        [f"{left}{who}{right}{values[at]}\n" for who, values in lines for left, right, at in cells]
                    ),
                )


def _who(who: str, names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return who
    return who + "".join([f',{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)])
