"""vmwatch as its users have it: a process of its own, on libvirt's test driver, with nothing of this user's."""

import os
import subprocess
import sys
from pathlib import Path

from tests.beds.program import Program, clean_environment

ROOT = Path(__file__).parent.parent.parent
VMWATCH = (sys.executable, "-m", "vmwatch")
TEST_DRIVER = "--libvirt.uri=test:///default"
ANY_PORT = "--web.listen-address=127.0.0.1:0"


def environment(folder: Path) -> dict[str, str]:
    """Return an environment whose state is in *folder*."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "exporters")])
    return clean_environment(folder, PYTHONPATH=paths, STATE_DIRECTORY=str(folder / "state"))


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [*VMWATCH, *arguments],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def program(folder: Path, *arguments: str) -> Program:
    """Return a command to be started; what it writes, log and stream, is in `folder/log`."""
    return Program([*VMWATCH, *arguments], folder / "log", environment=environment(folder), folder=folder)
