"""Records to the brokers: in order within a partition, each acknowledged by all replicas; for the Kafka exporter.

Each partition has at most one batch under way, so that nothing behind a refused batch gets ahead of it.  A refused
batch spoils aiokafka's idempotent producer for its partition (0.14; all that follows is out of sequence): what is left
is sent with a new one, the refused batch record by record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import structlog
from aiokafka.errors import BrokerResponseError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.faults import Remedy, remedy, words
from vmwatch_exporters.kafka.producer import Producer
from vmwatch_exporters.kafka.records import Record
from vmwatch_exporters.kafka.topics import Topics, without_leader
from vmwatch_exporters.kafka.troubles import Troubles

NO_TIMESTAMP = -1
EARLIEST_MS = 1_672_531_200_000
"""2023: then there was no vmwatch, so the clock was wrong, and a topic that goes by it would soon delete the record."""

SLICE = 50
"""How many records are made between two looks at the loop: about a millisecond's work."""

log = structlog.get_logger(__name__)


class Refusal(NamedTuple):
    """A record that the brokers do not take, and why."""

    record: Record
    reason: str


class Lane:
    """What waits for one partition of one topic.

    The first *under_way* records are in the batch under way, or in the one that failed with *error*; the first *alone*
    go one by one.  *timeless* says that the last batch had no times, *renewed* that nothing was acknowledged since the
    last new producer.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.records: list[Record] = []
        self.under_way = 0
        self.alone = 0
        self.error: BaseException | None = None
        self.timeless = False
        self.renewed = False

    def done(self) -> None:
        """Let go of what was under way: it was acknowledged, or refused for good."""
        del self.records[: self.under_way]
        self.alone = max(0, self.alone - self.under_way)
        self.under_way = 0
        self.renewed = False


class Sending:
    """Sends records with a producer that *connect* makes, and makes anew where the old one is spoilt.

    *topics* says what is wrong when one is gone; *timeout_seconds* is how long a batch may wait for its
    acknowledgement.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Producer]],
        topics: Topics,
        troubles: Troubles,
        timeout_seconds: float,
    ) -> None:
        self._connect = connect
        self._topics = topics
        self._troubles = troubles
        self._timeout_seconds = timeout_seconds
        self._producer: Producer
        self._timeless = False

    async def start(self) -> None:
        """Connect; VmwatchError says why that cannot be done."""
        self._producer = await self._connect()

    async def close(self) -> None:
        """Let the producer go; what was not acknowledged is not waited for."""
        await self._producer.drop()

    async def send(self, records: Iterable[Record]) -> list[Refusal]:
        """Return when the brokers have all of *records* but those that are returned, which they refuse.

        VmwatchError says what else is wrong; nothing can be said then about what the brokers have.
        """
        refusals: list[Refusal] = []
        lanes = await self._lanes(records)
        while lanes:
            async with asyncio.TaskGroup() as tasks:
                for lane in lanes:
                    tasks.create_task(self._empty(lane))
            failed = [(lane, lane.error) for lane in lanes if lane.error is not None]
            for lane, error in failed:
                refusals += self._mend(lane, error)
            lanes = [lane for lane, _error in failed]
            if lanes:
                await self.close()
                await self.start()
        return refusals

    async def partitions(self, topic: str) -> list[int]:
        """Return the partitions of *topic*; VmwatchError where there is none."""
        try:
            return sorted(await self._producer.inner.partitions_for(topic))
        except UnknownTopicOrPartitionError as error:
            raise self._topics.missing(topic) from error
        except KafkaError as error:
            raise VmwatchError(f"topic {topic}: {words(error)}") from error

    async def _lanes(self, records: Iterable[Record]) -> list[Lane]:
        lanes: dict[tuple[str, int], Lane] = {}
        partitions: dict[str, list[int]] = {}
        for number, record in enumerate(records, start=1):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            known = partitions.get(record.topic)
            if known is None:
                known = partitions[record.topic] = await self.partitions(record.topic)
            partition = known[_hash(record.key) % len(known)]
            lane = lanes.get((record.topic, partition))
            if lane is None:
                lane = lanes[record.topic, partition] = Lane(record.topic, partition)
            lane.records.append(record)
        return list(lanes.values())

    async def _empty(self, lane: Lane) -> None:
        """Send what waits in *lane*, batch by batch, up to the first that fails."""
        lane.error = None
        while lane.records:
            batch, lane.under_way = self._batch(lane)
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await (await self._producer.inner.send_batch(batch, lane.topic, partition=lane.partition))
            except (KafkaError, TimeoutError) as error:
                lane.error = error
                return
            self._troubles.clear()
            lane.done()

    def _batch(self, lane: Lane) -> tuple[BatchBuilder, int]:
        """Return the next batch of *lane* and how many records are in it."""
        batch = self._producer.inner.create_batch()
        lane.timeless = self._timeless
        count = 0
        for record in islice(lane.records, 1 if lane.alone else None):
            wrong = self._timeless or record.timestamp_ms < EARLIEST_MS
            timestamp = NO_TIMESTAMP if wrong else record.timestamp_ms
            if batch.append(timestamp=timestamp, key=record.key, value=record.value, headers=record.headers) is None:
                break
            count += 1
        batch.close()
        return batch, count

    def _mend(self, lane: Lane, error: BaseException) -> list[Refusal]:
        """Do what there is to do about *error* in *lane*, return what is refused; VmwatchError if that is to wait."""
        action = remedy(error)
        if action is Remedy.SKIP or (action is Remedy.UNTIME and lane.timeless):
            return self._single_out(lane, error)
        if action is Remedy.WAIT or lane.renewed:
            raise self._fault(lane.topic, error) from error
        if action is Remedy.UNTIME and not self._timeless:
            self._timeless = True
            log.warning("kafka refuses our times", topic=lane.topic, reason=words(error))
        lane.renewed = action is Remedy.RENEW
        return []

    def _single_out(self, lane: Lane, error: BaseException) -> list[Refusal]:
        if lane.under_way > 1:
            lane.alone = lane.under_way
            return []
        refusal = Refusal(lane.records[0], words(error))
        lane.done()
        return [refusal]

    def _fault(self, topic: str, error: BaseException) -> VmwatchError:
        cluster = self._producer.client.cluster
        if cluster.partitions_for_topic(topic) is None:
            return self._topics.missing(topic)
        # A broker that stops says last that none of its partitions has a leader: it is away then, which says more.
        if cluster.available_partitions_for_topic(topic) and (leaderless := without_leader(cluster, topic)):
            return leaderless
        if isinstance(error, BrokerResponseError):
            return VmwatchError(f"topic {topic}: {words(error)}")
        return self._troubles.unreachable(error)


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """Return what the partition of *key* follows from, as Kafka's own producers have it."""
    return int(murmur2(key)) & 0x7FFFFFFF
