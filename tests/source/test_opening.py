"""Connections are opened a few at a time, again and again, and those that nobody waits for any more are closed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.waiting import until
from vmwatch.errors import HostError
from vmwatch.source.line import Line, OpenLine, Patience


class Opened:
    """Passes for a connection."""

    keeps_alive = False
    libvirt = None

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Door:
    """Opens connections when it is let: each waits until *open* is set; counts who waits at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.waiting = 0
        self.most_waiting = 0
        self.opened: list[Opened] = []
        self._lock = threading.Lock()

    def __call__(self, _closed: Callable[[str], None]) -> Any:
        with self._lock:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        self.open.wait(20)
        with self._lock:
            self.waiting -= 1
            self.opened.append(Opened())
            return self.opened[-1]


async def watch(line: OpenLine) -> None:
    await line.ended


@asynccontextmanager
async def running(
    doors: list[Door], turns: asyncio.Semaphore, patience: Patience, lost: Callable[[HostError], None] = lambda _: None
) -> AsyncIterator[list[Line]]:
    lines = [
        Line(f"line {number}", open=door, watch=watch, lost=lost, turns=turns, patience=patience)
        for number, door in enumerate(doors)
    ]
    tasks = [asyncio.create_task(line.run()) for line in lines]
    try:
        yield lines
    finally:
        for task in tasks:
            task.cancel()
        for door in doors:
            door.open.set()
        await asyncio.wait(tasks)


async def test_only_a_few_are_opened_at_once() -> None:
    door, patience = Door(), Patience(turn_seconds=20)
    async with running([door] * 6, asyncio.Semaphore(2), patience) as lines:
        await until(lambda: door.waiting == 2)
        door.open.set()
        await until(lambda: sum(line.opened for line in lines) == 6)
    assert door.most_waiting == 2


async def test_one_that_hangs_gives_up_its_turn() -> None:
    hangs, opens = Door(), Door()
    opens.open.set()
    async with running([hangs, opens], asyncio.Semaphore(1), Patience(turn_seconds=0.05)) as lines:
        await until(lambda: lines[1].opened == 1)
        assert hangs.waiting == 1


async def test_an_opening_that_takes_long_is_told_and_another_one_tried_but_not_for_ever() -> None:
    door, told = Door(), list[HostError]()
    patience = Patience(open_seconds=0.01, again_seconds=0.01, most_left_behind=2)
    async with running([door], asyncio.Semaphore(8), patience, told.append):
        await until(lambda: door.waiting == 3)  # two left behind, and the one that is waited for
        await until(lambda: len(told) >= 3)
        assert door.waiting == 3
    assert told[0].reason == "no answer for 0.01 s"


async def test_what_is_opened_too_late_is_closed() -> None:
    door = Door()
    patience = Patience(open_seconds=0.01, again_seconds=0.01, most_left_behind=2)
    async with running([door], asyncio.Semaphore(8), patience) as (line,):
        await until(lambda: door.waiting == 3)
        door.open.set()
        await until(lambda: line.opened == 1)
        await until(lambda: [one.closed for one in door.opened].count(True) == 2)


async def test_a_call_without_keep_alive_that_hangs_loses_the_line() -> None:
    door, told, release = Door(), list[HostError](), threading.Event()
    door.open.set()

    async def call(line: OpenLine) -> None:
        await line.call(lambda _connection: release.wait(20))

    patience = Patience(call_seconds=0.01)
    line = Line("line", open=door, watch=call, lost=told.append, turns=asyncio.Semaphore(1), patience=patience)
    task = asyncio.create_task(line.run())
    await until(lambda: len(told) > 0)
    release.set()
    task.cancel()
    await asyncio.wait({task})
    assert told[0].reason == "no answer for 0.01 s"


async def test_who_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    door = Door()
    async with running([door], asyncio.Semaphore(1), Patience()):
        await until(lambda: door.waiting == 1)
    await until(lambda: [one.closed for one in door.opened] == [True])


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_refusal_is_told_each_time_and_tried_again(failures: int) -> None:
    told, tries = list[HostError](), iter(range(100))

    def open_(_closed: Callable[[str], None]) -> Any:
        if next(tries) < failures:
            raise HostError("refused")
        return Opened()

    line = Line("line", open=open_, watch=watch, lost=told.append, turns=asyncio.Semaphore(1), patience=Patience())
    task = asyncio.create_task(line.run())
    await until(lambda: line.opened == 1)
    task.cancel()
    await asyncio.wait({task})
    assert [error.reason for error in told] == ["refused"] * failures
