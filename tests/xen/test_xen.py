"""A real Xen host and its guests, interpreted instruction by instruction: `make test-xen`."""

import asyncio
import os
from collections.abc import Iterator

import libvirt
import pytest

from tests.beds.xen_host import XenHost, guest
from tests.source.watched import Watched, watching
from tests.waiting import until
from vmwatch.events import Cause, LifecycleEvent, State
from vmwatch.events.lifecycle import Stopped
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.loop import start_event_loop

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),  # the first one builds the host
    pytest.mark.skipif("VMWATCH_TEST_XEN" not in os.environ, reason="takes minutes: make test-xen"),
]

PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def xen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XenHost]:
    start_event_loop()
    with XenHost(tmp_path_factory.mktemp("xen")) as host:  # it was asked for: that there can be none is a failure
        yield host


@pytest.fixture
def connection(xen: XenHost) -> Iterator[libvirt.virConnect]:
    with xen.connection() as opened:
        yield opened
        for domain in opened.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            if domain.ID() != 0:
                domain.destroy()


async def listed(watched: Watched) -> None:
    await until(lambda: watched.stream.known.host("h").listed)


def lifecycle(watched: Watched, name: str) -> list[tuple[str, State]]:
    told = [one for one in watched.events if isinstance(one, LifecycleEvent) and one.domain.name == name]
    return [(one.type.removeprefix("domain."), one.state) for one in told]


async def test_what_libvirt_does_to_a_guest_is_told(xen: XenHost, connection: libvirt.virConnect) -> None:
    async with watching(xen.uri, patience_seconds=PATIENCE_SECONDS) as watched:
        await listed(watched)
        domain = await asyncio.to_thread(connection.defineXML, guest("web"))
        for act in (domain.create, domain.suspend, domain.resume, domain.destroy, domain.undefine):
            await asyncio.to_thread(act)
        await watched.until_told("domain.undefined")
    assert lifecycle(watched, "web") == [
        ("defined", State.SHUTOFF),
        ("started", State.RUNNING),
        ("suspended", State.PAUSED),
        ("resumed", State.RUNNING),
        ("stopped", State.SHUTOFF),
        ("undefined", State.UNDEFINED),
    ]


@pytest.mark.parametrize(("act", "cause"), [("poweroff", Cause.GUEST_SHUTDOWN), ("panic", Cause.GUEST_PANIC)])
async def test_why_a_guest_stopped_is_told(
    xen: XenHost, connection: libvirt.virConnect, act: str, cause: Cause
) -> None:
    async with watching(xen.uri, patience_seconds=PATIENCE_SECONDS) as watched:
        await listed(watched)
        await asyncio.to_thread(connection.createXML, guest(act, act))
        await watched.until_told("domain.stopped")
    (stopped,) = [one for one in watched.events if isinstance(one, Stopped)]
    assert (stopped.cause, stopped.state) == (cause, State.UNDEFINED)


async def test_a_guest_that_reboots_ends_up_running(xen: XenHost, connection: libvirt.virConnect) -> None:
    async with watching(xen.uri, patience_seconds=PATIENCE_SECONDS) as watched:
        await listed(watched)
        await asyncio.to_thread(connection.createXML, guest("again", "reboot"))
        await watched.until_told("domain.started", 2)
        await watched.until_told("domain.stopped")
    assert lifecycle(watched, "again")[:3] == [
        ("started", State.RUNNING),
        ("started", State.RUNNING),
        ("stopped", State.RUNNING),  # the old one: Xen tells it after the new one's start
    ]
    assert "domain.outage" not in watched.types()


async def test_guests_are_measured_call_by_call(xen: XenHost, connection: libvirt.virConnect) -> None:
    await asyncio.to_thread(connection.createXML, guest("measured"))
    async with watching(xen.uri, patience_seconds=PATIENCE_SECONDS) as watched:
        await watched.until(lambda: bool(watched.told_of("measured")))
        sample = await watched.host.sample(asyncio.get_running_loop().time() + 30)
    assert sample is not None
    names = {
        one.domain.name: {column.metric.name for row in one.rows for column in row.columns.columns}
        for one in sample.domains
    }
    assert {"libvirt_domain_info_cpu_time_seconds_total", "libvirt_domain_info_maximum_memory_bytes"} <= names[
        "measured"
    ]
    assert "Domain-0" in names


def test_the_driver_calls_itself_as_its_row_says(connection: libvirt.virConnect) -> None:
    assert driver_of_type(connection.getType()).schemes == ("xen",)
