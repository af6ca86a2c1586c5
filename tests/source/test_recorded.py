"""The demonstration's recorded hosts: what they play is what live hosts would tell."""

import asyncio
from collections.abc import Sequence
from heapq import heappop, heappush

from vmwatch.events import DomainEvent, Event, Migration, Stopped
from vmwatch.settings import ShowSettings
from vmwatch.source.recorded import ROUND_SECONDS, RecordedHost, all_cues, cues_of
from vmwatch.state import KnownState
from vmwatch.stream import Stream, now

NAMES = {"h1": "here", "h2": "there"}


class Clock:
    """Time that passes when everybody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def read(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self.seconds + seconds, id(waking), waking))
        await waking

    async def pass_until(self, end: float) -> None:
        while True:
            for _ in range(10):  # everybody gets to where he sleeps
                await asyncio.sleep(0)
            if self._sleepers[0][0] >= end:
                return
            self.seconds, _, waking = heappop(self._sleepers)
            waking.set_result(None)


async def played(rounds: int) -> tuple[Sequence[Event], KnownState]:
    """Return what is told in so many rounds."""
    known, told, clock = KnownState(), list[Event](), Clock()
    stream = Stream(known)
    stream.listen(told.append)
    hosts = [
        RecordedHost(
            name, cues_of(host, all_cues()), show=ShowSettings(), began=0.0, clock=clock.read, sleep=clock.sleep
        )
        for host, name in NAMES.items()
    ]
    running = [asyncio.create_task(host.run(stream.publish, known)) for host in hosts]
    await clock.pass_until(rounds * ROUND_SECONDS)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    return told, known


def of(told: Sequence[Event], name: str) -> list[DomainEvent]:
    return [event for event in told if isinstance(event, DomainEvent) and event.domain.name == name]


async def test_a_guest_that_powers_off_flushes_before_it_has_stopped() -> None:
    told, _ = await played(1)
    guest = [event for event in of(told, "evt-guest-poweroff-destroy") if event.origin == "libvirt"]
    kinds = [event.type.removeprefix("domain.") for event in guest]
    assert kinds == ["defined", "resumed", "started", "shutdown-finished", "stopped", "undefined"]
    (stop,) = [event for event in guest if isinstance(event, Stopped)]
    assert (stop.cause, stop.previous_state) == ("guest-shutdown", "shutdown")


async def test_a_migration_is_told_once_by_its_destination() -> None:
    told, _ = await played(1)
    (migration,) = [event for event in told if isinstance(event, Migration)]
    assert (migration.host, migration.from_host, migration.to_host) == ("there", "here", "there")
    assert (migration.result, migration.seen) == ("completed", "both")


async def test_it_lives_now_and_starts_anew_with_another_id() -> None:
    begun = now()
    told, known = await played(2)
    assert min(event.time for event in told) >= begun
    assert known.host("here").sequence == max(event.sequence for event in told if event.host == "here")
    ids = {event.domain.id for event in of(told, "evt-guest-poweroff-destroy")} - {None}
    assert len(ids) == 2
