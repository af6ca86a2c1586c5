"""The broker is away in other ways than killed: stopped in order, frozen, back with a mountain waiting for it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.beds.process import Vmwatch
from tests.bench.usage import cpu_seconds
from tests.e2e_kafka.proof import Counts, fed, goes_on, proven, quiet, told_in_log, waits_for_log

pytestmark = pytest.mark.real

WAITING = 100_000
OUTAGE_SECONDS = 60.0
MOST_OF_A_CORE = 0.05  # of its own time, which a loaded machine does not make more
Holds = Callable[[Counts], None]


def changes(vmwatch: Vmwatch) -> list[str]:
    """Return what its log tells but for its start."""
    return [line["event"] for line in told_in_log(vmwatch) if line["event"] != "watching"]


def test_a_broker_that_is_stopped_with_events_waiting_costs_one_line_and_next_to_no_cpu(
    mortal_broker: Broker, tmp_path: Path, holds: Holds, counted: Callable[[object], None]
) -> None:
    bootstrap = mortal_broker.bootstrap
    with fed(tmp_path, [bootstrap], "stopped", "--rate=500", delivery_timeout=1.0) as vmwatch:
        goes_on(vmwatch)
        mortal_broker.stop()
        quiet(vmwatch)
        waits_for_log(vmwatch, "exporter failed")
        began, before = time.monotonic(), cpu_seconds(vmwatch.program.pid)
        time.sleep(OUTAGE_SECONDS)  # the outage itself
        share = (cpu_seconds(vmwatch.program.pid) - before) / (time.monotonic() - began)
        counted(f"{share:.1%} of a core while the broker was stopped")
        assert share < MOST_OF_A_CORE
        assert changes(vmwatch) == ["exporter failed"]
        mortal_broker.start()
        holds(proven(vmwatch, bootstrap, "stopped"))
        assert changes(vmwatch) == ["exporter failed", "exporter recovered"]


def test_a_broker_that_is_frozen_for_longer_than_every_time_out_is_told_once(
    mortal_broker: Broker, tmp_path: Path, holds: Holds
) -> None:
    with fed(tmp_path, [mortal_broker.bootstrap], "frozen", "--rate=500", delivery_timeout=1.0) as vmwatch:
        goes_on(vmwatch)
        mortal_broker.pause()
        waits_for_log(vmwatch, "exporter failed")
        failures = vmwatch.metrics().value("vmwatch_exporter_failures_total", exporter="kafka") or 0.0
        vmwatch.wait_for_metrics(
            lambda page: (page.value("vmwatch_exporter_failures_total", exporter="kafka") or 0.0) > failures,
            "it has tried again",
        )
        mortal_broker.resume()
        goes_on(vmwatch)
        holds(proven(vmwatch, mortal_broker.bootstrap, "frozen"))
        assert changes(vmwatch) == ["exporter failed", "exporter recovered"]


def test_a_mountain_of_events_is_delivered_though_vmwatch_is_killed_meanwhile(
    mortal_broker: Broker, tmp_path: Path, holds: Holds
) -> None:
    most = f"--most={WAITING}"
    with fed(tmp_path, [mortal_broker.bootstrap], "mountain", "--rate=25000", most, delivery_timeout=2.0) as vmwatch:
        goes_on(vmwatch)
        mortal_broker.kill()
        vmwatch.wait_for_metrics(
            lambda page: (page.value("vmwatch_journal_events") or 0.0) >= WAITING, "the journal has all events"
        )
        mortal_broker.start()
        goes_on(vmwatch, 5000)
        vmwatch.kill()
        vmwatch.start()
        holds(proven(vmwatch, mortal_broker.bootstrap, "mountain"))
