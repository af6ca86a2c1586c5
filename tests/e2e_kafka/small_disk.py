"""A disk that is small, and can be full: a file system in memory, gone with its owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beds.keeper import END_WHO_NAMES_THE_FOLDER, Keeper
from tests.beds.program import BedError

_MOUNT = 'mount -t tmpfs -o "size=$SIZE" vmwatch "$FOLDER"'
_UNMOUNT = 'umount "$FOLDER"'
_PIECE_BYTES = 64 * 1024


class SmallDisk:
    """What is in *folder* is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room."""
        piece = bytes(_PIECE_BYTES)
        with self._filler.open("wb", buffering=0) as file:
            try:
                while file.write(piece):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Leave room again."""
        self._filler.unlink()


@contextmanager
def small_disk(size_bytes: int) -> Iterator[SmallDisk]:
    """Have such a disk in this context; skip the test where nobody may mount one."""
    try:
        keeper = Keeper("disk-", first=_MOUNT, last=END_WHO_NAMES_THE_FOLDER + _UNMOUNT, SIZE=str(size_bytes))
    except BedError as error:
        pytest.skip(f"only root may mount: {error}")
    try:
        yield SmallDisk(keeper.folder)
    finally:
        keeper.close()
