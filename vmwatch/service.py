"""Runs vmwatch: puts sources, stream, journal and exporters together, and stops them in order.

The order of stopping: sources are cancelled, the stream ends, exporters drain, the late ones are cancelled, the web
server ends, and the journal closes last.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from vmwatch.core import Core
from vmwatch.delivery import Delivery, DurableDelivery
from vmwatch.directory import lock_directory
from vmwatch.events import EventsDropped, Origin
from vmwatch.fleet import Fleet
from vmwatch.journal import Journal
from vmwatch.journal_file import Lost
from vmwatch.pipeline import Sources
from vmwatch.sample import sample_events
from vmwatch.sampling import Sampling
from vmwatch.settings import ExporterSettings, Settings
from vmwatch.settings_choice import concerned_by, given_to, wanted_by
from vmwatch.state import KnownState
from vmwatch.stream import Stream, now
from vmwatch.supervise import SupervisedExporter
from vmwatch.web import Web

SOURCES_GRACE_SECONDS = 0.9
EXPORTERS_GRACE_SECONDS = 1.8
CANCELLED_GRACE_SECONDS = 0.4
JOURNAL_GRACE_SECONDS = 0.8  # with the others, less than the five seconds that are promised
MEMORY_JOURNAL_BYTES = 16 * 1024 * 1024

log = structlog.get_logger(__name__)


def own_host() -> str:
    """Return the host of events about vmwatch itself."""
    return f"vmwatch@{socket.gethostname()}"


class Service:
    """One run of vmwatch with *settings*, fed by *sources*.

    Raises VmwatchError where the state directory is in use or a listen address is taken.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        *,
        keep_state: bool = True,
        reload: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self._web = Web(settings.web, reload=reload)
        self.urls = self._web.bind()
        known = KnownState()
        self._lock: int | None = None
        self._journal = self._open_journal(known, keep_state)
        self._stream = Stream(known, labels=settings.labels)
        self._stream.listen(self._journal.append)
        self._exporters = [self._supervised(one) for one in settings.exporters]
        self._journal.forget_others({one.name for one in self._exporters if one.exporter.durable})
        self._fleet = Fleet(sources, self._stream.publish, known)
        self._sampling = Sampling(
            self._fleet.present,
            max_age_seconds=settings.stats.max_age,
            interval_seconds=settings.stats.interval,
            timeout_seconds=settings.stats.timeout,
            publish=self._stream.publish,
            events=sample_events,
            wanted=any(one.exporter.wants_samples for one in self._exporters),
        )
        self.core = Core(
            stream=self._stream,
            journal=self._journal,
            sources=self._fleet.present,
            exporters=self._exporters,
            sampling=self._sampling,
            labels=settings.labels,
            mount=self._web.mount,
        )

    def _open_journal(self, known: KnownState, keep_state: bool) -> Journal:
        path = self._state_path() if keep_state else None
        if path is None and keep_state:
            log.warning("no state directory: what happened is forgotten when vmwatch stops, and counters begin at 0")
        journal = Journal(
            known,
            path,
            max_bytes=self.settings.journal.max_bytes if path else MEMORY_JOURNAL_BYTES,
            max_age_seconds=self.settings.journal.max_age,
        )
        journal.tell_lost = self._tell_lost
        journal.open()
        return journal

    def _state_path(self) -> Path | None:
        directory = self.settings.state_directory
        try:
            self._lock = lock_directory(directory)
        except OSError as error:
            log.warning("state directory unusable", path=str(directory), reason=error.strerror)
            return None
        return directory / "journal.db"

    def _supervised(self, one: ExporterSettings) -> SupervisedExporter:
        supervised = SupervisedExporter(
            one.name,
            one.exporter,
            host=own_host(),
            publish=self._stream.publish,
            concerns=concerned_by(one),
            chooses=wanted_by(one),
        )
        given = given_to(one)

        def lose(lost: Lost) -> None:
            self._tell_lost(one.name, lost)

        if one.exporter.durable:
            position = self._journal.acknowledged(one.name)
            start = position if position is not None else 0 if one.start == "earliest" else self._journal.position
            supervised.delivery = DurableDelivery(
                given,
                journal=self._journal,
                name=one.name,
                start=start,
                waiting_since=self._journal.oldest_beyond(start),
                done=supervised.batch_done,
                lose=lose,
                linger=one.linger,
            )
        else:
            supervised.delivery = Delivery(given, done=supervised.batch_done, lose=lose, linger=one.linger)
        self._stream.listen(supervised.delivery.put)
        return supervised

    def _tell_lost(self, exporter: str | None, lost: Lost) -> None:
        reason = "too slow, or away for too long" if exporter else "the journal could not be written"
        self._stream.publish(
            EventsDropped(
                time=now(),
                host=lost.host,
                origin=Origin.VMWATCH,
                exporter=exporter,
                count=lost.count,
                first_sequence=lost.first_sequence,
                last_sequence=lost.last_sequence,
                reason=reason,
            )
        )

    async def run(self) -> None:
        """Watch until `stop` is set; everything that can be flushed by then is, within some seconds whatever hangs."""
        journal = asyncio.create_task(self._journal.run(), name="journal")
        web = asyncio.create_task(self._web.run(self.core), name="web")
        exporters = [asyncio.create_task(one.run(self.core), name=one.name) for one in self._exporters]
        fleet = asyncio.create_task(self._fleet.run(), name="hosts")
        sampling = asyncio.create_task(self._sampling.run(), name="sampling")
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        try:
            await asyncio.wait({journal, web, fleet, sampling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await _cancelled([fleet, sampling], SOURCES_GRACE_SECONDS)
            web.cancel()  # once: it takes a while to end its answers
            await asyncio.gather(self._drain(exporters), asyncio.wait({web}, timeout=EXPORTERS_GRACE_SECONDS))
            self._web.close()
            await _cancelled([journal], CANCELLED_GRACE_SECONDS)
            await self._close_journal()
        for task in (journal, web, fleet, sampling):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _drain(self, exporters: Sequence["asyncio.Task[None]"]) -> None:
        for one in self._exporters:
            one.delivery.close()
        if exporters:
            _done, late = await asyncio.wait(exporters, timeout=EXPORTERS_GRACE_SECONDS)
            for task in late:
                log.warning("exporter did not finish in time", exporter=task.get_name())
            await _cancelled(list(late), CANCELLED_GRACE_SECONDS)

    async def _close_journal(self) -> None:
        closing = asyncio.create_task(self._journal.close())
        await asyncio.wait({closing}, timeout=JOURNAL_GRACE_SECONDS)
        if not closing.done():
            log.error("journal did not close in time")
            closing.cancel()
        if self._lock is not None:
            os.close(self._lock)


async def _cancelled(tasks: Sequence["asyncio.Task[Any]"], seconds: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
