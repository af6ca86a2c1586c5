"""The journal's SQLite file: events, what is known after them, and how far each exporter has come; for one thread.

A transaction holds a group of events and the known state after them, so that they never disagree.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from vmwatch.errors import VmwatchError

CHATTER = (
    "domain.io-error",
    "domain.rtc-changed",
    "domain.balloon-changed",
    "domain.graphics",
    "domain.migration-iteration",
)
"""Types that go first when room is needed: they come in floods and each says little."""

MOST_REMOVED_AT_ONCE = 10_000  # the log grows by what is removed

_UPGRADES = (
    # Each entry moves a file from the version that is its index to the next; the first makes a new one.
    """
    CREATE TABLE events (
        position INTEGER PRIMARY KEY, host TEXT NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL,
        type TEXT NOT NULL, body BLOB NOT NULL
    );
    CREATE TABLE known (
        kind TEXT, host TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, host, key)
    ) WITHOUT ROWID;
    CREATE TABLE positions (exporter TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counts VALUES ('last_position', 0);
    """,
)

KnownKey = tuple[str, str, str]
"""Kind (host, domain or counters), host, and the domain's uuid or counters' name."""


class Record(NamedTuple):
    """One event as it lies in the journal."""

    position: int
    host: str
    sequence: int
    time: int
    type: str
    body: bytes


class Lost(msgspec.Struct, frozen=True):
    """Events of one host that somebody will not get."""

    host: str
    count: int
    first_sequence: int
    last_sequence: int


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether *error* means that the file is no longer a journal, rather than that it cannot be reached now."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path) -> Path:
    """Rename the file at *path* and what belongs to it; return its new name, which says when."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


class JournalFile:
    """The opened file at *path*, or a journal in memory where that is None; sqlite3.Error is left to the caller."""

    def __init__(self, path: Path | None, *, max_bytes: int, max_age_seconds: float) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        if path is not None:
            path.chmod(0o640)
        self._prepare()

    def _prepare(self) -> None:
        database = self._database
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA journal_size_limit=4194304")
        database.execute("PRAGMA cache_size=-1024")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(_UPGRADES):
            raise VmwatchError(
                f"{self.path}: written by a newer vmwatch (version {version}; this one knows {len(_UPGRADES)})"
            )
        for index in range(version, len(_UPGRADES)):
            database.executescript(f"BEGIN; {_UPGRADES[index]} PRAGMA user_version={index + 1}; COMMIT;")

    def close(self) -> None:
        """Write the log back into the file and close it."""
        self._database.close()

    def last_position(self) -> int:
        """Return the highest position ever given, also to events that have gone since."""
        (number,) = self._database.execute("SELECT number FROM counts WHERE name = 'last_position'").fetchone()
        return int(number)

    def set_last_position(self, position: int) -> None:
        """Go on after *position*: a new file in the place of a damaged one."""
        self._database.execute("UPDATE counts SET number = ? WHERE name = 'last_position'", (position,))

    def known(self) -> Iterator[tuple[KnownKey, bytes]]:
        """Yield what was known after the last committed event."""
        for kind, host, key, body in self._database.execute("SELECT kind, host, key, body FROM known"):
            yield (kind, host, key), body

    def positions(self) -> dict[str, int]:
        """Return the last position that each exporter acknowledged."""
        return dict(self._database.execute("SELECT exporter, position FROM positions"))

    def commit(
        self,
        records: Sequence[Record],
        known: Mapping[KnownKey, bytes | None],
        positions: Mapping[str, int],
    ) -> None:
        """Write all of these or nothing: on the disk when it returns."""
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            if records:
                database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", records)
                database.execute("UPDATE counts SET number = ? WHERE name = 'last_position'", (records[-1].position,))
            self._write_known(known)
            database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _write_known(self, known: Mapping[KnownKey, bytes | None]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)",
            ((*key, body) for key, body in known.items() if body is not None),
        )
        self._database.executemany(
            "DELETE FROM known WHERE kind = ? AND host = ? AND key = ?",
            (key for key, body in known.items() if body is None),
        )

    def read(self, after: int, *, limit: int, max_bytes: int) -> list[Record]:
        """Return the events after position *after*: at most *limit*, and (but for the first) *max_bytes* of them."""
        records: list[Record] = []
        size = 0
        for row in self._database.execute(
            "SELECT * FROM events WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
        ):
            record = Record(*row)
            size += len(record.body)
            if records and size > max_bytes:
                break
            records.append(record)
        return records

    def first_since(self, time: int) -> int:
        """Return the position before the first event at or after *time* (nanoseconds since 1970)."""
        (position,) = self._database.execute("SELECT min(position) FROM events WHERE time >= ?", (time,)).fetchone()
        return int(position) - 1 if position is not None else self.last_position()

    def count(self, after: int = 0) -> int:
        """Return how many events lie after position *after*."""
        (number,) = self._database.execute("SELECT count(*) FROM events WHERE position > ?", (after,)).fetchone()
        return int(number)

    def size_bytes(self) -> int:
        """Return the size of the file and its log; in memory, of its pages."""
        if self.path is None:
            return self._used_bytes()
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def prune(self, acknowledged: Mapping[str, int], now: float | None = None) -> list[tuple[str, Lost]]:
        """Remove what is too old or too much, chatter first; return what an exporter of *acknowledged* had not had."""
        oldest = max(0, int(((time.time() if now is None else now) - self._max_age_seconds) * 1e9))
        (last,) = self._database.execute(
            "SELECT coalesce(max(position), 0) FROM events WHERE position <= "
            "coalesce((SELECT min(position) - 1 FROM events WHERE time >= ?), (SELECT max(position) FROM events))",
            (oldest,),
        ).fetchone()
        gone = list(self._remove("position <= ?", (last,), acknowledged)) if last else []
        budget = int(self._max_bytes * 0.9)  # the rest is for the log and for what comes until the next look
        if self._used_bytes() > budget:
            marks = ", ".join("?" * len(CHATTER))
            gone += self._remove(f"type IN ({marks})", CHATTER, acknowledged)
        while (used := self._used_bytes()) > budget and (number := self.count()):
            surplus = max(1, int(number * (1 - budget * 0.9 / used)))
            gone += self._remove_oldest(min(surplus, MOST_REMOVED_AT_ONCE), acknowledged)
            self._give_back()
        self._give_back()
        return gone

    def _give_back(self) -> None:
        # As a script: one step of it frees one page, and `execute` takes one step.
        self._database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")

    def _remove_oldest(self, number: int, acknowledged: Mapping[str, int]) -> list[tuple[str, Lost]]:
        (last,) = self._database.execute(
            "SELECT max(position) FROM (SELECT position FROM events ORDER BY position LIMIT ?)", (number,)
        ).fetchone()
        return list(self._remove("position <= ?", (last,), acknowledged))

    def _remove(
        self, condition: str, values: Iterable[object], acknowledged: Mapping[str, int]
    ) -> Iterator[tuple[str, Lost]]:
        values = tuple(values)
        for exporter, position in acknowledged.items():
            for host, count, first, last in self._database.execute(
                f"SELECT host, count(*), min(sequence), max(sequence) FROM events WHERE {condition} AND position > ? "  # noqa: S608 - our own text
                "GROUP BY host",
                (*values, position),
            ):
                yield exporter, Lost(host, count, first, last)
        self._database.execute(f"DELETE FROM events WHERE {condition}", values)  # noqa: S608 - our own text
