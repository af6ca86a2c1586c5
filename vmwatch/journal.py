"""The journal: the stream's memory, written in groups by one thread of its own, never on the event loop.

Events wait a few milliseconds for company, then one transaction takes all that waits and the known state after them.
While the disk refuses, they wait in memory; what does not fit there is lost, and told.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from vmwatch.encode import decode, encode
from vmwatch.errors import VmwatchError
from vmwatch.events import SAMPLES, Event, Time
from vmwatch.journal_damage import is_damage
from vmwatch.journal_file import JournalFile, KnownKey, Lost, Record
from vmwatch.journal_mending import MendingFile
from vmwatch.journal_prune import Ages, prune, together
from vmwatch.journal_rows import CommittedCounters, everything, known_rows, restore
from vmwatch.journal_tail import Tail
from vmwatch.journal_waiting import Waiting
from vmwatch.pipeline import JournalStatus
from vmwatch.state import DomainCounters, KnownState
from vmwatch.threads import Worker

GATHER_SECONDS = 0.005
RETRY_SECONDS = 1.0
PRUNE_SECONDS = 60.0
MAX_WAITING_BYTES = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


class Journal:
    """The memory of *known* and of the events that led to it.

    *tell_lost* is called with what was lost for want of room (exporter None) or went before an exporter had it.
    """

    def __init__(
        self,
        known: KnownState,
        path: Path | None,
        *,
        max_bytes: int,
        max_age_seconds: float,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.known = known
        self.position = 0
        self._place = MendingFile(path)
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self._ages: Ages
        self._worker = Worker("journal")
        self._next_position = 1
        self._waiting = Waiting(max_waiting_bytes)
        self._tail = Tail()
        self._known_rows: dict[KnownKey, bytes | None] = {}
        self._counters = CommittedCounters()
        self._acknowledged: dict[str, int] = {}
        self._new_positions: dict[str, int] = {}
        self._size_bytes = 0
        self._something = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._writing = asyncio.Lock()
        self.tell_lost: Callable[[str | None, Lost], None] = lambda _exporter, _lost: None

    def open(self) -> None:
        """Open or make the file and load what was known; a damaged one is set aside.  Blocks; VmwatchError."""
        self._place.open(self._load)

    def _load(self, file: JournalFile) -> None:
        self._acknowledged = file.positions()
        self.position = max(file.last_position(), *self._acknowledged.values(), 0)  # a new file begins after these
        rows = dict(file.known())
        restore(self.known, rows)
        self._size_bytes = file.size_bytes()
        self._counters.put(rows)
        self._next_position = self.position + 1
        self._ages = Ages(self._max_age_seconds, self.position)

    def append(self, event: Event) -> None:
        """Take a told event; never blocks."""
        if isinstance(event, SAMPLES):
            return
        body = encode(event)
        record = Record(self._next_position, event.host, event.sequence, event.time, event.type, body)
        self._next_position += 1
        if not self._waiting.put(record):
            self._tail.clear()  # what is lost is never committed
        elif self._listeners:
            self._tail.put(record.position, event, len(body))
        self._something.set()

    async def run(self) -> None:
        """Write groups until cancelled; what waits then is written by `close`."""
        pruned = 0.0
        while True:
            await self._something.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._something.clear()
            if not await self.flush():
                self._something.set()
                await asyncio.sleep(RETRY_SECONDS)
            elif time.monotonic() - pruned > PRUNE_SECONDS or self._size_bytes > self._max_bytes:
                pruned = time.monotonic()
                await self._prune()

    async def flush(self) -> bool:
        """Write all that waits; False where the disk refuses.  It goes on where this is cancelled."""
        return await asyncio.shield(asyncio.ensure_future(self._flush_alone()))

    async def _flush_alone(self) -> bool:
        async with self._writing:
            return await self._flush()

    async def _flush(self) -> bool:
        self._place.note_removal()
        if self._place.damaged and not await self._begin_anew():
            return False
        self._known_rows |= known_rows(self.known.take_changes())
        group, rows, positions = self._waiting.take(), self._known_rows, self._new_positions
        self._known_rows, self._new_positions = {}, {}
        try:
            await self._commit(group, rows, positions)
        except (sqlite3.Error, OSError) as error:
            self._waiting.put_back(group)
            self._known_rows = rows | self._known_rows
            self._new_positions = positions | self._new_positions
            self._refused(error)
            return False
        self._written(group, rows, positions)
        return True

    async def _commit(
        self, group: list[Record], rows: Mapping[KnownKey, bytes | None], positions: Mapping[str, int]
    ) -> None:
        def write() -> int:
            self._place.file.commit(group, rows, positions)
            with suppress(OSError):  # what is committed is committed
                return self._place.file.size_bytes()
            return self._size_bytes

        self._size_bytes = await self._worker.submit(write)

    def _written(
        self, group: list[Record], rows: Mapping[KnownKey, bytes | None], positions: Mapping[str, int]
    ) -> None:
        if self._place.trouble:
            log.warning("journal writable again", events=len(group))
            self._place.trouble = ""
        self._acknowledged |= positions
        self._counters.put(rows)
        if group:
            self.position = group[-1].position
        for lost in self._waiting.take_lost():
            self.tell_lost(None, lost)
        for listener in self._listeners:
            listener()

    def _refused(self, error: sqlite3.Error | OSError) -> None:
        if not self._place.trouble:
            log.error("journal not writable", reason=str(error), path=str(self._place.path), waiting=len(self._waiting))
        self._note(error)

    def _note(self, error: Exception) -> None:
        self._place.note(error)
        if self._place.damaged:
            self._something.set()  # so that a new file is begun

    async def _begin_anew(self) -> bool:
        """Put a new file in the place of the damaged one; all that is known goes there with the next group."""
        try:
            await self._worker.call(self._place.begin_anew)
        except (sqlite3.Error, OSError, VmwatchError) as error:
            log.error("journal not begun anew", reason=str(error))
            return False
        self._known_rows = known_rows(everything(self.known))
        self._new_positions = self._acknowledged | self._new_positions
        return True

    async def _prune(self) -> None:
        pieces = prune(
            self._place.file,
            self._acknowledged,
            max_bytes=self._max_bytes,
            max_age_seconds=self._max_age_seconds,
            last_old=self._ages.last_old(self.position, time.monotonic()),
        )
        gone: dict[tuple[str, str], Lost] = {}
        try:
            while (piece := await self._worker.call(lambda: next(pieces, None))) is not None:
                self._tail.clear()  # what is told to have gone is not handed out any more
                for exporter, lost in piece:
                    gone[exporter, lost.host] = together(gone.get((exporter, lost.host)), lost)
                await self.flush()
        except (sqlite3.Error, OSError) as error:
            self._refused(error)
        for (exporter, _host), lost in gone.items():
            self.tell_lost(exporter, lost)

    def oldest_beyond(self, position: int) -> Time | None:
        """Return the time of the first event after *position*; for the start: it blocks."""
        records = self._place.file.read(position, limit=1, max_bytes=1)
        return Time(records[0].time) if records else None

    def acknowledged(self, exporter: str) -> int | None:
        """Return the last position *exporter* acknowledged; None for one the journal has not met."""
        return self._new_positions.get(exporter, self._acknowledged.get(exporter))

    def acknowledge(self, exporter: str, position: int) -> None:
        """Note that *exporter* has had everything up to *position*; written with the next group."""
        self._new_positions[exporter] = position
        self._something.set()

    def forget_others(self, exporters: Collection[str]) -> None:
        """Stop keeping events for exporters that are not among *exporters*; their positions stay in the file."""
        self._acknowledged = {name: at for name, at in self._acknowledged.items() if name in exporters}

    def listen(self, listener: Callable[[], None]) -> None:
        """Call *listener* after every commit."""
        self._listeners.append(listener)

    def recent(self, after: int, *, limit: int) -> Sequence[tuple[int, Event]] | None:
        """Return the first *limit* committed events after position *after*, with theirs; None: `read` has them."""
        return self._tail.between(after, min(self.position, after + limit))

    async def read(self, after: int, *, limit: int = 1000, max_bytes: int = 1024 * 1024) -> list[Record]:
        """Return committed events after position *after*: at most *limit*, and (but for the first) *max_bytes*."""

        def read() -> list[Record]:
            if self._place.damaged:
                return []  # until there is a new one
            return self._place.file.read(after, limit=limit, max_bytes=max_bytes)

        try:
            return await self._worker.call(read)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._note(error)
            return []

    async def since(self, position: int) -> AsyncIterator[tuple[int, Event]]:
        """Yield the committed events after *position*, with theirs."""
        while records := await self.read(position):
            for record in records:
                yield record.position, decode(record.body)
            position = records[-1].position

    @property
    def committed(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        """The event counters after the last commit, by host and name."""
        return self._counters.look()

    def status(self) -> JournalStatus:
        """Say how it stands."""
        return JournalStatus(
            size_bytes=self._size_bytes,
            events=self._place.file.events,
            position=self.position,
            waiting=len(self._waiting),
            waiting_bytes=self._waiting.size_bytes,
            writable=not self._place.trouble,
            reason=self._place.trouble,
        )

    async def close(self) -> None:
        """Write what waits, once, and close the file; what the disk refuses now is lost, and logged."""
        if not await self.flush():
            log.error("journal closed with events unwritten", events=len(self._waiting), reason=self._place.trouble)
        await self._worker.call(lambda: self._place.file.close())
        self._worker.end()
