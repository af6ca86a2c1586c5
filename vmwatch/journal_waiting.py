"""Events on their way into the journal's file, of which the oldest are lost where they do not fit; for the journal."""

from collections import deque
from collections.abc import Sequence

from vmwatch.journal_file import Lost, Record, one_more


class Waiting:
    """Records that are not written yet: at most *max_bytes* of them, and one more."""

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._records: deque[Record] = deque()
        self._lost: dict[str, Lost] = {}

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record) -> bool:
        """Add the newest *record*; False where older ones were lost for it."""
        self._records.append(record)
        self.size_bytes += len(record.body)
        fits = True
        while self.size_bytes > self._max_bytes and len(self._records) > 1:
            fits = False
            oldest = self._records.popleft()
            self.size_bytes -= len(oldest.body)
            one_more(self._lost, oldest.host, oldest.sequence)
        return fits

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
