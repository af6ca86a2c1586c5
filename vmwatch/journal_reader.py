"""Read a journal that another vmwatch writes, while it does so; for the commands that look at it.

Each look is a short transaction of its own, so that the writer can always shorten its log.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from vmwatch.encode import decode
from vmwatch.errors import VmwatchError
from vmwatch.events import Event

GROUP_EVENTS = 500

log = structlog.get_logger(__name__)


class JournalReader:
    """The journal at *path*, opened to be read only, from *position* on; VmwatchError where that cannot be done."""

    def __init__(self, path: Path) -> None:
        self.position = 0
        self._path = path
        self._database = _opened(path)
        self._inode = path.stat().st_ino

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        self._database.close()

    def to_end(self) -> None:
        """Pass over all there is."""
        self.position = self._number("SELECT coalesce(max(position), 0) FROM events")

    def to_time(self, time: int) -> None:
        """Pass over what was before *time* (nanoseconds since 1970)."""
        self.to_end()
        self.position = self._number(
            "SELECT coalesce(min(position) - 1, ?) FROM events WHERE time >= ?", self.position, time
        )

    def rest(self) -> Iterator[Event]:
        """Yield the events from the position on, up to the last one there is."""
        while rows := self._rows("SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?"):
            for self.position, body in rows:
                try:
                    yield decode(body)
                except msgspec.MsgspecError as error:
                    log.warning("journal record unreadable", position=self.position, reason=str(error))

    def keep_up(self) -> None:
        """Turn to the new file where the path names another one by now: the old one was damaged, or removed."""
        with suppress(OSError):
            inode = self._path.stat().st_ino
            if inode == self._inode:
                return
            self._database.close()
            self._database, self._inode = _opened(self._path), inode
            self.position = min(self.position, self._number("SELECT coalesce(max(position), 0) FROM events"))

    def _rows(self, query: str) -> list[tuple[int, bytes]]:
        try:
            return self._database.execute(query, (self.position, GROUP_EVENTS)).fetchall()
        except sqlite3.Error as error:
            raise VmwatchError(f"{self._path}: cannot be read: {error}") from error

    def _number(self, query: str, *values: int) -> int:
        try:
            (number,) = self._database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise VmwatchError(f"{self._path}: cannot be read: {error}") from error
        return int(number)


def _opened(path: Path) -> sqlite3.Connection:
    """Open *path*; where nobody writes it and we may not either, as a file that cannot change."""
    problem: sqlite3.Error | None = None
    for option in ("mode=ro", "immutable=1"):
        database = None
        try:
            database = sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True, timeout=2.0)
            database.execute("SELECT 1 FROM events LIMIT 1").fetchone()
        except sqlite3.Error as error:
            problem = problem or error
            if database is not None:
                database.close()
            continue
        return database
    raise VmwatchError(f"{path}: cannot be read: {problem}")
