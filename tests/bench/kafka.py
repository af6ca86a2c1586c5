"""Kafka: how late events are at a steady rate, how fast the journal is caught up with, and what an outage costs."""

import asyncio
import gc
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.beds.fetch import Page
from tests.beds.kafka import Broker
from tests.beds.process import Vmwatch
from tests.bench.report import Figure, percentile
from tests.bench.usage import resident_mebibytes
from tests.e2e_kafka.proof import fed
from vmwatch.encode import parse_rfc3339

RATE = 10_000
SECONDS = 10
WARM_SECONDS = 2
WAITING = 100_000
PARTITIONS = 3
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.1


def measure() -> Sequence[Figure]:
    """Measure all three with one broker."""
    with Broker() as broker:
        return [*_steady(broker), *_outage(broker)]


def _steady(broker: Broker) -> Iterator[Figure]:
    broker.create_topic("steady", partitions=PARTITIONS)
    arrivals = Arrivals(broker.bootstrap, "steady", RATE * SECONDS)
    with arrivals, _running(broker, "steady", f"--most={RATE * SECONDS}"):
        late = arrivals.wait()
    p50, p99 = (percentile(late[RATE * WARM_SECONDS :], share) * 1e3 for share in (0.5, 0.99))
    what = f"callback to a consumer of Kafka at {RATE:,} events/s, p50 / p99"
    yield Figure(what, "p99 <= 50 ms", f"{p50:.0f} / {p99:.0f} ms ({len(late):,} events)")


def _outage(broker: Broker) -> Iterator[Figure]:
    with _running(broker, "caught-up", f"--most={WAITING + 1000}", "--rate=5000") as vmwatch:
        vmwatch.wait_for_metrics(lambda page: _delivered(page) >= 1000, "events are delivered")
        before = resident_mebibytes(vmwatch.program.pid)
        broker.kill()
        vmwatch.wait_for_metrics(lambda page: _waiting(page) >= 0.9 * WAITING, "much waits")
        grown = resident_mebibytes(vmwatch.program.pid) - before
        more = _waiting(vmwatch.metrics())
        vmwatch.wait_for_metrics(lambda page: (page.value("vmwatch_journal_events") or 0) >= WAITING + 1000, "all told")
        rate = _caught_up(broker, vmwatch)
    yield Figure("catch-up from the journal", ">= 20,000 events/s", f"{rate:,.0f} events/s ({WAITING:,} waiting)")
    yield Figure(
        "memory growth in an outage", "<= 10 MB over 100,000 events", f"{grown:.1f} MiB over {more:,.0f} events"
    )


def _caught_up(broker: Broker, vmwatch: Vmwatch) -> float:
    """Start the broker and return how many events a second are delivered, from the first to the last."""
    start = _delivered(vmwatch.metrics())
    broker.start()
    first = vmwatch.wait_for_metrics(lambda page: _delivered(page) > start and _delivered(page), "it begins")
    began = time.monotonic()
    while _waiting(page := vmwatch.metrics()):
        time.sleep(LOOK_SECONDS)  # to look costs vmwatch time that it needs
    return (_delivered(page) - first) / (time.monotonic() - began)


def _delivered(page: Page) -> float:
    return page.value("vmwatch_exporter_events_total", exporter="kafka") or 0.0


def _waiting(page: Page) -> float:
    return page.value("vmwatch_exporter_waiting_events", exporter="kafka") or 0.0


@contextmanager
def _running(broker: Broker, topic: str, *arguments: str) -> Iterator[Vmwatch]:
    with tempfile.TemporaryDirectory(prefix="vmwatch-bench-") as folder:
        rate = () if any(one.startswith("--rate") for one in arguments) else (f"--rate={RATE}",)
        with fed(Path(folder), [broker.bootstrap], topic, *arguments, *rate, delivery_timeout=2.0) as vmwatch:
            vmwatch.wait_until_ready()
            yield vmwatch


class Arrivals:
    """How late the events of *topic* come, read by a thread while the context lasts, until there are *enough*.

    Meanwhile garbage is not collected here: that would make the reader late, by more than what is measured.
    """

    def __init__(self, bootstrap: str, topic: str, enough: int) -> None:
        self._bootstrap, self._topic, self._enough = bootstrap, topic, enough
        self._seconds: list[float] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()))

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()
        self._thread.start()
        self._ready.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE_SECONDS)
        gc.enable()

    def wait(self) -> list[float]:
        """Return how late (seconds) they were, when all have come."""
        self._thread.join(PATIENCE_SECONDS)
        return self._seconds

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, fetch_max_wait_ms=10)
        async with consumer:
            consumer.assign([TopicPartition(self._topic, number) for number in range(PARTITIONS)])
            await consumer.seek_to_beginning()
            self._ready.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(self._seconds) < self._enough:
                    batches = await consumer.getmany(timeout_ms=1000)
                    at = time.time_ns()
                    for records in batches.values():
                        self._seconds += [
                            (at - parse_rfc3339(dict(one.headers)["ce_time"].decode())) / 1e9 for one in records
                        ]
