"""A Kafka exporter at work, kept running as vmwatch does it, and what its topics have to hold in the end."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tests.beds.kafka import Broker
from tests.beds.topics import Record
from tests.fakes import FakeWatch, started
from vmwatch.delivery import Delivery
from vmwatch.encode import encode
from vmwatch.events import Domain, Event, ExporterFailed, ExporterRecovered
from vmwatch.supervise import SupervisedExporter
from vmwatch_exporters.kafka import Kafka

DOMAINS = 20


def exporter(address: str, name: str, **settings: Any) -> Kafka:
    """Return an exporter that makes topics of its own, called after *name*."""
    given: dict[str, Any] = {
        "topic": f"{name}.events",
        "state_topic": "",
        "create_topics": True,
        "delivery_timeout": 10.0,
    }
    return Kafka(brokers=(address,), **(given | settings))


def event(sequence: int, **fields: Any) -> Event:
    """Return an event; it is about one of some domains in turn."""
    number = sequence % DOMAINS
    domain = Domain(f"00000000-0000-4000-8000-{number:012d}", f"guest-{number}", number)
    return started(sequence, **({"domain": domain} | fields))


class Run:
    """An exporter that is kept running: *put* events, look at what it told."""

    def __init__(self, kafka: Kafka, watch: FakeWatch) -> None:
        self.told: list[Event] = []
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._supervised = SupervisedExporter(
            "kafka", kafka, host="vmwatch@here", publish=self._tell, sleep=self._pause
        )
        self._supervised.delivery = Delivery(lambda _event: True, done=self._done, lose=lambda _lost: None)
        self._watch = watch

    def put(self, *events: Event) -> None:
        self.events += events
        for one in events:
            self._supervised.delivery.put(one)

    async def failed(self) -> str:
        """Wait until a failure is told that no recovery followed, and return the reason."""
        await self._until(lambda: bool(self.told) and isinstance(self.told[-1], ExporterFailed))
        failure = self.told[-1]
        assert isinstance(failure, ExporterFailed)
        return failure.reason

    async def tried_again(self, times: int) -> None:
        """Wait until the exporter has failed so many *times* more, told or not."""
        failures = self._supervised.status().failures
        await self._until(lambda: self._supervised.status().failures >= failures + times)

    async def recovered(self) -> None:
        """Wait until the last failure is told to be over."""
        await self._until(lambda: bool(self.told) and isinstance(self.told[-1], ExporterRecovered))

    async def under_way(self, events: int = 50) -> None:
        """Wait until so many *events* more have flown."""
        wanted = self._supervised.status().events + events
        await self._until(lambda: self._supervised.status().events >= wanted)

    async def delivered(self) -> None:
        """Wait until nothing waits any more."""
        await self._until(lambda: self._supervised.delivery.waiting == 0)

    async def finish(self) -> None:
        """Let the exporter come to its end."""
        self._supervised.delivery.close()
        await self.running

    def start(self) -> None:
        self.running = asyncio.create_task(self._supervised.run(self._watch))

    async def _pause(self, _seconds: float) -> None:
        self._changed.set()
        await asyncio.sleep(0.05)

    def _tell(self, one: Event) -> None:
        self.told.append(one)
        self._changed.set()

    def _done(self, count: int) -> None:
        self._supervised.batch_done(count)
        self._changed.set()

    async def _until(self, question: Any) -> None:
        async with asyncio.timeout(60):
            while not question():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def kept_running(kafka: Kafka, watch: FakeWatch | None = None) -> AsyncIterator[Run]:
    """Keep *kafka* running in this context; whatever is left of it afterwards is a mistake."""
    before = asyncio.all_tasks()
    run = Run(kafka, watch or FakeWatch())
    run.start()
    try:
        yield run
    finally:
        run.running.cancel()
        await asyncio.wait({run.running})
    assert asyncio.all_tasks() <= before


@contextmanager
def flow(run: Run, *, first: int = 1, pause_seconds: float = 0.001) -> Iterator[None]:
    """Put event after event while this context lasts."""

    async def put() -> None:
        sequence = first
        while True:
            run.put(event(sequence))
            sequence += 1
            await asyncio.sleep(pause_seconds)

    putting = asyncio.create_task(put())
    try:
        yield
    finally:
        putting.cancel()


async def read(broker: Broker, topic: str) -> list[Record]:
    """Return all that *topic* holds."""
    return await asyncio.to_thread(broker.read_all, topic)


def header(record: Record, name: str) -> str:
    """Return a header of *record*."""
    return dict(record.headers)[name].decode()


def without_repeats(records: Sequence[Record]) -> list[Record]:
    """Return the first record of each id; repeats have to be the same, to the byte."""
    first: dict[str, Record] = {}
    for record in records:
        known = first.setdefault(header(record, "ce_id"), record)
        assert (known.key, known.value) == (record.key, record.value)
    return list(first.values())


def assert_holds(records: Sequence[Record], events: Sequence[Event]) -> None:
    """Fail unless *records* are *events*: none missing, none invented, each domain's in order once repeats are gone."""
    told: dict[bytes | None, list[bytes | None]] = {}
    for record in without_repeats(records):
        told.setdefault(record.key, []).append(record.value)
    expected: dict[bytes | None, list[bytes | None]] = {}
    for one in events:
        expected.setdefault(one.domain.uuid.encode(), []).append(encode(one))  # type: ignore[attr-defined]
    assert told == expected
