"""Blocking calls in daemon threads of our own, for all who have to make some.

Never asyncio's executor: a call that hangs there keeps the program from ending, and DNS look-ups share that pool.  A
call that hangs cannot be cancelled: its thread is left behind, and being a daemon thread does not keep the process.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """One daemon thread that makes calls one after the other."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]] | None]
        self._calls = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Return a future of *call*'s outcome; cancelling it leaves the call running, unheard."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put((loop, future, call))
        return future

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *function* in the thread and return what it returns, or raise what it raises."""
        return await self.submit(lambda: function(*args, **kwargs))

    def end(self) -> None:
        """Let the thread end after the calls it was given; do not wait for it."""
        self._calls.put(None)

    def _work(self) -> None:
        while (task := self._calls.get()) is not None:
            loop, future, call = task
            value, error = None, None
            try:
                value = call()
            except BaseException as raised:  # noqa: BLE001 - handed to the one who asked
                error = raised
            try:
                loop.call_soon_threadsafe(_settle, future, value, error)
            except RuntimeError:  # the loop has ended: nobody listens any more
                return


def _settle(future: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
