"""A connection that is lost while a call is under way: the one who asked is told, and nobody else."""

import asyncio
import gc
import threading
from typing import Any, NamedTuple, cast

import libvirt
import pytest

from vmwatch.errors import HostError
from vmwatch.source.connection import Connection
from vmwatch.source.line import OpenLine
from vmwatch.threads import Worker


class Standing(NamedTuple):
    libvirt: object
    keeps_alive: bool


async def test_what_a_call_says_after_its_line_was_lost_is_no_complaint() -> None:
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, complaint: complaints.append(complaint))
    ended: asyncio.Future[str] = loop.create_future()
    worker, go_on = Worker("test"), threading.Event()
    line = OpenLine(cast("Connection", Standing(None, keeps_alive=True)), worker, ended, 1.0)

    def fail(_connection: object) -> None:
        go_on.wait()
        raise libvirt.libvirtError("the socket is gone")

    ended.set_result("gone")
    with pytest.raises(HostError, match="gone"):
        await line.call(fail)
    go_on.set()
    await worker.call(lambda: None)
    worker.end()
    gc.collect()
    assert complaints == []
