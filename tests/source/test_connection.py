"""Opening a connection: what libvirt says of one that cannot be opened is told, but never a password."""

import pytest

from vmwatch.errors import HostError
from vmwatch.source.connection import open_libvirt


@pytest.mark.parametrize(
    "uri",
    [
        "esx://root:HUN TER2@127.0.0.1:1/",
        "esx://root:HUNTER2%zz@127.0.0.1:1/",
        "esx://root:HUNTER2/x@127.0.0.1:1/",
        "esx://root:HUNTER2#x@127.0.0.1:1/",
        "esx://root:HUNTER2@127.0.0.1:1/",
        "qemu+tcp://127.0.0.1:1/system?password=HUNTER2",
    ],
)
def test_a_password_in_a_uri_is_in_no_reason(uri: str) -> None:
    with pytest.raises(HostError) as caught:
        open_libvirt(uri)
    assert caught.value.reason
    assert "HUN" not in str(caught.value)


def test_a_uri_that_libvirt_cannot_read_is_repeated_without_the_password() -> None:
    with pytest.raises(HostError, match=r"esx://root@127\.0\.0\.1:1/"):
        open_libvirt("esx://root:HUN TER2@127.0.0.1:1/")
