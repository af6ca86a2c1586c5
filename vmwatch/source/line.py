"""One connection kept open: lost, told, opened again with back-off, until cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.source.connection import Connection, host_error
from vmwatch.source.loop import start_event_loop
from vmwatch.source.openings import Openings, Patience, see
from vmwatch.threads import Worker

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CLOSE_SECONDS = 1.0

T = TypeVar("T")

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
        call.add_done_callback(see)  # also where nobody waits for it any more
        waits: set[asyncio.Future[Any]] = {call, self.ended}
        await asyncio.wait(waits, timeout=self._call_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise HostError(self.ended.result()) if self.ended.done() else no_answer(self._call_seconds or 0)
        try:
            return call.result()
        except libvirt.libvirtError as error:
            raise host_error(error) from error


class Line:
    """Keeps one connection to *uri*: *open* makes it (in a thread of its own), *watch* uses it until it is lost.

    *lost* is told every failure, also of an attempt.  All lines know by *openings* what hangs.  Nothing is opened
    before *wanted* returns.
    """

    def __init__(
        self,
        name: str,
        uri: str,
        *,
        open: Callable[[Callable[[str], None]], Connection],  # noqa: A002 - the field's word
        watch: Callable[[OpenLine], Awaitable[None]],
        lost: Callable[[HostError], None],
        openings: Openings,
        patience: Patience,
        wanted: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0),
    ) -> None:
        self.opened = 0
        self._name = name
        self._uri = uri
        self._open = open
        self._watch = watch
        self._lost = lost
        self._openings = openings
        self._patience = patience
        self._wanted = wanted

    @property
    def retired(self) -> int:
        """Return how many connections are kept because a call hangs in them."""
        return self._openings.retired(self._name)

    async def run(self) -> None:
        """Open and watch, again and again, until cancelled."""
        start_event_loop()
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            opened = self.opened
            await self._wanted()
            try:
                await self._once()
            except HostError as error:
                self._lost(error)
            if self.opened > opened:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _once(self) -> None:
        with self._told_when_late():
            await self._openings.room(self._uri, self._patience)
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
            await self._close(connection, worker)

    async def _patiently(self, worker: Worker, opening: Callable[[], None]) -> None:
        openings, patience = self._openings, self._patience
        async with openings.opening(self._uri, lambda: worker.submit(opening), patience) as answer:
            with self._told_when_late():
                another = asyncio.create_task(openings.room(self._uri, patience))
                try:
                    await asyncio.wait({answer, another}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    another.cancel()
            if not answer.done():
                raise no_answer(patience.open_seconds)
            answer.result()

    @contextmanager
    def _told_when_late(self) -> Iterator[None]:
        seconds = self._patience.open_seconds
        timer = asyncio.get_running_loop().call_later(seconds, lambda: self._lost(no_answer(seconds)))
        try:
            yield
        finally:
            timer.cancel()

    async def _close(self, connection: Connection, worker: Worker) -> None:
        """Close after the call under way; where that hangs, the connection is kept until it returns, if ever."""
        closing = worker.submit(connection.close)
        worker.end()
        try:
            await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        finally:
            if not closing.done():
                self._openings.retire(self._uri, self._name, closing)
                log.warning("connection retired: a call hangs in it", name=self._name, retired=self.retired)


def no_answer(seconds: float) -> HostError:
    """Return what is told of a host that is silent."""
    return HostError(f"no answer for {seconds:g} s", "check the network and the daemon there")
