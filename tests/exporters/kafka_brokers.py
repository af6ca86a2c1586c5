"""Brokers that exist only on paper, as far as `Sending` can tell: what they take, refuse, and do not answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from aiokafka.errors import OutOfOrderSequenceNumber

from tests.fakes import started
from vmwatch.events import Domain
from vmwatch_exporters.kafka.producer import Producer
from vmwatch_exporters.kafka.records import Record, binary_record
from vmwatch_exporters.kafka.sending import NO_TIMESTAMP, Sending
from vmwatch_exporters.kafka.topics import Topic, Topics
from vmwatch_exporters.kafka.troubles import Troubles

TOPIC = "vmwatch.events"
BATCH_RECORDS = 10

Answer = Callable[[Sequence[Record]], BaseException | None]


def record(sequence: int, domain: int = 1) -> Record:
    """Return the record of an event; the same *domain* is in the same partition."""
    uuid = f"00000000-0000-4000-8000-{domain:012d}"
    return binary_record(started(sequence, domain=Domain(uuid, f"guest-{domain}", 1)), TOPIC)


def sequence(told: Record) -> int:
    """Return the sequence of the event that *told* was made from."""
    assert told.event is not None
    return told.event.sequence


class Batch:
    """What `create_batch` of a producer gives."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(
        self, *, timestamp: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> object | None:
        if len(self.records) == BATCH_RECORDS:
            return None
        self.records.append(Record(TOPIC, key, value, headers, timestamp))
        return self

    def close(self) -> None:
        pass


class Brokers:
    """Take what *answer* has no error for; one that never answers says so with `asyncio.CancelledError`."""

    def __init__(self, answer: Answer = lambda _records: None, partitions: int = 3) -> None:
        self.answer = answer
        self.partitions = partitions
        self.logs: dict[int, list[Record]] = {}
        self.connections = 0
        self.dropped = 0
        self.most_under_way = 0
        self.under_way = 0

    async def connect(self) -> Producer:
        self.connections += 1
        return cast("Producer", _Producer(self))

    def sending(self, timeout_seconds: float = 60.0) -> Sending:
        topics = Topics([Topic(TOPIC, {})], ["kafka-1:9092"], create=False, partitions=None, replication_factor=None)
        return Sending(self.connect, topics, Troubles(["kafka-1:9092"]), timeout_seconds)

    def ids(self) -> list[str]:
        """Return the ids of what they have, partition by partition."""
        return [dict(one.headers)["ce_id"].decode() for log in self.logs.values() for one in log]

    def timestamps(self) -> set[int]:
        """Return the timestamps of what they have."""
        return {one.timestamp_ms for log in self.logs.values() for one in log}


class _Producer:
    """An idempotent producer of aiokafka: a refused batch spoils it for the partition."""

    def __init__(self, brokers: Brokers) -> None:
        self.inner = self.client = self.cluster = self
        self._brokers = brokers
        self._spoilt: set[int] = set()

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(self._brokers.partitions))

    def partitions_for_topic(self, _topic: str) -> set[int] | None:
        return set(range(self._brokers.partitions)) or None

    def available_partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions_for_topic(topic)

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, *, partition: int) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._send(batch, partition))

    async def _send(self, batch: Batch, partition: int) -> None:
        brokers = self._brokers
        brokers.under_way += 1
        brokers.most_under_way = max(brokers.most_under_way, brokers.under_way)
        await asyncio.sleep(0)
        brokers.under_way -= 1
        if partition in self._spoilt:
            raise OutOfOrderSequenceNumber
        error = brokers.answer(batch.records)
        if isinstance(error, asyncio.CancelledError):
            await asyncio.Event().wait()
        if error is not None:
            self._spoilt.add(partition)
            raise error
        brokers.logs.setdefault(partition, []).extend(batch.records)

    async def drop(self) -> None:
        self._brokers.dropped += 1


def refusing(error: type[Exception], *ids: str) -> Answer:
    """Refuse with *error* each batch that has one of the records with *ids*."""
    return lambda records: error() if {dict(one.headers)["ce_id"].decode() for one in records} & set(ids) else None


def refusing_times(error: type[Exception]) -> Answer:
    """Refuse with *error* each batch that has a record with a time."""
    return lambda records: error() if any(one.timestamp_ms != NO_TIMESTAMP for one in records) else None
