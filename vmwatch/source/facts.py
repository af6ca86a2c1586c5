"""What a connection says about its host, and what a URI says about a connection."""

from pathlib import Path
from urllib.parse import urlsplit

import libvirt

from vmwatch.events import HostConnected, Origin
from vmwatch.source.drivers import driver_of_uri, version_text
from vmwatch.stream import now

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def is_local(uri: str) -> bool:
    """Say whether *uri* means this machine."""
    return not urlsplit(uri).hostname


def family_uri(uri: str, scheme: str | None) -> str | None:
    """Return the URI of the driver *scheme* on the same daemon host as *uri*; None where *uri* itself has it."""
    parts = urlsplit(uri)
    _driver, plus, transport = parts.scheme.partition("+")
    if scheme is None or not driver_of_uri(uri).families:
        return None
    path = parts.path if parts.path in {"/system", "/session"} else "/system"
    return parts._replace(scheme=scheme + plus + transport, path=path).geturl()


def connected_event(connection: libvirt.virConnect, host: str, uri: str, *, local: bool) -> HostConnected:
    """Return the event that says that *connection* stands, with what the host says about itself.  Blocks."""
    try:
        version = version_text(connection.getLibVersion())
    except libvirt.libvirtError:
        version = None
    return HostConnected(
        time=now(),
        host=host,
        uri=uri,
        origin=Origin.VMWATCH,
        driver=str(connection.getType()),
        libvirt_version=version,
        boot_id=BOOT_ID.read_text().strip() if local and BOOT_ID.exists() else None,
    )
