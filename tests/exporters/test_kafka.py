"""The Kafka exporter against a real broker, on good days."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.beds.kafka import Broker
from tests.exporters.kafka_run import assert_holds, event, exporter, header, kept_running, read
from tests.fakes import FakeWatch
from vmwatch.encode import encode
from vmwatch.errors import VmwatchError
from vmwatch.events import Domain, DomainSampled, HostSampled, Origin, State, Time
from vmwatch_exporters.kafka.faults import InvalidRecordError
from vmwatch_exporters.kafka.producer import Producer

pytestmark = pytest.mark.real


async def test_every_event_is_there_once_and_each_domains_are_in_order(broker: Broker) -> None:
    async with kept_running(exporter(broker.bootstrap, "good", partitions=3)) as run:
        run.put(*map(event, range(1, 3001)))
        await run.delivered()
        await run.finish()
    records = await read(broker, "good.events")
    assert len(records) == 3000
    assert {record.partition for record in records} == {0, 1, 2}
    assert_holds(records, run.events)


async def test_a_batch_is_done_when_the_brokers_have_it(broker: Broker) -> None:
    async with kept_running(exporter(broker.bootstrap, "acked")) as run:
        for sequence in range(1, 4):
            run.put(event(sequence))
            await run.delivered()
            assert_holds(await read(broker, "acked.events"), run.events)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_can_be_compressed(broker: Broker, compression: str) -> None:
    async with kept_running(exporter(broker.bootstrap, compression, compression=compression)) as run:
        run.put(*map(event, range(1, 101)))
        await run.delivered()
    assert_holds(await read(broker, f"{compression}.events"), run.events)


async def test_records_can_be_whole_cloudevents(broker: Broker) -> None:
    async with kept_running(exporter(broker.bootstrap, "structured", content_mode="structured")) as run:
        run.put(event(1))
        await run.delivered()
    (record,) = await read(broker, "structured.events")
    assert record.value is not None
    assert header(record, "content-type").startswith("application/cloudevents+json")
    assert json.loads(record.value)["data"] == json.loads(encode(event(1)))


async def test_samples_have_a_topic_of_their_own(broker: Broker) -> None:
    kafka = exporter(broker.bootstrap, "sampled", samples_topic="sampled.samples")
    guest = Domain("00000000-0000-4000-8000-000000000001", "guest-1", 1)
    told: dict[str, Any] = {"time": Time(1), "host": "host-a", "origin": Origin.VMWATCH, "values": {}}
    assert kafka.wants_samples
    async with kept_running(kafka) as run:
        run.put(event(1), DomainSampled(**told, domain=guest, state=State.RUNNING), HostSampled(**told))
        await run.delivered()
    assert [header(one, "ce_type") for one in await read(broker, "sampled.samples")] == [
        "io.vmwatch.domain.sampled",
        "io.vmwatch.host.sampled",
    ]
    assert [header(one, "ce_id") for one in await read(broker, "sampled.events")] == ["epoch-1"]


async def test_topics_are_made_with_the_right_clean_up(broker: Broker) -> None:
    kafka = exporter(broker.bootstrap, "made", state_topic="made.state", partitions=2, retention=3600.0)
    async with kept_running(kafka) as run:
        run.put(event(1))
        await run.delivered()
    clock = ("message.timestamp.type", "LogAppendTime")
    assert await settings(broker, "made.events") >= {("cleanup.policy", "delete"), ("retention.ms", "3600000"), clock}
    assert await settings(broker, "made.state") >= {("cleanup.policy", "compact"), clock}


async def test_events_of_a_clock_that_is_behind_are_kept_as_long_as_others(broker: Broker) -> None:
    behind = Time(1_000_000_000_000_000_000)
    async with kept_running(exporter(broker.bootstrap, "behind", retention=3600.0)) as run:
        run.put(event(1, time=behind))
        await run.delivered()
    (record,) = await read(broker, "behind.events")
    assert record.timestamp_milliseconds > behind // 1_000_000, "which is what retention goes by"


async def settings(broker: Broker, topic: str) -> set[tuple[str, str]]:
    administrator = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await administrator.start()
    try:
        (answer,) = await administrator.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await administrator.close()
    return {(name, value) for name, value, *_ in answer.resources[0][4]}


async def test_a_missing_topic_is_told_and_awaited(broker: Broker) -> None:
    async with kept_running(exporter(broker.bootstrap, "missing", create_topics=False)) as run:
        run.put(event(1))
        _, command, _ = (await run.failed()).split("`")
        name, *arguments = command.split()
        assert name == "kafka-topics.sh", "which runs the class"
        await asyncio.to_thread(broker.command, "TopicCommand", *arguments)
        await run.recovered()
        assert len(run.told) == 2
    assert_holds(await read(broker, "missing.events"), run.events)
    assert ("message.timestamp.type", "LogAppendTime") in await settings(broker, "missing.events")


async def test_a_topic_that_cannot_be_made_is_told_in_the_brokers_words(broker: Broker) -> None:
    async with kept_running(exporter(broker.bootstrap, "impossible", replication_factor=3)) as run:
        assert "topic impossible.events: cannot be made: Unable to replicate" in await run.failed()


async def test_a_target_can_be_tried_without_making_or_sending_anything(broker: Broker) -> None:
    kafka = exporter(broker.bootstrap, "tried")
    assert await kafka.try_target() == "brokers: 1, topics: tried.events to be made"
    await asyncio.to_thread(broker.create_topic, "tried.events")
    assert await kafka.try_target() == "brokers: 1, topics: tried.events found"
    assert await read(broker, "tried.events") == []
    with pytest.raises(VmwatchError, match=r"topic tried\.other: it does not exist"):
        await exporter(broker.bootstrap, "tried", topic="tried.other", create_topics=False).try_target()
    assert len(asyncio.all_tasks()) == 1


async def test_a_record_that_is_too_large_is_told_and_skipped(broker: Broker) -> None:
    watch, large = FakeWatch(), event(500, labels={"padding": "x" * 20_000})
    await asyncio.to_thread(broker.create_topic, "large.events", max_message_bytes="15000")
    async with kept_running(exporter(broker.bootstrap, "large"), watch) as run:
        run.put(*map(event, range(1, 500)), large, *map(event, range(501, 1001)))
        await run.delivered()
    assert watch.refusals == [(large, "topic large.events: larger than the topic's max.message.bytes")]
    assert_holds(await read(broker, "large.events"), [one for one in run.events if one is not large])
    assert run.told == []


async def test_when_many_in_a_row_are_too_large_each_is_told_and_the_queue_goes_on(broker: Broker) -> None:
    watch = FakeWatch()
    large = [event(number, labels={"padding": "x" * 20_000}) for number in range(21, 41)]
    await asyncio.to_thread(broker.create_topic, "many.events", max_message_bytes="15000")
    async with kept_running(exporter(broker.bootstrap, "many"), watch) as run:
        run.put(*map(event, range(1, 21)), *large, *map(event, range(41, 61)))
        await run.delivered()
    assert [refused for refused, _reason in watch.refusals] == large
    assert_holds(await read(broker, "many.events"), [one for one in run.events if one not in large])
    assert run.told == []


async def test_what_the_broker_calls_invalid_is_known_as_such(broker: Broker) -> None:
    await asyncio.to_thread(broker.create_topic, "keys", cleanup_policy="compact")
    producer = Producer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    batch = producer.inner.create_batch()
    batch.append(timestamp=1, key=None, value=b"", headers=[])
    batch.close()
    with pytest.raises(InvalidRecordError):
        await (await producer.inner.send_batch(batch, "keys", partition=0))
    await producer.drop()


async def test_events_of_a_clock_that_is_far_ahead_are_sent_without_a_time(broker: Broker) -> None:
    ahead = Time(4_000_000_000_000_000_000)
    await asyncio.to_thread(broker.create_topic, "ahead.events")
    async with kept_running(exporter(broker.bootstrap, "ahead")) as run:
        run.put(event(1), event(2, time=ahead), event(3))
        await run.delivered()
    records = await read(broker, "ahead.events")
    assert_holds(records, run.events)
    assert {record.timestamp_milliseconds for record in records} == {-1}
