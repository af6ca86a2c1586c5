"""Where JSON lines go: standard output or a file that may be renamed at any time; for the JSON log alone.

Every call here may block and is made in a thread.
"""

import os
import stat
import sys
from pathlib import Path

from vmwatch.errors import VmwatchError


class Output:
    """A file descriptor for whole lines: a batch that could not be written whole is taken back, where that is possible.

    *path* None stands for standard output.  Faults are raised as VmwatchError.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Open what *path* names now."""
        self.close()
        try:
            if self._path is None:
                self._descriptor = os.dup(sys.__stdout__.fileno() if sys.__stdout__ else 1)
            else:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
                self._descriptor = os.open(self._path, flags, 0o640)
        except OSError as error:
            raise self._failed(error) from error

    def write(self, lines: bytes) -> None:
        """Write *lines*, to a new file where the old one was renamed."""
        try:
            if self._descriptor is None or self._renamed():
                self.open()
            assert self._descriptor is not None  # noqa: S101 - opened above
            _write_whole(self._descriptor, lines)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close it; again does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _renamed(self) -> bool:
        if self._path is None or self._descriptor is None:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    def _failed(self, error: OSError) -> VmwatchError:
        where = str(self._path or "standard output")
        if isinstance(error, BrokenPipeError):
            return VmwatchError(f"{where}: its reader has gone")
        return VmwatchError(f"{where}: {error.strerror or error}")


def _write_whole(descriptor: int, lines: bytes) -> None:
    """Write all of *lines*; where a file has no room for all, take their beginning back, as they are tried again."""
    before = os.fstat(descriptor)
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        written = len(lines) - len(rest)
        alone = os.fstat(descriptor).st_size == before.st_size + written
        if stat.S_ISREG(before.st_mode) and written and alone:
            os.ftruncate(descriptor, before.st_size)
        raise
