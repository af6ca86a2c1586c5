"""A real Xen host with libvirt, in a QEMU that interprets each instruction: slow, and everything Xen needs."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import libvirt

from tests.beds.program import NotInstalledError, Program, find, free_port

SOURCE = Path(__file__).parent / "xen"
BUILD_SECONDS = 1800
BOOT_SECONDS = 300.0

_GUEST = """\
<domain type='xen'>
  <name>{name}</name>
  <memory unit='MiB'>160</memory>
  <vcpu>1</vcpu>
  <os>
    <type>linux</type>
    <kernel>/guest/kernel</kernel>
    <initrd>/guest/initrd</initrd>
    <cmdline>console=hvc0 act={act}</cmdline>
  </os>
  <on_crash>destroy</on_crash>
</domain>"""


def guest(name: str, act: str = "nothing") -> str:
    """Return the XML of a guest that does *act* when it has booted: poweroff, reboot, panic or nothing."""
    return _GUEST.format(name=name, act=act)


def image() -> Path:
    """Return the folder of what boots, made where it is not yet; NotInstalledError where it cannot be."""
    texts = [path.read_bytes() for path in sorted(SOURCE.iterdir())]
    home = os.environ.get("XDG_CACHE_HOME", "")
    cache = (Path(home) if home.startswith("/") else Path.home() / ".cache") / "vmwatch-tests"
    kept = cache / f"xen-{hashlib.sha256(b''.join(texts)).hexdigest()[:16]}"
    if not kept.exists():
        _build(kept)
    return kept


def _build(place: Path) -> None:
    if os.geteuid() != 0:
        raise NotInstalledError("a Xen host can be built by root only")
    find("debootstrap", package="debootstrap")
    new = place.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _run_build(new)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    new.rename(place)


def _run_build(folder: Path) -> None:
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]  # all of it ends with what is ended here
    command = ["nice", *namespace, str(SOURCE / "build.sh"), str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if answer.returncode:
        raise NotInstalledError(f"a Xen host cannot be built here: {answer.stderr.strip()[-500:]}")


class XenHost:
    """The host, from entering to leaving; what happens in it is forgotten."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        qemu = find("qemu-system-x86_64", package="qemu-system-x86")
        boots = image()
        options = {
            "accel": "tcg,tb-size=512",  # KVM cannot run an instruction of Xen's start (Xen 4.17, Linux 6.1)
            "cpu": "Nehalem",  # the default one is none that libxl knows
            "m": "1024",
            "display": "none",
            "serial": "stdio",
            "drive": f"file={boots / 'disk.img'},format=raw,if=ide,snapshot=on",
            "device": "e1000,netdev=net",
            "netdev": f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:16509",
            "kernel": str(boots / "xen"),
            "append": "console=com1 com1=115200,8n1 dom0_mem=640M,max:640M dom0_max_vcpus=1 noreboot",
            "initrd": f"{boots / 'kernel'} root=/dev/sda console=hvc0 init=/host.sh net.ifnames=0,{boots / 'initrd'}",
        }
        words = [word for option, value in options.items() for word in (f"-{option}", value)]
        self._program = Program(
            [qemu, "-nodefaults", "-no-reboot", *words], folder / "xen.log", environment={"PATH": os.environ["PATH"]}
        )

    def __enter__(self) -> Self:
        self._program.start()
        try:
            self._program.until(self._is_ready, "libvirt on the Xen host listens", seconds=BOOT_SECONDS)
        except BaseException:
            self._program.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()

    @property
    def uri(self) -> str:
        """What to open."""
        return f"xen+tcp://127.0.0.1:{self.port}/system"

    def _is_ready(self) -> bool:
        return "xen-host is ready" in self._program.tail()

    @contextmanager
    def connection(self) -> Iterator[libvirt.virConnect]:
        """Open a connection that may change things."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            with suppress(libvirt.libvirtError):
                connection.close()
