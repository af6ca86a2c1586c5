"""A vmwatch fed by a synthetic source, run as a process of its own: `python -m tests.bench.synthetic SPEC`.

SPEC is JSON: events, rate (per second), domains, toml (the exporters' tables), state (directory), port.  It prints one
line of JSON when every exporter has had every event: seconds and CPU seconds, with those of making the events alone.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vmwatch.config import Flags, load
from vmwatch.events import Domain, Event, Origin, Resumed, State, Suspended, Time
from vmwatch.fleet import fixed
from vmwatch.pipeline import HostStatus, Publish
from vmwatch.sample import HostSample
from vmwatch.service import Service
from vmwatch.state import KnownState

CHUNK_SECONDS = 0.002


def make_events(number: int, domains: int) -> Iterator[Event]:
    """Make *number* events, a domain after the other, suspended and resumed in turn."""
    known = [
        Domain(f"00000000-0000-4000-8000-{index:012d}", f"guest-{index}", index) for index in range(1, domains + 1)
    ]
    for index in range(number):
        domain = known[index % domains]
        at = Time(time.time_ns(), time.monotonic_ns())
        common: dict[str, Any] = {"time": at, "host": "bench", "origin": Origin.LIBVIRT, "domain": domain}
        if index // domains % 2:
            yield Resumed(**common, detail="unpaused", state=State.RUNNING, previous_state=State.PAUSED)
        else:
            yield Suspended(**common, detail="paused", state=State.PAUSED, previous_state=State.RUNNING)


class Synthetic:
    """A source of *events* at *rate* a second; *told* is set after the last one."""

    name = "bench"

    def __init__(self, events: int, rate: float, domains: int) -> None:
        self.told = asyncio.Event()
        self.began = 0.0
        self._events, self._rate, self._domains = events, rate, domains

    async def run(self, publish: Publish, known: KnownState, /) -> None:
        """Publish all of them, a few at a time, then wait to be cancelled."""
        self.began = time.monotonic()
        for index, event in enumerate(make_events(self._events, self._domains)):
            if index % 20 == 0:
                behind = self.began + index / self._rate - time.monotonic()
                if behind > 0 or index % 200 == 0:
                    await asyncio.sleep(max(0.0, behind))
            publish(event)
        self.told.set()
        await asyncio.Event().wait()

    async def sample(self, deadline: float, /) -> HostSample | None:
        """There is nothing to measure."""
        return None

    def status(self) -> HostStatus:
        """It is up."""
        return HostStatus(host=self.name, uri="bench:///", up=True, since=Time(0))


async def run(spec: dict[str, Any]) -> dict[str, float]:
    """Run until all exporters have all events; return the figures."""
    configuration = Path(spec["state"]) / "bench.toml"
    configuration.write_text(spec["toml"])
    settings = load(Flags(config_file=configuration, state_directory=Path(spec["state"])))
    source = Synthetic(spec["events"], spec["rate"], spec["domains"])
    service = Service(settings, fixed([source]))
    running = asyncio.create_task(service.run())
    await asyncio.sleep(spec.get("settle", 1.0))
    cpu = time.process_time()
    await source.told.wait()
    published = time.monotonic()
    while any(one.events + one.dropped < spec["events"] for one in service.core.exporters()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - source.began
    figures = {
        "seconds": seconds,
        "publish_seconds": published - source.began,
        "cpu_seconds": time.process_time() - cpu,
        "dropped": float(sum(one.dropped for one in service.core.exporters())),
    }
    service.stop.set()
    await running
    return figures


def main() -> None:
    """Measure, and what making the events costs without telling them."""
    spec = json.loads(sys.argv[1])
    figures = asyncio.run(run(spec))
    before = time.process_time()
    for _event in make_events(spec["events"], spec["domains"]):
        pass
    figures["making_cpu_seconds"] = time.process_time() - before
    sys.stdout.write(json.dumps(figures) + "\n")


main()
