"""What the exporter may do, by a real broker's access control: it waits, tells, skips nothing, and goes on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.kafka import PASSWORD, USER, Broker
from tests.beds.program import NotInstalledError
from tests.exporters.kafka_run import assert_holds, event, exporter, kept_running, read
from tests.exporters.test_kafka_state_topic import Here
from tests.fakes import FakeWatch
from vmwatch_exporters.kafka import Kafka

pytestmark = pytest.mark.real

ACCESS_CONTROL = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # who comes by the plain listener, as the broker itself and the tests do
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Broker]:
    """A broker where nobody may do anything that was not allowed."""
    try:
        made = Broker(listeners=["SASL"], properties=ACCESS_CONTROL)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with made as broker:
        yield broker


async def change(broker: Broker, what: str, operation: str, topic: str) -> None:
    """Allow (*what* is add) our user an *operation* on *topic*, or take that back (remove)."""
    rule = ["--allow-principal", f"User:{USER}", "--operation", operation, "--topic", topic]
    force = ["--force"] if what == "remove" else []
    await asyncio.to_thread(
        broker.command, "AclCommand", "--bootstrap-server", broker.bootstrap, f"--{what}", *rule, *force
    )


def ours(broker: Broker, folder: Path, name: str, **settings: Any) -> Kafka:
    password = folder / "password"
    password.write_text(PASSWORD)
    given = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "username": USER,
        "password_file": password,
        "create_topics": False,
        "delivery_timeout": 3.0,
    }
    return exporter(broker.address("SASL"), name, **(given | settings))


async def test_a_right_that_is_missing_or_taken_away_is_told_and_all_goes_on_once_it_is_there(
    guarded: Broker, tmp_path: Path
) -> None:
    watch = FakeWatch()
    await asyncio.to_thread(guarded.create_topic, "rights.events")
    async with kept_running(ours(guarded, tmp_path, "rights"), watch) as run:
        run.put(event(1))
        assert "grant WRITE on the topic" in await run.failed()
        await change(guarded, "add", "Write", "rights.events")
        await run.recovered()
        await run.delivered()
        await change(guarded, "remove", "Write", "rights.events")
        await change(guarded, "add", "Describe", "rights.events")
        run.put(*map(event, range(2, 101)))
        await run.failed()
        await run.tried_again(2)
        await change(guarded, "add", "Write", "rights.events")
        await run.recovered()
        await run.delivered()
    assert watch.refusals == []
    assert_holds(await read(guarded, "rights.events"), run.events)


async def test_a_topic_of_states_that_may_not_be_read_is_told_and_made_right_once_it_may(
    guarded: Broker, tmp_path: Path
) -> None:
    here = Here()
    for topic in ("blind.events", "blind.state"):
        await asyncio.to_thread(guarded.create_topic, topic)
        await change(guarded, "add", "Write", topic)
    kafka = ours(guarded, tmp_path, "blind", state_topic="blind.state")
    async with kept_running(kafka, here) as run:
        run.put(*here.told_of(event(1)))  # there is nothing to read yet
        await run.delivered()
    async with kept_running(kafka, here) as run:
        run.put(*here.told_of(event(2)))
        assert await run.failed() == (
            "topic blind.state: not allowed to read it, which is how it is made right"
            ' (grant READ, or set state_topic = "")'
        )
        await change(guarded, "add", "Read", "blind.state")
        await run.recovered()
        await run.delivered()
    assert {record.key for record in await read(guarded, "blind.state")} == {
        b"host-a/00000000-0000-4000-8000-000000000001",
        b"host-a/00000000-0000-4000-8000-000000000002",
    }
