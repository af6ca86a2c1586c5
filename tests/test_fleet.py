"""Sources come and go while others run on; what breaks one of them breaks it alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.waiting import until
from vmwatch.events import Event, HostConnected, HostDisconnected, Origin
from vmwatch.fleet import Fleet
from vmwatch.pipeline import HostStatus, Publish, Source
from vmwatch.sample import HostSample
from vmwatch.state import KnownState
from vmwatch.stream import Stream, now


class Quiet:
    """A host that connects, and then says nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0
        self.ended = False

    async def run(self, publish: Publish, known: KnownState, /) -> None:
        self.runs += 1
        publish(HostConnected(time=now(), host=self.name, uri="quiet:///", origin=Origin.VMWATCH))
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True

    async def sample(self, deadline: float, /) -> HostSample | None:
        return None

    def status(self) -> HostStatus:
        return HostStatus(host=self.name, uri="quiet:///", up=True, since=now())


class Broken(Quiet):
    """A host with a bug."""

    async def run(self, publish: Publish, known: KnownState, /) -> None:
        self.runs += 1
        raise RuntimeError("bug")


class Wanted:
    """Who is to be watched, to be changed by a test; what was told."""

    def __init__(self, *sources: Source) -> None:
        self.sources: Sequence[Source] = sources
        self.events: list[Event] = []
        stream = Stream(KnownState())
        stream.listen(self.events.append)
        self.fleet = Fleet(lambda: self.sources, stream.publish, stream.known)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.fleet.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})

    def told(self, kind: type[Event]) -> list[str]:
        return [event.host for event in self.events if isinstance(event, kind)]


async def test_a_source_that_comes_is_started_and_others_run_on() -> None:
    old, new = Quiet("old"), Quiet("new")
    wanted = Wanted(old)
    async with wanted.watched():
        await until(lambda: wanted.told(HostConnected) == ["old"])
        wanted.sources = [old, new]
        await until(lambda: wanted.told(HostConnected) == ["old", "new"])
    assert old.runs == new.runs == 1


async def test_a_source_that_goes_is_ended_and_told() -> None:
    gone, stays = Quiet("gone"), Quiet("stays")
    wanted = Wanted(gone, stays)
    async with wanted.watched():
        await until(lambda: len(wanted.told(HostConnected)) == 2)
        wanted.sources = [stays]
        await until(lambda: wanted.told(HostDisconnected) == ["gone"])
        assert gone.ended
        assert not stays.ended
        assert list(wanted.fleet.present()) == [stays]


async def test_a_source_of_the_same_name_begins_when_the_old_one_has_ended() -> None:
    old, new = Quiet("h"), Quiet("h")
    wanted = Wanted(old)
    async with wanted.watched():
        await until(lambda: old.runs == 1)
        wanted.sources = [new]
        await until(lambda: new.runs == 1)
    assert [type(event) for event in wanted.events] == [HostConnected, HostDisconnected, HostConnected]


async def test_a_bug_in_one_source_harms_no_other() -> None:
    broken, fine = Broken("broken"), Quiet("fine")
    wanted = Wanted(broken, fine)
    async with wanted.watched():
        await until(lambda: broken.runs >= 2)
        assert fine.runs == 1
        assert not fine.ended


async def test_all_end_when_watching_ends() -> None:
    sources = [Quiet("a"), Quiet("b")]
    wanted = Wanted(*sources)
    async with wanted.watched():
        await until(lambda: len(wanted.told(HostConnected)) == 2)
    assert all(source.ended for source in sources)
