"""Drivers that cannot be had here, played by the test driver behind a mask: see `tests/source/mask.py`."""

import asyncio
from collections.abc import Iterator

import libvirt
import pytest

from tests.beds.libvirtd import Libvirtd
from tests.source.mask import MaskedConnection, mask
from tests.source.watched import Watched, watching
from vmwatch.events import Cause, LifecycleEvent, Origin, State
from vmwatch.events.lifecycle import Stopped
from vmwatch.settings import StatsSettings
from vmwatch.source.drivers import Driver, driver_of_type
from vmwatch.source.loop import start_event_loop

pytestmark = pytest.mark.real

SILENT = [pytest.param(driver_of_type(name), id=name) for name in ("hyper-v", "vbox", "openvz", "phyp")]
PARTIAL = [pytest.param(driver_of_type(name), id=name) for name in ("bhyve", "ch")]

CPU, VCPU, VCPUS = "info_cpu_time_seconds_total", "vcpu_time_seconds_total", "info_virtual_cpus"
MEMORY, MAXIMUM = "info_memory_usage_bytes", "info_maximum_memory_bytes"
DISK, NETWORK = "block_stats_read_bytes_total", "interface_stats_receive_bytes_total"

FIGURES = {
    "bhyve": {CPU, VCPUS, MEMORY, MAXIMUM, DISK, NETWORK},
    "ch": {CPU, VCPU, VCPUS, MEMORY, MAXIMUM},
    "vz": {CPU, VCPU, VCPUS, MEMORY, MAXIMUM, DISK, NETWORK},
    "hyper-v": {VCPU, VCPUS, MEMORY, MAXIMUM},
    "vbox": {VCPUS, MEMORY, MAXIMUM},
    "phyp": {VCPUS, MEMORY, MAXIMUM},
}
"""Which of these figures libvirt's sources say that a driver knows, whatever its row says."""


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


async def figures(watched: Watched) -> set[str]:
    """Measure, and return the names of what is known of the one domain, without what all begin with."""
    sample = await watched.host.sample(asyncio.get_running_loop().time() + 10)
    assert sample is not None
    (domain,) = sample.domains
    assert domain.state is State.RUNNING
    return {column.metric.name.removeprefix("libvirt_domain_") for row in domain.rows for column in row.columns.columns}


@pytest.mark.parametrize("name", FIGURES)
async def test_what_a_driver_knows_is_in_its_samples_and_nothing_else(daemon: Libvirtd, name: str) -> None:
    async with watching(daemon.uri, open=mask(driver_of_type(name))) as watched:
        await watched.until_told("domain.discovered")
        found = await figures(watched)
    assert found & set().union(*FIGURES.values()) == FIGURES[name]


async def test_virtuozzos_five_groups_are_read_in_bulk_and_no_flag_is_sent_again_that_it_refused(
    daemon: Libvirtd,
) -> None:
    opened: list[MaskedConnection] = []

    def open_masked(uri: str) -> MaskedConnection:
        opened.append(mask(driver_of_type("vz"))(uri))
        return opened[-1]

    async with watching(daemon.uri, open=open_masked, stats=StatsSettings(max_age=0)) as watched:
        await watched.until_told("domain.discovered")
        for _ in range(3):
            found = await figures(watched)
    in_bulk_alone = {
        "state_reason",
        "vcpu_maximum",
        "interfaces",
        "block_stats_flush_requests_total",
        "memory_stats_rss_bytes",
    }
    assert found >= in_bulk_alone
    asked = [flags for connection in opened for flags in connection.flags_asked]
    assert len(asked) > 3
    assert [flags for flags in asked if flags] == [libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT]


async def test_polling_can_be_wanted_anywhere(daemon: Libvirtd) -> None:
    with daemon.connection() as connection:
        async with watching(daemon.uri, events="polling", poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered")
            connection.lookupByName("test").suspend()
            await watched.until_told("domain.suspended")
    assert "libvirt suspended" not in watched.told_of("test")
