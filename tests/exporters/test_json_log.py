"""The JSON log: one flat line for each event, to a file that may be renamed or full, or to a pipe that nobody reads."""

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeWatch, started
from vmwatch.errors import VmwatchError
from vmwatch.events import Cause, Domain, DomainSampled, Event, ExporterFailed, Origin, State, Stopped, Suspended, Time
from vmwatch.events.host import NetworkStarted
from vmwatch_exporters.json_log import JsonLog, line
from vmwatch_exporters.json_output import Output


def read(event: Event) -> dict[str, Any]:
    text = line(event)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    parsed: dict[str, Any] = json.loads(text)
    return parsed


async def batches(*given: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    for batch in given:
        yield batch


def test_a_line_is_flat_and_in_order() -> None:
    event = Stopped(
        id="e-7",
        sequence=7,
        time=Time(1_700_000_000_123_456_789),
        host="node-1",
        uri="qemu:///system",
        origin=Origin.LIBVIRT,
        labels={"site": "berlin"},
        domain=Domain("u", "web-1"),
        detail="shutdown",
        state=State.SHUTOFF,
        previous_state=State.SHUTDOWN,
        cause=Cause.GUEST_SHUTDOWN,
        flush_seconds=1.5,
    )
    assert list(read(event).items()) == [
        ("timestamp", "2023-11-14T22:13:20.123456789Z"),
        ("level", "info"),
        ("event", "domain.stopped"),
        ("event_id", "e-7"),
        ("host", "node-1"),
        ("domain", "web-1"),
        ("domain_uuid", "u"),
        ("domain_id", None),
        ("sequence", 7),
        ("uri", "qemu:///system"),
        ("origin", "libvirt"),
        ("labels", {"site": "berlin"}),
        ("detail", "shutdown"),
        ("state", "shutoff"),
        ("previous_state", "shutdown"),
        ("cause", "guest-shutdown"),
        ("flush_seconds", 1.5),
    ]


def test_an_event_of_another_family_has_no_domain() -> None:
    event = NetworkStarted(time=Time(0), host="h", origin=Origin.LIBVIRT, name="default", uuid="u")
    assert "domain" not in read(event)
    assert read(event)["name"] == "default"


def test_nested_figures_stay_nested() -> None:
    event = DomainSampled(
        time=Time(0),
        host="h",
        origin=Origin.VMWATCH,
        domain=Domain("u", "web", 1),
        state=State.RUNNING,
        values={"cpu": 1.5},
        devices={"block": {"vda": {"bytes": 7}}},
    )
    assert read(event)["devices"] == {"block": {"vda": {"bytes": 7}}}


@pytest.mark.parametrize("name", ['quo"te', "two\nlines", "\x00\x1b[31m", "\u2028", "ümläut 🎉", "x" * 65536, "\ud800"])
def test_a_name_of_a_tenant_stays_on_one_line(name: str) -> None:
    kept = read(started(name=name))["domain"]
    assert kept == (name if name != "\ud800" else "?")


def test_the_level_tells_what_went_wrong() -> None:
    paused = started()
    fields = {"time": Time(0), "host": "h", "origin": Origin.LIBVIRT, "domain": paused.domain}
    states = {"state": State.PAUSED, "previous_state": State.RUNNING}
    assert read(paused)["level"] == "info"
    assert read(Suspended(**fields, **states, detail="paused"))["level"] == "info"  # type: ignore[arg-type]
    assert read(Suspended(**fields, **states, detail="ioerror"))["level"] == "warning"  # type: ignore[arg-type]
    assert read(Stopped(**fields, **states, cause=Cause.GUEST_PANIC))["level"] == "warning"  # type: ignore[arg-type]
    failed = ExporterFailed(time=Time(0), host="h", origin=Origin.VMWATCH, exporter="kafka", reason="away")
    assert read(failed)["level"] == "error"


async def test_a_batch_is_in_the_file_when_the_next_one_is_asked_for(tmp_path: Path) -> None:
    path, seen = tmp_path / "events.jsonl", []

    async def given() -> AsyncIterator[Sequence[Event]]:
        for count in (3, 250):
            yield [started(number) for number in range(1, count + 1)]
            seen.append(len(path.read_bytes().splitlines()))

    await JsonLog(path=path).run(given(), FakeWatch())
    assert seen == [3, 253]
    written = [json.loads(text)["sequence"] for text in path.read_bytes().splitlines()]
    assert written == [*range(1, 4), *range(1, 251)]


async def test_a_renamed_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def given() -> AsyncIterator[Sequence[Event]]:
        yield [started(1)]
        path.rename(tmp_path / "events.jsonl.1")
        yield [started(2)]

    await JsonLog(path=path).run(given(), FakeWatch())
    assert [json.loads(path.read_bytes())["sequence"]] == [2]
    assert [json.loads((tmp_path / "events.jsonl.1").read_bytes())["sequence"]] == [1]


async def test_a_file_that_cannot_be_written_fails_in_words(tmp_path: Path) -> None:
    with pytest.raises(VmwatchError, match=r"absent/x: No such file or directory"):
        await JsonLog(path=tmp_path / "absent" / "x").run(batches([started()]), FakeWatch())


async def test_a_pipe_whose_reader_has_gone_fails_in_words(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    async def given() -> AsyncIterator[Sequence[Event]]:
        yield [started(1)]
        os.close(reader)
        yield [started(2)]

    with pytest.raises(VmwatchError, match="fifo: its reader has gone"):
        await JsonLog(path=path).run(given(), FakeWatch())


async def test_a_pipe_that_nobody_reads_holds_up_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    much = [started(number, name="x" * 4096) for number in range(100)]
    running = asyncio.create_task(JsonLog(path=path).run(batches(much), FakeWatch()))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    os.close(reader)


def test_what_a_pipe_takes_whole_is_written_at_once_and_nothing_else() -> None:
    reader, writer = os.pipe()
    output = Output(None, writer)
    output.open()
    assert output.write_at_once(b"line\n")
    assert os.read(reader, 100) == b"line\n"
    assert not output.write_at_once(b"x" * 4097)
    filled = 0
    while output.write_at_once(b"x" * 4096):
        filled += 1
    assert filled > 0
    os.close(reader)
    with pytest.raises(VmwatchError, match="standard output: its reader has gone"):
        output.write_at_once(b"line\n")
    output.close()
    os.close(writer)


def test_a_file_is_never_written_at_once(tmp_path: Path) -> None:
    output = Output(tmp_path / "events.jsonl")
    output.open()
    assert not output.write_at_once(b"line\n")
    output.close()


def test_a_full_disk_leaves_no_half_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    output = Output(path)
    output.write(b"first\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(VmwatchError, match="File too large"):
            output.write(b"second" * 100 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    output.write(b"third\n")
    output.close()
    assert path.read_bytes() == b"first\nthird\n"
