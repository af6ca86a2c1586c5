"""A connection that several threads make statistics calls on, for the sampler.

A call to libvirt can neither be cancelled nor be ended by closing its connection (libvirt 9.0.0: `close` returns at
once, the call stays blocked, and libvirt may touch freed memory).  So a link in which a call hangs is retired: it takes
no new calls, and is closed when its last one has returned, if ever.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt
import structlog

from vmwatch.source.connection import KEEPALIVE_COUNT, KEEPALIVE_SECONDS, UNSUPPORTED
from vmwatch.source.loop import start_event_loop
from vmwatch.threads import Worker

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Link:
    """One connection, made by *connect* when it is first needed, and again when it was lost."""

    def __init__(self, connect: Callable[[], libvirt.virConnect]) -> None:
        self._connect = connect
        self._connection: libvirt.virConnect | None = None
        self._lock = threading.Lock()
        self._calls = 0
        self._retired = False

    @property
    def is_open(self) -> bool:
        """Whether the connection was made."""
        return self._connection is not None

    def submit(self, worker: Worker, call: Callable[[libvirt.virConnect], T]) -> "asyncio.Future[T]":
        """Have *worker* make *call* with the connection.  Never cancel what this returns: the call goes on anyway."""
        self._calls += 1
        future = worker.submit(lambda: call(self._open()))
        future.add_done_callback(self._returned)
        return future

    def retire(self) -> None:
        """Close when the last call under way has returned."""
        self._retired = True
        self._close_if_idle()

    def _open(self) -> libvirt.virConnect:
        with self._lock:
            if self._connection is None or not _is_alive(self._connection):
                start_event_loop()
                self._connection = self._connect()
                _keep_alive(self._connection)
            return self._connection

    def _returned(self, call: "asyncio.Future[Any]") -> None:
        call.exception()  # whoever waited has seen it; else nobody wants to
        self._calls -= 1
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._retired or self._calls or self._connection is None:
            return
        connection, self._connection = self._connection, None
        closer = Worker("libvirt close")
        closer.submit(connection.close).add_done_callback(asyncio.Future.exception)
        closer.end()


def _is_alive(connection: libvirt.virConnect) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _keep_alive(connection: libvirt.virConnect) -> None:
    try:
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in UNSUPPORTED:
            raise
