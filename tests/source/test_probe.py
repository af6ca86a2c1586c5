"""A host that does not answer `vmwatch check` is given up in time, with a cure that fits who should have answered."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmwatch.errors import HostError
from vmwatch.settings import HostSettings
from vmwatch.source.probe import cure_of_silence, probe


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of somebody who listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_silent_daemon_is_said_to_hang(silent: str) -> None:
    with pytest.raises(HostError) as refused:
        probe(HostSettings(uri=f"qemu+tcp://{silent}/system", name="h"), seconds=0.2)
    assert str(refused.value) == "no answer within 0.2 s (look whether libvirt's daemon there hangs)"


def test_a_silent_esx_is_not_said_to_have_a_daemon(silent: str, tmp_path: Path) -> None:
    auth_file = tmp_path / "auth.conf"
    auth_file.write_text("[credentials-x]\nusername=root\npassword=x\n[auth-esx-127.0.0.1]\ncredentials=x\n")
    with pytest.raises(HostError) as refused:
        probe(HostSettings(uri=f"esx://root@{silent}/?transport=http", name="h", auth_file=auth_file), seconds=0.2)
    if "built without" in refused.value.reason:
        pytest.skip(refused.value.reason)
    assert refused.value.cure == "look whether 127.0.0.1 is up and not overloaded: libvirt asks it directly"


@pytest.mark.parametrize(
    ("uri", "cure"),
    [
        ("vpx://root@vc/dc/host", "look whether vc is up"),
        ("hyperv://admin@hv/", "look whether hv is up"),
        ("openvz:///system", "look whether the programs of OpenVZ hang"),
        ("vmwareplayer:///session", "look whether the programs of VMware Player"),
        ("openvz+ssh://root@ct1/system", "look whether libvirt's daemon there hangs"),
        ("xen:///system", "look whether libvirt's daemon there hangs"),
        ("test:///default", "look whether libvirt's daemon there hangs"),
    ],
)
def test_the_cure_of_silence_names_who_should_have_answered(uri: str, cure: str) -> None:
    assert cure_of_silence(uri).startswith(cure)
