"""Which rights libvirt refuses us, what we need them for, and the line that grants each; for `vmwatch check`.

libvirt 9.0.0 asks polkit at two doors: whether somebody may use a socket at all (`org.libvirt.unix.*`), and, where
`access_drivers = ["polkit"]` is set, whether he may do this to that object (`org.libvirt.api.*`).
"""

import os
import pwd
from collections.abc import Callable, Mapping
from contextlib import suppress

import libvirt
import msgspec

from vmwatch.errors import HostError

_REFUSALS = frozenset(
    {
        libvirt.VIR_ERR_ACCESS_DENIED,
        libvirt.VIR_ERR_OPERATION_DENIED,
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    }
)

_POLKIT_RULE = (
    'echo \'polkit.addRule(function(action, subject) {{ if (action.id == "{action}" && subject.user == "{user}") '
    "return polkit.Result.YES; }});' | sudo tee /etc/polkit-1/rules.d/50-vmwatch-{name}.rules"
)
_GROUP = "sudo usermod -aG libvirt {user}"


class MissingRight(msgspec.Struct, frozen=True):
    """A right that we do not have: libvirt's name of it, what it is needed for, and a shell's line that grants it."""

    right: str
    needed_for: str
    grant: str


_NEEDED: Mapping[str, tuple[str, Callable[[libvirt.virConnect], object]]] = {
    "connect.getattr": ("the connection itself", lambda connection: connection.getLibVersion()),
    "connect.search-domains": ("the list of domains, and events", lambda connection: connection.listAllDomains(0)),
    "connect.read": ("figures of the host", lambda connection: connection.getInfo()),
    "domain.read": (
        "statistics and metadata of domains",
        lambda connection: [domain.XMLDesc(0) for domain in connection.listAllDomains(0)[:1]],
    ),
}
"""What we need, by polkit's action without `org.libvirt.api.`: for what, and a call that needs it."""


def missing_rights(connection: libvirt.virConnect) -> list[MissingRight]:
    """Return the rights that *connection* lacks; blocks."""
    missing = []
    for right, (purpose, call) in _NEEDED.items():
        try:
            call(connection)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _REFUSALS:
                missing.append(MissingRight(right, purpose, polkit_rule(f"org.libvirt.api.{right}")))
    return missing


def grant_for(error: HostError) -> str:
    """Return the line that lets us open a local connection that *error* says we may not; empty for other errors."""
    reason = error.reason.lower()
    if "permission denied" in reason and "socket" in reason:
        return _GROUP.format(user=our_name())
    if "authentication" in reason and ("polkit" in reason or "agent" in reason or "unavailable" in reason):
        return polkit_rule("org.libvirt.unix.monitor")
    return ""


def polkit_rule(action: str) -> str:
    """Return the line that has polkit let us do *action*."""
    return _POLKIT_RULE.format(action=action, user=our_name(), name=action.rpartition(".")[2])


def our_name() -> str:
    """Return the name of the user that we run as."""
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())
