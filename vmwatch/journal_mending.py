"""The journal's file, which is set aside and begun anew when it is damaged or has gone; for the journal."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from vmwatch.errors import VmwatchError
from vmwatch.journal_damage import is_damage, is_foreign, set_aside
from vmwatch.journal_file import JournalFile

log = structlog.get_logger(__name__)


class MendingFile:
    """The *file* at *path*, in memory where that is None; *trouble* says why it takes nothing, *damaged* that it is."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: JournalFile
        self.trouble = ""
        self.damaged = False

    def open(self, load: Callable[[JournalFile], None]) -> None:
        """Open or make the file and *load* it; one where that cannot be done is set aside.  Blocks; VmwatchError."""
        try:
            try:
                self._load(load)
            except (sqlite3.Error, msgspec.MsgspecError) as error:
                if not (is_damage(error) or is_foreign(error)):
                    raise
                self._set_aside(str(error))
                self._load(load)
        except (sqlite3.Error, OSError) as error:
            raise VmwatchError(f"{self.path}: cannot be opened: {error}") from error

    def _load(self, load: Callable[[JournalFile], None]) -> None:
        self.file = JournalFile(self.path)
        try:
            load(self.file)
        except BaseException:
            self.file.close()
            raise

    def _set_aside(self, reason: str) -> None:
        assert self.path is not None  # noqa: S101 - a journal in memory cannot be damaged
        if self.path.exists():  # else it has been
            log.error("journal damaged", reason=reason, set_aside=str(set_aside(self.path)))

    def note(self, error: Exception) -> None:
        """Keep *error* as the trouble, and as damage if it means that."""
        self.trouble = str(error)
        self.damaged = self.damaged or is_damage(error)

    def note_removal(self) -> None:
        """Look whether somebody removed the file: that is damage too."""
        if self.path is None or self.damaged:
            return
        try:
            self.path.stat()
        except FileNotFoundError:
            self.damaged, self.trouble = True, "the file has gone"
            log.error("journal removed", path=str(self.path))
        except OSError:  # nobody can tell, and the file is open: whether it takes what is written will be seen
            pass

    def begin_anew(self) -> None:
        """Put a new file in the place of the damaged one.  Blocks; sqlite3.Error, OSError, VmwatchError."""
        self.file.close()
        self._set_aside(self.trouble)
        self.file = JournalFile(self.path)
        self.damaged = False
