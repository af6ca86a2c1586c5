"""Polling against callbacks, on real guests: the same story, but for what is too short for a poll to see."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import libvirt
import pytest

from tests.beds.guest import Guest, define, press, start
from tests.beds.libvirtd import Libvirtd
from tests.beds.rom import Key
from tests.source.watched import Watched, watching
from tests.waiting import until
from vmwatch.events import Cause, LifecycleEvent, Origin, PartOf, State
from vmwatch.events.lifecycle import ShutdownFinished, Stopped
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real


@pytest.fixture
def connection(shared_libvirtd: Libvirtd) -> Iterator[libvirt.virConnect]:
    """The shared daemon, to be changed; a guest that a failure leaves ends here."""
    with shared_libvirtd.connection() as connection:
        yield connection
        for domain in connection.listAllDomains():
            if domain.name().startswith("polled-"):
                end(domain)


def end(domain: libvirt.virDomain) -> None:
    persistent = domain.isPersistent()
    if domain.isActive():
        domain.destroy()
    if persistent:
        domain.undefine()


class Both(NamedTuple):
    """One host watched twice: *told* by callbacks, *polled* by listings."""

    told: Watched
    polled: Watched

    async def come_to(self, domain: str, *types: str) -> None:
        """Wait until the last of what both tell of *domain* is of *types*."""
        for one in self:
            await one.until(lambda one=one: [kind for kind, *_ in story(one, domain)[-len(types) :]] == [*types])  # type: ignore[misc]


@asynccontextmanager
async def watched_twice(daemon: Libvirtd) -> AsyncIterator[Both]:
    start_event_loop()
    async with (
        watching(daemon.uri, name="told") as told,
        watching(daemon.uri, name="polled", events="polling", poll_interval=0.1) as polled,
    ):
        for one in (told, polled):
            await until(lambda one=one: one.stream.known.host(one.host.name).listed)  # type: ignore[misc]
        yield Both(told, polled)


def lifecycle(watched: Watched, domain: str) -> Sequence[LifecycleEvent]:
    """Return what was told of the life of *domain*, but for what a listing does not see.

    A guest that has finished waits for milliseconds until its process is gone; a boot is over when it shows.
    """
    told = [one for one in watched.events if isinstance(one, LifecycleEvent) and one.domain.name == domain]
    return [one for one in told if not isinstance(one, ShutdownFinished) and one.part_of is not PartOf.BOOT]


def story(watched: Watched, domain: str) -> Sequence[tuple[str, State, int | None]]:
    """Return what a listing can see of it: the types, the states after, and which process it was."""
    return [(one.type.removeprefix("domain."), one.state, one.domain.id) for one in lifecycle(watched, domain)]


async def test_polling_tells_a_persistent_guests_whole_life_as_callbacks_do(
    shared_libvirtd: Libvirtd, connection: libvirt.virConnect, rom: Path
) -> None:
    async with watched_twice(shared_libvirtd) as both:
        domain = await asyncio.to_thread(define, connection, Guest(name="polled-1", rom=rom))
        await both.come_to("polled-1", "defined")
        await asyncio.to_thread(domain.create)
        await both.come_to("polled-1", "started")
        domain.suspend()
        await both.come_to("polled-1", "suspended")
        domain.resume()
        await both.come_to("polled-1", "resumed")
        press(domain, Key.POWER_OFF)
        await both.come_to("polled-1", "stopped")
        await asyncio.to_thread(domain.create)
        await both.come_to("polled-1", "started")
        await asyncio.to_thread(restart, domain)  # too quick for a listing to be sure to see the stop
        await both.come_to("polled-1", "started", "stopped", "started")
        await asyncio.to_thread(domain.destroy)
        await both.come_to("polled-1", "stopped")
        domain.undefine()
        await both.come_to("polled-1", "undefined")
    told, polled = (lifecycle(one, "polled-1") for one in both)
    assert story(both.polled, "polled-1") == story(both.told, "polled-1")
    assert len({one.domain.id for one in polled} - {None}) == 3
    assert {(one.origin, one.detail) for one in polled} == {(Origin.POLLING, None)}
    for seen, known in zip(polled, told, strict=True):
        if isinstance(seen, Stopped):
            assert isinstance(known, Stopped)
            assert seen.cause == (known.cause if seen.reason else Cause.UNKNOWN)
    first, _, last = (one for one in polled if isinstance(one, Stopped))
    assert (first.reason, first.cause) == ("shutdown", Cause.GUEST_SHUTDOWN)
    assert (last.reason, last.cause) == ("destroyed", Cause.DESTROYED)


def restart(domain: libvirt.virDomain) -> None:
    domain.destroy()
    domain.create()


async def test_polling_tells_a_transient_guests_end_as_callbacks_do(
    shared_libvirtd: Libvirtd, connection: libvirt.virConnect, rom: Path
) -> None:
    async with watched_twice(shared_libvirtd) as both:
        domain = await asyncio.to_thread(start, connection, Guest(name="polled-2", rom=rom))
        await both.come_to("polled-2", "started")
        await asyncio.to_thread(domain.destroy)
        await both.come_to("polled-2", "stopped")
    assert story(both.polled, "polled-2") == story(both.told, "polled-2")
    (stopped,) = (one for one in lifecycle(both.polled, "polled-2") if isinstance(one, Stopped))
    assert (stopped.state, stopped.reason, stopped.cause) == (State.UNDEFINED, None, Cause.UNKNOWN)
