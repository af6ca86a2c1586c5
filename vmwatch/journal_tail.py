"""The latest events as they were told, for who is up to date: spares it the file; for the journal."""

from collections import deque
from collections.abc import Sequence

from vmwatch.events import Event

MAX_EVENTS = 2000
MAX_BYTES = 1024 * 1024


class Tail:
    """Events by their positions, which have no gaps; the oldest go first.

    *max_bytes* is about the events as they stand on the wire: in memory they take some times as much.
    """

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: deque[tuple[Event, int]] = deque()
        self._last = 0
        self._bytes = 0

    def put(self, position: int, event: Event, size: int) -> None:
        """Add the newest *event*, which has *size* bytes."""
        if position != self._last + 1:
            self.clear()
        self._last = position
        self._events.append((event, size))
        self._bytes += size
        while len(self._events) > self._max_events or self._bytes > self._max_bytes:
            self._bytes -= self._events.popleft()[1]

    def clear(self) -> None:
        """Let go of all: some of them are not to be handed out."""
        self._events.clear()
        self._bytes = 0

    def between(self, after: int, last: int) -> Sequence[tuple[int, Event]] | None:
        """Return the events beyond position *after* and up to *last*, with theirs; None where some are not here."""
        first = self._last - len(self._events) + 1
        if after < last and not first <= after + 1 <= last <= self._last:
            return None
        return [(position, self._events[position - first][0]) for position in range(after + 1, last + 1)]
