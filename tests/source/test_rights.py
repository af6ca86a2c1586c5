"""Who is not let in gets the line that lets him; what real libvirt and polkit refuse is in `commands`."""

import getpass
import grp
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import libvirt
import pytest

from tests.beds.libvirtd import Libvirtd
from vmwatch.errors import HostError
from vmwatch.source.connection import open_libvirt
from vmwatch.source.rights import ask_rights, polkit_rule, shut_out, user_at

LOCAL, REMOTE = "qemu:///system", "qemu+ssh://vmwatch@kvm1/system"
DOMAIN = "<domain type='qemu'><name>seen</name><memory>16384</memory><os><type>hvm</type></os></domain>"
REFUSED = "Failed to connect socket to '{}': Permission denied"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@only_root
def test_the_group_of_the_very_socket_is_joined(tmp_path: Path) -> None:
    group = next(one for one in grp.getgrall() if one.gr_gid)
    path = tmp_path / "libvirt-sock"
    path.touch()
    os.chown(path, -1, group.gr_gid)
    path.chmod(0o660)
    missing = shut_out(HostError(REFUSED.format(path)), LOCAL, read_only=None)
    assert missing is not None
    assert missing.right == f"to use {path}"
    assert missing.grant == f"sudo usermod -aG {group.gr_name} {getpass.getuser()}"


@pytest.mark.parametrize(
    ("reason", "uri"),
    [
        ("Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory", LOCAL),
        (REFUSED.format("/run/libvirt/libvirt-sock"), "qemu+ssh://kvm1/system"),
        ("authentication failed: Failed to step SASL negotiation: -13", "qemu+tcp://kvm1/system"),
        ("Cannot complete login due to an incorrect user name or password.", "esx://root@esx1/"),
    ],
)
def test_no_line_is_printed_that_would_not_help(reason: str, uri: str) -> None:
    assert shut_out(HostError(reason), uri, read_only=None) is None


@pytest.mark.real
def test_only_a_list_that_is_empty_may_have_been_hidden(libvirtd: Libvirtd) -> None:
    with libvirtd.connection() as connection:
        domain = connection.defineXML(DOMAIN)
        assert ask_rights(connection, REMOTE) == ((), ())  # nor are drivers that are not there
        domain.undefine()
        missing, perhaps = ask_rights(connection, REMOTE)
        assert (missing, [one.right for one in perhaps]) == ((), ["domain.getattr"])
        assert ask_rights(connection, "qemu+ssh://root@kvm1/system") == ((), ())  # polkit lets root do all


def test_a_driver_in_our_own_process_hides_nothing() -> None:
    connection = libvirt.open("test:///default")
    for domain in connection.listAllDomains(0):
        domain.destroy()
        domain.undefine()
    assert ask_rights(connection, REMOTE) == ((), ())
    connection.close()


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        (LOCAL, getpass.getuser()),
        ("qemu+ssh://vmwatch@kvm1/system", "vmwatch"),
        ("qemu+tcp://vmwatch@kvm1/system", getpass.getuser()),
    ],
)
def test_by_ssh_we_are_who_logs_in(uri: str, user: str) -> None:
    assert user_at(uri) == user


def test_lines_for_other_rights_and_other_users_write_other_files() -> None:
    lines = [
        polkit_rule(f"org.libvirt.api.{right}", user)
        for right in ("connect.read", "domain.read")
        for user in ("vmwatch", "nobody", "it's me")
    ]
    files = {line.rpartition("cat > ")[2] for line in lines}
    assert len(files) == len(lines)


def test_a_strange_name_of_a_user_stays_a_name(tmp_path: Path) -> None:
    line = polkit_rule("org.libvirt.api.domain.read", """it's "$me\\""")
    line = line.replace("sudo ", "").replace("/etc/polkit-1/rules.d", str(tmp_path))
    subprocess.run(["sh", "-euc", line], check=True)
    (rule,) = tmp_path.iterdir()
    assert rule.name == """00-vmwatch-it's "$me\\-org.libvirt.api.domain.read.rules"""
    assert """subject.user == "it's \\"$me\\\\")""" in rule.read_text()


@contextmanager
def being_nobody() -> Iterator[None]:
    groups, nobody = os.getgroups(), pwd.getpwnam("nobody")
    os.setgroups([])
    os.setegid(nobody.pw_gid)
    os.seteuid(nobody.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nobody can reach by nothing but its own permissions."""
    with TemporaryDirectory(prefix="vmwatch-", dir="/tmp") as name:
        yield Path(name)


@only_root
def test_a_file_in_a_closed_folder_opens_line_by_line(folder: Path) -> None:
    file = folder / "it is.conf"
    file.write_bytes(b"[a]\n")
    file.chmod(0o600)
    lines = []
    for _ in range(2):
        with being_nobody(), pytest.raises(HostError, match=r"auth_file .*: Permission denied") as refused:
            open_libvirt("test:///default", auth_file=file)
        with being_nobody():
            missing = shut_out(refused.value, "test:///default", read_only=None)
        assert missing is not None
        assert missing.right == f"to read {file}"
        lines.append(missing.grant)
        subprocess.run(["sh", "-euc", missing.grant.replace("sudo ", "")], check=True)
    assert lines[0].endswith(f"chmod g+x {folder}")
    with being_nobody():
        open_libvirt("test:///default", auth_file=file).close()


@only_root
def test_a_socket_of_root_alone_is_opened_to_our_group(folder: Path) -> None:
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(folder / "sock"))
        listener.listen()
        (folder / "sock").chmod(0o700)
        with being_nobody(), pytest.raises(PermissionError):
            client.connect(str(folder / "sock"))
        with being_nobody():
            missing = shut_out(HostError(REFUSED.format(folder / "sock")), LOCAL, read_only=None)
        assert missing is not None
        subprocess.run(["sh", "-euc", missing.grant.replace("sudo ", "")], check=True)
        with being_nobody():
            client.connect(str(folder / "sock"))
