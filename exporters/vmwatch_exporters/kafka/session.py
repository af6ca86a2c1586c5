"""One run of the Kafka exporter: connect, make the topic of states right, send batch after batch."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from vmwatch.errors import VmwatchError
from vmwatch.events import SAMPLES, Event
from vmwatch.pipeline import Batches, Watch
from vmwatch_exporters.kafka.connection import connection
from vmwatch_exporters.kafka.producer import Producer
from vmwatch_exporters.kafka.reading import last_values
from vmwatch_exporters.kafka.records import Record, binary_record, structured_record
from vmwatch_exporters.kafka.sending import Refusal, Sending
from vmwatch_exporters.kafka.state import States
from vmwatch_exporters.kafka.topics import Topic, Topics
from vmwatch_exporters.kafka.troubles import Troubles, listening

if TYPE_CHECKING:
    from vmwatch_exporters.kafka import Kafka

BATCH_BYTES = 128 * 1024
SETTLE_SECONDS = 1.0
MAY_NOT_READ = 'not allowed to read it, which is how it is made right (grant READ, or set state_topic = "")'


async def deliver(kafka: "Kafka", batches: Batches, watch: Watch) -> None:
    """Send each batch and wait for the brokers' word before asking for the next; VmwatchError says why that fails."""
    topics = topics_of(kafka)
    with listening(kafka.brokers) as troubles:
        connect = partial(_connect, kafka, topics, troubles)
        sending = Sending(connect, topics, troubles, kafka.delivery_timeout)
        await sending.start()
        try:
            states = await _right_states(kafka, sending, watch, troubles)
            chosen = watch.chooses(kafka)
            while (batch := await _next(batches, impatient=states.unsettled())) is not None:
                if states.outdated(batch):
                    states = await _right_states(kafka, sending, watch, troubles)
                records = map(partial(_record, kafka), filter(chosen, batch))
                _tell(kafka, watch, await sending.send(chain(records, states.after(batch), states.settled())))
        finally:
            await sending.close()


async def find_topics(kafka: "Kafka") -> str:
    """Connect and say which topics there are, and which would be made; VmwatchError says what would fail."""
    topics = topics_of(kafka)
    with listening(kafka.brokers) as troubles:
        producer = _producer(kafka, connection(kafka))
        async with _or_dropped(kafka, producer, troubles):
            await producer.start()
            missing = await topics.look(producer.client)
        brokers = len(producer.client.cluster.brokers())
        await producer.drop()
    told = [f"{topic.name} {'to be made' if topic in missing else 'found'}" for topic in topics.topics]
    return f"brokers: {brokers}, topics: {', '.join(told)}"


def topics_of(kafka: "Kafka") -> Topics:
    """Return the topics that *kafka* writes to."""
    # The brokers' clock says how long they keep an event: our own may be wrong.
    clock = {"message.timestamp.type": "LogAppendTime"}
    delete, compact = {"cleanup.policy": "delete"} | clock, {"cleanup.policy": "compact"} | clock
    if kafka.retention is not None:
        delete["retention.ms"] = str(int(kafka.retention * 1000))
    settings = {kafka.topic: delete, kafka.state_topic: compact, kafka.samples_topic: delete}
    return Topics(
        topics=[Topic(name, settings[name]) for name in settings if name],
        brokers=kafka.brokers,
        create=kafka.create_topics,
        partitions=kafka.partitions,
        replication_factor=kafka.replication_factor,
        secured=kafka.security_protocol != "PLAINTEXT",
    )


async def _connect(kafka: "Kafka", topics: Topics, troubles: Troubles) -> Producer:
    settings = connection(kafka)
    producer = _producer(kafka, settings)
    async with _or_dropped(kafka, producer, troubles):
        await producer.start()
        await topics.ensure(producer.client, settings)
    troubles.clear()
    return producer


def _producer(kafka: "Kafka", settings: Mapping[str, Any]) -> Producer:
    compression = None if kafka.compression == "none" else kafka.compression
    return Producer(compression_type=compression, max_batch_size=BATCH_BYTES, **settings)


@asynccontextmanager
async def _or_dropped(kafka: "Kafka", producer: Producer, troubles: Troubles) -> AsyncIterator[None]:
    """Drop *producer* if what is done in this context fails, or is not done in time; VmwatchError says why."""
    seconds = kafka.delivery_timeout * (1 + len(kafka.brokers))  # each may be tried, and then one be asked
    try:
        async with asyncio.timeout(seconds):
            yield
    except BaseException as error:
        await producer.drop()
        if isinstance(error, KafkaError | OSError | TimeoutError):
            raise troubles.unreachable(error) from error
        raise


async def _right_states(kafka: "Kafka", sending: Sending, watch: Watch, troubles: Troubles) -> States:
    """Make the topic of states say what is known, what is gone may have to wait; VmwatchError says why it cannot."""
    states = States(kafka.state_topic, watch, partial(watch.concerns, kafka))
    if not kafka.state_topic:
        return states
    try:
        stored = await last_values(
            kafka.state_topic,
            await sending.partitions(kafka.state_topic),
            connection(kafka),
            states.ours,
            patience_seconds=kafka.delivery_timeout,
        )
    except TopicAuthorizationFailedError as error:
        raise VmwatchError(f"topic {kafka.state_topic}: {MAY_NOT_READ}") from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise troubles.unreachable(error) from error
    _tell(kafka, watch, await sending.send(chain(states.differing(stored), states.settled())))
    return states


def _record(kafka: "Kafka", event: Event) -> Record:
    topic = kafka.samples_topic if isinstance(event, SAMPLES) else kafka.topic
    return (structured_record if kafka.content_mode == "structured" else binary_record)(event, topic)


async def _next(batches: Batches, *, impatient: bool) -> Sequence[Event] | None:
    """Return the next of *batches*, None after the last one, and an empty one soon if *impatient*."""
    try:
        async with asyncio.timeout(SETTLE_SECONDS if impatient else None):
            return await anext(batches, None)
    except TimeoutError:
        return ()


def _tell(kafka: "Kafka", watch: Watch, refusals: Iterable[Refusal]) -> None:
    for record, reason in refusals:
        what = f"topic {record.topic}" if record.event else f"topic {record.topic}, key {record.key.decode()}"
        watch.refused(kafka, record.event, f"{what}: {reason}")
