"""What the journal keeps, and what goes when it is too old or too much: for the journal's thread, piece by piece.

Each piece is small, and between two of them groups are committed: removing must not make events wait.
"""

import time
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

NotHad = list[tuple[str, Lost]]
"""Exporters, and what went before they had it."""


def prune(
    file: JournalFile,
    acknowledged: Mapping[str, int],
    *,
    max_bytes: int,
    max_age_seconds: float,
    now: float | None = None,
) -> Iterator[NotHad]:
    """Remove what is too old or too much, chatter first, a piece for each turn; yield who had not had some of it."""
    oldest = int(((time.time() if now is None else now) - max_age_seconds) * 1e9)
    while last := file.last_before(oldest, PIECE_EVENTS):
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


def together(one: Lost | None, other: Lost) -> Lost:
    """Return what two pieces took of the same host, as one."""
    if one is None:
        return other
    first, last = min(one.first_sequence, other.first_sequence), max(one.last_sequence, other.last_sequence)
    return Lost(one.host, one.count + other.count, first, last)
