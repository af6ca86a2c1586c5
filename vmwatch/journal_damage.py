"""What SQLite's errors mean for the journal's file, and what is done with a damaged one; for the journal."""

import sqlite3
import time
from pathlib import Path

import msgspec


def is_damage(error: Exception) -> bool:
    """Say whether *error* means that the file is no longer a journal, rather than that it cannot be reached now."""
    return isinstance(error, msgspec.MsgspecError) or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_foreign(error: Exception) -> bool:
    """Say whether *error*, met while opening, means that the tables are not ours: our statements suit those."""
    return _code(error) == sqlite3.SQLITE_ERROR


def is_without_room(error: Exception) -> bool:
    """Say whether *error* may come from a full disk."""
    return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def set_aside(path: Path) -> Path:
    """Rename the file at *path* and what belongs to it; return its new name, which says when."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # without what extended codes add
