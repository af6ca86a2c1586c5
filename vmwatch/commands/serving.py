"""What `run` and `demo` have in common: serve until stopped, and say first what is watched and where to look."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from vmwatch.errors import VmwatchError
from vmwatch.pipeline import Sources
from vmwatch.serve import serve
from vmwatch.settings import Settings

log = structlog.get_logger(__name__)


class Undertaking:
    """What is served: *settings* reads them anew, *sources* makes what they name; *what* and *more* begin the log."""

    def __init__(
        self,
        what: str,
        settings: Callable[[], Settings],
        sources: Callable[[Settings], Sources],
        **more: str,
    ) -> None:
        self._what = what
        self._read = settings
        self._make_sources = sources
        self._more = more
        self._settings: Settings
        self._hosts: Mapping[str, str] = {}

    def make(self) -> tuple[Settings, Sources]:
        """Read the configuration and make the sources; ConfigError."""
        settings = self._read()
        sources = self._make_sources(settings)
        self._settings, self._hosts = settings, {one.name: one.status().uri for one in sources()}
        return settings, sources

    def started(self, urls: Sequence[str]) -> None:
        """Say what is watched and where to look."""
        places = {}
        if urls:
            places = {"metrics": urls[0] + self._settings.web.telemetry_path, "page": urls[0] + "/"}
        hosts = ", ".join(f"{name} ({uri})" for name, uri in self._hosts.items())
        log.info(self._what, hosts=hosts, **places, **self._more)


def serve_until_stopped(undertaking: Undertaking, *, keep_state: bool = True) -> int:
    """Serve until a signal says stop; ConfigError and VmwatchError where it cannot start."""
    try:
        asyncio.run(_serve(undertaking, keep_state))
    except BaseExceptionGroup as group:
        expected = group.subgroup(VmwatchError)
        raise (_first(expected) if expected else group) from None
    return 0


async def _serve(undertaking: Undertaking, keep_state: bool) -> None:
    await serve(undertaking.make, keep_state=keep_state, started=undertaking.started)
    if len(asyncio.all_tasks()) > 1 or threading.active_count() > 1:
        _leave()  # one of them may be caught in a call that never returns, and asyncio.run would wait for it


def _first(group: BaseExceptionGroup[VmwatchError]) -> VmwatchError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _leave() -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed, or never there
        sys.stdout.flush()
    os._exit(0)
