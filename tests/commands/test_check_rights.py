"""`vmwatch check` of somebody who may not everything: real libvirt and polkit refuse it, the lines it prints help.

Lines are run as they are printed, but without sudo: by root, on the host of the bed.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.beds.polkit import Polkit
from tests.beds.program import NotInstalledError
from tests.commands.program import ANY_PORT, ROOT, VMWATCH

pytestmark = pytest.mark.real

API = "org.libvirt.api."
READ = ("connect.read", "domain.read", "network.read", "storage-pool.read")
SEARCH = tuple(f"connect.search-{what}" for what in ("domains", "networks", "storage-pools", "node-devices", "secrets"))
HIDDEN = ("network.getattr", "storage-pool.getattr", "node-device.getattr", "secret.getattr")
ALL = ("connect.getattr", *SEARCH, *READ, "domain.getattr", *HIDDEN)

DEFINITIONS = {
    "domain": "<domain type='qemu'><name>web</name><memory>16384</memory><os><type>hvm</type></os></domain>",
    "network": "<network><name>n</name></network>",
    "storage pool": "<pool type='dir'><name>p</name><target><path>/tmp</path></target></pool>",
    "secret": "<secret ephemeral='no' private='no'><usage type='ceph'><name>s</name></usage></secret>",
}


@pytest.fixture(scope="module")
def bed() -> Iterator[Polkit]:
    try:
        polkit = Polkit()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with polkit:
        for kind, xml in DEFINITIONS.items():
            polkit.define(kind, xml)
        yield polkit


@dataclass
class Told:
    """What a check said of the host, and its exit status."""

    host: dict[str, Any]
    status: int

    def rights(self, key: str = "missing_rights") -> list[str]:
        return [one["right"] for one in self.host[key]]

    def lines(self) -> list[str]:
        return [one["grant"] for key in ("missing_rights", "perhaps_missing") for one in self.host[key]]


def check(bed: Polkit, *, uri: str = "", as_root: bool = False) -> Told:
    """Check the bed's host as nobody, or as root."""
    command = [*VMWATCH, "check", f"--libvirt.uri={uri or bed.libvirtd.read_only_uri}", ANY_PORT, "--format=json"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "exporters")])
    run = bed.run if as_root else bed.as_nobody
    told = run(*command, PYTHONPATH=paths, PYTHONDONTWRITEBYTECODE="1", STATE_DIRECTORY="/nonexistent")
    assert told.stdout, told.stderr
    (host,) = [one for one in json.loads(told.stdout)["findings"] if one["kind"] == "host"]
    return Told(host, told.returncode)


def obey(bed: Polkit, told: Told) -> None:
    """Run the lines, and wait until polkitd has seen them."""
    for line in told.lines():
        assert "| sudo sh -c " in line
        bed.as_root(line.replace("sudo ", "", 1))
    for right in (*told.rights(), *told.rights("perhaps_missing")):
        bed.await_rule(right if right.startswith("org.") else API + right, allowed=True)


def test_by_libvirts_own_policy_nothing_is_missing(bed: Polkit) -> None:
    bed.deny()
    told = check(bed)
    assert told.lines() == []
    assert (told.status, told.host["domains"]) == (0, 1)


@pytest.mark.parametrize("right", [*READ, *SEARCH, "domain.getattr", "connect.getattr"])
def test_a_right_that_is_denied_is_named_alone_and_its_line_grants_it(bed: Polkit, right: str) -> None:
    bed.deny(API + right)
    told = check(bed)
    assert told.rights() == [right]
    assert told.host["missing_rights"][0]["needed_for"]
    assert told.rights("perhaps_missing") == []
    assert told.status == 1
    obey(bed, told)
    told = check(bed)
    assert told.lines() == []
    assert (told.status, told.host["domains"]) == (0, 1)


@pytest.mark.parametrize("right", HIDDEN)
def test_what_may_be_hidden_is_said_to_be_perhaps_and_is_no_failure(bed: Polkit, right: str) -> None:
    bed.deny(API + right)
    told = check(bed)
    assert (told.rights(), told.rights("perhaps_missing"), told.status) == ([], [right], 0)
    obey(bed, told)
    assert check(bed).lines() == []


def test_domains_that_nobody_can_see_or_read_are_perhaps_hidden(bed: Polkit) -> None:
    bed.deny(API + "domain.getattr", API + "domain.read")
    told = check(bed)
    assert (told.rights(), told.rights("perhaps_missing"), told.status) == ([], ["domain.getattr"], 0)
    assert told.host["domains"] == 0


def test_all_lines_together_grant_everything(bed: Polkit) -> None:
    denied = ["org.libvirt.unix.monitor", *(API + right for right in ALL)]
    bed.deny(*denied)
    named = set[str]()
    while lines := (told := check(bed)).lines():
        assert named.isdisjoint(told.rights()), lines
        named |= {*told.rights(), *told.rights("perhaps_missing")}
        obey(bed, told)
    assert named == {"org.libvirt.unix.monitor", *ALL}
    assert (told.status, told.host["domains"]) == (0, 1)
    for action in denied:
        bed.await_rule(action, allowed=True)


def test_nothing_is_missing_to_root_whom_polkit_lets_do_all(bed: Polkit) -> None:
    bed.deny(*(API + right for right in ALL))
    told = check(bed, as_root=True)
    assert (told.lines(), told.status) == ([], 0)


def test_a_right_that_is_missing_does_not_pass_for_a_driver_that_lacks_something(bed: Polkit) -> None:
    bed.deny()
    everything = check(bed).host
    for right in ("connect.read", "connect.search-domains"):
        bed.deny(API + right)
        told = check(bed).host
        assert told["watching"] == everything["watching"]
        assert told["measuring"]["bulk"] == everything["measuring"]["bulk"]


def test_who_wants_more_than_to_read_is_told_the_right_for_that(bed: Polkit, tmp_path: Path) -> None:
    bed.deny()
    configuration = bed.folder / "read-write.toml"
    configuration.write_text(f'[[libvirt]]\nuri = "{bed.libvirtd.uri}"\nread_only = false\n')
    told = bed.as_nobody(
        *VMWATCH, "check", f"--config.file={configuration}", ANY_PORT, PYTHONPATH=os.pathsep.join(sys.path)
    )
    assert "missing right org.libvirt.unix.manage, needed for the connection itself: printf" in told.stdout
