"""A real libvirtd, private to a test: own sockets, folders, host name and guests, whatever else the machine runs."""

import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, Self

import libvirt

from tests.beds.cell import Cell
from tests.beds.program import BedError, NotInstalledError, Program, clean_environment, find, free_port

# The same places serve a session daemon, which finds them through XDG's variables.
_SYSTEM_FOLDERS = {
    "run": "/run",
    "etc/libvirt": "/etc/libvirt",
    "lib/libvirt": "/var/lib/libvirt",
    "log/libvirt": "/var/log/libvirt",
    "cache/libvirt": "/var/cache/libvirt",
}

_DAEMON_CONFIGURATION = """\
listen_tls = 0
listen_tcp = {listen_tcp}
listen_addr = "127.0.0.1"
tcp_port = "{port}"
auth_tcp = "none"
auth_unix_ro = "{auth_unix}"
auth_unix_rw = "{auth_unix}"
access_drivers = [{access_drivers}]
unix_sock_group = "root"
host_uuid = "{host_uuid}"
log_outputs = "3:stderr"
"""

_QEMU_CONFIGURATION = """\
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
"""
_QEMU_OF_ROOT = """\
user = "root"
group = "root"
"""


class Libvirtd:
    """A daemon and its guests, from `start` to `close`; guests outlive `kill` and `stop`, as they do in real life.

    *kind* "lxc" has containers, for root only.  "test" has only libvirt's test driver and is up in a moment; *drivers*
    adds to it: network, storage, nodedev, secret.  With the network driver the daemon stands in a network of its own.
    *tcp* lets it listen on a port of 127.0.0.1 as well.  *capabilities* is a folder in which daemons keep for each
    other what QEMU can do: to ask QEMU takes a second.  With *polkit* it asks polkit who may what, by the bus of its
    cell, and answers only processes in there; *mounts* are more folders of the cell.
    For root it is a system daemon in namespaces, else a session daemon.
    """

    def __init__(
        self,
        kind: Literal["qemu", "lxc", "test"] = "qemu",
        *,
        drivers: Sequence[str] = (),
        host_name: str = "bed",
        tcp: bool = False,
        capabilities: Path | None = None,
        polkit: bool = False,
        mounts: Mapping[str, str] | None = None,
    ) -> None:
        if tcp and "network" in drivers:
            raise ValueError("no TCP port of a network of its own can be reached")
        self.kind = kind
        self.host_name = host_name
        self._polkit = polkit
        self.port = free_port() if tcp else None
        libvirtd = find("libvirtd", package="libvirt-daemon")
        if kind == "qemu":
            find("qemu-system-x86_64", package="qemu-system-x86")
        wanted = [_find_driver(name) for name in (*([] if kind == "test" else [kind]), *drivers)]
        self.cell = Cell(host_name, {**_SYSTEM_FOLDERS, **(mounts or {})}, own_network="network" in drivers)
        self.folder = self.cell.folder
        self._configure(wanted, capabilities)
        options = ["--config", str(self.folder / "libvirtd.conf"), "--pid-file", str(self.folder / "pid")]
        options += ["--listen"] if tcp else []
        self.daemon = Program(
            self.cell.command(libvirtd, *options), self.folder / "libvirtd.log", environment=self._environment()
        )

    def _configure(self, drivers: Sequence[Path], capabilities: Path | None) -> None:
        listen = {"listen_tcp": int(self.port is not None), "port": self.port or 0}
        rights = {
            "auth_unix": "polkit" if self._polkit else "none",
            "access_drivers": '"polkit"' if self._polkit else "",
        }
        settings = _DAEMON_CONFIGURATION.format(host_uuid=uuid.uuid4(), **listen, **rights)
        (self.folder / "libvirtd.conf").write_text(settings)
        owner = _QEMU_OF_ROOT if self.cell.is_namespace else ""
        (self.folder / "etc/libvirt/qemu.conf").write_text(_QEMU_CONFIGURATION + owner)
        (self.folder / "drivers").mkdir()
        for driver in drivers:
            (self.folder / "drivers" / driver.name).symlink_to(driver)
        if capabilities is not None:
            (self.folder / "cache/libvirt/qemu").mkdir()
            (self.folder / "cache/libvirt/qemu/capabilities").symlink_to(capabilities)

    def _environment(self) -> dict[str, str]:
        homes = {"CONFIG_HOME": "etc", "RUNTIME_DIR": "run", "CACHE_HOME": "cache", "DATA_HOME": "lib"}
        places = {f"XDG_{name}": str(self.folder / place) for name, place in homes.items()}
        return clean_environment(self.folder, LIBVIRT_DRIVER_DIR=str(self.folder / "drivers"), **places)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def uri(self) -> str:
        """What to open to see and to change guests."""
        return self._uri("libvirt-sock")

    @property
    def read_only_uri(self) -> str:
        """What to open read-only; a session daemon has only one socket."""
        return self._uri("libvirt-sock-ro") if self.cell.is_namespace else self.uri

    @property
    def tcp_uri(self) -> str:
        """The same by TCP."""
        return f"{self.kind}+tcp://127.0.0.1:{self.port}/{self._path}"

    def _uri(self, socket_name: str) -> str:
        return f"{self.kind}+unix:///{self._path}?socket={self.folder / 'run/libvirt' / socket_name}"

    @property
    def _path(self) -> str:
        if self.kind == "test":
            return "default"
        return "system" if self.cell.is_namespace else "session"

    def start(self) -> None:
        """Start the daemon, and wait until it answers."""
        self.daemon.start(inside=self.cell.entered())
        self.daemon.until(self._accepts, "libvirtd accepts connections")
        if self._polkit:
            return
        try:
            with self.connection():
                pass
        except libvirt.libvirtError as error:
            raise BedError(f"{error}\n{self.daemon.tail()}") from error

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.folder / "run/libvirt/libvirt-sock"))
            return True
        return False

    @contextmanager
    def connection(self) -> Iterator[libvirt.virConnect]:
        """Open a connection that may change things; the test driver forgets all when the last one closes."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            with suppress(libvirt.libvirtError):  # the daemon may have gone
                connection.close()

    def kill(self) -> None:
        """End the daemon at once, as a crash would."""
        self.daemon.kill()

    def stop(self) -> None:
        """Ask the daemon to end, and wait for that."""
        self.daemon.stop()

    def restart(self) -> None:
        """Stop and start the daemon."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let the daemon hang."""
        self.daemon.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.daemon.resume()

    def processes(self) -> Iterator[tuple[int, list[str]]]:
        """Tell the number and the command line of the daemon, its guests, and all they have started."""
        return self.cell.processes()

    def guest_pid(self, domain: libvirt.virDomain) -> int:
        """Return the number of the QEMU process of *domain*, to be sent signals."""
        wanted = domain.UUIDString()
        for pid, command in self.processes():
            if "-uuid" in command and command[command.index("-uuid") + 1] == wanted:
                return pid
        raise BedError(f"{domain.name()} has no process")

    def close(self) -> None:
        """End the daemon and all of its guests; nothing of them is left."""
        self.daemon.kill()
        self.cell.close()


def _find_driver(name: str) -> Path:
    file = f"libvirt/connection-driver/libvirt_driver_{name}.so"
    for folder in (*Path("/usr/lib").glob("*-linux-gnu*"), Path("/usr/lib64"), Path("/usr/lib")):
        if (folder / file).exists():
            return folder / file
    package = f"libvirt-daemon-driver-{name}" if name in ("qemu", "lxc") else "libvirt-daemon"
    raise NotInstalledError(f"libvirt's {name} driver is not installed (Debian package {package})")
