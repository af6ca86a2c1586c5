"""The topics that the Kafka exporter writes to: looked for before anything is sent, and made if that is wanted.

Looked for in the list of all topics: asking for a topic by its name makes it, wherever brokers create topics by
themselves, and with another clean-up policy than ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code
from msgspec import Struct

from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.faults import words


class Topic(Struct, frozen=True):
    """A topic by *name*, and the *settings* it is to be made with, in Kafka's words."""

    name: str
    settings: Mapping[str, str]


class Topics(Struct, frozen=True):
    """All topics we write to, on *brokers*; *create* makes the missing ones with so many *partitions* and replicas.

    *partitions* and *replication_factor* are None for the brokers' own defaults; *secured* are brokers that one has to
    prove oneself to.
    """

    topics: Sequence[Topic]
    brokers: Sequence[str]
    create: bool
    partitions: int | None
    replication_factor: int | None
    secured: bool = False

    async def ensure(self, client: AIOKafkaClient, connection: Mapping[str, Any]) -> None:
        """Return when all topics exist; VmwatchError says which one does not, and what to do.

        *client* looks for them; *connection* is what another one connects with, to make them.
        """
        missing = await self.look(client)
        if missing:
            await self._create(missing, connection)

    async def look(self, client: AIOKafkaClient) -> list[Topic]:
        """Return the topics that have to be made; VmwatchError if they may not, or one cannot be written to now."""
        cluster = await client.fetch_all_metadata()
        missing = [topic for topic in self.topics if topic.name not in cluster.topics()]
        if missing and not self.create:
            raise self.missing(missing[0].name)
        for topic in self.topics:
            if leaderless := without_leader(cluster, topic.name):
                raise leaderless  # at once: what is sent to its other partitions would be sent again with each try
        return missing

    def missing(self, name: str) -> VmwatchError:
        """Return the error that says that topic *name* does not exist, with the command that makes it."""
        settings = next((topic.settings for topic in self.topics if topic.name == name), {})
        options = [f"--config {key}={value}" for key, value in settings.items()]
        if self.partitions is not None:
            options.append(f"--partitions {self.partitions}")
        if self.replication_factor is not None:
            options.append(f"--replication-factor {self.replication_factor}")
        if self.secured:
            options.append("--command-config client.properties")
        command = ["kafka-topics.sh --bootstrap-server", ",".join(self.brokers), "--create --topic", name, *options]
        return VmwatchError(
            f"topic {name}: it does not exist, or we may not see it; make it with `{' '.join(command)}`,"
            " or set create_topics = true"
        )

    async def _create(self, topics: Sequence[Topic], connection: Mapping[str, Any]) -> None:
        admin = AIOKafkaAdminClient(**connection)
        try:
            await admin.start()
            answer = await admin.create_topics([self._new(topic) for topic in topics])
        finally:
            await admin.close()
        for name, code, *message in answer.topic_errors:
            error = for_code(code)
            if error not in (NoError, TopicAlreadyExistsError):
                raise VmwatchError(f"topic {name}: cannot be made: {(message and message[0]) or words(error())}")

    def _new(self, topic: Topic) -> NewTopic:
        partitions = -1 if self.partitions is None else self.partitions
        replicas = -1 if self.replication_factor is None else self.replication_factor
        assignments: dict[int, list[int]] | None
        assignments = {} if -1 in (partitions, replicas) else None  # aiokafka refuses None beside the brokers' defaults
        return NewTopic(topic.name, partitions, replicas, assignments, dict(topic.settings))


def without_leader(cluster: ClusterMetadata, topic: str) -> VmwatchError | None:
    """Return the error that says which partitions of *topic* have no leader; None where all have one."""
    everyone = cluster.partitions_for_topic(topic) or set()
    lost = sorted(everyone - (cluster.available_partitions_for_topic(topic) or set()))
    if not lost:
        return None
    return VmwatchError(f"topic {topic}: no leader for partition {', '.join(map(str, lost))} (are its brokers up?)")
