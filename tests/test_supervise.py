"""An exporter that fails is told, started again, and disturbs nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

from tests.fakes import Collect, FailsOnce, FakeWatch, Stuck, started
from vmwatch.delivery import Delivery
from vmwatch.errors import VmwatchError
from vmwatch.events import Event, ExporterFailed, ExporterRecovered
from vmwatch.pipeline import Batches, Exporter, Watch
from vmwatch.supervise import SupervisedExporter


class Told:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pauses: list[float] = []
        self._changed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._changed.set()
        await asyncio.sleep(0)

    async def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._changed.clear()
            await self._changed.wait()

    @asynccontextmanager
    async def supervised(self, exporter: Exporter) -> AsyncIterator[SupervisedExporter]:
        one = SupervisedExporter("mine", exporter, host="vmwatch@here", publish=self.events.append, sleep=self.sleep)
        one.delivery = Delivery(lambda _event: True, done=one.batch_done, lose=lambda _lost: None)
        task = asyncio.create_task(one.run(FakeWatch()))
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_one_that_fails_gets_the_same_batch_again_and_both_ends_are_told() -> None:
    told, exporter = Told(), FailsOnce()
    async with told.supervised(exporter) as one:
        one.delivery.put(started(1))
        await exporter.got(1)
        one.delivery.put(started(2))
        await exporter.got(2)
        assert one.status().up
    failed, recovered = told.events
    assert isinstance(failed, ExporterFailed)
    assert (failed.exporter, failed.reason) == ("mine", "the first time never works")
    assert isinstance(recovered, ExporterRecovered)
    assert [event.sequence for event in exporter.events] == [1, 2]


class Fails(Collect):
    """Fails for one reason after the other, then for good for the last."""

    reasons: ClassVar[list[str]] = ["a", "a", "b", "b", "a", "c"]

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.enough = asyncio.Event()

    async def run(self, batches: Batches, _watch: Watch, /) -> None:
        self.runs += 1
        if self.runs == len(self.reasons):
            self.enough.set()
        raise VmwatchError(self.reasons[min(self.runs, len(self.reasons)) - 1])


async def test_a_failure_is_told_once_for_each_reason_and_every_one_is_counted() -> None:
    told, exporter = Told(), Fails()
    async with told.supervised(exporter) as one:
        await exporter.enough.wait()
        await asyncio.sleep(0)
        status = one.status()
    assert [event.reason for event in told.events if isinstance(event, ExporterFailed)] == ["a", "b", "a", "c"]
    assert status.failures >= len(Fails.reasons)
    assert not status.up


async def test_the_pauses_grow_up_to_a_limit() -> None:
    told, exporter = Told(), Fails()
    async with told.supervised(exporter):
        await told.until(lambda: len(told.pauses) >= 10)
    assert told.pauses[0] <= 0.5
    assert told.pauses[4] > 2
    assert 5 <= told.pauses[9] <= 10


async def test_a_stuck_one_leaves_its_buffer_to_drop_and_counts_it() -> None:
    told, exporter = Told(), Stuck()
    async with told.supervised(exporter) as one:
        one.delivery.put(started(1))
        await exporter.got(1)
        for sequence in range(2, 40_000):
            one.delivery.put(started(sequence))
        assert one.status().dropped > 0


async def test_a_bug_in_an_exporter_is_told_with_its_kind() -> None:
    class Buggy(Collect):
        async def run(self, batches: Batches, _watch: Watch, /) -> None:
            raise KeyError("gone")

    told = Told()
    async with told.supervised(Buggy()):
        await told.until(lambda: bool(told.events and told.pauses))
    assert isinstance(told.events[0], ExporterFailed)
    assert told.events[0].reason == "KeyError: 'gone'"


async def test_it_ends_when_its_delivery_has_ended() -> None:
    exporter = Collect()
    one = SupervisedExporter("mine", exporter, host="vmwatch@here", publish=lambda _event: None)
    one.delivery = Delivery(lambda _event: True, done=one.batch_done, lose=lambda _lost: None)
    one.delivery.put(started(1))
    one.delivery.close()
    await one.run(FakeWatch())
    assert exporter.ended


async def test_events_that_a_target_refuses_are_counted_by_exporter() -> None:
    told, exporter = Told(), Collect()
    async with told.supervised(exporter) as one:
        one.refused(started(1), "too large")
        one.refused(started(2), "too large")
        assert one.status().refused == 2
        assert one.status().up


async def test_one_that_fails_does_not_hold_up_the_end() -> None:
    pausing = asyncio.Event()

    async def for_ever(_seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    told = Told()
    one = SupervisedExporter("mine", Fails(), host="vmwatch@here", publish=told.events.append, sleep=for_ever)
    one.delivery = Delivery(lambda _event: True, done=one.batch_done, lose=lambda _lost: None)
    one.delivery.put(started(1))
    running = asyncio.create_task(one.run(FakeWatch()))
    await pausing.wait()
    one.delivery.close()
    await running
