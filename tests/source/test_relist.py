"""When a host is listed, and what the first listings tell, by a clock that passes only while everybody waits."""

import asyncio
import selectors
from collections.abc import Callable, Sequence
from typing import Any

import libvirt
import pytest

from vmwatch.events import Event, Origin
from vmwatch.source.listed import Listed, Listing
from vmwatch.source.plan import Plan
from vmwatch.source.relist import Relisting
from vmwatch.state import KnownState
from vmwatch.stream import Stream, now

RUNNING, PAUSED, NOSTATE = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_NOSTATE
INTERVAL_SECONDS = 10.0


def polled(race_seconds: float = 0.0) -> Plan:
    return Plan(False, True, INTERVAL_SECONDS, Origin.POLLING, race_seconds)


class Clock(asyncio.SelectorEventLoop):
    """An event loop that does not wait, but lets its time pass."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Impatient(self))

    def time(self) -> float:
        return self._seconds

    def passes(self, seconds: float) -> None:
        self._seconds += seconds


class _Impatient(selectors.DefaultSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self._clock.passes(timeout)
        return ready


class Polled:
    """A host with one domain: listing it takes *listing_seconds*, one after the other, the last one for ever."""

    def __init__(self, *listing_seconds: float, state: int = RUNNING) -> None:
        self.state = state
        self.began: list[float] = []
        self.returned: list[float] = []
        self.told: list[tuple[str, float]] = []
        self._listing_seconds = list(listing_seconds)
        self.rounds: dict[int, Callable[[], None]] = {}

    async def look(self) -> Listing:
        loop = asyncio.get_running_loop()
        self.began.append(loop.time())
        listed = Listed("u", "web", 1, self.state, 0, persistent=True)
        self.rounds.get(len(self.began), lambda: None)()  # the first moment that this listing does not see
        seconds = self._listing_seconds.pop(0) if len(self._listing_seconds) > 1 else self._listing_seconds[0]
        await asyncio.sleep(seconds)
        self.returned.append(loop.time())
        return Listing(host="h", uri=None, began=now(), returned=now(), domains=[listed])

    def change(self, state: int) -> None:
        self.state = state


def watch(host: Polled, plan: Plan, rounds: int) -> None:
    """Watch *host* for so many *rounds*."""
    stream = Stream(KnownState())

    def take(event: Event) -> None:
        host.told.append((event.type, asyncio.get_running_loop().time()))

    stream.listen(take)

    async def run() -> None:
        relisting = Relisting(host.look, stream.known, stream.publish, is_watched=lambda _: True, plan=plan)
        done = asyncio.Event()
        host.rounds[rounds + 1] = done.set
        task = asyncio.create_task(relisting.run())
        await done.wait()
        task.cancel()
        await asyncio.wait({task})

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(run())


def worst_seconds(host: Polled, plan: Plan, rounds: int = 30) -> float:
    """Return the longest time from a change, right after a listing had looked, until it was told."""
    states = [PAUSED, RUNNING] * rounds
    for number in range(1, rounds):
        host.rounds[number] = lambda number=number: host.change(states[number - 1])  # type: ignore[misc]
    watch(host, plan, rounds)
    changed = host.began[: rounds - 1]
    told = [at for kind, at in host.told if kind != "domain.discovered"]
    assert len(told) == len(changed)
    return max(at - began for at, began in zip(told, changed, strict=True))


@pytest.mark.parametrize("race_seconds", [0.0, 1.0])
@pytest.mark.parametrize(
    "listing_seconds",
    [[0.0], [0.5], [2.0], [0.5, 2.0, 0.5, 1.0], [1.0, 1.0, 1.0, 2.0], [0.1, 0.1, 0.1, 2.5, 0.1]],
    ids=str,
)
def test_a_change_is_told_within_the_interval(listing_seconds: Sequence[float], race_seconds: float) -> None:
    assert worst_seconds(Polled(*listing_seconds), polled(race_seconds)) <= INTERVAL_SECONDS + 1e-6


@pytest.mark.parametrize("listing_seconds", [3.0, 8.0, 30.0])
def test_a_slow_host_is_left_alone_for_as_long_as_listing_it_took(listing_seconds: float) -> None:
    host = Polled(listing_seconds)
    assert worst_seconds(host, polled()) <= 3 * listing_seconds + INTERVAL_SECONDS / 10
    rests = [began - returned for returned, began in zip(host.returned, host.began[1:], strict=False)]
    assert min(rests) >= listing_seconds - 1e-6


def test_a_quick_host_is_not_asked_more_often_than_its_interval_needs() -> None:
    host = Polled(0.1)
    watch(host, polled(), 30)
    apart = [after - before for before, after in zip(host.began, host.began[1:], strict=False)]
    assert min(apart[1:]) >= 0.6 * INTERVAL_SECONDS
    assert min(apart[20:]) >= 0.85 * INTERVAL_SECONDS


def test_listings_that_check_callbacks_begin_an_interval_apart() -> None:
    host = Polled(0.5)
    watch(host, Plan(True, False, 60.0, Origin.RESYNC, 1.0), 9)
    apart = {round(after - before, 3) for before, after in zip(host.began[1:], host.began[2:], strict=False)}
    assert apart == {60.0}


def test_a_domain_that_is_in_no_state_at_first_is_discovered_once() -> None:
    host = Polled(0.1, state=NOSTATE)
    host.rounds[2] = lambda: host.change(RUNNING)
    watch(host, polled(), 5)
    assert [kind for kind, _ in host.told] == ["domain.discovered"]
