"""Keeps vmwatch running until a signal says stop, and takes over a changed configuration."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from vmwatch.errors import VmwatchError
from vmwatch.pipeline import Sources
from vmwatch.service import Service
from vmwatch.settings import Settings, WebSettings
from vmwatch.systemd import notify
from vmwatch.web import Web

COLLECT_AFTER = 10_000  # new objects; Python's 700 are some ten milliseconds' events
SWITCH_SECONDS = 0.0005  # a tenth of Python's: a thread that converts samples must not make the event loop late

log = structlog.get_logger(__name__)

Make = Callable[[], tuple[Settings, Sources]]


async def serve(make: Make, *, keep_state: bool = True, started: Callable[[Sequence[str]], None] | None = None) -> None:
    """Run what *make* returns until SIGTERM or SIGINT; on SIGHUP make it anew, and go on with that where it differs.

    *started* is called with the URLs of the web server, once it can be reached.
    Errors of the first *make*, and VmwatchError of a start, are the caller's; a later wrong configuration is logged and
    the old one kept.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # modules stay: to look through them again and again takes tens of milliseconds each time
    gc.set_threshold(COLLECT_AFTER)
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    made: tuple[Settings, Sources] | None = make()
    while made is not None:
        settings, sources = made
        service = Service(settings, sources, keep_state=keep_state, reload=again.set)
        if started is not None:
            started(service.urls)
        notify("READY=1")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(service.run())
            made = await _renewed(make, settings, stop, again, running)
            notify("RELOADING=1" if made else "STOPPING=1")
            service.stop.set()


async def _renewed(
    make: Make, settings: Settings, stop: asyncio.Event, again: asyncio.Event, running: "asyncio.Task[None]"
) -> tuple[Settings, Sources] | None:
    """Wait until vmwatch has to stop (None), or its configuration has changed; return what was made of the new one."""
    while True:
        waits = [asyncio.create_task(event.wait()) for event in (stop, again)]
        await asyncio.wait({*waits, running}, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not again.is_set() or stop.is_set():
            return None
        again.clear()
        try:
            new, sources = make()
            _try_addresses(new.web, settings.web)
        except VmwatchError as error:
            log.error("configuration not taken over", reason=str(error))
            continue
        if new != settings:
            log.info("configuration changed")
            return new, sources
        log.info("configuration unchanged")


def _try_addresses(new: WebSettings, old: WebSettings) -> None:
    """Take the addresses on ports that are not ours yet, and give them back; VmwatchError where one is taken."""
    ours = {port for _host, port in old.endpoints}
    both = zip(new.listen_addresses, new.endpoints, strict=True)
    added = tuple(address for address, (_host, port) in both if port not in ours)
    web = Web(replace(new, listen_addresses=added))
    web.bind()
    web.close()
