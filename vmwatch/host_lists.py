"""Lists of hosts in files that others write, as they are now, and which of the hosts are our shard's."""

import glob
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from vmwatch.errors import ConfigError
from vmwatch.host_lists_file import read_list
from vmwatch.settings import HostList, HostSettings, Shard

log = structlog.get_logger(__name__)


class _File(NamedTuple):
    """A file, as one that the list of this number matches: another list may make other hosts of it."""

    number: int
    path: Path


_Look = tuple[int, int, int]
_Hosts = tuple[HostSettings, ...]


def all_hosts(named: Sequence[HostSettings], lists: Sequence[HostList], shard: Shard) -> tuple[HostSettings, ...]:
    """Return the hosts that are *named* and those of the *lists*, as far as they are of our *shard*; ConfigError.

    What is listed again is the same host; another one of the same name is wrong.
    """
    return HostLists(named, lists, shard).hosts


class HostLists:
    """The hosts of `all_hosts`, which it reads at once (ConfigError), and again when files change.  Blocks.

    Later each file is on its own: one that is broken, or would give two hosts one name, keeps what it said last.
    """

    def __init__(self, named: Sequence[HostSettings], lists: Sequence[HostList], shard: Shard) -> None:
        self._named = named
        self._lists = lists
        self._shard = shard
        self._looks = self._look()
        self._right = {file: read_list(file.path, lists[file.number]) for file in self._looks}
        """What each file said when it was last right."""
        self._taken = dict(self._right)
        """What of that is taken over: no two hosts of one name."""
        self.hosts = self._merged(self._taken)

    def again(self) -> bool:
        """Look at the files again, take over into `hosts` what is right of what has changed, and say whether some has.

        What is wrong is told, once for each change.
        """
        looks, before = self._look(), self._looks
        if looks == before:
            return False
        self._looks = looks
        self._right = {file: hosts for file, hosts in self._right.items() if file in looks}
        for file, look in looks.items():
            if before.get(file) != look:
                self._read(file)
        self._taken = self._without_clashes()
        self.hosts = self._merged(self._taken)
        return True

    def _look(self) -> Mapping[_File, _Look]:
        """Return the files that are there, in order, with what changes when one is written."""
        files = (_File(number, path) for number, one in enumerate(self._lists) for path in paths(one))
        return {file: _look(file.path) for file in files}

    def _read(self, file: _File) -> None:
        try:
            self._right[file] = read_list(file.path, self._lists[file.number])
        except ConfigError as error:
            log.error("list of hosts not taken over", reason=str(error))
        except Exception:  # a bug that one file brings up harms that file only
            log.exception("list of hosts not taken over", path=str(file.path))

    def _without_clashes(self) -> dict[_File, _Hosts]:
        """Return what each file says now, or said before where that would clash with others."""
        taken = {file: self._taken[file] for file in self._looks if file in self._right and file in self._taken}
        waiting = {file: hosts for file, hosts in self._right.items() if taken.get(file) != hosts}
        if self._clash(self._right) is None:
            return dict(self._right)
        while waiting:
            refused: dict[_File, str] = {}
            for file, hosts in waiting.items():
                if clash := self._clash(taken | {file: hosts}):
                    refused[file] = clash
                else:
                    taken[file] = hosts
            if len(refused) == len(waiting):  # else what was refused may have its place now
                break
            waiting = {file: waiting[file] for file in refused}
        for file in waiting:
            log.error("list of hosts not taken over", path=str(file.path), reason=refused[file])
        return taken

    def _clash(self, contents: Mapping[_File, _Hosts]) -> str | None:
        try:
            self._merged(contents)
        except ConfigError as error:
            return str(error)
        return None

    def _merged(self, contents: Mapping[_File, _Hosts]) -> tuple[HostSettings, ...]:
        found: dict[str, HostSettings] = {host.name: host for host in self._named}
        for file in sorted(contents):
            for host in contents[file]:
                if found.setdefault(host.name, host).uri != host.uri:
                    text = f'{file.path}: "{host.name}" is the name of another host too: expected one for each'
                    raise ConfigError(text)
        return tuple(host for host in found.values() if is_ours(host.name, self._shard))


def is_ours(name: str, shard: Shard) -> bool:
    """Say whether the host called *name* belongs to *shard*; the same for all who ask, for ever."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % shard.total == shard.number


def paths(one: HostList) -> list[Path]:
    """Return the files that the patterns of a list match now, in order."""
    return sorted({Path(path) for pattern in one.files for path in glob.glob(pattern, recursive=True)})  # noqa: PTH207


def _look(path: Path) -> _Look:
    try:
        status = path.stat()
    except OSError:  # it has just gone
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
