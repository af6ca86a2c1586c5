"""The machine's clock is wrong, and is set right or worse while events flow: vmwatch runs under libfaketime."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.beds.process import Vmwatch
from tests.e2e_kafka.proof import Counts, committed, fed, goes_on, hosts_events, proven, told_in_log
from vmwatch.encode import rfc3339

pytestmark = pytest.mark.real

# The first is a machine without a battery; Kafka's default refuses what is more than an hour ahead.
CLOCKS = ("@1980-01-01 00:00:00", "+0", "+3650d", "-1d", "+2h")
Holds = Callable[[Counts], None]


class Clock:
    """The wall clock of processes with `environment`; the monotonic one stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, to: str) -> None:
        """Set it at once: `+` or `-` beside the real one, or `@` to what it shows."""
        new = self._file.with_suffix(".new")
        new.write_text(to)
        new.replace(self._file)


def library() -> Path:
    """Return what does it; skip where it is not installed."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        pytest.skip("libfaketime is not installed (Debian package faketime)")
    return found


def shown(vmwatch: Vmwatch) -> list[str]:
    """Return the years that the events' times are in."""
    return sorted({rfc3339(event.time)[:4] for event in hosts_events(committed(vmwatch))})


def test_whatever_the_clock_shows_all_is_delivered_once_and_in_order(
    broker: Broker, tmp_path: Path, holds: Holds, counted: Callable[[object], None]
) -> None:
    clock = Clock(tmp_path / "clock")
    clock.set(CLOCKS[0])
    topic = tmp_path.name
    broker.create_topic(topic, partitions=3)  # one that goes by our clock, as topics do that we have not made
    vmwatch = fed(tmp_path, [broker.bootstrap], topic, "--rate=500", environment=clock.environment)
    with vmwatch:
        goes_on(vmwatch)
        for shows in CLOCKS[1:]:
            clock.set(shows)
            goes_on(vmwatch, 500)
        counts = proven(vmwatch, broker.bootstrap, topic)
    times = [event.time for event in hosts_events(committed(vmwatch))]
    counted(f"the clock showed {', '.join(CLOCKS)}; events are of {', '.join(shown(vmwatch))}")
    assert times == sorted(times), "time never decreases"
    assert len(shown(vmwatch)) == 3
    assert [line["event"] for line in told_in_log(vmwatch)].count("kafka refuses our times") >= 1
    holds(counts)
