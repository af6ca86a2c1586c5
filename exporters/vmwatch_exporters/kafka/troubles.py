"""What aiokafka only tells its log: kept as the reason of the next failure, instead of a flood of lines.

aiokafka 0.14 writes up to thousands of lines a second in an outage, and at debug level what it sends, passwords too: so
nothing of it reaches vmwatch's own log.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.faults import line_words, words

LATELY_SECONDS = 0.5

_here: ContextVar["Troubles | None"] = ContextVar("kafka_troubles", default=None)


class Troubles(logging.Handler):
    """What the client of one exporter met lately, since it last worked, on its way to *brokers*."""

    def __init__(self, brokers: Sequence[str]) -> None:
        super().__init__(logging.WARNING)
        self._brokers = ", ".join(brokers)
        self._reasons: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error that *record* tells, if it is of this exporter's client."""
        if _here.get() is not self:
            return
        told = record.args if isinstance(record.args, tuple) else ()
        reasons = [words(error) for error in map(_error, told) if error is not None] + [line_words(str(record.msg))]
        self._reasons |= {reason: record.created for reason in reasons if reason}

    def clear(self) -> None:
        """Forget: the client works."""
        self._reasons.clear()

    def unreachable(self, error: BaseException) -> VmwatchError:
        """Return the error that says why the brokers cannot be reached, which *error* does not tell by itself."""
        reason = "; ".join(sorted(self._lately())) or words(error) or "no answer"
        return VmwatchError(f"brokers {self._brokers}: {reason}")

    def _lately(self) -> list[str]:
        """Return what is still so; how an outage began is not what it is."""
        last = max(self._reasons.values(), default=0.0)
        return [reason for reason, when in self._reasons.items() if when >= last - LATELY_SECONDS]


def _error(told: object) -> BaseException | None:
    if isinstance(told, type) and issubclass(told, BaseException):
        return told()
    return told if isinstance(told, BaseException) else None


@contextmanager
def listening(brokers: Sequence[str]) -> Iterator[Troubles]:
    """Keep what aiokafka logs in this context, and in the tasks that are started in it, out of everybody's sight."""
    logger, troubles = logging.getLogger("aiokafka"), Troubles(brokers)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(troubles)
    token = _here.set(troubles)
    try:
        yield troubles
    finally:
        _here.reset(token)
        logger.removeHandler(troubles)
