"""The mailbox between libvirt's thread and asyncio's: in order, bounded, and what is lost is told in its place."""

import asyncio
import threading
from typing import Any

import pytest

from vmwatch.source.loop import SLICE_CALLBACKS, Gate, Mailbox


class Heard:
    def __init__(self) -> None:
        self.items: list[Any] = []
        self._changed = asyncio.Event()

    def take(self, item: Any) -> None:
        self.items.append(item)
        self._changed.set()

    def overflowed(self, count: int) -> None:
        self.take(("lost", count))

    async def until(self, count: int) -> None:
        while len(self.items) < count:
            self._changed.clear()
            await self._changed.wait()


def put_from_a_thread(mailbox: Mailbox, items: range) -> None:
    def put() -> None:
        for item in items:
            mailbox.put(item)

    thread = threading.Thread(target=put)
    thread.start()
    thread.join()


async def test_what_another_thread_puts_arrives_in_order() -> None:
    heard = Heard()
    mailbox = Mailbox(heard.take, heard.overflowed)
    number = 3 * SLICE_CALLBACKS + 1
    put_from_a_thread(mailbox, range(number))
    await heard.until(number)
    assert heard.items == list(range(number))


async def test_what_does_not_fit_is_told_in_its_place_with_how_many_there_were() -> None:
    heard = Heard()
    mailbox = Mailbox(heard.take, heard.overflowed, size=3)
    put_from_a_thread(mailbox, range(10))
    await heard.until(4)
    mailbox.put("after")
    await heard.until(5)
    assert heard.items == [0, 1, 2, ("lost", 7), "after"]


async def test_a_bug_in_one_reception_costs_that_one_only(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()

    def take(item: int) -> None:
        if item == 1:
            raise KeyError(item)
        heard.take(item)

    mailbox = Mailbox(take, heard.overflowed)
    put_from_a_thread(mailbox, range(3))
    await heard.until(2)
    assert heard.items == [0, 2]


async def test_all_that_waits_can_be_taken_at_once() -> None:
    heard = Heard()
    mailbox = Mailbox(heard.take, heard.overflowed)
    number = 2 * SLICE_CALLBACKS
    put_from_a_thread(mailbox, range(number))
    mailbox.take_all()
    assert heard.items == list(range(number))
    mailbox.put("next")
    await heard.until(number + 1)
    assert heard.items[-1] == "next"


async def test_a_gate_lets_what_opens_it_stand_first() -> None:
    heard = Heard()
    gate = Gate(heard.take)
    gate.put(1)
    gate.put(2)
    assert heard.items == []
    gate.open("connected")
    gate.put(3)
    assert heard.items == ["connected", 1, 2, 3]
