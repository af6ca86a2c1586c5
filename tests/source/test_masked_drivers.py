"""Drivers that cannot be had here, played by the test driver behind a mask: see `tests/source/mask.py`."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.beds.libvirtd import Libvirtd
from tests.source.mask import mask
from tests.source.watched import watching
from vmwatch.events import Cause, LifecycleEvent, Origin, State
from vmwatch.events.lifecycle import Stopped
from vmwatch.source.drivers import Driver, driver_of_type
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real

SILENT = [pytest.param(driver_of_type(name), id=name) for name in ("hyper-v", "vbox", "openvz")]
PARTIAL = [pytest.param(driver_of_type(name), id=name) for name in ("bhyve", "ch")]
MASKED = [pytest.param(driver_of_type(name), id=name) for name in ("bhyve", "ch", "vz", "hyper-v", "vbox")]


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[Libvirtd]:
    start_event_loop()
    with Libvirtd("test") as one:
        yield one


@pytest.fixture
def daemon(shared_daemon: Libvirtd) -> Iterator[Libvirtd]:
    with shared_daemon.connection():  # the test driver forgets everything when its last connection closes
        yield shared_daemon


@pytest.mark.parametrize("driver", SILENT)
async def test_a_driver_without_events_is_polled_into_the_same_types(daemon: Libvirtd, driver: Driver) -> None:
    with daemon.connection() as connection:
        domain = connection.lookupByName("test")
        async with watching(daemon.uri, open=mask(driver), poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            for act, kind in (
                (domain.suspend, "domain.suspended"),
                (domain.resume, "domain.resumed"),
                (domain.destroy, "domain.stopped"),
                (domain.create, "domain.started"),
            ):
                act()
                await watched.until_told(kind)
    assert watched.told_of("test") == [
        f"polling {kind}" for kind in ("discovered", "suspended", "resumed", "stopped", "started")
    ]
    (stopped,) = [one for one in watched.events if isinstance(one, Stopped)]
    assert (stopped.detail, stopped.cause) == (None, Cause.DESTROYED)


@pytest.mark.parametrize("driver", SILENT)
async def test_ids_that_mean_nothing_are_not_told_as_restarts(daemon: Libvirtd, driver: Driver) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri, open=mask(driver), poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").suspend()
            await watched.until_told("domain.suspended")
            connection.lookupByName("test").resume()
            await watched.until_told("domain.resumed")
    assert "domain.stopped" not in watched.types()


@pytest.mark.parametrize("driver", PARTIAL)
async def test_what_a_partial_driver_tells_is_told_once(daemon: Libvirtd, driver: Driver) -> None:
    with daemon.connection() as connection:
        domain = connection.lookupByName("test")
        async with watching(daemon.uri, open=mask(driver), poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            domain.destroy()
            await watched.until_told("domain.stopped")
            domain.create()
            await watched.until_told("domain.started")
            domain.suspend()  # told by no callback: when a listing tells it, one was made since the start
            await watched.until_told("domain.suspended")
    assert watched.told_of("test") == ["resync discovered", "libvirt stopped", "libvirt started", "resync suspended"]


@pytest.mark.parametrize("driver", PARTIAL)
async def test_what_a_partial_driver_keeps_silent_about_is_told_by_the_next_listing(
    daemon: Libvirtd, driver: Driver
) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri, open=mask(driver), poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").shutdown()
            await watched.until_told("domain.stopped")
    (stopped,) = [one for one in watched.events if isinstance(one, Stopped)]
    assert (stopped.origin, stopped.cause) == (Origin.RESYNC, Cause.GUEST_SHUTDOWN)


async def test_virtuozzos_started_of_a_paused_domain_is_a_resume(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        domain = connection.lookupByName("test")
        async with watching(daemon.uri, open=mask(driver_of_type("vz"))) as watched:
            await watched.until_told("domain.discovered")
            domain.suspend()
            domain.resume()
            domain.destroy()
            domain.create()
            await watched.until_told("domain.started")
    told = [one for one in watched.events if isinstance(one, LifecycleEvent) and one.origin is Origin.LIBVIRT]
    assert [(one.type, one.detail, one.state) for one in told] == [
        ("domain.suspended", "paused", State.PAUSED),
        ("domain.resumed", "booted", State.RUNNING),
        ("domain.stopped", "shutdown", State.SHUTOFF),
        ("domain.started", "booted", State.RUNNING),
    ]


@pytest.mark.parametrize("driver", MASKED)
async def test_what_a_driver_cannot_know_is_absent_from_its_samples(daemon: Libvirtd, driver: Driver) -> None:
    async with watching(daemon.uri, open=mask(driver)) as watched:
        await watched.until_told("domain.discovered")
        sample = await watched.host.sample(asyncio.get_running_loop().time() + 10)
    assert sample is not None
    (domain,) = sample.domains
    names = {column.metric.name for row in domain.rows for column in row.columns.columns}
    assert domain.state is State.RUNNING
    assert ("libvirt_domain_info_cpu_time_seconds_total" in names) == ("cpu.time" not in driver.wrong)
    asked = "blockStats" in driver.calls and "block" not in driver.bulk  # what the row says is in bulk is not, here
    assert ("libvirt_domain_block_stats_read_bytes_total" in names) == asked


async def test_polling_can_be_wanted_anywhere(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri, events="polling", poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").suspend()
            await watched.until_told("domain.suspended")
    assert "libvirt suspended" not in watched.told_of("test")
