"""aiokafka's producer as the Kafka exporter needs it: it can be dropped at once, and is quiet when brokers are away.

The only place that touches what aiokafka keeps to itself, for three faults of 0.14: `stop` waits for brokers that are
away, where a partition has no leader the producer asks for the metadata in a busy loop, and of the brokers' errors it
does not know INVALID_RECORD.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, kafka_errors

from vmwatch_exporters.kafka.faults import InvalidRecordError

METADATA_PAUSE_SECONDS = 0.2
CLOSE_SECONDS = 1.0


class Producer:
    """A producer with *settings* (aiokafka's own); whatever way its start ends, it has to be dropped."""

    def __init__(self, **settings: Any) -> None:
        kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)
        self.inner = AIOKafkaProducer(acks="all", enable_idempotence=True, **settings)
        self.client: AIOKafkaClient = self.inner.client
        self.start: Callable[[], Awaitable[None]] = self.inner.start
        self._maker = asyncio.current_task()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.client.force_metadata_update = _PacedUpdate(self.client.force_metadata_update)
        self.client.send = self._noting_tasks(self.client.send)

    async def drop(self) -> None:
        """Close at once, with whatever waits for delivery."""
        self.inner._closed = True  # noqa: SLF001 - else it complains of not having been stopped
        tasks = set(self._tasks)
        sender = self.inner._sender.sender_task  # noqa: SLF001
        if sender is not None:
            tasks.add(sender)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        with suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.close()

    def _noting_tasks(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def noting(*arguments: Any, **options: Any) -> Any:
            task = asyncio.current_task()
            if task is not None and task is not self._maker:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            return await send(*arguments, **options)

        return noting


class _PacedUpdate:
    """Asks for new metadata with *update*; all but the first answer of a burst come a little later."""

    def __init__(self, update: Callable[[], "asyncio.Future[Any]"]) -> None:
        self._update = update
        self._answer: asyncio.Future[Any] | None = None
        self._not_before = 0.0

    def __call__(self) -> "asyncio.Future[Any]":
        if self._answer is None or self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
            self._update().add_done_callback(self._updated)
        return asyncio.shield(self._answer)

    def _updated(self, done: "asyncio.Future[Any]") -> None:
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._not_before)
        self._not_before = at + METADATA_PAUSE_SECONDS
        loop.call_at(at, self._settle, not done.cancelled() and done.result())

    def _settle(self, updated: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(updated)
