"""A host against a real libvirtd with the test driver: callbacks in order, gaps told, nothing lost silently."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import libvirt
import pytest

from tests.beds.libvirtd import Libvirtd
from tests.fakes import WithoutBulkStatistics
from tests.source.watched import NAMED, toggle, watching
from tests.waiting import until
from vmwatch.events import DomainEvent, EventsDropped, HostConnected, HostDisconnected, Origin
from vmwatch.source.connection import open_libvirt
from vmwatch.source.loop import start_event_loop
from vmwatch.source.openings import Patience
from vmwatch.state import KnownState

pytestmark = pytest.mark.real


@pytest.fixture
def daemon() -> Iterator[Libvirtd]:
    start_event_loop()
    with Libvirtd("test") as one:
        yield one


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


async def test_a_daemon_that_came_back_as_a_newer_one_is_asked_for_bulk_statistics_again(daemon: Libvirtd) -> None:
    is_new, asked = False, []

    class New:
        """A connection that has bulk statistics, and notes that they were asked for."""

        def __init__(self, real: libvirt.virConnect) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def domainListGetStats(self, *arguments: Any) -> Any:  # noqa: N802 - libvirt's name
            asked.append(arguments)
            return self._real.domainListGetStats(*arguments)

    def open_(uri: str) -> Any:
        return (New if is_new else WithoutBulkStatistics)(open_libvirt(uri))

    async with watching(daemon.uri, open=open_) as watched:

        async def is_sampled() -> bool:
            sample = await watched.host.sample(asyncio.get_running_loop().time() + 10)
            return sample is not None and len(sample.domains) == 1

        await watched.until_told("domain.discovered")
        await until(is_sampled)
        daemon.kill()
        await watched.until_told("host.disconnected")
        is_new = True
        daemon.start()
        await watched.until_told("host.connected", 2)
        await until(is_sampled)
    assert asked


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


async def test_a_connection_that_comes_too_late_is_closed_and_nothing_is_told_of_it(daemon: Libvirtd) -> None:
    late, closed = threading.Event(), asyncio.Event()
    loop, tries = asyncio.get_running_loop(), []

    class Late:
        """A connection that says when it was closed."""

        def __init__(self, real: libvirt.virConnect) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def close(self) -> None:
            self._real.close()
            loop.call_soon_threadsafe(closed.set)

    def slow_at_first(uri: str) -> libvirt.virConnect:
        tries.append(uri)
        if len(tries) > 1:
            return open_libvirt(uri)
        late.wait()
        return cast("libvirt.virConnect", Late(open_libvirt(uri)))

    patience = Patience(open_seconds=0.01, again_seconds=0.01)
    async with watching(daemon.uri, open=slow_at_first, patience=patience) as watched:
        await watched.until_told("domain.discovered")
        late.set()
        await closed.wait()
        with daemon.connection():
            await asyncio.to_thread(toggle, daemon)
            await watched.until_told("domain.resumed")
    assert watched.types().count("host.connected") == 1


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
