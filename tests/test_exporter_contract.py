"""What every exporter keeps to, whoever wrote it: order, its end, being cancelled, nothing left open."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from tests.exporters.kafka_run import exporter as kafka
from tests.fakes import Collect, FakeWatch, started
from tests.waiting import until
from vmwatch.events import Event
from vmwatch.pipeline import Exporter
from vmwatch_exporters.json_log import JsonLog
from vmwatch_exporters.kafka import Kafka
from vmwatch_exporters.prometheus import Prometheus

conforms: list[Exporter] = [JsonLog(), Prometheus(), Kafka(brokers=("127.0.0.1:9092",)), Collect()]
"""That these are exporters is checked by mypy."""

Make = Callable[[pytest.FixtureRequest, Path], Exporter]

EXPORTERS: dict[str, Make] = {
    "json_log": lambda _request, folder: JsonLog(path=folder / "events.jsonl"),
    "prometheus": lambda _request, _folder: Prometheus(),
    "kafka": lambda request, folder: kafka(request.getfixturevalue("broker").bootstrap, folder.name),
    "a fake": lambda _request, _folder: Collect(),
}
"""One line for each exporter."""

REAL = {"kafka"}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.real if name in REAL else ()) for name in EXPORTERS])
def exporter(request: pytest.FixtureRequest, tmp_path: Path) -> Exporter:
    return EXPORTERS[request.param](request, tmp_path)


class Batches:
    """Gives *batches*, then ends, or (with *forever*) waits; remembers how many were done."""

    def __init__(self, batches: Sequence[Sequence[Event]], *, forever: bool = False) -> None:
        self.asked = asyncio.Event()
        self.given = 0
        self._batches = batches
        self._forever = forever

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        return self

    async def __anext__(self) -> Sequence[Event]:
        if self.given < len(self._batches):
            self.given += 1
            return self._batches[self.given - 1]
        self.asked.set()
        if self._forever:
            await asyncio.Event().wait()
        raise StopAsyncIteration


BATCHES = [[started(1)], [started(2), started(3)], [started(number) for number in range(4, 1004)]]


def open_files() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _exists(number)}  # noqa: PTH115, PTH208


def _exists(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


async def test_it_returns_when_the_events_end(exporter: Exporter) -> None:
    batches = Batches(BATCHES)
    async with asyncio.timeout(10):
        await exporter.run(batches, FakeWatch())
    assert batches.given == len(BATCHES)


async def test_it_ends_when_it_is_cancelled(exporter: Exporter) -> None:
    batches = Batches(BATCHES, forever=True)
    running = asyncio.create_task(exporter.run(batches, FakeWatch()))
    async with asyncio.timeout(10):
        await batches.asked.wait()
        running.cancel()
        await asyncio.wait({running})
    assert running.cancelled()


async def test_it_can_be_run_again(exporter: Exporter) -> None:
    async with asyncio.timeout(10):
        await exporter.run(Batches(BATCHES[:1]), FakeWatch())
        again = Batches(BATCHES)
        await exporter.run(again, FakeWatch())
    assert again.given == len(BATCHES)


async def test_it_leaves_nothing_open(exporter: Exporter) -> None:
    before = open_files()
    await exporter.run(Batches(BATCHES), FakeWatch())
    await until(lambda: open_files() <= before)
    assert len(asyncio.all_tasks()) == 1
