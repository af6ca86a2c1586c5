"""vmwatch's own log: structlog to standard error, for people on a terminal and as JSON lines elsewhere.

It must never end or hold up the program: a line that standard error does not take at once is left out, and the next
one that it takes says how many were.
"""

import logging
import os
import select
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from vmwatch.settings import LogSettings
from vmwatch.terminal import printable

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_REPEAT_SECONDS = 10.0


def configure(settings: LogSettings, descriptor: int = 2) -> None:
    """Send all logs, those of libraries too, to *descriptor* as *settings* say."""
    on_terminal = os.isatty(descriptor) if _is_open(descriptor) else False
    console = settings.format == "console" or (settings.format == "auto" and on_terminal)
    level = _LEVELS[settings.level]
    output = LogOutput(descriptor)
    structlog.configure(
        processors=list(_processors(console=console, colours=on_terminal)),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: output,
    )
    logging.basicConfig(handlers=[LibraryLogs()], level=max(level, logging.WARNING), force=True)
    logging.raiseExceptions = False


class LogOutput:
    """What structlog writes finished lines to; takes the name of each level as a method."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._left_out = 0

    def msg(self, line: str) -> None:
        """Write *line* if that can be done at once."""
        text = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._left_out:
            text = b'{"event": "log lines left out", "level": "warning", "count": %d}\n' % self._left_out + text
        self._left_out = 0 if _written(self._descriptor, text) else self._left_out + 1

    debug = info = warning = error = critical = exception = fatal = log = msg


class LibraryLogs(logging.Handler):
    """Hands what libraries log through `logging` to structlog; what one repeats is told once in ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell *record*, unless the same was told just now."""
        key, now = (record.name, str(record.msg)), self._clock()
        told, repeated = self._told.get(key, (-_REPEAT_SECONDS, 0))
        if now - told < _REPEAT_SECONDS:
            self._told[key] = (told, repeated + 1)
            return
        if len(self._told) > 1000:  # messages that were formatted before they came here
            self._told.clear()
        self._told[key] = (now, 0)
        extra: dict[str, Any] = {"repeated": repeated} if repeated else {}
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None, **extra
        )


def _processors(*, console: bool, colours: bool) -> Iterator[Processor]:
    yield structlog.contextvars.merge_contextvars
    yield structlog.processors.add_log_level
    yield structlog.processors.TimeStamper(fmt="iso", utc=not console)
    if not console:
        yield structlog.processors.format_exc_info
        yield _in_order
        yield structlog.processors.JSONRenderer(default=str)
        return
    yield _printable
    yield structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=24
    )


def _in_order(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"timestamp": line.pop("timestamp"), "level": line.pop("level"), "event": line.pop("event"), **line}


def _printable(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the names of guests from moving the cursor or making lines of their own."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in line.items()}


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _written(descriptor: int, text: bytes) -> bool:
    """Write *text* in pieces that a pipe with any room takes whole; say whether all of it was taken."""
    try:
        for start in range(0, len(text), select.PIPE_BUF):
            if not select.select([], [descriptor], [], 0.02 if start else 0)[1]:
                return False
            os.write(descriptor, text[start : start + select.PIPE_BUF])
    except (OSError, ValueError):
        return False
    return True
