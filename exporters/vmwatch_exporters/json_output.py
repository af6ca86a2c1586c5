"""Where JSON lines go: standard output or a file that may be renamed at any time; for the JSON log alone.

Every call here but `write_at_once` may block, and is made in a thread.
"""

import os
import select
import stat
from pathlib import Path

from vmwatch.errors import VmwatchError


class Output:
    """A file descriptor for whole lines: a batch that could not be written whole is taken back, where that is possible.

    *path* None stands for *standard_output*.  Faults are raised as VmwatchError.
    """

    def __init__(self, path: Path | None, standard_output: int = 1) -> None:
        self._path = path
        self._standard_output = standard_output
        self._descriptor: int | None = None
        self._is_pipe = False

    def open(self) -> None:
        """Open what *path* names now."""
        self.close()
        try:
            if self._path is None:
                self._descriptor = os.dup(self._standard_output)
                self._is_pipe = stat.S_ISFIFO(os.fstat(self._descriptor).st_mode)
            else:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
                self._descriptor = os.open(self._path, flags, 0o640)
        except OSError as error:
            raise self._failed(error) from error

    def write_at_once(self, lines: bytes) -> bool:
        """Write *lines* where that cannot block, and say whether it was done.

        A pipe with any room takes so little whole (pipe(7)); a thread would only make it late.
        """
        if not self._is_pipe or len(lines) > select.PIPE_BUF or self._descriptor is None:
            return False
        room = select.poll()
        try:
            room.register(self._descriptor, select.POLLOUT)
            return bool(room.poll(0)) and os.write(self._descriptor, lines) == len(lines)
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
