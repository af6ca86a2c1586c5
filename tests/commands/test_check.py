"""`vmwatch check`: one line for each thing that was tried, and a status to go by."""

import socket
from pathlib import Path

from tests.commands.program import ANY_PORT, TEST_DRIVER, run


def test_what_works_is_said_to_work(tmp_path: Path) -> None:
    told = run(tmp_path, "check", TEST_DRIVER, ANY_PORT)
    assert told.returncode == 0, told.stdout + told.stderr
    assert all(line.startswith(("ok ", "   ")) for line in told.stdout.splitlines())
    assert "libvirt's test driver, libvirt " in told.stdout
    assert "events: callbacks, listed every 60 s" in told.stdout
    assert "statistics: in bulk (state, iothread)" in told.stdout
    assert f"state directory {tmp_path}/state: can be used" in told.stdout


def test_what_a_driver_does_not_give_is_said(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text('[[libvirt]]\nuri = "test:///default"\nevents = "polling"\n')
    told = run(tmp_path, "check", "--config.file=vmwatch.toml", ANY_PORT)
    assert "events: none asked for, so listed every 5 s" in told.stdout


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
