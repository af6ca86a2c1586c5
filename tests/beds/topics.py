"""What a Kafka broker holds, seen from the other side: topics are made, and read whole from their beginning.

Call these from tests that are not coroutines, or through `asyncio.to_thread`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

from tests.beds.program import PATIENCE_SECONDS, BedError, until


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record of a topic; a *value* of None is a tombstone."""

    partition: int
    offset: int
    timestamp_milliseconds: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def create_topic(bootstrap: str, name: str, *, partitions: int = 1, **settings: str) -> None:
    """Create topic *name*; *settings* are Kafka's own, with underscores for dots: `cleanup_policy="compact"`."""
    asyncio.run(_create_topic(bootstrap, name, partitions, {key.replace("_", "."): settings[key] for key in settings}))


async def _create_topic(bootstrap: str, name: str, partitions: int, settings: dict[str, str]) -> None:
    async with _administrator(bootstrap) as administrator:
        answer = await administrator.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    for topic, code, message in answer.topic_errors:  # it does not raise
        if code:
            raise BedError(f"topic {topic}: {message} ({code})")


def read_all(bootstrap: str, topic: str) -> list[Record]:
    """Return every record of *topic* from the beginning, by partition and offset; none if there is no such topic."""
    return asyncio.run(_read_all(bootstrap, topic))


async def _read_all(bootstrap: str, topic: str) -> list[Record]:
    partitions = await _partitions(bootstrap, topic)
    if not partitions:
        return []
    records: list[Record] = []
    async with _consumer(bootstrap, partitions) as consumer:
        ends = await consumer.end_offsets(partitions)
        while not all([await consumer.position(partition) >= end for partition, end in ends.items()]):
            records += await _next(consumer)
    return sorted(records, key=lambda record: (record.partition, record.offset))


def read_until(
    bootstrap: str, topic: str, enough: Callable[[Sequence[Record]], bool], *, seconds: float = PATIENCE_SECONDS
) -> list[Record]:
    """Return the records of *topic* as soon as they are *enough*, in the order in which they were read.

    The topic may appear meanwhile.  Raises `BedError` with what was read after *seconds*.
    """
    partitions = until(lambda: asyncio.run(_partitions(bootstrap, topic)), f"there is a topic {topic}", seconds=seconds)
    records: list[Record] = []

    async def read() -> None:
        async with asyncio.timeout(seconds), _consumer(bootstrap, partitions) as consumer:
            while not enough(records):
                records.extend(await _next(consumer))

    try:
        asyncio.run(read())
    except TimeoutError:
        raise BedError(f"{topic} has {len(records)} records after {seconds:g} s, the last: {records[-3:]}") from None
    return records


async def _next(consumer: AIOKafkaConsumer) -> list[Record]:
    batches = await consumer.getmany(timeout_ms=100)
    return [_record(record) for batch in batches.values() for record in batch]


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    async with _administrator(bootstrap) as administrator:
        (description,) = await administrator.describe_topics([topic])
    return [TopicPartition(topic, partition["partition"]) for partition in description["partitions"]]


@asynccontextmanager
async def _administrator(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    administrator = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await administrator.start()
    try:
        yield administrator
    finally:
        await administrator.close()


@asynccontextmanager
async def _consumer(bootstrap: str, partitions: Sequence[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await consumer.stop()


def _record(record: ConsumerRecord[bytes, bytes]) -> Record:
    return Record(
        partition=record.partition,
        offset=record.offset,
        timestamp_milliseconds=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
