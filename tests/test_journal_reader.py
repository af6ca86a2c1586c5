"""Reading a journal that somebody else writes: what is committed, in order, also after the file was replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import SECOND, started
from vmwatch.encode import encode
from vmwatch.errors import VmwatchError
from vmwatch.events import Event
from vmwatch.journal_file import JournalFile, Record
from vmwatch.journal_reader import JournalReader

BEGIN = 1_700_000_000 * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def writer(path: Path) -> Iterator[JournalFile]:
    opened = JournalFile(path)
    yield opened
    opened.close()


def write(file: JournalFile, *sequences: int) -> None:
    events: list[Event] = [started(sequence) for sequence in sequences]
    file.commit(
        [Record(one.sequence, one.host, one.sequence, one.time, one.type, encode(one)) for one in events], {}, {}
    )


def read(reader: JournalReader) -> list[int]:
    return [event.sequence for event in reader.rest()]


def test_what_is_committed_later_is_read_later(path: Path, writer: JournalFile) -> None:
    write(writer, *range(1, 1201))
    with JournalReader(path) as reader:
        assert read(reader) == list(range(1, 1201))
        assert read(reader) == []
        write(writer, 1201)
        assert read(reader) == [1201]


def test_reading_begins_at_a_time_or_at_the_end(path: Path, writer: JournalFile) -> None:
    write(writer, 1, 2, 3)
    with JournalReader(path) as reader:
        reader.to_time(BEGIN + 2)
        assert read(reader) == [2, 3]
        reader.to_time(BEGIN + 4)
        assert read(reader) == []
        reader.to_time(0)
        assert read(reader) == [1, 2, 3]
        reader.to_time(0)
        reader.to_end()
        assert read(reader) == []


def test_a_record_that_cannot_be_read_is_passed_over(path: Path, writer: JournalFile) -> None:
    writer.commit([Record(1, "h", 1, BEGIN, "domain.started", b"{}")], {}, {})
    write(writer, 2)
    with JournalReader(path) as reader:
        assert read(reader) == [2]


def test_a_new_file_in_its_place_is_taken_up(path: Path, writer: JournalFile) -> None:
    write(writer, 1, 2)
    with JournalReader(path) as reader:
        assert read(reader) == [1, 2]
        path.rename(path.with_name("journal.db.damaged"))
        reader.keep_up()
        anew = JournalFile(path)
        write(anew, 3)
        reader.keep_up()
        assert read(reader) == [3]
        anew.close()


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(VmwatchError, match="cannot be read"):
        JournalReader(tmp_path / "journal.db")
