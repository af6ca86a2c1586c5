"""VMware's programs, as far as libvirt's driver for Player and Workstation calls them: a shell script and folders.

libvirt runs `vmrun list` to see what runs, and reads each VM's .vmx and vmware.log beside it.  So a VM is a folder, and
what runs is a line in a file: to be changed by whoever plays the user of that desktop.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_VMRUN = """\
#!/bin/sh
[ "$1" = -T ] && shift 2
case "$1" in
    list) echo "Total running VMs: $(wc -l <"$VMWARE_BED/running")"; cat "$VMWARE_BED/running" ;;
esac
"""
_VERSION = """\
#!/bin/sh
echo "VMware {product} 17.5.0 build-22583795"
"""
_VMX = """\
config.version = "8"
virtualHW.version = "8"
displayName = "{name}"
memsize = "256"
numvcpus = "2"
guestOS = "other"
uuid.bios = "56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 {number:02x}"
"""


class Desktop:
    """A desktop with VMs, to be found by libvirt in this process: one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = folder / "running"
        self._running.touch()
        (folder / "bin").mkdir()
        for name, text in (
            ("vmrun", _VMRUN),
            ("vmplayer", _VERSION.format(product="Player")),
            ("vmware", _VERSION.format(product="Workstation")),
        ):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)

    def environment(self) -> Mapping[str, str]:
        """Return what has to be in the environment of whoever uses libvirt."""
        return {"PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}", "VMWARE_BED": str(self._folder)}

    def add(self, name: str) -> None:
        """Make a VM that does not run."""
        number = len(list(self._folder.glob("*/*.vmx"))) + 1
        machine = self._machine(name)
        machine.parent.mkdir()
        machine.write_text(_VMX.format(name=name, number=number))
        (machine.parent / "vmware.log").write_text(f"| vmx| Log for VMware pid={4200 + number} version=17.5.0\n")

    def lose_log(self, name: str) -> None:
        """Take away its vmware.log: while it runs, libvirt opens no connection."""
        (self._machine(name).parent / "vmware.log").unlink()

    def start(self, name: str) -> None:
        """Start it as its user would, behind libvirt's back."""
        self._run({*self._runs(), str(self._machine(name))})

    def stop(self, name: str) -> None:
        """Stop it likewise."""
        self._run({*self._runs()} - {str(self._machine(name))})

    def _machine(self, name: str) -> Path:
        return self._folder / name / f"{name}.vmx"

    def _runs(self) -> list[str]:
        return self._running.read_text().splitlines()

    def _run(self, machines: set[str]) -> None:
        new = self._folder / "running.new"
        new.write_text("".join(f"{machine}\n" for machine in sorted(machines)))
        new.replace(self._running)


@contextmanager
def desktop(folder: Path) -> Iterator[Desktop]:
    """Have libvirt in this process find a desktop in *folder*."""
    bed = Desktop(folder)
    before = {name: os.environ.get(name) for name in bed.environment()}
    os.environ.update(bed.environment())
    try:
        yield bed
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
