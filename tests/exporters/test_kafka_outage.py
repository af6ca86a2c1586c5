"""The Kafka exporter while its broker is killed, stopped, frozen and started again."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.beds.kafka import Broker
from tests.exporters.kafka_run import assert_holds, event, exporter, flow, kept_running, read

pytestmark = pytest.mark.real

STOP_SECONDS = 5.0
"""How long stopping may take, whatever hangs."""


async def delete_topic(broker: Broker, name: str) -> None:
    administrator = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await administrator.start()
    try:
        await administrator.delete_topics([name])
    finally:
        await administrator.close()


async def started_again(broker: Broker) -> None:
    await asyncio.to_thread(broker.start)


async def test_events_survive_brokers_that_are_killed_while_they_flow(fresh_broker: Broker) -> None:
    async with kept_running(exporter(fresh_broker.bootstrap, "killed", partitions=3)) as run:
        with flow(run):
            for _ in range(2):
                await run.under_way()
                fresh_broker.kill()
                await asyncio.sleep(0.5)
                await started_again(fresh_broker)
        await run.delivered()
        await run.finish()
    assert_holds(await read(fresh_broker, "killed.events"), run.events)


@contextmanager
def counted_lines() -> Iterator[list[str]]:
    """Count what the client writes into its log, for whoever listens."""
    lines: list[str] = []

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("aiokafka"), Counting()
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


async def test_a_broker_that_is_stopped_in_order_is_told_once_and_not_asked_in_a_busy_loop(
    fresh_broker: Broker,
) -> None:
    async with kept_running(exporter(fresh_broker.bootstrap, "stopped", delivery_timeout=2.0)) as run:
        with counted_lines() as lines, flow(run):
            await run.under_way()
            await asyncio.to_thread(fresh_broker.stop)
            assert await run.failed() == f"brokers {fresh_broker.bootstrap}: connection refused"
            assert len(lines) < 200  # some thousands without our care
            await run.tried_again(3)
        assert len(run.told) == 1
        await started_again(fresh_broker)
        await run.recovered()
        await run.delivered()
    assert len(run.told) == 2
    assert_holds(await read(fresh_broker, "stopped.events"), run.events)


async def test_a_broker_that_hangs_for_longer_than_every_time_out_gets_everything_in_the_end(
    fresh_broker: Broker,
) -> None:
    async with kept_running(exporter(fresh_broker.bootstrap, "frozen", delivery_timeout=2.0)) as run:
        with flow(run):
            await run.under_way()
            fresh_broker.pause()
            assert await run.failed() == f"brokers {fresh_broker.bootstrap}: no answer"
            await run.tried_again(1)
            fresh_broker.resume()
            await run.recovered()
        await run.delivered()
    assert len(run.told) == 2
    assert_holds(await read(fresh_broker, "frozen.events"), run.events)


@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_stopping_does_not_wait_for_a_broker_that_is_away(fresh_broker: Broker, end: str) -> None:
    async with kept_running(exporter(fresh_broker.bootstrap, "away")) as run:
        run.put(event(1))
        await run.delivered()
        getattr(fresh_broker, end)()
        run.put(*map(event, range(2, 2000)))
        await asyncio.sleep(0.2)  # for the exporter to take the batch
        run.running.cancel()
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.wait({run.running})
    assert run.running.cancelled()


async def test_a_topic_that_is_deleted_is_told_and_filled_again_when_it_is_back(fresh_broker: Broker) -> None:
    kafka = exporter(fresh_broker.bootstrap, "deleted", create_topics=False, delivery_timeout=2.0)
    await asyncio.to_thread(fresh_broker.create_topic, "deleted.events")
    async with kept_running(kafka) as run:
        run.put(event(1))
        await run.delivered()
        await delete_topic(fresh_broker, "deleted.events")
        run.put(event(2), event(3))
        assert "topic deleted.events: it does not exist" in await run.failed()
        await asyncio.to_thread(fresh_broker.create_topic, "deleted.events")
        await run.recovered()
    assert len(run.told) == 2
    assert_holds(await read(fresh_broker, "deleted.events"), run.events[1:])
