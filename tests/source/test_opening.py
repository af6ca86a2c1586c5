"""Connections are opened a few at a time, again and again, and those that nobody waits for any more are closed."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from tests.waiting import until
from vmwatch.errors import HostError
from vmwatch.source.line import Line, OpenLine
from vmwatch.source.openings import Openings, Patience


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


def more_than(told: list[HostError], count: int) -> bool:
    return len(told) > count


async def watch(line: OpenLine) -> None:
    await line.ended


@asynccontextmanager
async def running(
    doors: list[Door], openings: Openings, patience: Patience, lost: Callable[[HostError], None] = lambda _: None
) -> AsyncIterator[list[Line]]:
    lines = [
        Line(f"line {number}", f"uri {number}", open=door, watch=watch, lost=lost, openings=openings, patience=patience)
        for number, door in enumerate(doors)
    ]
    tasks = [asyncio.create_task(line.run()) for line in lines]
    try:
        yield lines
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert not any(door.opened for door in doors if not door.open.is_set())  # they ended while all that hung
        for door in doors:
            door.open.set()


async def test_only_a_few_are_opened_at_once() -> None:
    door, patience = Door(), Patience(turn_seconds=20)
    async with running([door] * 6, Openings(2), patience) as lines:
        await until(lambda: door.waiting == 2)
        door.open.set()
        await until(lambda: sum(line.opened for line in lines) == 6)
    assert door.most_waiting == 2


async def test_one_that_hangs_gives_up_its_turn() -> None:
    hangs, opens = Door(), Door()
    opens.open.set()
    async with running([hangs, opens], Openings(1), Patience(turn_seconds=0.05)) as lines:
        await until(lambda: lines[1].opened == 1)
        assert hangs.waiting == 1


async def test_many_that_hang_delay_a_good_one_no_longer_than_a_few() -> None:
    holes, opens = [Door() for _ in range(60)], Door()
    opens.open.set()
    async with running([*holes, opens], Openings(1), Patience(turn_seconds=0.4)) as lines:
        await until(lambda: lines[-1].opened == 1)  # 60 whole turns would take longer than that waits
        assert [hole.waiting for hole in holes] == [1] * 60


async def test_lines_end_when_they_are_told_to_while_everything_hangs() -> None:
    door = Door()
    async with running([door] * 20, Openings(2), Patience(open_seconds=0.1, again_seconds=0.1)):
        await until(lambda: door.waiting > 20)  # some for the second time
    assert door.most_waiting > 20


async def test_who_comes_back_again_and_again_waits_for_the_opening_that_was_left_behind() -> None:
    door, openings, told, patience = Door(), Openings(), list[HostError](), Patience(open_seconds=0.01)

    def again() -> Line:
        return Line("h", "uri", open=door, watch=watch, lost=told.append, openings=openings, patience=patience)

    for _ in range(5):
        seen = len(told)
        task = asyncio.create_task(again().run())
        await until(partial(more_than, told, seen))
        task.cancel()
        await asyncio.wait({task})
    assert door.waiting == door.most_waiting == 1
    line = again()
    last = asyncio.create_task(line.run())
    door.open.set()
    await until(lambda: line.opened == 1)
    assert [one.closed for one in door.opened] == [True, False]
    last.cancel()
    await asyncio.wait({last})


async def test_an_opening_that_takes_long_is_told_and_another_one_tried_but_not_for_ever() -> None:
    door, told = Door(), list[HostError]()
    patience = Patience(open_seconds=0.01, again_seconds=0.01, most_left_behind=2)
    async with running([door], Openings(8), patience, told.append):
        await until(lambda: door.waiting == 3)  # two left behind, and the one that is waited for
        await until(lambda: len(told) >= 3)
        assert door.waiting == 3
    assert told[0].reason == "no answer for 0.01 s"


async def test_what_is_opened_too_late_is_closed() -> None:
    door = Door()
    patience = Patience(open_seconds=0.01, again_seconds=0.01, most_left_behind=2)
    async with running([door], Openings(8), patience) as (line,):
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
    line = Line("line", "uri", open=door, watch=call, lost=told.append, openings=Openings(1), patience=patience)
    task = asyncio.create_task(line.run())
    await until(lambda: len(told) > 0)
    release.set()
    task.cancel()
    await asyncio.wait({task})
    assert told[0].reason == "no answer for 0.01 s"


async def test_a_connection_in_which_a_call_hangs_is_retired_until_that_returns() -> None:
    door, release, openings = Door(), threading.Event(), Openings()
    door.open.set()

    async def call(line: OpenLine) -> None:
        await line.call(lambda _connection: release.wait(20))

    def line(name: str, watch: Callable[[OpenLine], Awaitable[None]]) -> Line:
        patience = Patience(call_seconds=0.01)
        return Line(name, name, open=door, watch=watch, lost=lambda _: None, openings=openings, patience=patience)

    hangs, other = line("hangs", call), line("other", watch)
    task = asyncio.create_task(hangs.run())
    await until(lambda: hangs.retired > 0)
    assert other.retired == 0
    task.cancel()
    await asyncio.wait({task})
    first = door.opened.pop(0)
    assert not first.closed
    release.set()
    await until(lambda: hangs.retired == 0)
    assert first.closed
    kept = weakref.ref(first)
    del first
    await until(lambda: kept() is None)


async def test_who_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    door = Door()
    async with running([door], Openings(1), Patience()):
        await until(lambda: door.waiting == 1)
    await until(lambda: [one.closed for one in door.opened] == [True])


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_refusal_is_told_each_time_and_tried_again(failures: int) -> None:
    told, tries = list[HostError](), iter(range(100))

    def open_(_closed: Callable[[str], None]) -> Any:
        if next(tries) < failures:
            raise HostError("refused")
        return Opened()

    line = Line("line", "uri", open=open_, watch=watch, lost=told.append, openings=Openings(1), patience=Patience())
    task = asyncio.create_task(line.run())
    await until(lambda: line.opened == 1)
    task.cancel()
    await asyncio.wait({task})
    assert [error.reason for error in told] == ["refused"] * failures


async def test_what_is_not_wanted_yet_is_not_opened() -> None:
    door, wanted, asked = Door(), asyncio.Event(), asyncio.Event()
    door.open.set()

    async def wait() -> None:
        asked.set()
        await wanted.wait()

    line = Line(
        "line",
        "uri",
        open=door,
        watch=watch,
        lost=lambda _: None,
        openings=Openings(),
        patience=Patience(),
        wanted=wait,
    )
    task = asyncio.create_task(line.run())
    await asked.wait()
    assert line.opened == 0
    wanted.set()
    await until(lambda: line.opened == 1)
    task.cancel()
    await asyncio.wait({task})
