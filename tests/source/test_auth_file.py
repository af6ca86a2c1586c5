"""An auth file that libvirt would not take is told with the reason; what libvirt takes, we take."""

from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from vmwatch.errors import HostError
from vmwatch.source.auth_file import look_at_auth_file
from vmwatch.source.connection import open_libvirt
from vmwatch.source.loop import start_event_loop

GOOD = b"[credentials-bed]\nusername=root\npassword=se=cr#et\n\n[auth-esx-127.0.0.1]\ncredentials=bed\n"
NOBODY_LISTENS = "esx://root@127.0.0.1:1/?no_verify=1"

FILES = [
    GOOD,
    b"",
    b"# who may\n" + GOOD,
    b"  # who may\n\t" + GOOD,
    GOOD.replace(b"\n", b"\r\n"),
    b"[a]\nsome key=\nempty =1\n",
    b"[a]\n; no comment=1\n",
    "[ä]\nö=ü\n".encode(),
    b"[a] \n[a]\nb=c",
    b"username=root\n",
    b"; no comment\n[a]\n",
    b"root:secret\n",
    b"[a]\nsecret\n",
    b"[a]\n=secret\n",
    b"[a\nb=c\n",
    b"[]\n",
    b"[a] b=c\n",
    b"[a][b]\n",
    b"[a]\n[b=c\n",
    b"\xef\xbb\xbf[a]\n",
]


@pytest.fixture
def auth_file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "auth.conf"
        path.write_bytes(content)
        return path

    return write


def is_taken_by_libvirt(path: Path) -> bool:
    """Ask libvirt, which says nothing of a file that it does not take."""
    start_event_loop()
    try:
        libvirt.openReadOnly(f"{NOBODY_LISTENS}&authfile={path}").close()
    except libvirt.libvirtError as error:
        if "built without" in str(error):
            pytest.skip("this libvirt has no driver that asks for credentials by itself")
        return "cause is unknown" not in str(error)
    raise AssertionError("somebody listens at port 1")


@pytest.mark.parametrize("content", FILES)
def test_what_libvirt_takes_and_nothing_else_is_taken(auth_file: Callable[[bytes], Path], content: bytes) -> None:
    path = auth_file(content)
    try:
        look_at_auth_file(path)
    except HostError:
        assert not is_taken_by_libvirt(path)
    else:
        assert is_taken_by_libvirt(path)


def test_the_line_that_is_wrong_is_named_and_not_quoted(auth_file: Callable[[bytes], Path]) -> None:
    path = auth_file(b"[credentials-bed]\nusername=root\nhunter2\n")
    with pytest.raises(HostError) as refused:
        open_libvirt(NOBODY_LISTENS, auth_file=path)
    assert refused.value.reason == f"auth_file {path}:3: expected KEY=VALUE, a [GROUP] or a # comment"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "No such file or directory"), (".", "Is a directory")], ids=["absent", "folder"]
)
def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(HostError) as refused:
        open_libvirt(NOBODY_LISTENS, auth_file=tmp_path / name)
    assert refused.value.reason == f"auth_file {tmp_path / name}: {reason}"


def test_a_relative_path_starts_where_vmwatch_runs_and_is_told_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HostError, match=f"auth_file {tmp_path}/auth.conf: No such file"):
        open_libvirt(NOBODY_LISTENS, auth_file=Path("auth.conf"))
