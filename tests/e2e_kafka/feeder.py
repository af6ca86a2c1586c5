"""A vmwatch whose only host is made up: `python -m tests.e2e_kafka.feeder run --rate=500 [--most=N]` and `run`'s flags.

It tells events at a steady rate until SIGUSR1, or until it has told the most it shall, and ends at SIGTERM as `run`.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from vmwatch.commands import options
from vmwatch.commands.serving import Undertaking, serve_until_stopped
from vmwatch.config import Flags, load
from vmwatch.events import Domain, Event, Origin, Resumed, State, Suspended, Time
from vmwatch.fleet import fixed
from vmwatch.logs import configure
from vmwatch.pipeline import HostStatus, Publish
from vmwatch.sample import HostSample
from vmwatch.settings import Settings
from vmwatch.state import KnownState

HOST = "made-up"
DOMAINS = 41
MOST_AT_ONCE = 50
PAUSE_SECONDS = 0.002


def make_events(long_name: int) -> Iterator[Event]:
    """Make events without end, a domain after the other, suspended and resumed in turn.

    The last domain's name is *long_name* characters longer than it has to be.
    """
    domains = [Domain(f"00000000-0000-4000-8000-{one:012d}", f"guest-{one}", one) for one in range(1, DOMAINS + 1)]
    domains[-1] = msgspec.structs.replace(domains[-1], name=domains[-1].name + "x" * long_name)
    for paused in itertools.cycle([True, False]):
        for domain in domains:
            at = Time(time.time_ns(), time.monotonic_ns())
            common: dict[str, Any] = {"time": at, "host": HOST, "origin": Origin.LIBVIRT, "domain": domain}
            if paused:
                yield Suspended(**common, detail="paused", state=State.PAUSED, previous_state=State.RUNNING)
            else:
                yield Resumed(**common, detail="unpaused", state=State.RUNNING, previous_state=State.PAUSED)


class Feed:
    """A source of events: *rate* a second, at *most* so many."""

    name = HOST

    def __init__(self, rate: float, most: int, long_name: int = 0) -> None:
        self._rate, self._most, self._long_name = rate, most, long_name
        self._enough = asyncio.Event()

    async def run(self, publish: Publish, _known: KnownState, /) -> None:
        """Publish a few at a time, then wait to be cancelled."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._enough.set)
        events, began, told = make_events(self._long_name), time.monotonic(), 0
        while told < self._most and not self._enough.is_set():
            due = min(int((time.monotonic() - began) * self._rate), self._most) - told
            for event in itertools.islice(events, min(due, MOST_AT_ONCE)):
                publish(event)
                told += 1
            await asyncio.sleep(0 if due > MOST_AT_ONCE else PAUSE_SECONDS)
        await asyncio.Event().wait()

    async def sample(self, _deadline: float, /) -> HostSample | None:
        """There is nothing to measure."""
        return None

    def status(self) -> HostStatus:
        """It is up."""
        return HostStatus(host=self.name, uri="made-up:///", up=True, since=Time(0))


def main() -> int:
    """Run as `vmwatch run` does, but for the source."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--most", type=int, default=sys.maxsize)
    parser.add_argument("--long-name", type=int, default=0)
    options.add_settings(parser)
    arguments = parser.parse_args()

    def settings() -> Settings:
        return _settings(options.flags(arguments))

    feed = Feed(arguments.rate, arguments.most, arguments.long_name)
    return serve_until_stopped(Undertaking("watching", settings, lambda _settings: fixed([feed])))


def _settings(flags: Flags) -> Settings:
    read = load(flags)
    configure(read.log)
    return read


if __name__ == "__main__":
    sys.exit(main())
