"""A place of its own for a daemon that starts daemons: what runs in it ends with it, and it ends with its maker.

A libvirtd leaves its guests running when it goes, on purpose.  So root gets namespaces: private system folders, a host
name, and process numbers below an own process 1, whose end the kernel turns into the end of all.  Other users get a
folder, and what names that folder in its command line is ended.  Either way a shell waits for a pipe to close, and
pipes close even when the tests are killed.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.beds.program import PATIENCE_SECONDS, BedError

_CLONE_NEWPID = 0x20000000

_PRIVATE_FOLDERS = """
hostname "$NAME"
cp /etc/passwd /etc/group "$FOLDER"
echo libvirt-qemu:x:64055:64055::/:/bin/false >> "$FOLDER/passwd"
echo libvirt-qemu:x:64055: >> "$FOLDER/group"
mount --bind "$FOLDER/passwd" /etc/passwd
mount --bind "$FOLDER/group" /etc/group
for pair in $MOUNTS; do
    mkdir -p "${pair#*:}"
    mount --bind "${pair%%:*}" "${pair#*:}"
done
"""
_WAIT = """
echo ready
cat >/dev/null
"""
_END_THE_NAMESPACE = """
kill -9 -1 2>/dev/null || true
exec rm -rf "$FOLDER"
"""
_END_WHO_NAMES_THE_FOLDER = """
while others=$(echo "$FOLDER/" | grep -lsaFf- /proc/[0-9]*/cmdline | sed 's,/proc/,,; s,/cmdline,,' | grep -vx $$); do
    kill -9 $others 2>/dev/null || true
done
exec rm -rf "$FOLDER"
"""


class Cell:
    """A new folder under /tmp and, for root, namespaces around it: *mounts* says which subfolder stands in for what.

    With *own_network* bridges can be made there, but no TCP port of it is reached.
    """

    def __init__(self, host_name: str, mounts: Mapping[str, str], *, own_network: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vmwatch-", dir="/tmp"))  # a socket's path has 107 bytes at most
        for name in mounts:
            (self.folder / name).mkdir(parents=True)
        self.is_namespace = os.geteuid() == 0
        self._own_network = own_network
        self._keeper = subprocess.Popen(
            self._keeping(),
            env={
                "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                "FOLDER": str(self.folder),
                "NAME": host_name,
                "MOUNTS": " ".join(f"{self.folder / name}:{place}" for name, place in mounts.items()),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait_until_ready()

    def _keeping(self) -> list[str]:
        if not self.is_namespace:
            return ["sh", "-euc", _WAIT + _END_WHO_NAMES_THE_FOLDER]
        kinds = ["--mount", "--uts", "--pid", *(["--net"] if self._own_network else [])]
        options = ["--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        return ["unshare", *kinds, *options, "sh", "-euc", _PRIVATE_FOLDERS + _WAIT + _END_THE_NAMESPACE]

    def _wait_until_ready(self) -> None:
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"ready\n":
            _, errors = self._keeper.communicate()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise BedError(f"no private namespaces: {errors.decode(errors='replace')}")
        if self.is_namespace:
            keeper = self._keeper.pid
            self._first_pid = int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text())

    def command(self, *command: str) -> list[str]:
        """Return what has to be run for *command* to find itself in the cell; it must be started while `entered`."""
        if not self.is_namespace:
            return [*command]
        kinds = ("mnt", "uts", "net") if self._own_network else ("mnt", "uts")
        options = {"mnt": "--mount", "uts": "--uts", "net": "--net"}
        return ["nsenter", *(f"{options[kind]}=/proc/{self._first_pid}/ns/{kind}" for kind in kinds), *command]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Give processes that this thread starts meanwhile their numbers in the cell."""
        if not self.is_namespace:
            yield
            return
        with _namespace(self._first_pid) as inside, _namespace(os.getpid()) as outside:
            _set_namespace(inside)
            try:
                yield
            finally:
                _set_namespace(outside)

    def processes(self) -> Iterator[tuple[int, list[str]]]:
        """Tell the number, as seen from here, and the command line of each process in the cell."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_text(errors="replace").split("\0")
                if self._holds(folder, command):
                    yield int(folder.name), command
            except OSError:
                continue  # it has ended meanwhile

    def _holds(self, process: Path, command: list[str]) -> bool:
        if self.is_namespace:
            return (process / "ns/pid").readlink() == Path(f"/proc/{self._first_pid}/ns/pid").readlink()
        return any(f"{self.folder}/" in argument for argument in command)

    def close(self) -> None:
        """End all that runs in the cell, and remove its folder."""
        try:
            self._keeper.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _namespace(pid: int) -> Iterator[int]:
    descriptor = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "setns")
