"""Three Kafka brokers that are one cluster, private to a test: any one of them may be killed."""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.beds.kafka import Broker, Quorum
from tests.beds.program import free_port

NODES = (1, 2, 3)
_REPLICATED = {"min.insync.replicas": "2", "default.replication.factor": "3"}


class Cluster:
    """The *brokers*, from `start` to `close`; each keeps a copy of every topic with replication_factor 3."""

    def __init__(self) -> None:
        voters = {node: free_port() for node in NODES}
        cluster = str(uuid.uuid4())
        self.brokers: list[Broker] = []
        try:
            for node in NODES:
                self.brokers.append(Broker(quorum=Quorum(cluster, node, voters), properties=_REPLICATED))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor() as threads:
                [*threads.map(Broker.format, self.brokers)]
            for broker in self.brokers:
                broker.process.start()  # none accepts connections before there is a majority
            for broker in self.brokers:
                broker.wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap(self) -> Sequence[str]:
        """Where plain clients find them, as host:port each."""
        return [broker.bootstrap for broker in self.brokers]

    async def leader(self, topic: str, partition: int = 0) -> Broker:
        """Return the broker that leads *partition* of *topic*."""
        administrator = AIOKafkaAdminClient(bootstrap_servers=",".join(self.bootstrap))
        await administrator.start()
        try:
            (description,) = await administrator.describe_topics([topic])
        finally:
            await administrator.close()
        leaders = {one["partition"]: one["leader"] for one in description["partitions"]}
        return self.brokers[NODES.index(leaders[partition])]

    async def ends(self, topic: str, partitions: Sequence[int]) -> list[int]:
        """Return behind which offset each of the *partitions* of *topic* ends."""
        consumer = AIOKafkaConsumer(bootstrap_servers=",".join(self.bootstrap))
        async with consumer:
            ends = await consumer.end_offsets([TopicPartition(topic, one) for one in partitions])
        return [*ends.values()]

    def close(self) -> None:
        """End them; nothing of them is left."""
        for broker in self.brokers:
            broker.close()
