"""How batches reach an exporter: in order, none twice that was done, none lost that was not told."""

import asyncio
from pathlib import Path

import pytest

from tests.test_journal import committed, event, make, running
from vmwatch.delivery import MAX_BATCH, Delivery, DurableDelivery
from vmwatch.events import Domain, DomainSampled, Event, Origin, State, Time
from vmwatch.journal_file import Lost


def everything(_event: Event) -> bool:
    return True


class Heard:
    def __init__(self) -> None:
        self.done: list[int] = []
        self.lost: list[Lost] = []

    def delivery(self, **options: int) -> Delivery:
        return Delivery(everything, done=self.done.append, lose=self.lost.append, **options)


def sample() -> DomainSampled:
    return DomainSampled(
        time=Time(1),
        host="h",
        origin=Origin.VMWATCH,
        domain=Domain("u", "web", 1),
        state=State.RUNNING,
        values={},
    )


async def test_a_batch_is_whatever_waits() -> None:
    delivery = Heard().delivery()
    delivery.put(event(1))
    assert await anext(delivery) == [event(1)]
    for number in range(2, 5):
        delivery.put(event(number))
    assert await anext(delivery) == [event(2), event(3), event(4)]


async def test_no_batch_is_larger_than_the_limit() -> None:
    delivery = Heard().delivery()
    for number in range(MAX_BATCH + 1):
        delivery.put(event(number))
    assert [len(await anext(delivery)), len(await anext(delivery))] == [MAX_BATCH, 1]


async def test_asking_for_the_next_batch_says_that_the_last_is_done() -> None:
    heard = Heard()
    delivery = heard.delivery()
    delivery.put(event(1))
    await anext(delivery)
    assert heard.done == []
    delivery.put(event(2))
    await anext(delivery)
    assert heard.done == [1]


async def test_a_run_that_failed_is_given_the_same_batch_again() -> None:
    delivery = Heard().delivery()
    delivery.put(event(1))
    first = await anext(delivery)
    delivery.put(event(2))
    assert await anext(delivery.again()) == first
    assert await anext(delivery) == [event(2)]


async def test_waiting_can_be_timed_out_without_harm() -> None:
    delivery = Heard().delivery()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(delivery)
    delivery.put(event(1))
    assert await anext(delivery) == [event(1)]


async def test_a_slow_exporter_loses_the_oldest_and_is_told_which() -> None:
    heard = Heard()
    delivery = heard.delivery(buffer=2)
    for number in range(1, 6):
        delivery.put(event(number))
    assert await anext(delivery) == [event(4), event(5)]
    assert heard.lost == [Lost("h", 3, 1, 3)]
    assert delivery.dropped == 3


async def test_it_ends_after_what_waits() -> None:
    delivery = Heard().delivery()
    delivery.put(event(1))
    delivery.close()
    assert [batch async for batch in delivery] == [[event(1)]]
    assert delivery.ended


async def test_durable_batches_come_from_the_journal_and_are_acknowledged_there(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        for number in range(1, 4):
            journal.append(event(number))
        await committed(journal, 3)
        delivery = DurableDelivery(
            everything, journal=journal, name="kafka", start=1, done=heard.done.append, lose=heard.lost.append
        )
        assert await anext(delivery) == [event(2), event(3)]
        assert journal.acknowledged("kafka") == 1
        assert delivery.waiting == 2
        journal.append(event(4))
        assert await anext(delivery) == [event(4)]
        assert journal.acknowledged("kafka") == 3


async def test_who_is_up_to_date_gets_what_is_committed_as_it_was_told(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        delivery = DurableDelivery(
            everything, journal=journal, name="kafka", start=0, done=heard.done.append, lose=heard.lost.append
        )
        told = event(1)
        journal.append(told)
        (got,) = await anext(delivery)
        assert got is told, "not read again from the file"
        assert journal.position == 1


async def test_what_a_durable_exporter_does_not_want_is_acknowledged_too(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        delivery = DurableDelivery(
            lambda told: told.sequence > 2,
            journal=journal,
            name="k",
            start=0,
            done=heard.done.append,
            lose=heard.lost.append,
        )
        waiting = asyncio.create_task(anext(delivery))
        for number in range(1, 3):
            journal.append(event(number))
        await committed(journal, 2)
        journal.append(event(3))
        assert await waiting == [event(3)]
        assert journal.acknowledged("k") == 2


async def test_a_durable_exporter_gets_samples_out_of_memory(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        delivery = DurableDelivery(
            everything, journal=journal, name="k", start=0, done=heard.done.append, lose=heard.lost.append
        )
        delivery.put(sample())
        delivery.put(event(1))
        assert await anext(delivery) == [sample()]


async def test_samples_are_not_given_again(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        delivery = DurableDelivery(
            everything, journal=journal, name="k", start=0, done=heard.done.append, lose=heard.lost.append
        )
        journal.append(event(1))
        await committed(journal, 1)
        delivery.put(sample())
        assert await anext(delivery) == [event(1), sample()]
        assert await anext(delivery.again()) == [event(1)]
        delivery.put(sample())
        assert await anext(delivery) == [sample()]
        journal.append(event(2))
        assert await anext(delivery.again()) == [event(2)]
    assert heard.done == [1]


async def test_a_durable_delivery_ends_after_one_more_batch(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        for number in range(1, 1503):
            journal.append(event(number))
        await committed(journal, 1502)
        delivery = DurableDelivery(
            everything, journal=journal, name="k", start=0, done=heard.done.append, lose=heard.lost.append
        )
        delivery.close()
        assert [len(batch) async for batch in delivery] == [MAX_BATCH]
        assert journal.acknowledged("k") == MAX_BATCH


async def test_the_oldest_that_waits_is_known_before_anybody_asks(tmp_path: Path) -> None:
    heard = Heard()
    async with running(make(tmp_path / "journal.db")) as journal:
        delivery = DurableDelivery(
            everything, journal=journal, name="k", start=0, done=heard.done.append, lose=heard.lost.append
        )
        assert delivery.oldest is None
        for number in range(1, 4):
            delivery.put(event(number))
            journal.append(event(number))
        assert delivery.oldest == event(1).time
        await committed(journal, 3)
        await anext(delivery)
        assert delivery.oldest == event(1).time
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(delivery)
        assert delivery.oldest is None
