"""The line that lets a user at a file or a socket of this machine which refuses him; for `vmwatch check`."""

import grp
import os
import shlex
from contextlib import suppress
from pathlib import Path

_LETTERS = {4: "r", 2: "rw", 1: "x"}
_SEARCH = 1


def grant_path(path: Path, permission: int, user: str) -> str:
    """Return the line by which *user*, whom we are, gets *permission* (4 reads a file, 2 uses a socket) for *path*.

    Where a folder before it is closed too, the line is for that folder: what is in there cannot be told.  A group that
    has the permission is joined, but for root's; else ours is let in.
    """
    for folder in reversed(path.absolute().parents):
        if not _is_searchable(folder):
            return _grant(folder, _SEARCH, user)
    return _grant(path, permission, user)


def _is_searchable(folder: Path) -> bool:
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 - pathlib drops the dot, which is what needs the permission
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def _grant(path: Path, permission: int, user: str) -> str:
    with suppress(OSError):
        status = path.stat()
        if status.st_gid != 0 and status.st_mode >> 3 & permission:
            return f"sudo usermod -aG {shlex.quote(_name(status.st_gid))} {shlex.quote(user)}"
    ours, place = shlex.quote(_name(os.getegid())), shlex.quote(str(path))
    return f"sudo chgrp {ours} {place} && sudo chmod g+{_LETTERS[permission]} {place}"


def _name(group: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(group).gr_name
    return str(group)
