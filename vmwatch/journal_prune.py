"""What the journal keeps, and what goes when it is too old or too much: for the journal's thread, piece by piece.

Each piece is small, and between two of them groups are committed: removing must not make events wait.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping

from vmwatch.journal_file import JournalFile, Lost

CHATTER = (
    "domain.io-error",
    "domain.rtc-changed",
    "domain.balloon-changed",
    "domain.graphics",
    "domain.migration-iteration",
)
"""Types that go first when room is needed: they come in floods and each says little."""

PIECE_EVENTS = 1000
MARK_SHARE = 0.01  # so much later than their time may events go

NotHad = list[tuple[str, Lost]]
"""Exporters, and what went before they had it."""


def prune(
    file: JournalFile,
    acknowledged: Mapping[str, int],
    *,
    max_bytes: int,
    max_age_seconds: float,
    last_old: int,
    now: float | None = None,
) -> Iterator[NotHad]:
    """Remove what is too old or too much, chatter first, a piece for each turn; yield who had not had some of it.

    What comes after position *last_old* is not too old, whatever its time and the clock say.
    """
    oldest = int(((time.time() if now is None else now) - max_age_seconds) * 1e9)
    while last := file.last_before(oldest, last_old, PIECE_EVENTS):
        yield _until(file, last, acknowledged)
    budget = int(max_bytes * 0.9)  # the rest is for the log and for what comes until the next look
    if file.used_bytes() <= budget:
        file.give_back()
        return
    yield file.remove(f"type IN ({', '.join('?' * len(CHATTER))})", CHATTER, acknowledged)
    enough = int(budget * 0.9) if file.used_bytes() > budget else budget
    while (used := file.used_bytes()) > enough and file.events:
        surplus = max(1, int(file.events * (1 - enough / used)))
        yield _until(file, file.last_of_oldest(min(surplus, PIECE_EVENTS)), acknowledged)
    file.give_back()


def _until(file: JournalFile, last: int, acknowledged: Mapping[str, int]) -> NotHad:
    lost = file.remove("position <= ?", (last,), acknowledged)
    file.give_back()
    return lost


class Ages:
    """Which events may be older than *max_age_seconds*, as far as the monotonic clock knows.

    The wall clock may be set while vmwatch runs, a machine without a battery begins in the past: its first events are
    not old for that.  Those up to position *last* were there before, and may be of any age.
    """

    def __init__(self, max_age_seconds: float, last: int) -> None:
        self._max_age_seconds = max_age_seconds
        self._marks = deque([(-math.inf, last)])

    def last_old(self, last: int, now: float) -> int:
        """Return the last position that may be so old *now* (monotonic, in seconds), when *last* is the newest."""
        marks = self._marks
        if now - marks[-1][0] >= self._max_age_seconds * MARK_SHARE:
            marks.append((now, last))
        while len(marks) > 1 and now - marks[1][0] >= self._max_age_seconds:
            marks.popleft()
        return marks[0][1]


def together(one: Lost | None, other: Lost) -> Lost:
    """Return what two pieces took of the same host, as one."""
    if one is None:
        return other
    first, last = min(one.first_sequence, other.first_sequence), max(one.last_sequence, other.last_sequence)
    return Lost(one.host, one.count + other.count, first, last)
