"""The compacted topic of present states on a real broker: right after every start, whatever stood in it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.beds.kafka import Broker
from tests.beds.topics import Record
from tests.exporters.kafka_run import assert_holds, event, exporter, header, kept_running, read
from tests.fakes import FakeWatch
from vmwatch.events import Event, State, Stopped, Suspended, Time, Undefined
from vmwatch.fold import fold, note_listing
from vmwatch.pipeline import HostStatus
from vmwatch.stream import now
from vmwatch_exporters.kafka import Kafka

pytestmark = pytest.mark.real

ONE, TWO, THREE = (f"host-a/00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3))


class Here(FakeWatch):
    """A watch of host-a that knows what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses = [HostStatus(host="host-a", uri="test:///default", up=True, since=Time(0))]

    def told_of(self, *events: Event) -> list[Event]:
        for one in events:
            fold(self.state, one)
        return list(events)


def keeping(broker: Broker, name: str) -> Kafka:
    return exporter(broker.bootstrap, name, state_topic=f"{name}.state")


async def states(broker: Broker, name: str) -> dict[str, Any]:
    return compacted(await read(broker, f"{name}.state"))


def compacted(records: Sequence[Record]) -> dict[str, Any]:
    """Return the state by key that is left when *records* are compacted; None for what is deleted."""
    values: dict[str, Any] = {}
    for record in records:
        assert record.key is not None
        values[record.key.decode()] = record.value and json.loads(record.value).get("state")
    return values


async def test_it_follows_the_events(broker: Broker) -> None:
    here = Here()
    async with kept_running(keeping(broker, "follows"), here) as run:
        run.put(*here.told_of(event(1), event(2), event(3)))
        await run.delivered()
        assert await states(broker, "follows") == {ONE: "running", TWO: "running", THREE: "running"}
        gone = {"previous_state": State.RUNNING}
        run.put(
            *here.told_of(
                event_of(Suspended, 21, detail="paused", state=State.PAUSED, **gone),
                event_of(Stopped, 22, detail="destroyed", state=State.UNDEFINED, **gone),
                event_of(Stopped, 23, detail="shutdown", state=State.SHUTOFF, **gone),
            )
        )
        await run.delivered()
    assert await states(broker, "follows") == {ONE: "paused", TWO: None, THREE: "shutoff"}


def event_of(kind: type[Any], sequence: int, **fields: Any) -> Event:
    """Return another kind of event about the domain that event *sequence* is about."""
    plain = event(sequence)
    given = {name: getattr(plain, name) for name in plain.__struct_fields__} | fields
    made: Event = kind(**given)
    return made


async def test_an_empty_topic_is_filled_at_the_start(broker: Broker) -> None:
    here = Here()
    here.told_of(event(1), event(2))
    async with kept_running(keeping(broker, "empty"), here) as run:
        await filled(broker, "empty", {ONE: "running", TWO: "running"})
    assert run.told == []


async def filled(broker: Broker, name: str, expected: dict[str, Any]) -> None:
    """Wait until the topic says what is *expected*."""

    def enough(records: Sequence[Record]) -> bool:
        return compacted(records) == expected

    await asyncio.to_thread(broker.read_until, f"{name}.state", enough)


async def test_a_stale_topic_is_made_right_at_the_start_and_what_is_right_is_not_said_again(broker: Broker) -> None:
    before = Here()
    async with kept_running(keeping(broker, "stale"), before) as run:
        run.put(*before.told_of(event(1), event(2), event(3)))
        await run.delivered()
    records = len(await read(broker, "stale.state"))
    after = Here()
    after.told_of(
        event(1),
        event(2),
        event_of(Undefined, 22, detail="removed", state=State.UNDEFINED, previous_state=State.RUNNING),
    )
    async with kept_running(keeping(broker, "stale"), after) as run:
        note_listing(after.state, "host-a", {}, now())
        await filled(broker, "stale", {ONE: "running", TWO: None, THREE: None})
    assert len(await read(broker, "stale.state")) == records + 2


async def test_what_is_gone_is_deleted_only_when_its_host_has_been_listed(broker: Broker) -> None:
    before = Here()
    async with kept_running(keeping(broker, "listed"), before) as run:
        run.put(*before.told_of(event(1)))
        await run.delivered()
    after = Here()
    async with kept_running(keeping(broker, "listed"), after) as run:
        run.put(*after.told_of(event(2)))
        await run.delivered()
        assert await states(broker, "listed") == {ONE: "running", TWO: "running"}
        note_listing(after.state, "host-a", {}, now())
        await filled(broker, "listed", {ONE: None, TWO: "running"})


async def test_it_follows_events_that_are_not_told_too(broker: Broker) -> None:
    here = Here()
    here.unchosen = {"domain.suspended"}
    paused = {"detail": "paused", "state": State.PAUSED, "previous_state": State.RUNNING}
    async with kept_running(keeping(broker, "unchosen"), here) as run:
        run.put(*here.told_of(event(1), event_of(Suspended, 21, **paused)))
        await run.delivered()
    assert await states(broker, "unchosen") == {ONE: "paused"}
    assert [header(one, "ce_type") for one in await read(broker, "unchosen.events")] == ["io.vmwatch.domain.started"]


async def test_states_that_are_refused_are_counted_and_hold_up_no_events(broker: Broker) -> None:
    here = Here()
    here.labels = {"padding": "x" * 2000}
    await asyncio.to_thread(broker.create_topic, "big.state", cleanup_policy="compact", max_message_bytes="1500")
    async with kept_running(keeping(broker, "big"), here) as run:
        run.put(*here.told_of(*map(event, range(1, 16))))
        await run.delivered()
    assert_holds(await read(broker, "big.events"), run.events)
    assert await states(broker, "big") == {}
    assert (None, f"topic big.state, key {ONE}: larger than the topic's max.message.bytes") in here.refusals
    assert len({reason for _event, reason in here.refusals}) == 15
    assert run.told == []


async def test_a_topic_that_ends_with_what_is_no_record_is_read_to_its_end(broker: Broker) -> None:
    await asyncio.to_thread(broker.create_topic, "marked.state", cleanup_policy="compact")
    copying = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="mirror")
    async with copying, copying.transaction():  # its end is a marker behind the record
        await copying.send_and_wait("marked.state", b"{}", key=ONE.encode())
    here = Here()
    async with kept_running(keeping(broker, "marked"), here) as run:
        run.put(*here.told_of(event(1)))
        await run.delivered()
    assert run.told == []
    assert await states(broker, "marked") == {ONE: "running"}
