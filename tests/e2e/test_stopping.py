"""SIGTERM ends vmwatch within 5 s, with everything flushed that can be, whatever hangs."""

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beds.fetch import Page, fetch
from tests.beds.kafka import Broker
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.e2e.watching import all_exporters, assert_gapless, flow, hosts, journal, listed, wait_for_more

pytestmark = pytest.mark.real

STOP_SECONDS = 5.0
"""What is promised."""


def test_nothing_that_was_told_is_missing_after_a_stop_in_the_middle(
    broker: Broker, test_daemon: Libvirtd, tmp_path: Path
) -> None:
    configuration = hosts(**{"kvm-1": test_daemon.uri}) + all_exporters(broker, "stopped")
    with test_daemon.connection() as connection, Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        listed(vmwatch, domain="test")
        with flow(connection, "test"):
            wait_for_more(vmwatch, 200)
            assert vmwatch.terminate(seconds=STOP_SECONDS) == 0
            assert_gapless(vmwatch.events)
            assert [event["id"] for event in journal(vmwatch)] == [line["event_id"] for line in vmwatch.events]
            vmwatch.start()
            wait_for_more(vmwatch, 200)
        assert vmwatch.terminate(seconds=STOP_SECONDS) == 0
    assert_gapless(vmwatch.events)


@contextmanager
def reader_that_does_not_read() -> Iterator[int]:
    """Give the end of a small pipe to write to; nobody reads at the other one."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)
    try:
        yield writer
    finally:
        os.close(reader)
        os.close(writer)


def test_a_hanging_daemon_a_hanging_broker_and_a_reader_that_does_not_read(
    fresh_broker: Broker, test_daemon: Libvirtd, tmp_path: Path
) -> None:
    configuration = hosts(**{"kvm-1": test_daemon.uri}) + all_exporters(fresh_broker, "hanging")
    vmwatch = Vmwatch(tmp_path, "run", configuration=configuration)
    with reader_that_does_not_read() as stdout, test_daemon.connection() as connection:
        vmwatch.program.start(stdout=stdout)
        vmwatch.wait_until_ready()
        with flow(connection, "test"):
            until_more(vmwatch, 50)
            fresh_broker.pause()
            until_more(vmwatch, 100)
        counted = suspended(vmwatch.metrics())
        test_daemon.pause()
        try:
            fetch(f"http://{vmwatch.address}/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})  # hangs
            assert vmwatch.program.stop(seconds=STOP_SECONDS) == 0
        finally:
            vmwatch.kill()
            test_daemon.resume()
    events = journal(vmwatch)
    assert_gapless(events)
    assert len([event for event in events if event["type"] == "domain.suspended"]) >= (counted or 1)


def suspended(page: Page) -> float | None:
    """Return how often the guest was suspended."""
    return page.value("libvirt_domain_events_total", domain="test", event="suspended", detail="paused")


def until_more(vmwatch: Vmwatch, count: int) -> None:
    """Wait until the metrics have counted *count* more."""
    before = vmwatch.wait_for_metrics(lambda page: [suspended(page)], "a count")[0] or 0
    vmwatch.wait_for_metrics(lambda page: (suspended(page) or 0) >= before + count, "events go on")
