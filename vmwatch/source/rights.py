"""Which rights libvirt refuses us, what we need them for, and the line that grants each; for `vmwatch check`.

libvirt 9.0.0 asks polkit at two doors: whether somebody may use a socket at all (`org.libvirt.unix.*`), and, where
`access_drivers = ["polkit"]` is set, whether he may do this to that object (`org.libvirt.api.*`).  Who lacks a right
to read gets an error; what he may not see (`getattr`) is silently left out of lists and events.
"""

import json
import os
import pwd
import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import libvirt
import msgspec

from vmwatch.errors import HostError
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.facts import is_local
from vmwatch.source.rights_path import grant_path

_API = "org.libvirt.api."
_NO_CONNECTION = re.compile(r"access denied: '.+' denied access")
_NO_SOCKET = re.compile(r"authentication .*(denied by policy|polkit|authentication process)")
_SOCKET = re.compile(r"socket to '(.+)': Permission denied")
_FEW = 5

_RULE = (
    "polkit.addRule(function(action, subject) {{ if (action.id == {action} && subject.user == {user}) "
    "return polkit.Result.YES; }});"
)
_RULES = "/etc/polkit-1/rules.d"


class MissingRight(msgspec.Struct, frozen=True):
    """A right that we do not have: libvirt's name of it, what it is needed for, and a shell's line that grants it."""

    right: str
    needed_for: str
    grant: str


class Rights(NamedTuple):
    """The rights that are *missing*, and those that *perhaps* are: nobody can tell an empty list from a hidden one."""

    missing: tuple[MissingRight, ...]
    perhaps: tuple[MissingRight, ...]


class _Kind(NamedTuple):
    """A kind of object: its *name* in rights, the call by which they are *listed*, and one that needs `read`."""

    name: str
    plural: str
    listed: str
    read: Callable[[Any], object] | None = None
    needed_for: str = ""


_KINDS = (
    _Kind("domain", "domains", "listAllDomains", lambda domain: domain.state(), "states, statistics and metadata"),
    _Kind("network", "networks", "listAllNetworks", lambda network: network.isActive(), "states"),
    _Kind("storage-pool", "storage pools", "listAllStoragePools", lambda pool: pool.info(), "states and figures"),
    _Kind("node-device", "devices", "listAllDevices"),
    _Kind("secret", "secrets", "listAllSecrets"),
)


def ask_rights(connection: libvirt.virConnect, uri: str) -> Rights:
    """Return the rights that *connection*, opened by *uri*, lacks or may lack; blocks."""
    user = user_at(uri)
    missing, perhaps = [], []
    if _is_refused(connection.getInfo):
        missing.append(_right("connect.read", "figures of the host", user))
    for kind in _KINDS:
        try:
            listed: Sequence[Any] = getattr(connection, kind.listed)(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_ACCESS_DENIED:
                right = f"connect.search-{kind.name}s"
                missing.append(_right(right, f"the list of {kind.plural}, and their events", user))
            continue
        if kind.read and any(_is_refused(kind.read, one) for one in listed[:_FEW]):
            missing.append(_right(f"{kind.name}.read", f"{kind.needed_for} of {kind.plural}", user))
        sight = _right(f"{kind.name}.getattr", f"{kind.plural} to be listed, and their events", user)
        if kind.name == "domain" and _hides_domains(connection):
            missing.append(sight)
        elif not listed and _may_hide(connection, user):
            perhaps.append(sight)
    return Rights(tuple(missing), tuple(perhaps))


def _right(right: str, needed_for: str, user: str) -> MissingRight:
    return MissingRight(right, needed_for, polkit_rule(_API + right, user))


def _is_refused(call: Callable[..., object], *arguments: object) -> bool:
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() == libvirt.VIR_ERR_ACCESS_DENIED)
    return False


def _hides_domains(connection: libvirt.virConnect) -> bool:
    """Say whether statistics tell of a domain that no list has: they ask for `domain.read` only (libvirt 9.0.0)."""
    with suppress(libvirt.libvirtError):
        listed = _uuids(connection)
        told = {domain.UUIDString() for domain, _ in connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)}
        return not told <= listed | _uuids(connection)  # listed again: one may be new
    return False


def _uuids(connection: libvirt.virConnect) -> set[str]:
    return {domain.UUIDString() for domain in connection.listAllDomains(0)}


def _may_hide(connection: libvirt.virConnect, user: str) -> bool:
    """Say whether access control can be in play: a daemon has it, and polkit lets root do all."""
    return user != "root" and driver_of_type(connection.getType()).families


def shut_out(error: HostError, uri: str, *, read_only: bool | None) -> MissingRight | None:
    """Return the right for want of which *uri* could not be opened, as *error* says; None for other errors."""
    user = user_at(uri)
    if isinstance(error.__cause__, PermissionError):
        return _to_use("read", Path(error.__cause__.filename), 4, "user and password", user)
    if (socket := _SOCKET.search(error.reason)) and is_local(uri):
        return _to_use("use", Path(socket[1]), 2, "the connection itself", user)
    if _NO_CONNECTION.search(error.reason):
        return _right("connect.getattr", "the connection itself", user)
    if _NO_SOCKET.search(error.reason):
        action = "org.libvirt.unix.manage" if read_only is False else "org.libvirt.unix.monitor"
        return MissingRight(action, "the connection itself", polkit_rule(action, user))
    return None


def _to_use(verb: str, path: Path, permission: int, needed_for: str, user: str) -> MissingRight:
    return MissingRight(f"to {verb} {path}", needed_for, grant_path(path, permission, user))


def polkit_rule(action: str, user: str) -> str:
    """Return the line that has polkit let *user* do *action*.

    The first rule that answers counts, by the names of files: ours comes before what libvirt's own documentation
    suggests (100-libvirt-acl.rules).  polkitd, a user of its own, has to be able to read it, whatever root's umask is.
    """
    rule = _RULE.format(action=json.dumps(action), user=json.dumps(user))
    file = shlex.quote(f"{_RULES}/00-vmwatch-{user}-{action}.rules")
    return f"printf '%s\\n' {shlex.quote(rule)} | sudo sh -c {shlex.quote(f'umask 022; cat > {file}')}"


def user_at(uri: str) -> str:
    """Return the name of the user that we are to the daemon of *uri*: by SSH, who logs in there."""
    parts = urlsplit(uri)
    if parts.scheme.partition("+")[2] in {"ssh", "libssh", "libssh2"} and parts.username:
        return parts.username
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())
