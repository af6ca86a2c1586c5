"""The disk with the state directory is full while events flow, and freed again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beds.fetch import Page
from tests.beds.kafka import Broker
from tests.beds.process import Vmwatch
from tests.e2e_kafka.proof import Counts, committed, fed, goes_on, hosts_events, proven, waits_for_log
from tests.e2e_kafka.small_disk import small_disk
from vmwatch.events import Event, EventsDropped
from vmwatch.journal import MAX_WAITING_BYTES

pytestmark = pytest.mark.real

DISK_BYTES = 400 * 1024 * 1024
LABEL = '[labels]\npadding = "{}"'
PADDING_BYTES = 300_000  # some hundred events are more than waits in memory
MOST_BYTES = MAX_WAITING_BYTES - 2 * PADDING_BYTES
MORE = 20
Holds = Callable[[Counts], None]


def missing(events: list[Event]) -> set[int]:
    """Return the sequences of the made-up host that are not there."""
    there = {event.sequence for event in events if event.host == hosts_events(events)[0].host}
    return set(range(1, max(there) + 1)) - there


def told_missing(events: list[Event]) -> set[int]:
    """Return the sequences that were told to be dropped by the journal."""
    told: set[int] = set()
    for event in events:
        if isinstance(event, EventsDropped) and event.exporter is None:
            assert event.first_sequence
            assert event.last_sequence
            told |= set(range(event.first_sequence, event.last_sequence + 1))
            assert event.count == event.last_sequence - event.first_sequence + 1
    return told


@pytest.mark.parametrize(("name", "padding"), [("fits", ""), ("overflows", "x" * PADDING_BYTES)])
def test_what_a_full_disk_costs_is_told_exactly_and_nothing_else_is_lost(
    broker: Broker, tmp_path: Path, holds: Holds, counted: Callable[[object], None], name: str, padding: str
) -> None:
    topic = f"full-disk-{name}"
    vmwatch = fed(tmp_path, [broker.bootstrap], topic, "--rate=40", labels=LABEL.format(padding), state_topic="")
    with small_disk(DISK_BYTES) as disk:
        vmwatch.state_directory.symlink_to(disk.folder)
        with vmwatch:
            goes_on(vmwatch, 5)
            disk.fill()
            waits_for_log(vmwatch, "journal not writable")
            vmwatch.wait_for_metrics(lambda page: held(page, at_least=MOST_BYTES if padding else 1), "events are held")
            tells_on(vmwatch)
            disk.free()
            waits_for_log(vmwatch, "journal writable again")
            goes_on(vmwatch, 5)
            counts = proven(vmwatch, broker.bootstrap, topic)
        events = committed(vmwatch)
    counted(f"{len(missing(events))} dropped while the disk was full, {len(told_missing(events))} told to be")
    assert missing(events) == told_missing(events)
    assert bool(missing(events)) == bool(padding)
    holds(counts)


def held(page: Page, *, at_least: int) -> bool:
    """Say whether so many bytes of events wait for the disk."""
    return (page.value("vmwatch_journal_waiting_bytes") or 0.0) >= at_least


def tells_on(vmwatch: Vmwatch) -> None:
    """Wait until some more events are told."""
    start = told(vmwatch.metrics())
    vmwatch.wait_for_metrics(lambda page: told(page) >= start + MORE, "more events are told")


def told(page: Page) -> float:
    """Return how many events were told in this run."""
    return sum(one.value for one in page.all("vmwatch_events_total"))
