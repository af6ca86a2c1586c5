"""How many events a second all three exporters together take, from `publish` on, and what each costs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.beds.kafka import Broker
from tests.beds.program import free_port
from tests.bench.live import ROOT
from tests.bench.report import Figure

DOMAINS = 41
SECONDS = 10


def measure() -> Sequence[Figure]:
    """Publish at the goal's rate, then at the hoped-for one, then as fast as it goes."""
    figures = []
    with Broker() as broker:
        for rate in (10_000, 20_000, 1_000_000):
            topic = f"events-{rate}"
            figures.append(_figure(rate, *_run(rate, broker, topic)))
    return figures


def _figure(rate: int, result: dict[str, float], events: int, written: int, in_topic: int) -> Figure:
    goal = {10_000: ">= 10,000/s, nothing lost; <= 60 us each", 20_000: "the hope", 1_000_000: ""}[rate]
    cpu = (result["cpu_seconds"] - result["making_cpu_seconds"]) / events * 1e6
    lost = max(events - written, events - in_topic, int(result["dropped"]))
    asked = f"{rate:,}/s asked" if rate < 1_000_000 else "as fast as it goes"
    measured = f"{events / result['seconds']:,.0f}/s, {lost} lost, {cpu:.0f} us CPU each"
    return Figure(f"events through Prometheus, JSON file and Kafka together, {asked}", goal, measured)


def _run(rate: int, broker: Broker, topic: str) -> tuple[dict[str, float], int, int, int]:
    events = min(rate, 20_000) * SECONDS
    with tempfile.TemporaryDirectory(prefix="vmwatch-bench-") as folder:
        lines = Path(folder, "events.json")
        toml = f"""
[web]
listen_addresses = ["127.0.0.1:{free_port()}"]
[[libvirt]]
uri = "test:///default"
[exporters.prometheus]
[exporters.json_log]
path = "{lines}"
[exporters.kafka]
brokers = ["{broker.bootstrap}"]
topic = "{topic}"
create_topics = true
partitions = 3
"""
        spec: dict[str, Any] = {"events": events, "rate": rate, "domains": DOMAINS, "state": folder, "toml": toml}
        answer = subprocess.run(
            [sys.executable, "-m", "tests.bench.synthetic", json.dumps(spec)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            timeout=90,
        )
        written = lines.read_bytes().count(b"\n")
        result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
        return result, events, written, len({dict(record.headers)["ce_id"] for record in broker.read_all(topic)})
