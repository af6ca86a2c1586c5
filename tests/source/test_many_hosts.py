"""Ten hosts, each a private libvirtd: what one of them does or does not do touches none of the others."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.beds.libvirtd import Libvirtd
from tests.source.watched import toggle
from tests.waiting import until
from vmwatch.errors import ConfigError
from vmwatch.events import DomainEvent, Event, HostDisconnected, Origin
from vmwatch.fleet import Fleet
from vmwatch.settings import HostList, HostSettings, Settings
from vmwatch.source.loop import start_event_loop
from vmwatch.source.openings import Openings
from vmwatch.source.roster import Roster
from vmwatch.state import KnownState
from vmwatch.stream import Stream

pytestmark = pytest.mark.real

HOSTS = 10


@pytest.fixture(scope="module")
def daemons() -> Iterator[Sequence[Libvirtd]]:
    start_event_loop()
    with ExitStack() as stack:
        some = [stack.enter_context(Libvirtd("test", host_name=f"host-{number}", tcp=True)) for number in range(HOSTS)]
        for daemon in some:  # the test driver forgets everything when its last connection closes
            stack.enter_context(daemon.connection())
        yield some


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"test+tcp://127.0.0.1:{server.getsockname()[1]}/default"


class Watched:
    """All hosts of some settings, and what was told of them."""

    def __init__(self, settings: Settings) -> None:
        self.events: list[Event] = []
        self.stream = Stream(KnownState())
        self.stream.listen(self.events.append)
        self.fleet = Fleet(Roster(settings), self.stream.publish, self.stream.known)

    def listed(self) -> set[str]:
        return {name for name, host in self.stream.known.hosts.items() if host.listed}

    def resumed(self, host: str) -> int:
        told = (event for event in self.events if isinstance(event, DomainEvent) and event.host == host)
        return sum(event.type == "domain.resumed" and event.origin is Origin.LIBVIRT for event in told)


@asynccontextmanager
async def watching(hosts: Sequence[HostSettings] = (), lists: Sequence[HostList] = ()) -> AsyncIterator[Watched]:
    watched = Watched(
        Settings(hosts=tuple(hosts), host_lists=tuple(lists), exporters=(), state_directory=Path("/nowhere"))
    )
    running = asyncio.create_task(watched.fleet.run())
    try:
        yield watched
    finally:
        running.cancel()
        await asyncio.wait({running})


def named(daemons: Sequence[Libvirtd]) -> list[HostSettings]:
    return [HostSettings(uri=daemon.tcp_uri, name=f"host-{number}") for number, daemon in enumerate(daemons)]


async def test_hosts_that_say_nothing_delay_no_other(daemons: Sequence[Libvirtd], black_hole: str) -> None:
    hosts = [*named(daemons), HostSettings(uri=black_hole, name="black hole")]
    daemons[0].pause()
    try:
        async with watching(hosts) as watched:
            others = {f"host-{number}" for number in range(1, HOSTS)}
            await until(lambda: watched.listed() >= others)
            for daemon in daemons[1:]:
                await asyncio.to_thread(toggle, daemon, 20)
            await until(lambda: all(watched.resumed(host) == 20 for host in others))
            assert watched.listed() == others
            daemons[0].resume()
            await until(lambda: "host-0" in watched.listed())
    finally:
        daemons[0].resume()


async def test_many_dead_hosts_delay_no_good_one_and_hold_one_thread_each(
    daemons: Sequence[Libvirtd], black_hole: str
) -> None:
    """A host of QEMU's has five connections; with those, and turns of a second, this would take half a minute."""
    dead = black_hole.replace("test+tcp", "qemu+tcp").replace("/default", "/system?number=")
    hosts = [HostSettings(uri=f"{dead}{number}", name=f"dead {number}") for number in range(60)]
    async with watching([*hosts, *named(daemons)[:1]]) as watched:
        await until(lambda: watched.listed() == {"host-0"})
        await until(lambda: len(threads("libvirt dead")) == 60)
    assert len(threads("libvirt dead")) == 60  # they hang on, and vmwatch has ended


def threads(beginning: str) -> Sequence[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(beginning)]


async def test_a_dead_host_that_is_listed_again_and_again_holds_one_thread(black_hole: str, tmp_path: Path) -> None:
    path, openings = tmp_path / "hosts.json", Openings()
    path.write_text(json.dumps([{"targets": [black_hole], "labels": {"host": "gone"}}]))
    lists = (HostList(files=(str(path),)),)
    settings = Settings(hosts=(), host_lists=lists, exporters=(), state_directory=tmp_path)
    for _ in range(4):
        (host,) = Roster(settings, openings)()  # another object each time, as after SIGHUP
        running = asyncio.create_task(host.run(lambda _event: None, KnownState()))
        await until(lambda: len(threads("libvirt gone")) > 0)
        for _ in range(10):
            await asyncio.sleep(0)  # time to begin another
        running.cancel()
        await asyncio.wait({running})
    assert len(threads("libvirt gone")) == 1


async def test_a_host_that_freezes_while_it_is_watched_delays_no_other(daemons: Sequence[Libvirtd]) -> None:
    async with watching(named(daemons)) as watched:
        await until(lambda: len(watched.listed()) == HOSTS)
        daemons[3].pause()
        try:
            for daemon in daemons[4:]:
                await asyncio.to_thread(toggle, daemon, 20)
            await until(lambda: all(watched.resumed(f"host-{number}") == 20 for number in range(4, HOSTS)))
        finally:
            daemons[3].resume()


async def test_each_event_is_told_under_its_own_host(daemons: Sequence[Libvirtd]) -> None:
    async with watching(named(daemons)) as watched:
        await until(lambda: len(watched.listed()) == HOSTS)
        await asyncio.to_thread(toggle, daemons[7])
        await until(lambda: watched.resumed("host-7") == 1)
    told = {event.host for event in watched.events if event.type in ("domain.suspended", "domain.resumed")}
    assert told == {"host-7"}


async def test_threads_are_bounded_by_hosts(daemons: Sequence[Libvirtd]) -> None:
    before = threading.active_count()
    async with watching(named(daemons)) as watched:
        await until(lambda: len(watched.listed()) == HOSTS)
        for _ in range(3):
            now = asyncio.get_running_loop().time()
            await asyncio.gather(*(source.sample(now + 10) for source in watched.fleet.present()))
        assert threading.active_count() - before <= HOSTS * 6  # a line, four that sample, one that probes


async def test_hosts_of_a_list_come_and_go_without_a_restart(daemons: Sequence[Libvirtd], tmp_path: Path) -> None:
    path = tmp_path / "hosts.json"

    def list_hosts(*numbers: int) -> None:
        groups = [{"targets": [daemons[n].tcp_uri], "labels": {"host": f"host-{n}"}} for n in numbers]
        new = tmp_path / "new"
        new.write_text(json.dumps(groups))
        new.replace(path)

    list_hosts(0, 1)
    async with watching(lists=[HostList(files=(f"{tmp_path}/*.json",))]) as watched:
        await until(lambda: watched.listed() == {"host-0", "host-1"})
        list_hosts(1, 2)
        await until(lambda: "host-2" in watched.listed())
        path.write_text("this is no list")
        await asyncio.to_thread(toggle, daemons[1])
        await until(lambda: watched.resumed("host-1") == 1)
    assert [event.host for event in watched.events if isinstance(event, HostDisconnected)] == ["host-0"]
    assert [event.host for event in watched.events if event.type == "host.connected"].count("host-1") == 1


def test_a_list_that_is_wrong_from_the_start_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text("this is no list")
    lists = (HostList(files=(f"{tmp_path}/*.json",)),)
    with pytest.raises(ConfigError, match=r"hosts\.json"):
        Roster(Settings(hosts=(), host_lists=lists, exporters=(), state_directory=tmp_path))
