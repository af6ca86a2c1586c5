"""Rights that libvirt refuses are named, with what they are needed for and the line that grants them."""

import getpass

import libvirt
import pytest

from tests.source.mask import unsupported
from vmwatch.errors import HostError
from vmwatch.source.rights import grant_for, missing_rights


class Refusing:
    """A connection to the test driver that refuses *calls* as libvirt's access control does."""

    def __init__(self, *calls: str) -> None:
        self._calls = calls
        self._connection = libvirt.open("test:///default")

    def __getattr__(self, name: str) -> object:
        if name in self._calls:
            error = unsupported(name)
            error.err = (libvirt.VIR_ERR_ACCESS_DENIED, *error.err[1:])
            raise error
        return getattr(self._connection, name)


def test_who_may_do_all_misses_nothing() -> None:
    assert missing_rights(Refusing()) == []


@pytest.mark.parametrize(
    ("call", "rights"),
    [
        ("getInfo", ["connect.read"]),
        ("listAllDomains", ["connect.search-domains", "domain.read"]),
        ("getLibVersion", ["connect.getattr"]),
    ],
)
def test_a_right_that_is_refused_is_named_with_the_line_that_grants_it(call: str, rights: list[str]) -> None:
    missing = missing_rights(Refusing(call))
    assert [one.right for one in missing] == rights
    for one in missing:
        assert one.needed_for
        assert f'"org.libvirt.api.{one.right}"' in one.grant
        assert getpass.getuser() in one.grant


@pytest.mark.parametrize(
    ("reason", "grant"),
    [
        ("Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied", "usermod -aG libvirt"),
        ("authentication unavailable: no polkit agent available to authenticate", '"org.libvirt.unix.monitor"'),
        ("Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory", None),
    ],
)
def test_who_is_not_let_in_gets_the_line_that_lets_him(reason: str, grant: str | None) -> None:
    line = grant_for(HostError(reason))
    assert grant in line if grant else not line
