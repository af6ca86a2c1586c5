"""URIs as they are shown: without a password, however badly it was written, and with all else."""

import pytest

from vmwatch.uris import host_of, masked, without_credentials


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("esx://root:HUNTER2@esx-1/?transport=http", "esx://root@esx-1/?transport=http"),
        ("qemu+libssh2://u:HUNTER2@127.0.0.1:1/system", "qemu+libssh2://u@127.0.0.1:1/system"),
        ("esx://root:HUNTER2@[2001:db8::1]:443/", "esx://root@[2001:db8::1]:443/"),
        ("esx://:HUNTER2@esx-1/", "esx://@esx-1/"),
        ("esx://root:HUN TER2@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUNTER2%zz@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUNTER2/x@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUNTER2#x@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUNTER2?x@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUN@TER/2@esx-1/", "esx://root@esx-1/"),
        ("esx://root:12/HUNTER@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUN[TER@esx-1/", "esx://root@esx-1/"),
        ("esx://root:HUN:TER@esx-1/", "esx://root@esx-1/"),
        ("vpx://me@example:HUN/TER@vc/dc/host", "vpx://me@example@vc/dc/host"),
        ("root:HUNTER2@esx-1", "root@esx-1"),
        ("qemu+tcp://h/system?password=HUNTER2", "qemu+tcp://h/system?password=***"),
        ("qemu+tcp://h/system?no_verify=1&Secret_Key=HUN/T#E@R&mode=auto", None),
        ("qemu+tcp://h:1?passwd=HU@NTER", "qemu+tcp://h:1?passwd=***"),
        ("esx://h/?proxy=http://me:HUNTER2@proxy:3128", "esx://h/?proxy=http://me@proxy:3128"),
    ],
)
def test_no_password_is_shown(uri: str, shown: str | None) -> None:
    assert without_credentials(uri) == (shown or "qemu+tcp://h/system?no_verify=1&Secret_Key=***&mode=auto")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "test:///default",
        "qemu:///system",
        "qemu+unix:///system?socket=/run/a:b@c",
        "qemu+ssh://root@node-1:22/system?keyfile=/home/me@example/id",
        "qemu+ssh://node-1:22/system?keyfile=/home/me@example/id&no_tty=1",
        "qemu+ssh://root@[2001:db8::1]:22/system",
        "vpx://me@vc/Data@Center/host",
        "qemu+tcp://[fe80::1/system",
        "esx://root@esx-1/?authfile=/etc/a",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(uri: str) -> None:
    assert without_credentials(uri) == uri


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Unable to parse URI esx://root:HUN TER2@h/?a=b", "Unable to parse URI esx://root@h/?a=b"),
        ("no such machine: HUN TER2", "no such machine: ***"),
        ("no route to host", "no route to host"),
    ],
)
def test_what_others_say_of_a_uri_is_told_without_the_password(said: str, told: str) -> None:
    assert masked(said, "esx://root:HUN TER2@h/?a=b") == told


def test_a_password_is_found_as_others_read_it_and_in_pieces() -> None:
    assert masked("HUN/TER failed", "esx://root:HUN%2FTER@h/") == "*** failed"
    assert masked("cannot resolve HUNTER", "esx://root:pass@HUNTER/x@h/") == "cannot resolve ***"
    assert masked("bad token HUNTER", "qemu+tcp://h/?token=HUNTER") == "bad token ***"


def test_a_short_password_does_not_take_words_apart() -> None:
    assert masked("cannot open esx://root:a@h/", "esx://root:a@h/") == "cannot open esx://root@h/"


@pytest.mark.parametrize("uri", ["esx://root:12/HUNTER@esx-1/", "esx://root:HU@NTER/x@esx-1/"])
def test_no_host_is_called_by_a_password(uri: str) -> None:
    assert "NTER" not in host_of(uri)


@pytest.mark.parametrize(
    "uri",
    ["qemu+tcp://[fe80::1/system", "qemu+tcp://ho\u2100st/system", "esx://root:HUN[TER@h/", "test:///x\0y", "a\udcffb"],
)
def test_what_is_no_uri_is_refused_without_its_words(uri: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a libvirt URI") as caught:
        host_of(uri)
    assert uri not in str(caught.value)
    assert "HUN" not in str(caught.value)
