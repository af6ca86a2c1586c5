"""Fields of libvirt's statistics that nobody here knows: counted, and each named once in the log."""

import re
from collections.abc import Iterable

import structlog

MOST_NAMES = 1000

log = structlog.get_logger(__name__)


class UnknownFields:
    """The unknown fields of one host; *total* is how often any was seen."""

    def __init__(self, host_name: str) -> None:
        self.total = 0
        self._host_name = host_name
        self._named: set[str] = set()

    def note(self, keys: Iterable[str]) -> None:
        """Count *keys*, and log those of a kind that was not seen before."""
        for key in keys:
            self.total += 1
            name = re.sub(r"(?<=\.)\d+(?=\.)", "<n>", key)
            if name not in self._named and len(self._named) < MOST_NAMES:
                self._named.add(name)
                log.info("unknown statistic", host=self._host_name, field=name[:200])
