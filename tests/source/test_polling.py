"""Polling against callbacks, on real guests: the same story, but for what is too short for a poll to see."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.beds.guest import Guest, start
from tests.beds.libvirtd import Libvirtd
from tests.source.watched import Watched, watching
from tests.waiting import until
from vmwatch.events import LifecycleEvent, Origin, State
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real


def states(watched: Watched, domain: str) -> Sequence[State]:
    """Return the states that *domain* went through, however that was told."""
    told = [one for one in watched.events if isinstance(one, LifecycleEvent) and one.domain.name == domain]
    return [one.state for one in told if one.state is not one.previous_state]


async def test_polling_a_real_host_tells_the_story_that_callbacks_tell(shared_libvirtd: Libvirtd, rom: Path) -> None:
    start_event_loop()
    uri = shared_libvirtd.uri
    async with (
        watching(uri, name="told") as told,
        watching(uri, name="polled", events="polling", poll_interval=0.1) as polled,
    ):
        both = (told, polled)
        for one in both:
            await until(lambda one=one: one.stream.known.host(one.host.name).listed)  # type: ignore[misc]

        async def come_to(state: State) -> None:
            for one in both:
                await one.until(lambda one=one: states(one, "polled-1")[-1:] == [state])  # type: ignore[misc]

        with shared_libvirtd.connection() as connection:
            domain = await asyncio.to_thread(start, connection, Guest(name="polled-1", rom=rom))
            await come_to(State.RUNNING)
            domain.suspend()
            await come_to(State.PAUSED)
            domain.resume()
            await come_to(State.RUNNING)
            await asyncio.to_thread(domain.destroy)
            await come_to(State.UNDEFINED)
    seen = [state for state in states(told, "polled-1") if state is not State.SHUTDOWN]  # lasts for milliseconds
    assert [state for state in states(polled, "polled-1") if state is not State.SHUTDOWN] == seen
    origins = {one.origin for one in polled.events if isinstance(one, LifecycleEvent)}
    assert origins == {Origin.POLLING}
