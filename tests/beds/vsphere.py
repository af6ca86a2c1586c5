"""An ESX host or a vCenter that is none: govmomi's simulator, built with Go from `tests/beds/esx` and kept."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.beds.program import NotInstalledError, Program

SOURCE = Path(__file__).parent / "esx"
WANTED = (1, 25)
BUILD_SECONDS = 900


def simulator() -> Path:
    """Return the simulator's program, built where it is not yet; NotInstalledError where it cannot be."""
    kept = _cache() / f"vsphere-{_fingerprint()}"
    if not kept.exists():
        _build(kept)
    return kept


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "vmwatch-tests"


def _fingerprint() -> str:
    texts = [(SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def _build(place: Path) -> None:
    go = _go()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        built = Path(folder) / "vsphere"
        command = ["nice", go, "build", "-buildvcs=false", "-o", str(built), "."]
        answer = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if answer.returncode:
            raise NotInstalledError(f"vSphere's simulator cannot be built: {answer.stderr.strip().splitlines()[-1]}")
        built.replace(place)


def _go() -> str:
    go = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
    needed = f"vSphere's simulator needs Go {WANTED[0]}.{WANTED[1]} or newer to be built"
    if go is None:
        raise NotInstalledError(f"{needed}, and there is no Go")
    version = subprocess.run([go, "env", "GOVERSION"], cwd=SOURCE, capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < WANTED:
        raise NotInstalledError(f"{needed}, and this is {version.strip() or 'something else'}")
    return go


class VSphere:
    """A running simulator of one ESX host, or with *vcenter* of a vCenter whose host DC0/DC0_H0 is watched."""

    def __init__(self, folder: Path, *, vcenter: bool = False, machines: int = 2, address: str = "127.0.0.1:0") -> None:
        self._vcenter = vcenter
        options = ["-machines", str(machines), "-listen", address, *([] if vcenter else ["-esx"])]
        self._log = folder / "vsphere.log"
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}  # where it leaves what it keeps
        self.program = Program([str(simulator()), *options], self._log, environment=environment)
        self.auth_file = folder / "auth.conf"
        self.address = address

    def __enter__(self) -> Self:
        self.program.start(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = self._answer()
        self.auth_file.write_text(
            f"[credentials-bed]\nusername=root\npassword=secret\n[auth-esx-{self.address.partition(':')[0]}]\n"
            "credentials=bed\n"
        )
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.program.process.stdin, self.program.process.stdout):
            assert pipe is not None
            pipe.close()
        self.program.kill()

    @property
    def uri(self) -> str:
        """What libvirt connects to, with `auth_file`."""
        place = f"root@{self.address}"
        return f"vpx://{place}/DC0/DC0_H0?transport=http" if self._vcenter else f"esx://{place}/?transport=http"

    def obey(self, command: str) -> None:
        """Do as somebody with another client would: on NAME, off NAME, suspend NAME, destroy NAME, create OLD NEW."""
        assert self.program.process.stdin is not None
        self.program.process.stdin.write(f"{command}\n".encode())
        self.program.process.stdin.flush()
        answer = self._answer()
        if answer != "done":
            raise AssertionError(answer)

    def _answer(self) -> str:
        assert self.program.process.stdout is not None
        return self.program.process.stdout.readline().decode().strip()
