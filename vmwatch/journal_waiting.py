"""Events on their way into the journal's file, of which the oldest are lost where they do not fit; for the journal."""

from collections import deque
from collections.abc import Sequence

from vmwatch.journal_file import Lost, Record


class Waiting:
    """Records that are not written yet: at most *max_bytes* of them, and one more."""

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._records: deque[Record] = deque()
        self._lost: dict[str, Lost] = {}

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record) -> None:
        """Add the newest *record*."""
        self._records.append(record)
        self.size_bytes += len(record.body)
        while self.size_bytes > self._max_bytes and len(self._records) > 1:
            self._lose(self._records.popleft())

    def _lose(self, record: Record) -> None:
        self.size_bytes -= len(record.body)
        known = self._lost.get(record.host, Lost(record.host, 0, record.sequence, record.sequence))
        self._lost[record.host] = Lost(record.host, known.count + 1, known.first_sequence, record.sequence)

    def take(self) -> list[Record]:
        """Hand over all of them."""
        records, self._records, self.size_bytes = list(self._records), deque(), 0
        return records

    def put_back(self, records: Sequence[Record]) -> None:
        """Take what `take` handed over back again, in front of what came since."""
        self._records.extendleft(reversed(records))
        self.size_bytes += sum(len(record.body) for record in records)

    def take_lost(self) -> list[Lost]:
        """Hand over what was lost, host by host."""
        lost, self._lost = list(self._lost.values()), {}
        return lost
