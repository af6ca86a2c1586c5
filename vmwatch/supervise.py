"""Keeps each exporter running: told when it fails, started again with back-off, never disturbing another."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from vmwatch.delivery import Delivery
from vmwatch.errors import VmwatchError
from vmwatch.events import Domain, Event, ExporterFailed, ExporterRecovered, Origin, Time
from vmwatch.pipeline import Exporter, ExporterStatus, Publish, Watch
from vmwatch.stream import now

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class SupervisedExporter:
    """One exporter under its *name*, with the *delivery* it is fed by.

    *concerns* chooses domains for it, *chooses* what it tells of what it is given.
    """

    def __init__(
        self,
        name: str,
        exporter: Exporter,
        *,
        host: str,
        publish: Publish,
        concerns: Callable[[str, Domain], bool] = lambda _host, _domain: True,
        chooses: Callable[[Event], bool] = lambda _event: True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.exporter = exporter
        self.concerns = concerns
        self.chooses = chooses
        self.delivery: Delivery
        self._host = host
        self._publish = publish
        self._sleep = sleep
        self._events = 0
        self._refused = 0
        self._failures = 0
        self._reason = ""
        self._failed_at: Time | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS

    async def run(self, watch: Watch) -> None:
        """Run the exporter until its delivery has ended; one that fails is tried once more when vmwatch stops."""
        stopping = False
        while True:
            try:
                await self.exporter.run(self.delivery.again(), watch)
                reason = "returned before the end of the stream"
            except VmwatchError as error:
                reason = str(error)
            except Exception as error:  # a bug of one exporter harms that exporter only
                log.exception("exporter has a bug", exporter=self.name)
                reason = f"{type(error).__name__}: {error}"
            if self.delivery.ended:
                return
            self._fail(reason)
            if stopping:
                return
            stopping = await self._pause()

    async def _pause(self) -> bool:
        """Wait, a little longer each time; return at once, and say so, when vmwatch stops."""
        seconds = self._pause_seconds * random.uniform(0.5, 1)  # noqa: S311 - jitter
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self.delivery.closed.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self.delivery.closed.is_set()

    def batch_done(self, events: int) -> None:
        """Take the delivery's word that a batch was consumed: the exporter works."""
        self._events += events
        if self._failed_at is None:
            return
        failed_at, self._failed_at = self._failed_at, None
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._reason = ""
        seconds = now().since(failed_at)
        log.info("exporter recovered", exporter=self.name, seconds=round(seconds, 3))
        self._tell(
            ExporterRecovered(time=now(), host=self._host, origin=Origin.VMWATCH, exporter=self.name, seconds=seconds)
        )

    def refused(self, event: Event | None, reason: str) -> None:
        """Log and count an *event*, or something else (None), that the exporter's target refuses for good."""
        self._refused += 1
        if event is None:
            log.error("record refused", exporter=self.name, reason=reason)
            return
        log.error(
            "event refused", exporter=self.name, reason=reason, type=event.type, host=event.host, event_id=event.id
        )

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if self._failed_at is None:
            self._failed_at = now()
        if reason == self._reason:
            return  # told already; the counter goes on
        self._reason = reason
        log.error("exporter failed", exporter=self.name, reason=reason)
        self._tell(
            ExporterFailed(time=now(), host=self._host, origin=Origin.VMWATCH, exporter=self.name, reason=reason)
        )

    def _tell(self, event: Event) -> None:
        self._publish(event)

    def status(self) -> ExporterStatus:
        """Say how it stands."""
        return ExporterStatus(
            exporter=self.name,
            up=self._failed_at is None,
            reason=self._reason,
            events=self._events,
            waiting=self.delivery.waiting,
            dropped=self.delivery.dropped,
            refused=self._refused,
            failures=self._failures,
            oldest=self.delivery.oldest,
        )
