"""The topic is not as events need it: it takes no large ones, or goes away while they flow."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.beds.kafka import Broker
from tests.e2e_kafka.proof import (
    Counts,
    committed,
    fed,
    goes_on,
    nothing_waits,
    proven,
    quiet,
    told_in_log,
    waits_for_log,
)
from vmwatch.encode import encode

pytestmark = pytest.mark.real

SMALL_BYTES = 2000
Holds = Callable[[Counts], None]


async def delete_topic(broker: Broker, name: str) -> None:
    administrator = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await administrator.start()
    try:
        await administrator.delete_topics([name])
    finally:
        await administrator.close()


def test_a_topic_made_again_after_it_was_deleted_gets_all_that_the_old_one_did_not_have(
    broker: Broker, tmp_path: Path, holds: Holds
) -> None:
    broker.create_topic("deleted", partitions=3)
    keys: dict[str, Any] = {"create_topics": False, "state_topic": "", "delivery_timeout": 2.0}
    with fed(tmp_path, [broker.bootstrap], "deleted", "--rate=500", **keys) as vmwatch:
        goes_on(vmwatch)
        asyncio.run(delete_topic(broker, "deleted"))
        waits_for_log(vmwatch, "exporter failed")
        acknowledged = int(vmwatch.metrics().value("vmwatch_exporter_events_total", exporter="kafka") or 0)
        gone = [event.id for event in committed(vmwatch)[:acknowledged]]
        broker.create_topic("deleted", partitions=3)
        goes_on(vmwatch)
        holds(proven(vmwatch, broker.bootstrap, "deleted", without=gone))
        (reason,) = [line["reason"] for line in told_in_log(vmwatch) if line["event"] == "exporter failed"]
        assert "topic deleted: it does not exist" in reason


def test_what_is_too_large_for_the_topic_is_told_one_by_one_and_all_else_goes_on(
    broker: Broker, tmp_path: Path, holds: Holds, counted: Callable[[object], None]
) -> None:
    broker.create_topic("small", partitions=3, max_message_bytes=str(SMALL_BYTES))
    keys: dict[str, Any] = {"create_topics": False, "state_topic": ""}
    long_name = f"--long-name={SMALL_BYTES}"
    with fed(tmp_path, [broker.bootstrap], "small", "--rate=500", long_name, **keys) as vmwatch:
        goes_on(vmwatch, 1000)
        quiet(vmwatch)
        vmwatch.wait_for_metrics(nothing_waits, "all is delivered")
        refused = [line["event_id"] for line in told_in_log(vmwatch) if line["event"] == "event refused"]
        too_large = [event.id for event in committed(vmwatch) if len(encode(event)) > SMALL_BYTES]
        counts = proven(vmwatch, broker.bootstrap, "small", without=too_large)
    counted(f"{len(too_large)} too large, {len(refused)} told to be refused")
    assert refused == too_large != []
    holds(counts)
