"""The journal: what is committed stays, what is known goes with it, and nothing is lost silently."""

import asyncio
import errno
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.waiting import until
from vmwatch.errors import VmwatchError
from vmwatch.events import Domain, Event, Origin, Started, State, Time
from vmwatch.journal import Journal
from vmwatch.journal_file import UPGRADES, JournalFile, Lost, Record
from vmwatch.journal_prune import PIECE_EVENTS, Ages, prune
from vmwatch.state import KnownState

SECOND = 1_000_000_000


def event(sequence: int, host: str = "h", name: str = "web") -> Event:
    return Started(
        id=f"e-{sequence}",
        sequence=sequence,
        time=Time(sequence * SECOND),
        host=host,
        origin=Origin.LIBVIRT,
        domain=Domain("u", name, 1),
        state=State.RUNNING,
        previous_state=State.SHUTOFF,
    )


def make(path: Path | None, known: KnownState | None = None, **limits: int) -> Journal:
    settings = {"max_bytes": 256 * 1024 * 1024, "max_age_seconds": 10**12, **limits}
    journal = Journal(known or KnownState(), path, **settings)
    journal.open()
    return journal


@asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[Journal]:
    task = asyncio.create_task(journal.run())
    try:
        yield journal
    finally:
        task.cancel()
        await asyncio.wait({task})
        await journal.close()


async def committed(journal: Journal, position: int) -> None:
    arrived = asyncio.Event()
    journal.listen(lambda: arrived.set() if journal.position >= position else None)
    if journal.position < position:
        await arrived.wait()


async def test_what_is_committed_is_read_back_in_order(tmp_path: Path) -> None:
    async with running(make(tmp_path / "journal.db")) as journal:
        events = [event(number) for number in range(1, 101)]
        for one in events:
            journal.append(one)
        await committed(journal, 100)
        assert [told async for _position, told in journal.since(0)] == events
        assert [position async for position, _told in journal.since(97)] == [98, 99, 100]


async def test_positions_known_state_and_last_position_survive_a_restart(tmp_path: Path) -> None:
    known = KnownState()
    async with running(make(tmp_path / "journal.db", known)) as journal:
        known.change_domain("h", "u", "web").state = State.RUNNING
        known.host("h").sequence = 1
        known.change_counters("h", "web").events["started booted"] = 3
        journal.append(event(1))
        journal.acknowledge("kafka", 1)
        await committed(journal, 1)
    again = KnownState()
    async with running(make(tmp_path / "journal.db", again)) as journal:
        assert journal.position == 1
        assert journal.acknowledged("kafka") == 1
        assert journal.acknowledged("other") is None
        assert again.hosts == known.hosts
        assert again.domains == known.domains
        assert journal.committed["h"]["web"].events["started booted"] == 3


async def test_a_group_that_was_torn_off_leaves_events_and_known_state_in_agreement(tmp_path: Path) -> None:
    known = KnownState()
    journal = make(tmp_path / "journal.db", known)
    known.host("h").sequence = 1
    journal.append(event(1))
    await journal.flush()
    known.host("h").sequence = 2
    journal.append(event(2))  # killed here: never flushed
    file = JournalFile(tmp_path / "journal.db")
    assert [record.sequence for record in file.read(0, limit=10, max_bytes=10**6)] == [1]
    assert [body for (kind, _host, _key), body in file.known() if kind == "host" and b'"sequence":1' in body]
    file.close()
    await journal.close()


async def test_counters_are_the_committed_ones(tmp_path: Path) -> None:
    known = KnownState()
    journal = make(tmp_path / "journal.db", known)
    known.change_counters("h", "web").events["crashed panicked"] = 1
    await journal.flush()
    known.change_counters("h", "web").events["crashed panicked"] = 2
    assert journal.committed["h"]["web"].events["crashed panicked"] == 1
    await journal.flush()
    assert journal.committed["h"]["web"].events["crashed panicked"] == 2
    known.forget_counters("h", "web")
    await journal.flush()
    assert journal.committed["h"] == {}
    await journal.close()


def set_aside(directory: Path) -> int:
    return len(list(directory.glob("journal.db.damaged-*")))


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database, and never was one" * 100)
    with capture_logs() as logs:
        journal = make(path)
    assert [line["event"] for line in logs] == ["journal damaged"]
    async with running(journal):
        journal.append(event(1))
        await committed(journal, 1)
    assert set_aside(tmp_path) == 1


def statement(path: Path, text: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(text)
    database.close()


@pytest.mark.parametrize("damage", ["DROP TABLE counts", "UPDATE known SET body = '{' WHERE kind = 'domain'"])
async def test_a_file_with_tables_or_knowledge_not_ours_is_damaged_too(tmp_path: Path, damage: str) -> None:
    known = KnownState()
    async with running(make(tmp_path / "journal.db", known)) as journal:
        known.change_domain("h", "u", "web").state = State.RUNNING
        journal.append(event(1))
    statement(tmp_path / "journal.db", damage)
    again = KnownState()
    async with running(make(tmp_path / "journal.db", again)) as journal:
        assert not again.hosts
        journal.append(event(1))
        await committed(journal, 1)
    assert set_aside(tmp_path) == 1


def spoil(path: Path) -> None:
    """Overwrite every page but the first, beneath a SQLite that has the file open."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


async def test_damage_met_while_reading_is_set_aside_and_what_comes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    known = KnownState()
    async with running(make(path, known)) as journal:
        for number in range(1, 2001):
            known.host("h").sequence = number
            journal.append(event(number))
        journal.acknowledge("kafka", 7)
        await committed(journal, 2000)
        statement(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        spoil(path)
        assert await journal.read(0) == []
        known.host("h").sequence = 2001
        journal.append(event(2001))
        await committed(journal, 2001)
        assert [record.sequence for record in await journal.read(7)] == [2001]
    assert set_aside(tmp_path) == 1
    again = KnownState()
    async with running(make(path, again)) as journal:
        assert again.hosts["h"].sequence == 2001
        assert journal.acknowledged("kafka") == 7


async def test_a_folder_that_cannot_be_looked_into_ends_nothing(tmp_path: Path) -> None:
    class Closed(type(tmp_path)):  # type: ignore[misc]  # root may look everywhere, so it cannot be closed to it
        def stat(self, **options: bool) -> os.stat_result:
            if closed:
                raise PermissionError(errno.EACCES, "Permission denied")
            found: os.stat_result = super().stat(**options)
            return found

    closed = False
    journal = make(Closed(tmp_path / "journal.db"))
    closed = True
    for number in range(1, 4):
        journal.append(event(number))
        assert await journal.flush()
    assert [told async for _position, told in journal.since(0)] == [event(number) for number in range(1, 4)]
    await journal.close()


async def test_a_file_that_was_removed_is_begun_anew_with_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    known = KnownState()
    async with running(make(path, known)) as journal:
        known.host("h").sequence = 1
        journal.append(event(1))
        await committed(journal, 1)
        path.unlink()
        journal.append(event(2))
        await committed(journal, 2)
    again = KnownState()
    async with running(make(path, again)) as journal:
        assert again.hosts["h"].sequence == 1
        assert [position async for position, _told in journal.since(0)] == [2]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow; nor can the one that takes its log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with capture_logs():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_on_a_full_disk_it_begins_with_what_was_known_and_others_can_read_once_there_is_room(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    known = KnownState()
    async with running(make(path, known)) as journal:
        known.host("h").sequence = 1
        journal.append(event(1))
    again = KnownState()
    with full_disk():
        journal = make(path, again)
        again.host("h").sequence += 1
        journal.append(event(2))
        assert not await journal.flush()
    assert again.hosts["h"].sequence == 2
    assert await journal.flush()
    with closing(sqlite3.connect(path, timeout=0)) as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (2,)
    await journal.close()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(VmwatchError, match=r"journal\.db: cannot be opened: unable to open database file"):
        make(tmp_path / "journal.db")


async def test_a_file_of_a_newer_vmwatch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(VmwatchError, match="newer vmwatch"):
        make(path)


def test_a_file_of_an_older_version_is_brought_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(fill(path)):
        pass
    with closing(JournalFile(path, (*UPGRADES, "ALTER TABLE events ADD COLUMN colour TEXT;"))) as file:
        assert (file.events, file.last_position()) == (1000, 1000)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (len(UPGRADES) + 1,)
        assert database.execute("SELECT count(*) FROM events WHERE colour IS NULL").fetchone() == (1000,)
    with pytest.raises(VmwatchError, match="newer vmwatch"):
        JournalFile(path)


def test_a_file_that_cannot_be_brought_up_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(fill(path)):
        pass
    with pytest.raises(sqlite3.Error):
        JournalFile(path, (*UPGRADES, "CREATE TABLE more (number); NONSENSE;"))
    with closing(JournalFile(path)) as file:
        assert file.events == 1000
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_schema WHERE name = 'more'").fetchall() == []


async def test_a_journal_without_a_file_works_in_memory() -> None:
    async with running(make(None)) as journal:
        journal.append(event(1))
        await committed(journal, 1)
        assert [told async for _position, told in journal.since(0)] == [event(1)]


def fill(path: Path) -> JournalFile:
    file = JournalFile(path)
    body = b"x" * 1000
    records = [
        Record(n, "h", n, n * SECOND, "domain.rtc-changed" if n % 2 else "domain.started", body) for n in range(1, 1001)
    ]
    file.commit(records, {}, {})
    return file


def pruned(
    file: JournalFile,
    acknowledged: dict[str, int],
    *,
    max_bytes: int = 10**9,
    max_age: float = 10**12,
    last_old: int = 10**9,
    now: float,
) -> list[tuple[str, Lost]]:
    pieces = prune(file, acknowledged, max_bytes=max_bytes, max_age_seconds=max_age, last_old=last_old, now=now)
    return [gone for piece in pieces for gone in piece]


def test_what_is_too_old_goes_and_who_had_not_had_it_is_told(tmp_path: Path) -> None:
    file = fill(tmp_path / "j")
    gone = pruned(file, {"slow": 400, "quick": 1000}, max_age=100, now=600.5)
    assert gone == [("slow", Lost("h", 100, 401, 500))]
    assert file.read(0, limit=1, max_bytes=10)[0].sequence == 501
    file.close()


def test_what_cannot_be_old_stays_whatever_the_wall_clock_says(tmp_path: Path) -> None:
    file = fill(tmp_path / "j")
    assert pruned(file, {"slow": 0}, max_age=100, last_old=300, now=10**9) == [("slow", Lost("h", 300, 1, 300))]
    assert file.events == 700
    file.close()


def test_events_of_this_run_can_be_old_only_when_it_has_lasted_so_long() -> None:
    ages = Ages(1000, last=7)
    assert [ages.last_old(position, now) for position, now in [(8, 5.0), (500, 900.0), (600, 1004.0)]] == [7, 7, 7]
    assert ages.last_old(700, 1005.0) == 8
    assert ages.last_old(800, 1900.0) == 500
    assert ages.last_old(900, 9999.0) == 800


def test_chatter_goes_before_anything_else(tmp_path: Path) -> None:
    file = fill(tmp_path / "j")
    pruned(file, {}, max_bytes=900_000, now=1000)
    assert {record.type for record in file.read(0, limit=2000, max_bytes=10**7)} == {"domain.started"}
    assert file.events == 500
    file.close()


def test_then_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    file = fill(tmp_path / "j")
    gone = pruned(file, {"kafka": 0}, max_bytes=200_000, now=1000)
    left = file.read(0, limit=2000, max_bytes=10**7)
    assert 0 < len(left) < 200
    assert len(left) == file.events
    assert left[-1].sequence == 1000
    assert sum(lost.count for _exporter, lost in gone) == 1000 - len(left)
    assert file.size_bytes() <= 200_000
    file.close()


def test_events_are_committed_between_two_pieces_of_what_goes(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "j")
    file.commit([Record(n, "h", n, n, "domain.started", b"x") for n in range(1, 3 * PIECE_EVENTS)], {}, {})
    pieces = prune(file, {}, max_bytes=10**9, max_age_seconds=1, last_old=10**9, now=10**9)
    next(pieces)
    assert file.events == 2 * PIECE_EVENTS - 1
    file.commit([Record(9999, "h", 9999, 2 * 10**18, "domain.started", b"x")], {}, {})
    list(pieces)
    assert [record.position for record in file.read(0, limit=9, max_bytes=10**6)] == [9999]
    file.close()


async def test_what_went_before_an_exporter_had_it_is_told_once_for_each_host(tmp_path: Path) -> None:
    earlier = make(tmp_path / "journal.db")
    for number in range(1, 2 * PIECE_EVENTS + 1):
        earlier.append(event(number))
    await earlier.close()
    journal = make(tmp_path / "journal.db", max_age_seconds=1)
    told: list[tuple[str | None, Lost]] = []
    async with running(journal):
        arrived = asyncio.Event()

        def tell(exporter: str | None, lost: Lost) -> None:
            told.append((exporter, lost))
            arrived.set()

        journal.tell_lost = tell
        journal.acknowledge("kafka", 0)
        await arrived.wait()
    assert told == [("kafka", Lost("h", 2 * PIECE_EVENTS, 1, 2 * PIECE_EVENTS))]


async def test_what_no_longer_fits_into_memory_while_the_disk_refuses_is_told(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal.db", max_waiting_bytes=3 * len(b"x") * 200)
    told: list[tuple[str | None, Lost]] = []
    journal.tell_lost = lambda exporter, lost: told.append((exporter, lost))
    journal.listen(lambda: None)
    blocker = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    journal.append(event(1))
    blocked = asyncio.create_task(journal.flush())
    await until(lambda: not journal.status().waiting)  # it has taken the first event, and waits for the lock
    for number in range(2, 12):
        journal.append(event(number))
    blocker.execute("COMMIT")
    blocker.close()
    await blocked
    await journal.flush()
    kept = [one.sequence async for _position, one in journal.since(0)]
    assert journal.recent(1, limit=1) is None, "what was lost is not handed out of memory"
    assert kept[0] == 1
    assert kept[-1] == 11
    (_exporter, lost) = told[0]
    assert (lost.first_sequence, lost.last_sequence) == (2, 11 - (len(kept) - 1))
    assert lost.count == lost.last_sequence - lost.first_sequence + 1
    await journal.close()


async def test_the_oldest_of_a_backlog_is_known_at_the_start(tmp_path: Path) -> None:
    async with running(make(tmp_path / "journal.db")) as journal:
        for number in range(1, 4):
            journal.append(event(number))
        await committed(journal, 3)
    journal = make(tmp_path / "journal.db")
    assert journal.oldest_beyond(1) == 2 * SECOND
    assert journal.oldest_beyond(3) is None
    await journal.close()
