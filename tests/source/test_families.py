"""Networks, pools, devices and secrets of a real libvirtd: their events come, also after their daemon was gone."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.beds.libvirtd import Libvirtd
from tests.source.watched import Watched, watching
from vmwatch.encode import encode
from vmwatch.events import Origin
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real

POOL = "<pool type='dir'><name>pool</name><target><path>/nowhere</path></target></pool>"
NETWORK = "<network><name>network</name><bridge name='virbr-test'/></network>"
SECRET = "<secret ephemeral='yes'><usage type='{kind}'><{tag}>{usage}</{tag}></usage></secret>"

LIVES = {
    "network.defined",
    "network.undefined",
    "storage-pool.defined",
    "storage-pool.undefined",
    "secret.defined",
    "secret.value-changed",
    "secret.undefined",
}


@pytest.fixture
def daemon() -> Iterator[Libvirtd]:
    start_event_loop()
    with Libvirtd("qemu", drivers=["network", "storage", "nodedev", "secret"]) as one:
        yield one


def live_once(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        connection.networkDefineXML(NETWORK).undefine()
        connection.storagePoolDefineXML(POOL).undefine()
        secret = connection.secretDefineXML(SECRET.format(kind="volume", tag="volume", usage="/secret/image"))
        secret.setValue(b"x")
        secret.undefine()
        connection.secretDefineXML(SECRET.format(kind="ceph", tag="name", usage="client.web")).undefine()


async def live_until_all_is_told(watched: Watched, daemon: Libvirtd) -> None:
    """Let them live until each family's own connection, made when it may, has told of it."""
    before = len(watched.events)
    async with asyncio.timeout(30):
        while not {event.type for event in watched.events[before:]} >= LIVES:
            await asyncio.to_thread(live_once, daemon)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("read_only", [False, True])
async def test_events_of_all_families_come_and_come_again_after_their_daemon_was_gone(
    daemon: Libvirtd, *, read_only: bool
) -> None:
    async with watching(daemon.read_only_uri if read_only else daemon.uri, read_only=read_only) as watched:
        await live_until_all_is_told(watched, daemon)
        daemon.kill()
        await watched.until_told("host.disconnected")
        daemon.start()
        await live_until_all_is_told(watched, daemon)
    assert {event.origin for event in watched.events if event.type in LIVES} == {Origin.LIBVIRT}
    wire = b"".join(map(encode, watched.events))
    assert b"client.web" in wire
    assert b"/secret/image" not in wire
