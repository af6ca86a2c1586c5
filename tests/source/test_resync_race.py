"""Callbacks and listings driven against each other at random: everything is told once, and known state comes right.

A small hypervisor with a clock of its own: guests change, callbacks are under way for up to 0.9 s, in order; a listing
looks at each guest at some moment before it returns, and is applied a second later, as hosts do.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator

import pytest

from tests.stories import Story, uuid_of
from vmwatch import words
from vmwatch.events import Event, Origin
from vmwatch.fold import note_listing
from vmwatch.source.listed import Listed, Listing
from vmwatch.source.resync import differences

RUNS = 1000
RACE_SECONDS = 1.0
LATENCY_SECONDS = 0.9
GUESTS = ("a", "b", "c")

NEXT: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "shutoff": [("start", ())],
    "starting": [("run", ("RESUMED/UNPAUSED", "STARTED/BOOTED"))],
    "running": [
        ("pause", ("SUSPENDED/PAUSED",)),
        ("finish", ("SHUTDOWN/GUEST",)),
        ("panic", ("CRASHED/PANICKED",)),
        ("sleep", ("PMSUSPENDED/MEMORY",)),
        ("die", ("STOPPED/FAILED",)),
    ],
    "paused": [("resume", ("RESUMED/UNPAUSED",)), ("die", ("STOPPED/FAILED",))],
    "shutdown": [("die", ("STOPPED/SHUTDOWN",))],
    "crashed": [("resume", ("RESUMED/UNPAUSED",)), ("die", ("STOPPED/CRASHED",))],
    "pmsuspended": [("wake", ("STARTED/WAKEUP",)), ("die", ("STOPPED/FAILED",))],
}
STATE_AFTER = {
    "start": "starting",
    "run": "running",
    "pause": "paused",
    "finish": "shutdown",
    "panic": "crashed",
    "sleep": "pmsuspended",
    "die": "shutoff",
    "resume": "running",
    "wake": "running",
}


class Hypervisor:
    """Guests that change at random; what happened is in *facts*, what is under way in *callbacks*."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.states = dict.fromkeys(GUESTS, "shutoff")
        self.ids = dict.fromkeys(GUESTS, 0)
        self.facts: Counter[tuple[str, str]] = Counter()
        self.callbacks: deque[tuple[float, str, str, int]] = deque()
        self._last = 0.0

    def change(self, at: float) -> None:
        guest = self.rng.choice(GUESTS)
        what, callbacks = self.rng.choice(NEXT[self.states[guest]])
        self.states[guest] = STATE_AFTER[what]
        if what == "start":
            self.ids[guest] = max(self.ids.values()) + 1
        for callback in callbacks:
            self.facts[guest, callback.partition("/")[0]] += 1
            self._last = max(self._last, at + self.rng.random() * LATENCY_SECONDS)
            self.callbacks.append((self._last, guest, callback, -1 if "STOPPED" in callback else self.ids[guest]))

    def look(self, guest: str) -> Listed:
        state = self.states[guest]
        name, reason = ("paused", 11) if state == "starting" else (state, 0)
        number = None if state == "shutoff" else self.ids[guest]
        return Listed(uuid_of(guest), guest, number, words.STATES.index(name), reason, persistent=True)


class Watcher:
    """What a host does: tells callbacks as they come, and listings a second after they returned."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self.story = Story(driver="QEMU", listed=False)
        self.touched: set[str] = set()
        self._hypervisor = hypervisor
        self.deaf = False

    def hear(self, until: float) -> None:
        waiting = self._hypervisor.callbacks
        while waiting and waiting[0][0] <= until:
            at, guest, callback, number = waiting.popleft()
            if not self.deaf:
                self.story.at = at
                self.story.say(callback, after=0, id=number, name=guest)
                self.touched.add(uuid_of(guest))

    def apply(self, domains: list[Listed], began: float, at: float) -> None:
        self.story.at = began
        began_at = self.story.time()
        self.story.at = at
        now = self.story.time()
        listing = Listing("h1", "test:h1", began_at, now, domains)
        drafts = differences(self.story.known, listing, now=now, origin=Origin.RESYNC, skip=self.touched)
        self.story.publish(*drafts)
        note_listing(self.story.known, "h1", {one.uuid: one.persistent for one in domains}, began_at)
        self.story._listed = True


def drive(rng: random.Random, *, gap: bool) -> tuple[Hypervisor, Watcher]:
    hypervisor = Hypervisor(rng)
    watcher = Watcher(hypervisor)
    pace = rng.choice((1, 3, 12))
    moments = moments_of(rng, pace)
    list_all(hypervisor, watcher, iter(()), 100.0, rng)
    moment = next(moments)
    for round_ in range(4):
        watcher.deaf = gap and round_ == 1
        for _ in range(rng.randrange(12)):
            watcher.hear(moment)
            hypervisor.change(moment)
            moment = next(moments)
        if watcher.deaf:
            watcher.hear(moment + LATENCY_SECONDS)
            watcher.deaf = False
            moment = next(at for at in moments if at > moment + LATENCY_SECONDS)
        moment = list_all(hypervisor, watcher, moments, moment, rng)
    watcher.hear(moment + LATENCY_SECONDS)
    list_all(hypervisor, watcher, iter(()), moment + 2, rng)
    return hypervisor, watcher


def moments_of(rng: random.Random, pace: int) -> Iterator[float]:
    at = 103.0
    while True:
        at += rng.random() * 4 / pace
        yield at


def list_all(
    hypervisor: Hypervisor, watcher: Watcher, moments: Iterator[float], began: float, rng: random.Random
) -> float:
    """List while guests go on changing at *moments*; return the first moment after it was applied."""
    watcher.hear(began)
    watcher.touched.clear()
    looks = sorted((began + rng.random() * 2, guest) for guest in GUESTS)
    applied = looks[-1][0] + RACE_SECONDS
    domains: list[Listed] = []
    moment = began
    for moment in moments:
        while looks and looks[0][0] <= moment:
            domains.append(hypervisor.look(looks.pop(0)[1]))
        if moment > applied:
            break
        watcher.hear(moment)
        hypervisor.change(moment)
    domains += [hypervisor.look(guest) for _, guest in looks]
    watcher.hear(applied)
    watcher.apply(domains, began, applied)
    return max(moment, applied)


def told(watcher: Watcher) -> Counter[tuple[str, str]]:
    kinds = {"shutdown-finished": "SHUTDOWN", "pm-suspended": "PMSUSPENDED"}
    counted: Counter[tuple[str, str]] = Counter()
    for event in watcher.story.events:
        if event.origin is not Origin.DERIVED and event.type != "domain.discovered":
            kind = event.type.removeprefix("domain.")
            counted[event.domain.name, kinds.get(kind, kind.upper())] += 1  # type: ignore[attr-defined]
    return counted


def inferred(watcher: Watcher) -> list[str]:
    return [event.type for event in watcher.story.events if event.origin is Origin.RESYNC]


def states(watcher: Watcher) -> dict[str, str]:
    return {name: str(watcher.story.domain(name).state) for name in GUESTS}


def settled(hypervisor: Hypervisor) -> dict[str, str]:
    return {guest: "shutoff" if state == "starting" else state for guest, state in hypervisor.states.items()}


@pytest.mark.parametrize("chunk", range(4))
def test_while_nothing_is_lost_listings_tell_nothing(chunk: int) -> None:
    for seed in range(chunk * RUNS // 4, (chunk + 1) * RUNS // 4):
        hypervisor, watcher = drive(random.Random(seed), gap=False)
        assert told(watcher) == hypervisor.facts, seed
        assert inferred(watcher) == ["domain.discovered"] * len(GUESTS), seed
        assert states(watcher) == settled(hypervisor), seed


@pytest.mark.parametrize("chunk", range(4))
def test_after_a_gap_listings_tell_what_was_missed_and_nothing_twice(chunk: int) -> None:
    missed = 0
    for seed in range(chunk * RUNS // 4, (chunk + 1) * RUNS // 4):
        hypervisor, watcher = drive(random.Random(seed), gap=True)
        missed += len(inferred(watcher)) - len(GUESTS)
        assert states(watcher) == settled(hypervisor), seed
        assert told(watcher) <= hypervisor.facts, (seed, told(watcher) - hypervisor.facts)
        assert in_order(watcher.story.events), seed
    assert missed > RUNS / 8


def in_order(events: list[Event]) -> bool:
    """Say whether each lifecycle event goes on where the one before left its domain."""
    states_: dict[str, str] = {}
    for event in events:
        if hasattr(event, "previous_state"):
            uuid = event.domain.uuid  # type: ignore[attr-defined]
            if states_.get(uuid, event.previous_state) != event.previous_state:
                return False
            states_[uuid] = event.state  # type: ignore[attr-defined]
    return True
