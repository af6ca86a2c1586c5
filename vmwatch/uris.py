"""What may be read off a libvirt URI, and shown of it: for the configuration and for all who speak of a host.

libvirt takes a password in a URI and mostly ignores it; people write one all the same.  Where a URI cannot be read with
certainty, as a password in it was not written in percent, rather too much is taken for the password than too little.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

SHORTEST_PASSWORD = 4
"""A shorter one is not looked for in the words of others: it would be found in every second word."""

_BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(:[0-9]*)?")
_PATH_AND_PARAMETERS = re.compile(r"(?:/[^@?#]*)?\?[\w.-]+=[^#]*")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&;#])([^=?&;#]*(?:pass|pwd|secret|token|credential|api[_.-]?key)[^=?&;#]*=)(.*?)(?=&[\w.-]+=|$)",
    re.IGNORECASE | re.DOTALL,
)
_PARAMETER_WITH_USER = re.compile(r"(?<==)[^=&;#]*@[^=&;#]*")


def host_of(uri: str) -> str:
    """Return the host part of *uri* as it is written there, or nothing; ValueError with what is expected of a URI.

    The error's text may be shown.  Whoever has asked may split the URI without fear.
    """
    if not uri.isprintable():
        raise ValueError("expected a libvirt URI without control characters")
    try:
        authority = urlsplit(uri).netloc
        if "@" in authority:
            authority = urlsplit(without_credentials(uri)).netloc.rpartition("@")[2]
    except ValueError:  # its own text repeats what stands there
        raise ValueError("expected a libvirt URI, such as qemu+ssh://node-1/system or esx://[2001:db8::1]/") from None
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def without_credentials(uri: str) -> str:
    """Return *uri* as it may be shown: without a password in it."""
    return _parted(uri)[0]


def masked(text: str, uri: str) -> str:
    """Return *text*, in which others may repeat *uri* or a password in it, as it may be shown."""
    shown, passwords = _parted(uri)
    if not passwords:
        return text
    text = text.replace(uri, shown)
    for password in sorted({form for one in passwords for form in _forms(one)}, key=len, reverse=True):
        if len(password) >= SHORTEST_PASSWORD:
            text = text.replace(password, "***")
    return text


def _forms(password: str) -> Iterator[str]:
    """Yield what others may make of *password*: they see an end of it where it has what ends a part of a URI."""
    yield password
    yield unquote(password)
    yield from re.split(r"[@/?#]", password)


def _parted(uri: str) -> tuple[str, list[str]]:
    """Return *uri* as it may be shown, and the passwords in it."""
    passwords = []

    def secret(match: re.Match[str]) -> str:
        passwords.append(match[2])
        return f"{match[1]}***"

    def inner(match: re.Match[str]) -> str:
        shown, more = _parted(match[0])
        passwords.extend(more)
        return shown

    uri = _SECRET_PARAMETER.sub(secret, uri)
    beginning = _BEGINNING.match(uri)
    start = beginning.end() if beginning else 0
    at = _end_of_user(uri, start)
    user, _, password = uri[start:at].partition(":")
    passwords.append(password)
    return uri[:start] + user + _PARAMETER_WITH_USER.sub(inner, uri[at:]), [one for one in passwords if one]


def _end_of_user(uri: str, start: int) -> int:
    """Return where the `@` after user and password stands, *start* where there are none.

    It is the last one, unless nothing before it could begin a password, or it clearly belongs to a parameter.
    """
    authority = _AUTHORITY.match(uri, start)
    assert authority is not None  # noqa: S101 - it matches everywhere
    beyond = uri[authority.end() :]
    user, at, last = authority[0].rpartition("@")
    host = _HOST_AND_PORT.fullmatch(last)
    clear = host is not None and (
        (":" not in user and not host[1]) or _PATH_AND_PARAMETERS.fullmatch(beyond) is not None
    )
    if clear or "@" not in beyond:
        return start + len(user) if at else start
    return uri.rfind("@")
