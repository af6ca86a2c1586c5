"""One connection kept open: lost, told, opened again with back-off, until cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.source.connection import Connection, host_error
from vmwatch.source.loop import start_event_loop
from vmwatch.threads import Worker

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CLOSE_SECONDS = 1.0
OPENINGS_AT_ONCE = 8


class Patience(NamedTuple):
    """How long a host may be silent.

    An opening that takes longer than *open_seconds* is told; it goes on, since it cannot be cancelled.  After another
    *again_seconds* a second one is tried beside it: the peer of this one may have gone without a word.  At most
    *most_left_behind* are left so at once, as each holds a thread.  *call_seconds* is for connections without
    keep-alive, where nothing else would tell.  After *turn_seconds* an opening gives up its turn: hosts that do not
    answer must not delay others.
    """

    turn_seconds: float = 1.0
    open_seconds: float = 10.0
    again_seconds: float = 120.0
    most_left_behind: int = 3
    call_seconds: float = 30.0


PATIENCE = Patience()

T = TypeVar("T")

retired: list[Connection | Worker] = []
"""Connections never closed because a call hangs in them: closing would let libvirt touch freed memory."""

log = structlog.get_logger(__name__)


class OpenLine:
    """A connection that stands, with the thread that makes its calls; *ended* says why when it is lost."""

    def __init__(
        self, connection: Connection, worker: Worker, ended: "asyncio.Future[str]", call_seconds: float
    ) -> None:
        self.connection = connection
        self.ended = ended
        self._worker = worker
        self._call_seconds = None if connection.keeps_alive else call_seconds

    async def call(self, function: Callable[[libvirt.virConnect], T]) -> T:
        """Call *function* with the connection, in its thread; HostError where libvirt refuses or the line is lost.

        Lost is also a line without keep-alive in which a call takes too long: nothing else would tell.
        """
        call = self._worker.submit(lambda: function(self.connection.libvirt))
        call.add_done_callback(_see)  # also where nobody waits for it any more
        waits: set[asyncio.Future[Any]] = {call, self.ended}
        await asyncio.wait(waits, timeout=self._call_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise HostError(self.ended.result()) if self.ended.done() else no_answer(self._call_seconds or 0)
        try:
            return call.result()
        except libvirt.libvirtError as error:
            raise host_error(error) from error


class Line:
    """Keeps one connection: *open* makes it (in a thread of its own), *watch* uses it until it is lost.

    *lost* is told every failure, also of an attempt.  Many lines take *turns* in opening.
    """

    def __init__(
        self,
        name: str,
        *,
        open: Callable[[Callable[[str], None]], Connection],  # noqa: A002 - the field's word
        watch: Callable[[OpenLine], Awaitable[None]],
        lost: Callable[[HostError], None],
        turns: asyncio.Semaphore,
        patience: Patience,
    ) -> None:
        self.opened = 0
        self._name = name
        self._open = open
        self._watch = watch
        self._lost = lost
        self._turns = turns
        self._patience = patience
        self._left_behind: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Open and watch, again and again, until cancelled."""
        start_event_loop()
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            opened = self.opened
            try:
                await self._once()
            except HostError as error:
                self._lost(error)
            if self.opened > opened:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _once(self) -> None:
        loop = asyncio.get_running_loop()
        worker = Worker(f"libvirt {self._name}")
        ended: asyncio.Future[str] = loop.create_future()

        def closed(reason: str) -> None:  # called on libvirt's thread
            loop.call_soon_threadsafe(lambda: None if ended.done() else ended.set_result(reason))

        opened: list[Connection] = []

        def open_() -> None:
            opened.append(self._open(closed))

        def close() -> None:
            for connection in opened:
                connection.close()

        try:
            await self._patiently(worker, open_)
        except BaseException:
            worker.submit(close)  # after the opening, if that ever ends
            worker.end()
            raise
        connection = opened[0]
        self.opened += 1
        try:
            await self._watch(OpenLine(connection, worker, ended, self._patience.call_seconds))
        finally:
            await _close(connection, worker)

    async def _patiently(self, worker: Worker, opening: Callable[[], None]) -> None:
        patience = self._patience
        async with self._turns:
            answer = worker.submit(opening)
            answer.add_done_callback(self._back)
            await asyncio.wait({answer}, timeout=min(patience.turn_seconds, patience.open_seconds))
        await asyncio.wait({answer}, timeout=max(0.0, patience.open_seconds - patience.turn_seconds))
        if not answer.done():
            self._lost(no_answer(patience.open_seconds))
            again = len(self._left_behind) < patience.most_left_behind
            await asyncio.wait({answer}, timeout=patience.again_seconds if again else None)
        if not answer.done():
            self._left_behind.add(answer)
            raise no_answer(patience.open_seconds)
        answer.result()

    def _back(self, answer: "asyncio.Future[None]") -> None:
        self._left_behind.discard(answer)
        _see(answer)  # also where nobody waits for it any more


def no_answer(seconds: float) -> HostError:
    """Return what is told of a host that is silent."""
    return HostError(f"no answer for {seconds:g} s", "check the network and the daemon there")


def _see(call: "asyncio.Future[Any]") -> None:
    if not call.cancelled():
        call.exception()


async def _close(connection: Connection, worker: Worker) -> None:
    closing = worker.submit(connection.close)
    worker.end()
    await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
    if not closing.done():
        retired.extend((connection, worker))
        log.warning("connection retired: a call hangs in it", retired=len(retired) // 2)
