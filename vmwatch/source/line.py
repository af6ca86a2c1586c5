"""One connection kept open: lost, told, opened again with back-off, until cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.source.connection import Connection, host_error
from vmwatch.source.loop import start_event_loop
from vmwatch.threads import Worker

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
PATIENCE_SECONDS = 10.0  # an opening that takes longer is told; it goes on, since it cannot be cancelled
CLOSE_SECONDS = 1.0

T = TypeVar("T")

retired: list[Connection | Worker] = []
"""Connections never closed because a call hangs in them: closing would let libvirt touch freed memory."""

log = structlog.get_logger(__name__)


class OpenLine:
    """A connection that stands, with the thread that makes its calls; *ended* says why when it is lost."""

    def __init__(self, connection: Connection, worker: Worker, ended: "asyncio.Future[str]") -> None:
        self.connection = connection
        self.ended = ended
        self._worker = worker

    async def call(self, function: Callable[[libvirt.virConnect], T]) -> T:
        """Call *function* with the connection, in its thread; HostError where libvirt refuses or the line is lost."""
        call = self._worker.submit(lambda: function(self.connection.libvirt))
        waits: set[asyncio.Future[Any]] = {call, self.ended}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise HostError(self.ended.result())
        try:
            return call.result()
        except libvirt.libvirtError as error:
            raise host_error(error) from error

    async def pause(self, seconds: float) -> bool:
        """Wait *seconds*, or until the line is lost; return whether it still stands."""
        await asyncio.wait({self.ended}, timeout=seconds)
        return not self.ended.done()


class Line:
    """Keeps one connection: *open* makes it (in a thread of its own), *watch* uses it until it is lost.

    *lost* is told every failure, also of an attempt.
    """

    def __init__(
        self,
        name: str,
        *,
        open: Callable[[Callable[[str], None]], Connection],  # noqa: A002 - the field's word
        watch: Callable[[OpenLine], Awaitable[None]],
        lost: Callable[[HostError], None],
    ) -> None:
        self.opened = 0
        self._name = name
        self._open = open
        self._watch = watch
        self._lost = lost

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

        connection = await self._patiently(worker, worker.submit(lambda: self._open(closed)))
        self.opened += 1
        try:
            await self._watch(OpenLine(connection, worker, ended))
        finally:
            await _close(connection, worker)

    async def _patiently(self, worker: Worker, opening: "asyncio.Future[Connection]") -> Connection:
        try:
            await asyncio.wait({opening}, timeout=PATIENCE_SECONDS)
            if not opening.done():
                self._lost(
                    HostError(f"no answer for {PATIENCE_SECONDS:.0f} s", "check the network and the daemon there")
                )
            return await opening
        except BaseException:
            worker.end()
            raise


async def _close(connection: Connection, worker: Worker) -> None:
    closing = worker.submit(connection.close)
    worker.end()
    await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
    if not closing.done():
        retired.extend((connection, worker))
        log.warning("connection retired: a call hangs in it", retired=len(retired) // 2)
