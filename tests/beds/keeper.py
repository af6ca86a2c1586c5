"""A folder that goes when its owner goes, however that happens, and takes with it whoever works in it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.beds.program import ADMINISTRATORS_PATH, PATIENCE_SECONDS, BedError

_WAIT_FOR_THE_OWNER = """
echo ready
cat >/dev/null
"""
_REMOVE = """
exec rm -rf "$FOLDER"
"""
END_WHO_NAMES_THE_FOLDER = """
while others=$(echo "$FOLDER/" | grep -lsaFf- /proc/[0-9]*/cmdline | sed 's,/proc/,,; s,/cmdline,,' | grep -vx $$); do
    kill -9 $others 2>/dev/null || true
done
"""


class Keeper:
    """A shell that keeps a new folder under /tmp until `close`, or until this process has ended, killed or not.

    It waits for a pipe to close, and all pipes close in the end.  *first* and *last* are what the shell does before and
    after that, with the folder in `$FOLDER` and *variables*; *inside* is a command to run the shell with.
    """

    def __init__(
        self,
        name: str = "",
        *,
        folders: Sequence[str] = (),
        first: str = "",
        last: str = END_WHO_NAMES_THE_FOLDER,
        inside: Sequence[str] = (),
        **variables: str,
    ) -> None:
        # Short, and not where pytest keeps things: the path of a socket in it may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=f"vmwatch-{name}", dir="/tmp"))
        for subfolder in folders:
            (self.folder / subfolder).mkdir(parents=True)
        self._shell = subprocess.Popen(
            [*inside, "sh", "-euc", first + _WAIT_FOR_THE_OWNER + last + _REMOVE],
            env={"PATH": os.environ["PATH"] + ADMINISTRATORS_PATH, "FOLDER": str(self.folder), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._shell.stdout is not None
        if self._shell.stdout.readline() != b"ready\n":
            raise BedError(f"no folder is kept: {self.close()}")

    @property
    def pid(self) -> int:
        """The number of the shell, or of what it is *inside* of."""
        return self._shell.pid

    def close(self) -> str:
        """End who works in the folder, remove it, and return what the shell had to complain of."""
        try:
            _, errors = self._shell.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            _, errors = self._shell.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)
        complaint: str = errors.decode(errors="replace")
        return complaint
