"""Threads that make the sampler's calls: so many at once and no more, those that hang included."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import libvirt

from vmwatch.source.sampler_link import Link
from vmwatch.threads import Worker

T = TypeVar("T")

OPEN_SECONDS = 30.0
"""A connection that takes longer to open is given up."""


class Call(Generic[T]):
    """A call under way since *began* (seconds of the loop's clock); *outcome* must not be cancelled."""

    def __init__(self, outcome: "asyncio.Future[T]", began: float, link: Link) -> None:
        self.outcome = outcome
        self.began = began
        self.link = link


class Crew:
    """At most *size* threads with connections that *connect* makes; *returned* is told when a call given up is back."""

    def __init__(
        self, name: str, size: int, connect: Callable[[], libvirt.virConnect], returned: Callable[[], None]
    ) -> None:
        self.given_up_total = 0
        self._name = name
        self._size = size
        self._connect = connect
        self._tell_returned = returned
        self._link = Link(connect)
        self._opening: Call[None] | None = None
        self._idle: list[Worker] = []
        self._under_way: set[Call[Any]] = set()
        self._given_up: set[Call[Any]] = set()

    @property
    def free(self) -> int:
        """Return how many calls may be begun now."""
        return self._size - len(self._under_way)

    @property
    def overdue(self) -> int:
        """Return how many calls hang, with nobody waiting for them."""
        return len(self._given_up)

    def begin(self, function: Callable[[libvirt.virConnect], T]) -> Call[T]:
        """Have a free thread call *function* with the connection."""
        worker = self._idle.pop() if self._idle else Worker(self._name)
        call = Call(self._link.submit(worker, function), asyncio.get_running_loop().time(), self._link)
        self._under_way.add(call)
        call.outcome.add_done_callback(lambda _: self._returned(call, worker))
        return call

    async def ready(self, seconds: float) -> bool:
        """Say whether there is a connection, after *seconds* at most; raises why there can be none.

        Opening takes longer than a scrape may (ssh, a host far away), so it goes on, and who asks next gets it.
        """
        if self._link.is_open:
            return True
        opening = self._opening
        if opening is None or opening.link is not self._link or opening.outcome.done():
            if self.free <= 0:
                return False
            opening = self._opening = self.begin(lambda _connection: None)
        await asyncio.wait({opening.outcome}, timeout=seconds)
        if opening.outcome.done():
            opening.outcome.result()
            return True
        if asyncio.get_running_loop().time() - opening.began > OPEN_SECONDS:
            self.give_up(opening)
        return False

    async def ask(self, function: Callable[[libvirt.virConnect], T], seconds: float) -> T | None:
        """Return the outcome of *function*; None where no thread is free, or there is none in *seconds*."""
        if self.free <= 0:
            return None
        call = self.begin(function)
        try:
            await asyncio.wait({call.outcome}, timeout=seconds)
        finally:
            self.give_up(call)
        return call.outcome.result() if call.outcome.done() else None

    def give_up(self, call: Call[Any]) -> None:
        """Leave *call* behind, with its thread and its connection, unless it is back; a new connection takes over."""
        if call.outcome.done() or call in self._given_up:
            return
        self._given_up.add(call)
        self.given_up_total += 1
        call.link.retire()
        if self._link is call.link:
            self._link = Link(self._connect)

    def _returned(self, call: Call[Any], worker: Worker) -> None:
        self._under_way.discard(call)
        if call not in self._given_up:
            self._idle.append(worker)
            return
        self._given_up.discard(call)
        worker.end()
        self._tell_returned()

    def renew(self) -> None:
        """Make all further calls by a new connection."""
        self._link.retire()
        self._link = Link(self._connect)

    def close(self) -> None:
        """Let all threads end that can."""
        for worker in self._idle:
            worker.end()
        self._idle.clear()
        self.renew()
