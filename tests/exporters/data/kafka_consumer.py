"""Print every event of vmwatch once, in order for each domain: `python kafka_consumer.py BROKERS`."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer


async def main(brokers: str) -> None:
    seen: dict[str, None] = {}  # repeats come soon after the first, so the latest ids are enough
    consumer = AIOKafkaConsumer("vmwatch.events", bootstrap_servers=brokers, auto_offset_reset="earliest")
    async with consumer:
        async for record in consumer:
            event = json.loads(record.value)
            if event["id"] in seen:
                continue
            seen[event["id"]] = None
            if len(seen) > 100_000:
                del seen[next(iter(seen))]
            print(event["time"], event["host"], event["type"], event.get("domain", {}).get("name", "-"), flush=True)


asyncio.run(main(sys.argv[1]))
