"""A host against a real libvirtd with the test driver: callbacks in order, gaps told, nothing lost silently."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.beds.libvirtd import Libvirtd
from vmwatch.events import DomainEvent, Event, EventsDropped, HostConnected, HostDisconnected, Origin
from vmwatch.settings import HostSettings, ShowSettings, StatsSettings
from vmwatch.source.host import Host
from vmwatch.source.loop import start_event_loop
from vmwatch.state import KnownState
from vmwatch.stream import Stream

pytestmark = pytest.mark.real

PATIENCE_SECONDS = 30

NAMED = "<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


class Watched:
    """A host that is watched, and all it told."""

    def __init__(self, host: Host, known: KnownState | None = None) -> None:
        self.host = host
        self.events: list[Event] = []
        self.stream = Stream(known or KnownState())
        self.stream.listen(self._take)
        self._changed = asyncio.Event()

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def types(self, origin: Origin | None = None) -> list[str]:
        return [event.type for event in self.events if origin is None or event.origin is origin]

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until *enough* holds after an event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough():
                self._changed.clear()
                await self._changed.wait()

    async def until_told(self, kind: str, times: int = 1) -> None:
        await self.until(lambda: self.types().count(kind) >= times)


@asynccontextmanager
async def watching(uri: str, known: KnownState | None = None, **settings: object) -> AsyncIterator[Watched]:
    watched = Watched(Host(HostSettings(uri=uri, name="h", **settings), StatsSettings(), ShowSettings()), known)  # type: ignore[arg-type]
    task = asyncio.create_task(watched.host.run(watched.stream.publish, watched.stream.known))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
def daemon() -> Iterator[Libvirtd]:
    start_event_loop()
    with Libvirtd("test") as one:
        yield one


def toggle(daemon: Libvirtd, times: int = 1) -> None:
    with daemon.connection() as connection:
        domain = connection.lookupByName("test")
        for _ in range(times):
            domain.suspend()
            domain.resume()


async def test_every_callback_is_one_event_in_order(daemon: Libvirtd) -> None:
    with daemon.connection():  # the test driver forgets everything when its last connection closes
        async with watching(daemon.uri) as watched:
            await watched.until_told("domain.discovered")
            await asyncio.to_thread(toggle, daemon, 50)
            await watched.until_told("domain.resumed", 50)
    assert watched.types(Origin.LIBVIRT) == ["domain.suspended", "domain.resumed"] * 50
    assert [event.sequence for event in watched.events] == list(range(1, len(watched.events) + 1))


async def test_connected_stands_before_the_first_callback(daemon: Libvirtd) -> None:
    with daemon.connection():
        async with watching(daemon.uri) as watched:
            await asyncio.to_thread(toggle, daemon, 200)
            await watched.until_told("host.connected")
    assert isinstance(watched.events[0], HostConnected)
    assert watched.events[0].driver == "TEST"


async def test_a_daemon_that_dies_is_told_and_come_back_to(daemon: Libvirtd) -> None:
    async with watching(daemon.uri) as watched:
        await watched.until_told("domain.discovered")
        assert watched.host.status().up
        daemon.kill()
        await watched.until_told("host.disconnected")
        assert not watched.host.status().up
        lost = next(event for event in watched.events if isinstance(event, HostDisconnected))
        assert lost.reason
        daemon.start()
        await watched.until_told("host.connected", 2)
        with daemon.connection():
            await asyncio.to_thread(toggle, daemon)
            await watched.until_told("domain.resumed")
    assert watched.types().count("host.disconnected") == 1


async def test_an_absent_daemon_is_a_state_with_a_reason_and_a_cure(daemon: Libvirtd) -> None:
    uri = daemon.uri
    daemon.kill()
    async with watching(uri) as watched:
        await watched.until_told("host.disconnected")
        status = watched.host.status()
        assert not status.up
        assert status.reason
        assert "start" in status.cure
        daemon.start()
        await watched.until_told("host.connected")
        assert watched.host.status().up


async def test_what_changed_while_nobody_watched_is_told_as_inferred(daemon: Libvirtd) -> None:
    known = KnownState()
    with daemon.connection() as connection:
        async with watching(daemon.uri, known) as watched:
            await watched.until_told("domain.discovered")
        connection.lookupByName("test").destroy()
        async with watching(daemon.uri, known) as watched:
            await watched.until_told("domain.stopped")
    (stopped,) = [event for event in watched.events if event.type == "domain.stopped"]
    assert stopped.origin is Origin.RESYNC
    assert "domain.discovered" not in watched.types()


async def test_polling_tells_the_same_without_callbacks(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri, events="polling", poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").suspend()
            await watched.until_told("domain.suspended")
            connection.lookupByName("test").destroy()
            await watched.until_told("domain.stopped")
    assert {event.origin for event in watched.events} == {Origin.VMWATCH, Origin.POLLING}


async def test_domains_that_are_excluded_are_not_told(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        connection.defineXML(NAMED.format(name="other"))
        async with watching(daemon.uri, exclude=("tes*",)) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").suspend()
            connection.lookupByName("other").create()
            await watched.until_told("domain.started")
    assert {event.domain.name for event in watched.events if isinstance(event, DomainEvent)} == {"other"}


@pytest.mark.parametrize("name", ["quo\"te'<&>", "ünïcödé-☃", "a" * 200])
async def test_names_of_tenants_are_told_as_they_are(daemon: Libvirtd, name: str) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri) as watched:
            await watched.until_told("domain.discovered")
            escaped = name.replace("&", "&amp;").replace("<", "&lt;")
            connection.defineXML(NAMED.format(name=escaped))
            await watched.until_told("domain.defined")
    (defined,) = [event for event in watched.events if event.type == "domain.defined"]
    assert defined.domain.name == name  # type: ignore[attr-defined]


async def test_callbacks_that_overflow_are_told_in_their_place_and_the_host_is_listed_again(daemon: Libvirtd) -> None:
    with daemon.connection():
        async with watching(daemon.uri) as watched:
            await watched.until_told("domain.discovered")
            watched.host._overflowed(7)
            await watched.until_told("stream.dropped")
    (dropped,) = [event for event in watched.events if isinstance(event, EventsDropped)]
    assert (dropped.count, dropped.exporter, dropped.host) == (7, None, "h")
