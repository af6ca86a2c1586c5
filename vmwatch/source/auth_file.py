"""Look at a libvirt auth file before libvirt does, which says of one that it cannot read or understand only "unknown".

The format is libvirt's own (virkeyfile.c, 9.0.0): groups `[credentials-NAME]` and `[auth-SERVICE-HOST]`, one a line,
lines KEY=VALUE below them, comments after `#`.
"""

import re
from pathlib import Path

from vmwatch.errors import HostError

_COMMENT = re.compile(rb"(^|\r)[ \t]*#.*", re.DOTALL)
_GROUP = re.compile(rb"\[[^\[\]\x00-\x1f\x7f]+\][ \t]*")
_VALUE = re.compile(rb"[^=\[\]]+=.*", re.DOTALL)
_CURE = "correct it as libvirt's documentation of its auth file says"


def look_at_auth_file(path: Path) -> None:
    """Raise HostError, because of the OSError if there is one, where libvirt will not take the file."""
    path = path.absolute()
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HostError(f"auth_file {path}: {error.strerror}") from error
    in_a_group = False
    for number, line in enumerate(lines, start=1):
        for statement in _COMMENT.sub(b"", line).split(b"\r"):
            fault = _fault(statement.lstrip(b" \t"), in_a_group)
            if fault:
                raise HostError(f"auth_file {path}:{number}: {fault}", _CURE)
            in_a_group = in_a_group or statement.lstrip(b" \t").startswith(b"[")


def _fault(statement: bytes, in_a_group: bool) -> str:
    """Say what is wrong with *statement*, without quoting it: it may be a password."""
    if not statement or _GROUP.fullmatch(statement):
        return ""
    if statement.startswith(b"["):
        return "expected [GROUP], and nothing after it"
    if not in_a_group:
        return "expected a [GROUP] before the first KEY=VALUE"
    return "" if _VALUE.fullmatch(statement) else "expected KEY=VALUE, a [GROUP] or a # comment"
