"""The Kafka exporter: every event to a topic, in order for each domain, at least once.

A run connects, sends batch after batch, and ends with an error when the brokers stay away: whoever runs it tells the
error, waits, and starts the next run with the batch that was not acknowledged.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import structlog
from msgspec import Meta

from vmwatch.events import DomainSampled, Event, HostSampled
from vmwatch.pipeline import Batches, Watch
from vmwatch_exporters.kafka.producer import Producer
from vmwatch_exporters.kafka.records import Record, binary_record, structured_record
from vmwatch_exporters.kafka.sending import Sending
from vmwatch_exporters.kafka.troubles import Troubles, listening

SLICE = 50
"""How many records are made between two looks at the loop: about a millisecond's work."""

log = structlog.get_logger(__name__)

Seconds = Annotated[
    float, Meta(ge=0.1, description='seconds as a number, or text such as "10s"', extra={"unit": "seconds"})
]


@dataclass(frozen=True, slots=True)
class Kafka:
    """Send every event to *topic* on *brokers* (host:port each), and samples to *samples_topic* if that is set.

    *delivery_timeout* is how long the brokers may take to start or to acknowledge before the run fails; the rest is as
    in Kafka's own settings.
    """

    durable: ClassVar[bool] = True

    brokers: tuple[str, ...]
    topic: str = "vmwatch.events"
    samples_topic: str = ""
    content_mode: Literal["binary", "structured"] = "binary"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    client_id: str = "vmwatch"
    delivery_timeout: Seconds = 10.0

    @property
    def wants_samples(self) -> bool:
        """Say whether samples belong into the batches."""
        return bool(self.samples_topic)

    async def run(self, batches: Batches, watch: Watch) -> None:
        """Send each batch and wait for the brokers' word before asking for the next."""
        with listening() as troubles:
            sending = Sending(
                lambda: self._connect(troubles), troubles, timeout=self.delivery_timeout, refused=_tell_refused
            )
            await sending.start()
            try:
                async for batch in batches:
                    await sending.send(await self._records(batch))
            finally:
                await sending.close()

    async def _connect(self, troubles: Troubles) -> Producer:
        producer = Producer(
            troubles,
            self.delivery_timeout,
            bootstrap_servers=list(self.brokers),
            client_id=self.client_id,
            compression_type=None if self.compression == "none" else self.compression,
            max_batch_size=128 * 1024,
        )
        await producer.start()
        return producer

    async def _records(self, batch: Sequence[Event]) -> list[Record]:
        records: list[Record] = []
        for start in range(0, len(batch), SLICE):
            records += map(self._record, batch[start : start + SLICE])
            await asyncio.sleep(0)
        return records

    def _record(self, event: Event) -> Record:
        topic = self.samples_topic if isinstance(event, DomainSampled | HostSampled) else self.topic
        return (structured_record if self.content_mode == "structured" else binary_record)(event, topic)


def _tell_refused(record: Record, reason: str) -> None:
    about = {"event": record.event.type, "event_id": record.event.id} if record.event else {"key": record.key}
    log.error("kafka refused a record", topic=record.topic, reason=reason, size_bytes=len(record.value or b""), **about)
