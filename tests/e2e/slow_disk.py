"""A disk that can be made to hang, so that a guest's flush lasts as long as a test wants: QEMU's own NBD server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.beds.keeper import Keeper
from tests.beds.program import Program, clean_environment, find

_SIZE_BYTES = 1 << 20
_DISK = """
<disk type='network' device='disk'>
  <driver name='qemu' type='raw' cache='writeback'/>
  <source protocol='nbd' name='disk'><host transport='unix' socket='{socket}'/></source>
  <target dev='hda' bus='ide'/>
</disk>
"""


class SlowDisk:
    """A disk for one guest; `device` is its XML."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "nbd"
        image = folder / "image"
        image.write_bytes(bytes(_SIZE_BYTES))
        command = [
            find("qemu-storage-daemon", package="qemu-system-common"),
            f"--blockdev=file,node-name=file,filename={image}",
            f"--nbd-server=addr.type=unix,addr.path={self._socket}",
            "--export=nbd,id=export,node-name=file,writable=on,name=disk",
        ]
        self.server = Program(command, folder / "nbd.log", environment=clean_environment(folder))
        self.device = _DISK.format(socket=self._socket)

    def start(self) -> None:
        """Start it, and wait until it can be used."""
        self.server.start()
        self.server.until(self._accepts, "the disk's server accepts connections")

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self._socket))
            return True
        return False

    def hang(self) -> None:
        """Answer nothing any more, writes least of all."""
        self.server.pause()

    def go_on(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self.server.resume()


@contextmanager
def slow_disk() -> Iterator[SlowDisk]:
    """Run a disk in this context."""
    keeper = Keeper("nbd-")
    disk = SlowDisk(keeper.folder)
    try:
        disk.start()
        yield disk
    finally:
        disk.server.kill()
        keeper.close()
