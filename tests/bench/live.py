"""A private libvirtd with real guests and a vmwatch that watches them, for the parts that measure the whole."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.beds.guest import Disk, Guest, start_all, write_rom
from tests.beds.libvirtd import Libvirtd
from tests.beds.program import free_port

ROOT = Path(__file__).parent.parent.parent


class Running(NamedTuple):
    """A vmwatch that runs: its process, its port, and when (monotonic) it was started."""

    process: "subprocess.Popen[str]"
    port: int
    began: float

    def line(self) -> dict[str, Any]:
        """Return the next line of its stream."""
        assert self.process.stdout is not None
        parsed: dict[str, Any] = json.loads(self.process.stdout.readline())
        return parsed

    def scrape(self) -> bytes:
        """Return its page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            page: bytes = answer.read()
            return page

    def resident_mebibytes(self) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def host(guests: int, vcpus: int = 1) -> Iterator[Libvirtd]:
    """A daemon with so many running guests, each with a disk and a network card."""
    with tempfile.TemporaryDirectory(prefix="vmwatch-bench-") as folder:
        rom = write_rom(Path(folder))
        some = []
        for index in range(guests):
            image = Path(folder, f"{index}.img")
            image.write_bytes(b"")
            os.truncate(image, 1 << 20)
            disks = (Disk(image=image),)
            some.append(Guest(name=f"guest-{index}", rom=rom, vcpus=vcpus, disks=disks, interface="user"))
        with Libvirtd() as daemon, daemon.connection() as connection:
            start_all(connection, some)
            yield daemon


@contextmanager
def vmwatch(uri: str, *configuration: str) -> Iterator[Running]:
    """A vmwatch in a process of its own that watches *uri*; *configuration* are more lines of TOML."""
    folder = Path(tempfile.mkdtemp(prefix="vmwatch-bench-"))
    port = free_port()
    lines = ["[web]", f'listen_addresses = ["127.0.0.1:{port}"]', "[[libvirt]]", f'uri = "{uri}"', *configuration]
    (folder / "vmwatch.toml").write_text("\n".join(lines))
    command = ["-m", "vmwatch", "run", "--config.file", str(folder / "vmwatch.toml"), "--state.directory", str(folder)]
    began = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        yield Running(process, port, began)
    finally:
        process.terminate()
        process.communicate(timeout=30)
        shutil.rmtree(folder)
