"""The leader of three brokers changes while events flow: it is stopped in order, or killed."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.fetch import Page
from tests.beds.kafka import Broker
from tests.beds.kafka_cluster import Cluster
from tests.beds.process import Vmwatch
from tests.beds.program import NotInstalledError
from tests.e2e_kafka.proof import Counts, fed, goes_on, proven, told_in_log

pytestmark = pytest.mark.real


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three brokers."""
    try:
        made = Cluster()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with made as running:
        yield running


def test_events_go_on_without_the_broker_that_led(
    cluster: Cluster, tmp_path: Path, holds: Callable[[Counts], None]
) -> None:
    with fed(tmp_path, cluster.bootstrap, "led", "--rate=500", partitions=1, replication_factor=3) as vmwatch:
        goes_on(vmwatch)
        for end in (Broker.stop, Broker.kill):
            first = asyncio.run(cluster.leader("led"))
            end(first)
            goes_on(vmwatch, 500)
            second = asyncio.run(cluster.leader("led"))
            assert second is not first
            first.start()
        holds(proven(vmwatch, ",".join(cluster.bootstrap), "led"))


def test_a_partition_without_a_leader_is_told_and_the_others_are_not_sent_to_again_and_again(
    cluster: Cluster, tmp_path: Path, holds: Callable[[Counts], None]
) -> None:
    keys: dict[str, Any] = {"partitions": 3, "replication_factor": 1, "state_topic": "", "delivery_timeout": 2.0}
    with fed(tmp_path, cluster.bootstrap, "alone", "--rate=500", **keys) as vmwatch:
        goes_on(vmwatch)
        lost = asyncio.run(cluster.leader("alone", 2))
        lost.kill()
        try_again(vmwatch, 2)
        before = asyncio.run(cluster.ends("alone", [0, 1]))
        try_again(vmwatch, 2)
        assert asyncio.run(cluster.ends("alone", [0, 1])) == before
        reasons = [line["reason"] for line in told_in_log(vmwatch) if line["event"] == "exporter failed"]
        assert reasons[-1] == "topic alone: no leader for partition 2 (are its brokers up?)"
        lost.start()
        holds(proven(vmwatch, ",".join(cluster.bootstrap), "alone"))


def try_again(vmwatch: Vmwatch, times: int) -> None:
    """Wait until delivery has failed so many *times* more."""

    def failures(page: Page) -> float:
        return page.value("vmwatch_exporter_failures_total", exporter="kafka") or 0.0

    before = failures(vmwatch.metrics())
    vmwatch.wait_for_metrics(lambda page: failures(page) >= before + times, "it has tried again")
