"""How events reach an exporter: batches out of a bounded buffer in memory, or out of the journal for durable ones.

The iterators are objects, not generators: waiting for the next batch can be cancelled or timed out without harm, and
`again` gives the batch in hand once more after a run that failed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import msgspec
import structlog

from vmwatch.encode import decode
from vmwatch.events import SAMPLES, Event, Time
from vmwatch.journal import Journal
from vmwatch.journal_file import Lost, Record, one_more

MAX_BATCH = 1000
BUFFER_EVENTS = 32_768  # three seconds of the stated rate: as long as a busy disk may take

log = structlog.get_logger(__name__)

Wanted = Callable[[Event], bool]


class Delivery:
    """What one exporter gets from memory: *wanted* events, the oldest lost when it is *buffer* events behind.

    *done* is called whenever a batch was consumed, *lose* with what was lost, host by host, once there is room again.
    *linger* (seconds) is how long a batch waits for company.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        done: Callable[[int], None],
        lose: Callable[[Lost], None],
        linger: float = 0.0,
        buffer: int = BUFFER_EVENTS,
    ) -> None:
        self.dropped = 0
        self._wanted = wanted
        self._done = done
        self._lose = lose
        self._linger = linger
        self._buffer: deque[Event] = deque()
        self._size = buffer
        self._lost: dict[str, Lost] = {}
        self._batch: Sequence[Event] = ()
        self._given = False
        self.closed = asyncio.Event()
        self._something = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events wait, the batch in hand included."""
        return len(self._buffer) + len(self._batch)

    @property
    def oldest(self) -> Time | None:
        """The time of the event that waits longest."""
        return next((event.time for waiting in (self._batch, self._buffer) for event in waiting), None)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""
        return self.closed.is_set() and not self.waiting

    def put(self, event: Event) -> None:
        """Take a told event; never blocks."""
        if not self._wanted(event):
            return
        if len(self._buffer) >= self._size:
            oldest = self._buffer.popleft()
            self.dropped += 1
            one_more(self._lost, oldest.host, oldest.sequence)
        self._buffer.append(event)
        self._something.set()

    def close(self) -> None:
        """Let the iteration end after what waits."""
        self.closed.set()
        self._something.set()

    def again(self) -> Self:
        """Return the iterator so that it gives the batch in hand once more."""
        self._given = False
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Event]:
        if self._batch and self._given:
            batch, self._batch = self._batch, ()
            self._finish(batch)
        while not self._batch:
            await self._wait()
            self._batch = await self._gather()
            self._given = False
            if not self._batch and self.closed.is_set():
                raise StopAsyncIteration
        self._given = True
        return self._batch

    def _finish(self, batch: Sequence[Event]) -> None:
        self._done(len(batch))

    async def _wait(self) -> None:
        await self._something.wait()
        if self._linger and not self.closed.is_set():
            await asyncio.sleep(self._linger)

    async def _gather(self) -> Sequence[Event]:
        lost, self._lost = self._lost, {}
        for one in lost.values():
            self._lose(one)
        batch = [self._buffer.popleft() for _ in range(min(MAX_BATCH, len(self._buffer)))]
        if not self._buffer and not self.closed.is_set():
            self._something.clear()
        return batch


class DurableDelivery(Delivery):
    """What one durable exporter gets: events out of the journal, and samples, if it wants some, out of memory.

    Asking for the next batch acknowledges the last one to the journal, under *name*.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        journal: Journal,
        name: str,
        start: int,
        waiting_since: Time | None = None,
        done: Callable[[int], None],
        lose: Callable[[Lost], None],
        linger: float = 0.0,
    ) -> None:
        super().__init__(wanted, done=done, lose=lose, linger=linger)
        self._journal = journal
        self._name = name
        self._read_to = start
        self._acknowledged = start
        self._last = False
        self._waiting_since = waiting_since
        journal.acknowledge(name, start)
        journal.listen(self._something.set)
        self._something.set()

    @property
    def waiting(self) -> int:
        """How many committed events are not acknowledged, and the samples that wait."""
        return max(0, self._journal.position - self._acknowledged) + len(self._buffer)

    @property
    def oldest(self) -> Time | None:
        """The time of the event that waits longest: of the batch in hand, else of what was told since all was read."""
        return self._batch[0].time if self._batch else self._waiting_since

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come in this run; what is not acknowledged comes in the next."""
        return self.closed.is_set()

    def again(self) -> Self:
        """Return the iterator so that it gives the batch in hand once more, but for samples: they come at most once."""
        if self._given:
            self._batch = [event for event in self._batch if not isinstance(event, SAMPLES)]
        return super().again()

    def put(self, event: Event) -> None:
        """Take a sample; everything else comes out of the journal."""
        if isinstance(event, SAMPLES):
            super().put(event)
        elif self._waiting_since is None and self._wanted(event):
            self._waiting_since = event.time

    def _finish(self, batch: Sequence[Event]) -> None:
        self._acknowledge()
        super()._finish(batch)

    def _acknowledge(self) -> None:
        self._acknowledged = self._read_to
        self._journal.acknowledge(self._name, self._read_to)
        if self._read_to >= self._journal.position:
            self._waiting_since = None

    async def _gather(self) -> Sequence[Event]:
        if self._last:
            return ()
        self._last = self.closed.is_set()
        told = await self._read()
        samples = await super()._gather()
        batch = [event for _position, event in told if event is not None and self._wanted(event)]
        if told:
            self._read_to = told[-1][0]
        if not batch and self._read_to > self._acknowledged:
            self._acknowledge()
        if self._journal.position > self._read_to:
            self._something.set()
        return [*batch, *samples]

    async def _read(self) -> Sequence[tuple[int, Event | None]]:
        recent = self._journal.recent(self._read_to, limit=MAX_BATCH)
        if recent is not None:
            return recent
        records = await self._journal.read(self._read_to, limit=MAX_BATCH)
        return [(record.position, self._decode(record)) for record in records]

    def _decode(self, record: Record) -> Event | None:
        try:
            return decode(record.body)
        except msgspec.MsgspecError as error:
            log.error("journal record unreadable", position=record.position, reason=str(error))
            self._lose(Lost(record.host, 1, record.sequence, record.sequence))
            return None
