"""The journal's SQLite file: events, what is known after them, and how far each exporter has come; for one thread.

A transaction holds a group of events and the known state after them, so that they never disagree.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from vmwatch.errors import VmwatchError
from vmwatch.journal_damage import is_without_room

UPGRADES = (
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


def one_more(lost: dict[str, Lost], host: str, sequence: int) -> None:
    """Count in *lost*, host by host, one more event that somebody will not get."""
    known = lost.get(host) or Lost(host, 0, sequence, sequence)
    lost[host] = Lost(host, known.count + 1, known.first_sequence, sequence)


class JournalFile:
    """The opened file at *path*, or a journal in memory where that is None; sqlite3.Error is left to the caller.

    *events* is how many there are.  A file of an older version is brought up by the *upgrades* that it lacks.
    """

    def __init__(self, path: Path | None, upgrades: Sequence[str] = UPGRADES) -> None:
        self.path = path
        self._upgrades = upgrades
        self._alone = False
        self._database = self._opened()
        try:
            (self.events,) = self._database.execute("SELECT count(*) FROM events").fetchone()
            if path is not None:
                path.chmod(0o640)
        except BaseException:
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        """Open it; on a full disk for us alone, as there is no room for the index by which processes share it."""
        try:
            database = self._connected("NORMAL")
        except sqlite3.OperationalError as error:
            if not is_without_room(error):
                raise
            database = self._connected("EXCLUSIVE")
            self._alone = True
        else:
            self._alone = False
        return database

    def _connected(self, locking_mode: str) -> sqlite3.Connection:
        database = sqlite3.connect(self.path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            database.execute(f"PRAGMA locking_mode={locking_mode}")
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(self._upgrades):
            raise VmwatchError(
                f"{self.path}: written by a newer vmwatch (version {version}; this one knows {len(self._upgrades)})"
            )
        if version == 0:
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # writes, and can be said to a new file only
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA journal_size_limit=4194304")
        database.execute("PRAGMA cache_size=-1024")
        for index in range(version, len(self._upgrades)):
            database.executescript(f"BEGIN; {self._upgrades[index]} PRAGMA user_version={index + 1}; COMMIT;")

    def close(self) -> None:
        """Write the log back into the file and close it."""
        self._database.close()

    def last_position(self) -> int:
        """Return the highest position ever given, also to events that have gone since."""
        (number,) = self._database.execute("SELECT number FROM counts WHERE name = 'last_position'").fetchone()
        return int(number)

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
        if self._alone:
            self._database.close()
            self._database = self._opened()
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            if records:
                database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", records)
                database.execute("UPDATE counts SET number = ? WHERE name = 'last_position'", (records[-1].position,))
            self._write_known(known)
            database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
            database.execute("COMMIT")
            self.events += len(records)
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

    def size_bytes(self) -> int:
        """Return the size of the file and its log; in memory, of its pages."""
        if self.path is None:
            return self.used_bytes()
        size = 0
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with suppress(FileNotFoundError):
                size += path.stat().st_size
        return size

    def used_bytes(self) -> int:
        """Return the size of the pages that are not free."""
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def give_back(self) -> None:
        """Return the room of what was removed to the file system."""
        # As a script: one step of it frees one page, and `execute` takes one step.
        self._database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")

    def last_before(self, time: int, up_to: int, limit: int) -> int:
        """Return the last position before the first event at or after *time*; 0: none.

        Of the *limit* oldest ones, and up to position *up_to*.
        """
        oldest = self._database.execute(
            "SELECT position, time FROM events WHERE position <= ? ORDER BY position LIMIT ?", (up_to, limit)
        )
        last = 0
        for position, at in oldest:
            if at >= time:
                break
            last = position
        return last

    def last_of_oldest(self, number: int) -> int:
        """Return the last position of the *number* oldest ones; 0 where there is none."""
        (last,) = self._database.execute(
            "SELECT coalesce(max(position), 0) FROM (SELECT position FROM events ORDER BY position LIMIT ?)", (number,)
        ).fetchone()
        return int(last)

    def remove(
        self, condition: str, values: Sequence[object], acknowledged: Mapping[str, int]
    ) -> list[tuple[str, Lost]]:
        """Remove the events that meet *condition*; return which of them an exporter of *acknowledged* had not had."""
        lost = [
            (exporter, Lost(*row))
            for exporter, position in list(acknowledged.items())
            for row in self._database.execute(
                f"SELECT host, count(*), min(sequence), max(sequence) FROM events WHERE {condition} AND position > ? "  # noqa: S608 - our own text
                "GROUP BY host",
                (*values, position),
            )
        ]
        removed = self._database.execute(f"DELETE FROM events WHERE {condition}", values)  # noqa: S608 - our own text
        self.events -= removed.rowcount
        return lost
