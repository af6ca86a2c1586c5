"""What aiokafka only tells its log: kept as the reason of the next failure, instead of a flood of lines.

aiokafka 0.14 writes up to thousands of lines a second in an outage, and at debug level what it sends, passwords too: so
nothing of it reaches vmwatch's own log.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from vmwatch_exporters.kafka.faults import words

_here: ContextVar["Troubles | None"] = ContextVar("kafka_troubles", default=None)


class Troubles(logging.Handler):
    """What the client of one exporter met since it last worked."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._reasons: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error that *record* tells, if it is one of this exporter's client."""
        if _here.get() is not self or not isinstance(record.args, tuple):
            return
        self._reasons.update(words(argument) for argument in record.args if isinstance(argument, BaseException))

    def clear(self) -> None:
        """Forget: the client works."""
        self._reasons.clear()

    @property
    def reason(self) -> str:
        """What was met, in words; empty for nothing."""
        return "; ".join(sorted(self._reasons))


@contextmanager
def listening() -> Iterator[Troubles]:
    """Keep what aiokafka logs in this context, and in the tasks that are started in it, out of everybody's sight."""
    logger, troubles = logging.getLogger("aiokafka"), Troubles()
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(troubles)
    token = _here.set(troubles)
    try:
        yield troubles
    finally:
        _here.reset(token)
        logger.removeHandler(troubles)
