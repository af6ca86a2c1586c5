"""How much memory vmwatch takes beside 41 guests, without Kafka and with it."""

import time
from collections.abc import Sequence

from tests.beds.kafka import Broker
from tests.bench.live import host, vmwatch
from tests.bench.report import Figure

GUESTS = 41
SCRAPES = 20


def measure() -> Sequence[Figure]:
    """Scrape a while, then look."""
    with host(GUESTS) as daemon, Broker() as broker:
        without = _resident(daemon.uri)
        with_kafka = _resident(
            daemon.uri,
            "[exporters.prometheus]",
            "[exporters.json_log]",
            "[exporters.kafka]",
            f'brokers = ["{broker.bootstrap}"]',
            "create_topics = true",
        )
    figure = f"{without:.0f} / {with_kafka:.0f} MiB"
    return [Figure(f"resident memory, {GUESTS} guests, without / with Kafka", "<= 64 / 80 MB", figure)]


def _resident(uri: str, *configuration: str) -> float:
    with vmwatch(uri, *configuration) as running:
        running.line()
        for _ in range(SCRAPES):
            running.scrape()
            time.sleep(0.3)
        return running.resident_mebibytes()
