"""What stands in a compacted topic: the last value of each key; for the Kafka exporter's topic of states."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

CLOSE_SECONDS = 1.0
LOOK_MILLISECONDS = 200
MAX_RECORDS = 200
"""How many are unpacked between two looks at the loop: some milliseconds' work."""


async def last_values(
    topic: str,
    partitions: Collection[int],
    connection: Mapping[str, Any],
    wanted: Callable[[bytes], bool],
    *,
    patience_seconds: float,
) -> dict[bytes, bytes]:
    """Return the last value of every *wanted* key in *topic*, which is read from its beginning to its present end.

    Raises what aiokafka raises, and TimeoutError when nothing comes for *patience_seconds*.
    """
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    try:
        async with asyncio.timeout(patience_seconds):
            await consumer.start()
        return await _read(consumer, [TopicPartition(topic, one) for one in partitions], wanted, patience_seconds)
    finally:
        await _stop(consumer)


async def _read(
    consumer: AIOKafkaConsumer,
    partitions: Collection[TopicPartition],
    wanted: Callable[[bytes], bool],
    patience_seconds: float,
) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    async with asyncio.timeout(patience_seconds):
        at, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, at[partition])
    loop = asyncio.get_running_loop()
    moved = loop.time()
    while waiting := [one for one in partitions if at[one] < ends[one]]:
        batches = await consumer.getmany(*waiting, timeout_ms=LOOK_MILLISECONDS, max_records=MAX_RECORDS)
        before = at  # what is no record is passed too, as transactions leave it
        at = at | {one: await consumer.position(one) for one in waiting}
        if at != before:
            moved = loop.time()
        elif loop.time() - moved > patience_seconds:
            raise TimeoutError
        for records in batches.values():
            for record in records:
                if wanted(record.key or b""):
                    _keep(values, record.key, record.value)
    return values


def _keep(values: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop *consumer*, whatever hangs.

    In a task, as `stop` of aiokafka 0.14 raises CancelledError of its own when the brokers are away, and leaves its
    connections behind.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    try:
        await asyncio.wait({stopping}, timeout=CLOSE_SECONDS)
    finally:
        stopping.cancel()
    closing = asyncio.ensure_future(consumer._client.close())  # noqa: SLF001
    await asyncio.wait({stopping, closing}, timeout=CLOSE_SECONDS)
