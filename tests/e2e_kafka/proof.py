"""What a topic has to hold: exactly what the journal of a vmwatch had committed; counted, for people to read."""

import json
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.beds.fetch import Page
from tests.beds.process import Vmwatch
from tests.beds.program import until
from tests.beds.topics import Record, read_all
from vmwatch.encode import encode
from vmwatch.events import DomainEvent, Event
from vmwatch.journal_reader import JournalReader

FEEDER = (sys.executable, "-m", "tests.e2e_kafka.feeder")
JOURNAL = "journal.db"


class Counts(NamedTuple):
    """What a consumer found that read everything from the beginning, beside what was committed."""

    committed: int
    records: int
    repeats: int
    lost: int
    invented: int
    altered_repeats: int
    out_of_order: int

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in self._asdict().items())

    @property
    def good(self) -> bool:
        """Nothing is wrong; repeats may be."""
        return not (self.lost or self.invented or self.altered_repeats or self.out_of_order)


def fed(
    folder: Path,
    addresses: Sequence[str],
    topic: str,
    *arguments: str,
    labels: str = "",
    environment: Mapping[str, str] | None = None,
    **keys: Any,
) -> Vmwatch:
    """Return a vmwatch with made-up events for *topic*; *keys* are the exporter's, *arguments* the feeder's."""
    given = {"brokers": [*addresses], "topic": topic, "state_topic": f"{topic}.state", "partitions": 3} | keys
    lines = ["[[libvirt]]", 'uri = "test:///default"', labels, "[exporters.prometheus]", "[exporters.kafka]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in ({"create_topics": True} | given).items()]
    text = "\n".join(lines)
    return Vmwatch(folder, "run", *arguments, command=FEEDER, configuration=text, **(environment or {}))


def committed(vmwatch: Vmwatch) -> list[Event]:
    """Return what the journal holds."""
    with JournalReader(vmwatch.state_directory / JOURNAL) as journal:
        return [*journal.rest()]


def compare(events: Sequence[Event], records: Sequence[Record]) -> Counts:
    """Count what *records*, in the order of each partition, say beside *events*."""
    expected = {event.id: event for event in events}
    first: dict[str, Record] = {}
    altered = out_of_order = 0
    last: dict[tuple[str, bytes | None], int] = {}
    for record in records:
        headers = dict(record.headers)
        known = first.setdefault(headers["ce_id"].decode(), record)
        if known is not record:
            altered += (known.key, known.value, known.headers) != (record.key, record.value, record.headers)
            continue
        place, sequence = (headers["ce_source"].decode(), record.key), int(headers["ce_sequence"])
        out_of_order += sequence <= last.get(place, 0)
        last[place] = sequence
    wrong = sum(encode(expected[one]) != record.value for one, record in first.items() if one in expected)
    return Counts(
        committed=len(events),
        records=len(records),
        repeats=len(records) - len(first),
        lost=len(expected.keys() - first.keys()),
        invented=len(first.keys() - expected.keys()) + wrong,
        altered_repeats=altered,
        out_of_order=out_of_order,
    )


def proven(vmwatch: Vmwatch, bootstrap: str, topic: str, *, without: Collection[str] = ()) -> Counts:
    """Let no more be told, wait until all is delivered, end *vmwatch*, and return what *topic* holds in the end.

    Events with ids in *without* are known to be refused.
    """
    quiet(vmwatch)
    vmwatch.wait_for_metrics(nothing_waits, "all is delivered")
    counts = until(lambda: _complete(vmwatch, bootstrap, topic, without), "all that is committed is in the topic")
    assert vmwatch.terminate() == 0
    assert counts.committed == len(_expected(vmwatch, without)), "more was committed afterwards"
    return counts


def quiet(vmwatch: Vmwatch) -> None:
    """Let no more events be made up."""
    vmwatch.wait_until_ready()
    vmwatch.program.process.send_signal(signal.SIGUSR1)


def _complete(vmwatch: Vmwatch, bootstrap: str, topic: str, without: Collection[str]) -> Counts | None:
    events = _expected(vmwatch, without)  # first, as there may be more at any time
    counts = compare(events, read_all(bootstrap, topic))
    return None if counts.lost else counts


def _expected(vmwatch: Vmwatch, without: Collection[str]) -> list[Event]:
    gone = {*without}
    return [event for event in committed(vmwatch) if event.id not in gone]


def nothing_waits(page: Page) -> bool:
    """Say whether all that was told is committed, and acknowledged by Kafka."""
    waiting = page.value("vmwatch_exporter_waiting_events", exporter="kafka")
    up = page.value("vmwatch_exporter_up", exporter="kafka")
    return waiting == 0 and up == 1 and page.value("vmwatch_journal_waiting_events") == 0


def goes_on(vmwatch: Vmwatch, events: int = 50) -> None:
    """Wait until so many *events* more are delivered."""
    vmwatch.wait_until_ready()
    start = _events(vmwatch.metrics())
    vmwatch.wait_for_metrics(lambda page: _events(page) >= start + events, "events are delivered")


def _events(page: Page) -> float:
    return page.value("vmwatch_exporter_events_total", exporter="kafka") or 0.0


def told_in_log(vmwatch: Vmwatch) -> list[dict[str, Any]]:
    """Return the lines of its own log."""
    return [json.loads(line) for line in vmwatch.program.log.read_text().splitlines() if line.startswith("{")]


def waits_for_log(vmwatch: Vmwatch, event: str, *, times: int = 1) -> None:
    """Wait until its log tells *event* for the so-manieth time."""
    vmwatch.program.until(
        lambda: sum(line["event"] == event for line in told_in_log(vmwatch)) >= times, f"{event} in the log"
    )


def hosts_events(events: Sequence[Event]) -> list[Event]:
    """Return those of the made-up host."""
    return [event for event in events if isinstance(event, DomainEvent)]
