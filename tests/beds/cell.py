"""A place of its own for a daemon that starts daemons: what runs in it ends with it, and it ends with its owner.

A libvirtd leaves its guests running when it goes, on purpose.  So root gets namespaces: private system folders, a host
name, and process numbers below an own process 1, whose end the kernel turns into the end of all.  Other users get a
folder, and who names that folder in its command line is ended.
"""

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.beds.keeper import Keeper

_CLONE_NEWPID = 0x20000000

# libvirtd looks for the user that Debian's QEMU belongs to even if another one is configured.
_PRIVATE_FOLDERS = """
hostname "$NAME"
cp /etc/passwd /etc/group "$FOLDER"
echo libvirt-qemu:x:64055:64055::/:/bin/false >> "$FOLDER/passwd"
echo libvirt-qemu:x:64055: >> "$FOLDER/group"
mount --bind "$FOLDER/passwd" /etc/passwd
mount --bind "$FOLDER/group" /etc/group
if mountpoint -q /sys/fs/cgroup/unified; then
    umount /sys/fs/cgroup/unified  # beside the old cgroups libvirt's container driver fails in the new ones
fi
for pair in $MOUNTS; do
    mkdir -p "${pair#*:}"
    mount --bind "$FOLDER/${pair%%:*}" "${pair#*:}"
done
"""
_END_THE_NAMESPACE = """
kill -9 -1 2>/dev/null || true
"""
_UNSHARE = (
    "unshare",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)


class Cell:
    """A new folder and, for root, namespaces around it, in which *mounts* says what subfolder stands in for what.

    With *own_network* bridges can be made there, but no TCP port of it is reached.
    """

    def __init__(self, host_name: str, mounts: Mapping[str, str], *, own_network: bool = False) -> None:
        self.is_namespace = os.geteuid() == 0
        self._own_network = own_network
        self._keeper = self._keep_namespaces(host_name, mounts) if self.is_namespace else Keeper(folders=[*mounts])
        self.folder = self._keeper.folder
        if self.is_namespace:
            children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children")
            self._first_pid = int(children.read_text())

    def _keep_namespaces(self, host_name: str, mounts: Mapping[str, str]) -> Keeper:
        return Keeper(
            folders=[*mounts],
            inside=[*_UNSHARE, *(["--net"] if self._own_network else [])],
            first=_PRIVATE_FOLDERS,
            last=_END_THE_NAMESPACE,
            NAME=host_name,
            MOUNTS=" ".join(f"{subfolder}:{place}" for subfolder, place in mounts.items()),
        )

    def command(self, *command: str) -> list[str]:
        """Return what has to be run for *command* to find itself in the cell; it must be started while `entered`."""
        if not self.is_namespace:
            return [*command]
        kinds = {"mnt": "--mount", "uts": "--uts", **({"net": "--net"} if self._own_network else {})}
        return ["nsenter", *(f"{option}=/proc/{self._first_pid}/ns/{kind}" for kind, option in kinds.items()), *command]

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
        self._keeper.close()


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
