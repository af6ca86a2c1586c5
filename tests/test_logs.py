"""vmwatch's own log: one line for each entry, whatever stands in it, and never a reason to stop or to wait."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from vmwatch.logs import LibraryLogs, configure
from vmwatch.settings import LogSettings

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raises


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield opened
    os.close(opened)


def written(descriptor: int) -> str:
    return os.pread(descriptor, 1 << 20, 0).decode()


def test_json_lines_begin_with_what_is_looked_for(descriptor: int) -> None:
    configure(LogSettings(format="json"), descriptor)
    log.warning("host lost", host="a\nb\ud800", reason="x")
    entry: dict[str, Any] = json.loads(written(descriptor))
    assert list(entry)[:3] == ["timestamp", "level", "event"]
    assert (entry["level"], entry["event"], entry["host"]) == ("warning", "host lost", "a\nb\ud800")


def test_the_console_shows_names_that_cannot_move_the_cursor(descriptor: int) -> None:
    configure(LogSettings(format="console"), descriptor)
    log.info("told", domain="two\nlines\x1b[2J\u202e")
    assert written(descriptor).count("\n") == 1
    assert "\x1b" not in written(descriptor)
    assert "two\\x0alines" in written(descriptor)


def test_what_is_below_the_level_is_left_out(descriptor: int) -> None:
    configure(LogSettings(level="error", format="json"), descriptor)
    log.warning("not this")
    log.error("this")
    assert [json.loads(line)["event"] for line in written(descriptor).splitlines()] == ["this"]


def test_an_exception_stays_on_its_line(descriptor: int) -> None:
    configure(LogSettings(format="json"), descriptor)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("a bug")
    (line,) = written(descriptor).splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_libraries_log_the_same_way_and_repeat_themselves_in_vain(descriptor: int) -> None:
    configure(LogSettings(format="json"), descriptor)
    for number in range(100):
        logging.getLogger("a_library").error("broker %d is away", number)
    logging.getLogger("a_library").info("connected")
    (line,) = written(descriptor).splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["logger"], entry["level"]) == ("broker 0 is away", "a_library", "error")


def test_what_a_library_repeats_is_counted_when_it_is_told_again(descriptor: int) -> None:
    configure(LogSettings(format="json"), descriptor)
    now = [0.0]
    handler = LibraryLogs(clock=lambda: now[0])
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "away", (), None)
    for _ in range(3):
        handler.emit(record)
    now[0] = 11.0
    handler.emit(record)
    first, second = map(json.loads, written(descriptor).splitlines())
    assert "repeated" not in first
    assert second["repeated"] == 2


def test_a_closed_standard_error_harms_nobody(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    configure(LogSettings(format="json"), writer)
    os.close(reader)
    log.error("nobody reads this")
    os.close(writer)
    log.error("nor this")


def test_a_standard_error_that_nobody_reads_holds_up_nobody() -> None:
    reader, writer = os.pipe()
    configure(LogSettings(format="json"), writer)
    for _ in range(100):
        log.error("much", text="x" * 4000)
    os.read(reader, 1 << 20)
    log.error("at last")
    rest = os.read(reader, 1 << 20).decode().splitlines()
    assert json.loads(rest[-1])["event"] == "at last"
    assert json.loads(rest[-2])["event"] == "log lines left out"
    os.close(reader)
    os.close(writer)
