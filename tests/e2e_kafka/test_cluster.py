"""The leader of three brokers changes while events flow: it is stopped in order, or killed."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.beds.kafka_cluster import Cluster
from tests.beds.program import NotInstalledError
from tests.e2e_kafka.proof import Counts, fed, goes_on, proven

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
