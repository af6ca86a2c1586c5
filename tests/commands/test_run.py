"""`vmwatch run`: what it says, what it refuses, how it ends."""

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.program import Program, free_port
from tests.commands.program import ANY_PORT, TEST_DRIVER, environment, program, run


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Program]:
    vmwatch = program(tmp_path, "run", TEST_DRIVER, ANY_PORT, "--log.format=json")
    vmwatch.start()
    vmwatch.until(lambda: '"domain.discovered"' in vmwatch.tail(), "the first domain")
    yield vmwatch
    vmwatch.kill()


def entries(vmwatch: Program) -> list[dict[str, str]]:
    return [json.loads(line) for line in vmwatch.log.read_text().splitlines()]


def test_its_first_line_says_what_is_watched_and_where_to_look(running: Program) -> None:
    first = entries(running)[0]
    assert first["event"] == "watching"
    assert "test:///default" in first["hosts"]
    assert first["metrics"] == first["page"] + "metrics"
    assert first["page"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_as_asked_with_status_0(running: Program, signal_number: int) -> None:
    running.process.send_signal(signal_number)
    assert running.process.wait(5) == 0


HANGING = """
import asyncio, dataclasses, time

@dataclasses.dataclass(frozen=True)
class InThread:
    durable = wants_samples = False

    async def run(self, batches, watch):
        print("hangs", flush=True)
        await asyncio.to_thread(time.sleep, 60)

@dataclasses.dataclass(frozen=True)
class Stubborn(InThread):
    async def run(self, batches, watch):
        print("hangs", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
"""


@pytest.mark.parametrize("kind", ["InThread", "Stubborn"])
def test_it_ends_in_time_whatever_an_exporter_does(tmp_path: Path, kind: str) -> None:
    (tmp_path / "others-1.dist-info").mkdir()
    (tmp_path / "others-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    (tmp_path / "others-1.dist-info" / "entry_points.txt").write_text(f"[vmwatch.exporters]\nhangs = others:{kind}\n")
    (tmp_path / "others.py").write_text(HANGING)
    (tmp_path / "vmwatch.toml").write_text("[exporters.hangs]\n")
    vmwatch = program(tmp_path, "run", "--config.file=vmwatch.toml", TEST_DRIVER, ANY_PORT)
    vmwatch.start()
    vmwatch.until(lambda: "hangs\n" in vmwatch.tail(), "the exporter hangs")
    assert vmwatch.stop(seconds=5) == 0


def test_two_on_one_state_directory_are_one_too_many(running: Program, tmp_path: Path) -> None:
    second = run(tmp_path, "run", TEST_DRIVER, ANY_PORT)
    assert second.returncode == 1
    assert second.stderr == f"vmwatch: {tmp_path}/state: another vmwatch runs with this state directory\n"


def test_a_port_in_use_is_status_1_and_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = run(tmp_path, "run", TEST_DRIVER, f"--web.listen-address={address}")
    assert told.returncode == 1
    assert told.stderr == (
        f"vmwatch: {address}: cannot listen: Address already in use; --web.listen-address chooses another\n"
    )


def test_a_changed_configuration_is_taken_over_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "vmwatch.toml"
    good = '[[libvirt]]\nuri = "test:///default"\nname = "{}"\n[web]\nlisten_addresses = ["127.0.0.1:0"]\n'
    file.write_text(good.format("first"))
    vmwatch = program(tmp_path, "run", f"--config.file={file}", "--log.format=json")
    vmwatch.start()
    vmwatch.until(lambda: '"first"' in vmwatch.tail(), "the first host")
    file.write_text("wrong = 1\n")
    vmwatch.process.send_signal(signal.SIGHUP)
    vmwatch.until(lambda: "wrong: unknown key" in vmwatch.tail(), "word of the wrong key")
    file.write_text(good.format("second"))
    vmwatch.process.send_signal(signal.SIGHUP)
    vmwatch.until(lambda: '"host":"second"' in vmwatch.tail(), "events of the second host")
    assert vmwatch.stop() == 0


def test_a_changed_configuration_is_served_at_the_same_address_also_while_a_page_is_open(tmp_path: Path) -> None:
    file = tmp_path / "vmwatch.toml"
    address = f"127.0.0.1:{free_port()}"
    text = f'[[libvirt]]\nuri = "test:///default"\nname = "{{}}"\n[web]\nlisten_addresses = ["{address}"]\n'
    file.write_text(text.format("first"))
    vmwatch = program(tmp_path, "run", f"--config.file={file}", "--log.format=json")
    vmwatch.start()
    vmwatch.until(lambda: '"first"' in vmwatch.tail(), "the first host")
    with urllib.request.urlopen(f"http://{address}/api/v1/events") as page:
        file.write_text(text.format("second"))
        vmwatch.process.send_signal(signal.SIGHUP)
        vmwatch.until(lambda: '"host":"second"' in vmwatch.tail(), "events of the second host")
        assert page.read().endswith(b"\n\n")
    with urllib.request.urlopen(f"http://{address}/metrics") as page:
        assert b'libvirt_up{host="second"' in page.read()
    assert vmwatch.stop() == 0


def test_a_changed_address_that_is_taken_is_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "vmwatch.toml"
    text = '[[libvirt]]\nuri = "test:///default"\n[web]\nlisten_addresses = ["127.0.0.1:{}"]\n'
    file.write_text(text.format(0))
    vmwatch = program(tmp_path, "run", f"--config.file={file}", "--log.format=json")
    vmwatch.start()
    vmwatch.until(lambda: '"domain.discovered"' in vmwatch.tail(), "the first domain")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(text.format(taken.getsockname()[1]))
        vmwatch.process.send_signal(signal.SIGHUP)
        vmwatch.until(lambda: "configuration not taken over" in vmwatch.tail(), "word of the address")
    assert "Address already in use" in vmwatch.tail()
    assert vmwatch.stop() == 0


def test_a_reader_that_has_gone_is_told_and_nothing_else_stops(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    vmwatch = program(tmp_path, "run", TEST_DRIVER, ANY_PORT, "--log.format=json")
    os.close(reader)
    vmwatch.start(stdout=writer)
    os.close(writer)
    vmwatch.until(lambda: "standard output: its reader has gone" in vmwatch.tail(), "word of the reader")
    assert vmwatch.stop(seconds=5) == 0


def test_closed_standard_streams_do_no_harm(tmp_path: Path) -> None:
    flags = f"{TEST_DRIVER} {ANY_PORT} --state.directory={tmp_path}/state"
    shell = Program(
        ["sh", "-c", f"exec {program(tmp_path).command[0]} -m vmwatch run {flags} <&- >&- 2>&-"],
        tmp_path / "log",
        environment=environment(tmp_path),
    )
    shell.start()
    journal = tmp_path / "state" / "journal.db"
    shell.until(lambda: run(tmp_path, "events", "--no-follow").stdout if journal.exists() else "", "an event")
    assert shell.stop(seconds=5) == 0
    assert shell.tail() == ""


def test_without_configuration_the_checkout_falls_back_step_by_step(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text('[[libvirt]]\nuri = "test:///default"\nname = "from-the-file"\n')
    vmwatch = program(tmp_path, "run", "--or-demo", ANY_PORT, "--log.format=json")
    vmwatch.start()
    vmwatch.until(lambda: "from-the-file (test:///default)" in vmwatch.tail(), "the file's host")
    assert vmwatch.stop() == 0


PASSWORDS = """
[[libvirt]]
name = "plain"
uri = "esx://root:HUNTER2@127.0.0.1:1/?transport=http"
[[libvirt]]
name = "parameter"
uri = "qemu+tcp://127.0.0.1:1/system?password=HUNTER2"
[[libvirt]]
name = "space"
uri = "esx://root:HUN TER2@127.0.0.1:1/"
[[libvirt]]
name = "path"
uri = "esx://root:HUNTER2/x@127.0.0.1:1/"
[[libvirt]]
name = "fragment"
uri = "esx://root:HUNTER2#x@127.0.0.1:1/"
[exporters.json_log]
[exporters.prometheus]
"""


def test_no_password_in_a_uri_leaves_it(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text(PASSWORDS)
    port = free_port()
    vmwatch = program(
        tmp_path, "run", "--config.file=vmwatch.toml", f"--web.listen-address=127.0.0.1:{port}", "--log.level=debug"
    )
    vmwatch.start()
    try:
        for host in ("plain", "parameter", "space", "path", "fragment"):
            told = f'"host":"{host}"'
            vmwatch.until(lambda told=told: told in vmwatch.log.read_text(), f"{host} is told")  # type: ignore[misc]
        pages = [
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").read()
            for path in ("/", "/metrics", "/api/v1/domains")
        ]
        assert vmwatch.stop() == 0
    finally:
        vmwatch.kill()
    kept = [path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()]
    assert b"esx://root@127.0.0.1:1/" in b"".join(kept)
    assert not any(b"HUN" in text or b"TER2" in text for text in (vmwatch.log.read_bytes(), *pages, *kept))
    checked = run(tmp_path, "check", "--config.file=vmwatch.toml", ANY_PORT)
    assert "HUN" not in checked.stdout + checked.stderr
