"""`vmwatch check`: what was tried, in a table or as JSON, and a status to go by."""

import grp
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.libvirtd import Libvirtd
from tests.beds.program import NotInstalledError
from tests.commands.program import ANY_PORT, TEST_DRIVER, VMWATCH, environment, run

POLLED = '[[libvirt]]\nuri = "test:///default"\nname = "h"\nevents = "polling"\n'


@pytest.fixture
def closed_daemon() -> Iterator[Libvirtd]:
    try:
        bed = Libvirtd("test")
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with bed as one:
        yield one


def test_what_works_is_said_to_work(tmp_path: Path) -> None:
    told = run(tmp_path, "check", TEST_DRIVER, ANY_PORT)
    assert told.returncode == 0, told.stdout + told.stderr
    assert all(line.startswith(("ok ", "   ")) for line in told.stdout.splitlines())
    assert "libvirt's test driver, libvirt " in told.stdout
    assert "events: callbacks, listed every 60 s" in told.stdout
    assert "statistics: in bulk (state, iothread), by calls for each domain (info, " in told.stdout
    assert f"state directory {tmp_path}/state" in told.stdout


def test_what_is_done_instead_is_said(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text(POLLED)
    told = run(tmp_path, "check", "--config.file=vmwatch.toml", ANY_PORT)
    assert "events: none, so listed every 5 s (list, then the state of each domain)" in told.stdout


def test_the_second_column_stands_in_line(tmp_path: Path) -> None:
    told = run(tmp_path, "check", TEST_DRIVER, ANY_PORT).stdout.splitlines()
    column = told[0].index("none, so defaults")
    assert all(line[column - 1] == " " and line[column] != " " for line in told)


def test_tools_get_one_document(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text(POLLED)
    told = json.loads(run(tmp_path, "check", "--config.file=vmwatch.toml", "--format=json", ANY_PORT).stdout)
    (host,) = [one for one in told["findings"] if one["kind"] == "host"]
    assert told["ok"]
    assert (host["name"], host["good"], host["driver"], host["domains"]) == ("h", True, "libvirt's test driver", 1)
    assert host["watching"] == {
        "callbacks": False,
        "untold": "",
        "listed_every_seconds": 5.0,
        "origin": "polling",
        "look": "list, then the state of each domain",
    }
    assert host["measuring"]["bulk"] == ["state", "iothread"]


def test_what_would_fail_is_said_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text(
        f'[[libvirt]]\nuri = "qemu+unix:///system?socket={tmp_path}/absent"\n'
        '[exporters.json_log]\npath = "/dev/null/x"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}"
        told = run(tmp_path, "check", "--config.file=vmwatch.toml", address)
    failed = [line for line in told.stdout.splitlines() if line.startswith("FAILED")]
    assert told.returncode == 1
    assert [line.split()[1] for line in failed] == ["host", "exporter", "web"]
    assert "No such file or directory (install and start libvirtd" in failed[0]
    assert "/dev/null/x: Not a directory" in failed[1]


def test_a_driver_that_libvirt_removed_is_refused_with_a_sentence(tmp_path: Path) -> None:
    told = run(tmp_path, "check", "--libvirt.uri=phyp://user@hmc/managed", ANY_PORT)
    assert told.returncode == 1
    assert "libvirt 6.0.0 removed its driver for POWER Hypervisor" in told.stdout


def test_hosts_of_lists_are_tried_too(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text('[{"targets": ["test:///default"], "labels": {"host": "listed"}}]')
    (tmp_path / "vmwatch.toml").write_text(f'[[libvirt_files]]\nfiles = ["{tmp_path}/hosts.json"]\n')
    told = run(tmp_path, "check", "--config.file=vmwatch.toml", ANY_PORT)
    assert told.returncode == 0
    assert "ok      host listed" in told.stdout


def test_a_list_that_is_wrong_is_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text("{")
    (tmp_path / "vmwatch.toml").write_text(f'[[libvirt_files]]\nfiles = ["{tmp_path}/hosts.json"]\n')
    for command in ("check", "run"):
        told = run(tmp_path, command, "--config.file=vmwatch.toml", ANY_PORT)
        assert told.returncode == 2
        assert "hosts.json:1: this is neither JSON nor YAML" in told.stderr


def test_a_shard_without_a_host_would_watch_nothing(tmp_path: Path) -> None:
    statuses = [
        run(tmp_path, "check", TEST_DRIVER, ANY_PORT, f"--shard={number}", "--total-shards=2").returncode
        for number in range(2)
    ]
    assert sorted(statuses) == [0, 1]


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_is_not_let_in_is_told_the_line_that_grants_it(tmp_path: Path, closed_daemon: Libvirtd) -> None:
    socket_path = closed_daemon.folder / "run/libvirt/libvirt-sock-ro"
    group = next(one for one in grp.getgrall() if one.gr_gid)
    os.chown(socket_path, -1, group.gr_gid)
    socket_path.chmod(0o770)
    for folder in (closed_daemon.folder, tmp_path):
        folder.chmod(0o755)
    uri = f"--libvirt.uri={closed_daemon.read_only_uri}"
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *VMWATCH, "check", uri, ANY_PORT]
    told = subprocess.run(
        as_nobody, env=environment(tmp_path), cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 1, told.stderr
    assert "Permission denied" in told.stdout
    needed = f"missing right to use {socket_path}, needed for the connection itself"
    assert f"{needed}: sudo usermod -aG {group.gr_name} nobody" in told.stdout
