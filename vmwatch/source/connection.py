"""One connection to libvirt: opened read-only where the driver lets it, watched by keep-alive, closed without harm.

Everything here blocks: call it in a thread of its own.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.source.auth_file import look_at_auth_file
from vmwatch.source.drivers import refusal
from vmwatch.uris import masked

Open = Callable[[str], libvirt.virConnect]
"""Opens a URI, as `open_libvirt` does."""

KEEPALIVE_SECONDS = 5
KEEPALIVE_COUNT = 3

UNSUPPORTED = frozenset({libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED})
"""Error codes by which a driver says that it does not have a call: fall back."""

CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "socket error",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirt closed the connection",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirt stopped answering keep-alive pings",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed by us",
}

_CURES = (
    ("Permission denied", "let this user into the socket's group (usually libvirt), or run as root"),
    ("denied access", "allow org.libvirt.api.connect.getattr in polkit, or correct libvirt's other access driver"),
    ("authentication", "allow org.libvirt.unix.monitor in polkit, or give credentials in a libvirt auth file"),
    ("No such file or directory", "install and start libvirtd (or virtqemud), or correct the socket in the URI"),
    ("Connection refused", "start libvirt's daemon there, and let it listen"),
    ("Unable to read from monitor", "look into the daemon's log"),
    ("built without", "install a libvirt that was built with it (Debian's has ESX, VMware and OpenVZ)"),
    ("Login failure", "correct user and password in the libvirt auth file that auth_file names"),
    ("certificate", "install the TLS certificates that libvirt's remote documentation lists"),
    ("resolve address", "correct the host's name in the URI"),
    ("No route to host", "check the network and the firewall"),
)

log = structlog.get_logger(__name__)


def host_error(error: libvirt.libvirtError, uri: str = "") -> HostError:
    """Return what libvirt says, in its words but without the password in *uri*, and what to do about it.

    libvirt 9.0.0 repeats a URI that it cannot read or has no driver for.
    """
    reason = masked(error.get_error_message() or str(error), uri)
    cure = next((cure for sign, cure in _CURES if sign.lower() in reason.lower()), "")
    return HostError(reason, cure)


def open_libvirt(uri: str, *, read_only: bool | None = None, auth_file: Path | None = None) -> libvirt.virConnect:
    """Open *uri*: read-only, or in full, or (None) in full only where the driver has no read-only; HostError."""
    refused = refusal(uri, libvirt.getVersion())
    if refused:
        raise HostError(refused)
    if auth_file is not None:
        look_at_auth_file(auth_file)
        uri += ("&" if "?" in uri else "?") + "authfile=" + quote(str(auth_file))
    try:
        if read_only is not False:
            try:
                return libvirt.openReadOnly(uri)
            except libvirt.libvirtError as error:
                if read_only or error.get_error_code() not in UNSUPPORTED:
                    raise
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise host_error(error, uri) from error


class Connection:
    """An open *connection* whose end is told to *closed*, with the reason, by a thread of libvirt's.

    Drivers that run in our process have neither keep-alive nor an end; they say so by error or by silence.
    *keeps_alive* says whether a call ends when its host is gone: else it may hang for ever.  *begin* is for the one who
    watches it: one that was opened too late is closed again, and nothing may have been told of it.
    """

    def __init__(self, connection: libvirt.virConnect, closed: Callable[[str], None]) -> None:
        self.libvirt = connection
        self.keeps_alive = True
        self.begin: Callable[[], None] = lambda: None
        self._deregister: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._closed: Callable[[str], None] | None = closed
        self._watch()

    def _watch(self) -> None:
        try:
            self.libvirt.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in UNSUPPORTED:
                raise host_error(error) from error
            self.keeps_alive = False
        try:
            self.libvirt.registerCloseCallback(self._ended, None)
            self._deregister.append(self.libvirt.unregisterCloseCallback)
        except libvirt.libvirtError as error:
            log.debug("no close callback", reason=str(error))

    def _ended(self, _connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        self.lost(CLOSE_REASONS.get(reason, f"unknown-{reason}"))

    def lost(self, reason: str) -> None:
        """Tell that the connection has ended, once."""
        with self._lock:
            closed, self._closed = self._closed, None
        if closed is not None:
            closed(reason)

    def register(self, register: Callable[[], int], deregister: Callable[[int], object]) -> None:
        """Call *register*, and before closing *deregister* with its answer; libvirt.libvirtError is the caller's."""
        number = register()
        self._deregister.append(lambda: deregister(number))

    def at_close(self, call: Callable[[], object]) -> None:
        """Have *call* made before closing."""
        self._deregister.append(call)

    def close(self) -> None:
        """Deregister everything, then close; only when no call is under way, or libvirt touches freed memory."""
        with self._lock:
            self._closed = None
        for call in (*self._deregister, self.libvirt.close):
            with suppress(libvirt.libvirtError):  # a lost connection refuses, and forgets the callback all the same
                call()
        self._deregister.clear()
