"""The state directory: made, locked against a second vmwatch, and named in what goes wrong with it."""

import fcntl
import os
from pathlib import Path

from vmwatch.errors import VmwatchError


def lock_directory(path: Path) -> int:
    """Make *path* and lock it for this process; return the lock's file descriptor, to be kept.

    Raises VmwatchError where another vmwatch has it, and OSError where it cannot be made or written.
    """
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise VmwatchError(f"{path}: another vmwatch runs with this state directory") from None
    return lock
