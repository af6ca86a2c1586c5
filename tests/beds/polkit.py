"""A real libvirtd that asks a real polkitd who may do what, on a bus of their own, and somebody who may not everything.

libvirt's test driver checks no rights, its QEMU driver does.  Defaults are those of Debian's libvirt-daemon-system
9.0.0, which is not installed for its policy's sake: it brings services.
"""

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

from tests.beds.libvirtd import Libvirtd
from tests.beds.program import PATIENCE_SECONDS, BedError, NotInstalledError, Program, clean_environment, find, until

_RULES = "/etc/polkit-1/rules.d"
_ACTIONS = "/usr/share/polkit-1/actions"

_API = "org.libvirt.api."
_SEEN = ("domain", "network", "storage-pool", "node-device", "secret")
_YES = [
    *("connect.getattr", "connect.read"),
    *(f"connect.search-{what}s" for what in _SEEN),
    *(f"{what}.getattr" for what in _SEEN),
    *(f"{what}.read" for what in _SEEN if what != "node-device"),
]
_NO = [f"{what}.{right}" for what in _SEEN for right in ("write", "save")]

_DEFAULTS = {
    "org.libvirt.unix.monitor": "yes",
    "org.libvirt.unix.manage": "auth_admin_keep",
    **{_API + right: "yes" for right in _YES},
    **{_API + right: "no" for right in _NO},
}
"""What libvirt lets everybody do, by polkit's action: as far as the tests and their administrator ask for it."""

_BUS = """\
<busconfig>
  <type>system</type>
  <listen>unix:path={address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# The tests' Python may lie where only root looks.
_NOBODY = (
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


class Polkit:
    """A bus, polkitd and libvirtd, from entering to leaving; *capabilities* as for `Libvirtd`.  For root only."""

    def __init__(self, capabilities: Path | None = None) -> None:
        if os.geteuid() != 0:
            raise NotInstalledError("a private polkitd needs root, for namespaces")
        bus, polkitd = find("dbus-daemon", package="dbus-daemon"), _find_polkitd()
        self.libvirtd = Libvirtd(
            drivers=("network", "storage", "nodedev", "secret"),
            capabilities=capabilities,
            polkit=True,
            mounts={"rules": _RULES, "actions": _ACTIONS},
        )
        self._cell, self.folder = self.libvirtd.cell, self.libvirtd.folder
        self._own_rules = self.folder / "rules"
        self._programs = [
            self._program(bus, f"--config-file={self.folder / 'bus.xml'}", "--nofork"),
            self._program(polkitd),
        ]

    def _program(self, *command: str) -> Program:
        log = self.folder / f"{Path(command[0]).name}.log"
        return Program(self._cell.command(*command), log, environment=clean_environment(self.folder))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.libvirtd.close)
            self._write_files()
            for program, question in zip(self._programs, (self._has_a_bus, self._polkitd_answers), strict=True):
                program.start(inside=self._cell.entered())
                stack.callback(program.kill)
                program.until(question, f"{program.command[-1]} answers")
            self.libvirtd.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _write_files(self) -> None:
        self.folder.chmod(0o755)  # for nobody, who has to reach the sockets
        (self.folder / "run/dbus").mkdir()
        (self.folder / "bus.xml").write_text(_BUS.format(address="/run/dbus/system_bus_socket"))
        (self.folder / "actions/libvirt.policy").write_bytes(_policy())
        shutil.chown(self._own_rules, "polkitd")
        self._own_rules.chmod(0o700)  # as Debian has it

    def _has_a_bus(self) -> bool:
        return (self.folder / "run/dbus/system_bus_socket").exists()

    def _polkitd_answers(self) -> bool:
        return self.allows("org.libvirt.unix.monitor")

    def allows(self, action: str) -> bool:
        """Ask polkit whether it lets nobody do *action*."""
        ask = f"exec pkcheck --action-id {action} --process $$"
        return self.run(*self._cell.command(*_NOBODY, "sh", "-c", ask)).returncode == 0

    def deny(self, *actions: str) -> None:
        """Deny nobody these *actions* and no other ones, as an administrator would; forget all other rules."""
        denial = self._own_rules / ".new"
        denial.write_text(
            f"polkit.addRule(function(action, subject) {{ if ({[*actions]}.indexOf(action.id) >= 0 "
            '&& subject.user == "nobody") return polkit.Result.NO; });\n'
        )
        denial.replace(self._own_rules / "50-denial.rules")
        for grant in self._own_rules.glob("00-*"):  # only now, or for a moment the denial that they beat would count
            grant.unlink()
        for action in (one for one, default in _DEFAULTS.items() if default == "yes"):
            self.await_rule(action, allowed=action not in actions)

    def await_rule(self, action: str, *, allowed: bool) -> None:
        """Wait until polkitd, which sees changes of its rules by itself, says whether *action* is *allowed*."""
        until(lambda: self.allows(action) is allowed, f"{action} is {'allowed' if allowed else 'denied'}")

    def define(self, kind: str, xml: str) -> None:
        """Have root define a `domain`, `network`, `storage pool` or `secret`."""
        command = {
            "domain": "define",
            "network": "net-define",
            "storage pool": "pool-define",
            "secret": "secret-define",
        }
        (self.folder / "definition.xml").write_text(xml)
        virsh = (find("virsh", package="libvirt-clients"), "--connect", self.libvirtd.uri)
        self._run_well(*virsh, command[kind], str(self.folder / "definition.xml"))

    def as_root(self, line: str) -> None:
        """Have root, who is careful with what others may read, run a shell's *line* on the host."""
        self._run_well(*self._cell.command("sh", "-euc", f"umask 077; {line}"))

    def _run_well(self, *command: str) -> None:
        outcome = self.run(*command)
        if outcome.returncode:
            raise BedError(f"{command}: {outcome.stderr}")

    def as_nobody(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Have nobody run *command*; he has no network of the cell's."""
        return self.run(*_NOBODY, *command, **environment)

    def run(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run *command*, whose process the daemons see, to its end."""
        clean = clean_environment(self.folder, **environment)
        with self._cell.entered():
            process = subprocess.Popen(
                command, env=clean, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        told, complained = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, told, complained)


def _policy() -> bytes:
    root = ElementTree.Element("policyconfig")
    for name, default in _DEFAULTS.items():
        action = ElementTree.SubElement(root, "action", id=name)
        for part in ("description", "message"):
            ElementTree.SubElement(action, part).text = name
        defaults = ElementTree.SubElement(action, "defaults")
        for who in ("any", "inactive", "active"):
            ElementTree.SubElement(defaults, f"allow_{who}").text = default
    return ElementTree.tostring(root)


def _find_polkitd() -> str:
    for place in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd"):
        if Path(place).exists():
            return place
    raise NotInstalledError("polkitd is not installed (Debian package polkitd)")
