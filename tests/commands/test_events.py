"""`vmwatch events`: the journal of who runs here, before and while it does, else our own eyes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.program import Program, until
from tests.commands.program import ANY_PORT, TEST_DRIVER, program, run


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Program]:
    """A vmwatch whose journal has its first domain."""
    vmwatch = program(tmp_path, "run", TEST_DRIVER, ANY_PORT)
    vmwatch.start()
    vmwatch.until(lambda: "domain.discovered" in run(tmp_path, "events", "--no-follow").stdout, "an event")
    yield vmwatch
    vmwatch.kill()


def test_what_the_journal_holds_is_told_of_a_running_and_of_a_stopped_vmwatch(
    watching: Program, tmp_path: Path
) -> None:
    during = run(tmp_path, "events", "--no-follow", "--format=json").stdout
    assert [json.loads(line)["type"] for line in during.splitlines()][:2] == ["host.connected", "domain.discovered"]
    assert watching.stop() == 0
    after = run(tmp_path, "events", "--since=1h", "--no-follow", "--format=json").stdout
    assert after.startswith(during)


def test_events_are_chosen(watching: Program, tmp_path: Path) -> None:
    told = run(tmp_path, "events", "--no-follow", "--type=domain.*", "--domain=te?t")
    assert [line.split()[2:4] for line in told.stdout.splitlines()] == [["test", "domain.discovered"]]
    assert run(tmp_path, "events", "--no-follow", "--host=elsewhere").stdout == ""
    assert run(tmp_path, "events", "--no-follow", "--since=2100-01-01T00:00:00Z").stdout == ""


def test_the_journal_of_a_running_vmwatch_is_followed(tmp_path: Path) -> None:
    state = f"--state.directory={tmp_path}/state"
    demo = program(tmp_path, "demo", ANY_PORT, state)
    demo.start()
    demo.until((tmp_path / "state" / "journal.db").exists, "a journal")
    (tmp_path / "follower").mkdir()
    follower = program(tmp_path / "follower", "events", state, "--host=demo-recorded", "--type=domain.stopped")
    follower.start()
    follower.until(lambda: "cause=guest-shutdown" in follower.tail(), "a stop that was not there before")
    assert "test:///default" not in follower.tail()
    follower.process.send_signal(2)
    assert follower.process.wait(5) == 0
    assert demo.stop() == 0


def test_where_nobody_runs_it_looks_by_itself_and_keeps_nothing(tmp_path: Path) -> None:
    alone = program(tmp_path, "events", TEST_DRIVER, "--format=json")
    alone.start()
    alone.until(lambda: "domain.discovered" in alone.tail(), "the first domain")
    assert alone.stop(seconds=5) == 0
    assert json.loads(alone.log.read_text().splitlines()[0])["type"] == "host.connected"
    assert not (tmp_path / "state").exists()


def test_without_a_journal_there_is_nothing_to_look_back_on(tmp_path: Path) -> None:
    told = run(tmp_path, "events", "--since=1h", f"--state.directory={tmp_path}/none")
    assert told.returncode == 1
    assert told.stderr.startswith(f"vmwatch: there is no journal in {tmp_path}/none")


def test_a_time_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    told = run(tmp_path, "events", "--since=yesterday")
    assert (told.returncode, told.stderr[:26]) == (2, "vmwatch: --since: expected")


def test_a_reader_that_had_enough_is_no_failure(watching: Program, tmp_path: Path) -> None:
    follower = program(tmp_path, "events", "--no-follow")
    command = " ".join(follower.command) + " | head -n 1"
    shell = Program(["sh", "-c", command], tmp_path / "head", environment=follower._environment)
    shell.start()
    until(lambda: not shell.running, "the pipe's end")
    assert "host.connected" in shell.tail()
    assert "Traceback" not in shell.tail()
