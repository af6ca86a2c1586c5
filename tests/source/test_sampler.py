"""The sampler against libvirt's test driver, and against real guests that hang, die and come back."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.beds.guest import Disk, Guest, start, start_all
from tests.beds.libvirtd import Libvirtd
from tests.fakes import WithoutBulkStatistics
from vmwatch.events import DomainEvent, Event, State
from vmwatch.sample import DomainSample, HostSample, figures
from vmwatch.settings import MetadataLabel, StatsSettings
from vmwatch.source.sampler import Sampler

PATIENCE_SECONDS = 30.0
TEST_DRIVER = "test:///default"
HOSTILE = 'web "1" \\ \'ünïcode\' 💥 {a="b"}'

GUEST = """
<domain type='test'>
  <name>{name}</name><uuid>{uuid}</uuid><memory>8192</memory><os><type>hvm</type></os>
  <metadata><own xmlns='urn:own'><team>blue</team></own></metadata>
</domain>
"""
OFF = "00000000-0000-4000-8000-00000000000f"


class Sampled:
    """A sampler that is run, and what it told."""

    def __init__(self, connect: Callable[[], libvirt.virConnect], settings: StatsSettings, **more: Any) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.sampler = Sampler("h", "uri", connect=connect, settings=settings, publish=self.events.put_nowait, **more)

    async def sample(self, seconds: float = PATIENCE_SECONDS) -> HostSample:
        sample = await self.sampler.sample(asyncio.get_running_loop().time() + seconds)
        assert sample is not None
        return sample

    async def told(self) -> DomainEvent:
        event = await asyncio.wait_for(self.events.get(), PATIENCE_SECONDS)
        assert isinstance(event, DomainEvent)
        return event


@asynccontextmanager
async def sampling(
    uri: str | Callable[[], libvirt.virConnect], timeout_seconds: float = 1.0, **more: Any
) -> AsyncIterator[Sampled]:
    connect = uri if callable(uri) else lambda: libvirt.open(uri)
    sampled = Sampled(connect, StatsSettings(timeout=timeout_seconds), **more)
    task = asyncio.create_task(sampled.sampler.run())
    try:
        yield sampled
    finally:
        task.cancel()
        await asyncio.wait({task})


def by_name(sample: HostSample) -> dict[str, DomainSample]:
    return {one.domain.name: one for one in sample.domains}


def metrics(rows: Sequence[Any]) -> dict[str, float]:
    return {column.key: value for column, _, value in figures(rows)}


def late(sample: HostSample) -> list[str]:
    return [one.domain.name for one in sample.domains if one.timed_out]


async def test_a_host_and_its_domains_are_measured() -> None:
    async with sampling(TEST_DRIVER) as sampled:
        sample = await sampled.sample()
    (domain,) = sample.domains
    assert (sample.host, domain.domain.name, domain.state, domain.timed_out) == ("h", "test", State.RUNNING, False)
    assert domain.time is not None
    assert "libvirt_domain_state_reason" in metrics(domain.rows)
    assert metrics(sample.rows)["libvirt_host_cpus"] == 16
    assert metrics(sample.rows)["libvirt_storage_pool_state"] == 2


async def test_a_domain_that_is_off_is_described_and_not_measured() -> None:
    with libvirt.open(TEST_DRIVER) as connection:
        connection.defineXML(GUEST.format(name="off", uuid=OFF))
        try:
            async with sampling(TEST_DRIVER, metadata={"team": MetadataLabel("urn:own", "team")}) as sampled:
                off = by_name(await sampled.sample())["off"]
        finally:
            connection.lookupByName("off").undefine()
    assert (off.domain.id, off.state, off.time, off.timed_out) == (None, State.SHUTOFF, None, False)
    labels = {column.metric.name: labels for column, labels, _ in figures(off.rows)}
    assert labels["libvirt_domain_info"]["uuid"] == OFF
    assert labels["libvirt_domain_metadata_info"] == {"team": "blue"}


async def test_domains_that_nobody_watches_are_left_out() -> None:
    async with sampling(TEST_DRIVER, watched=lambda name: name != "test") as sampled:
        assert (await sampled.sample()).domains == []


async def test_a_host_that_cannot_be_listed_has_no_sample() -> None:
    async with sampling("test:///nowhere.xml") as sampled:
        assert await sampled.sampler.sample(asyncio.get_running_loop().time() + PATIENCE_SECONDS) is None


async def test_a_driver_without_bulk_statistics_is_asked_domain_by_domain() -> None:
    async with sampling(lambda: WithoutBulkStatistics(libvirt.open(TEST_DRIVER))) as sampled:
        (domain,) = (await sampled.sample()).domains
    told = metrics(domain.rows)
    assert (domain.state, domain.timed_out, told["libvirt_domain_info_virtual_cpus"]) == (State.RUNNING, False, 2)
    assert told["libvirt_domain_info_maximum_memory_bytes"] == 8 * 2**30


class Pools:
    """Makes connections to libvirt's test driver on which listing pools takes until they are `free`."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.listed = 0

    def connect(self) -> Any:
        return _WithPools(libvirt.open(TEST_DRIVER), self)


class _WithPools:
    def __init__(self, connection: libvirt.virConnect, pools: Pools) -> None:
        self._connection = connection
        self._pools = pools

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def listAllStoragePools(self, flags: int) -> Any:  # noqa: N802 - libvirt's name
        self._pools.listed += 1
        self._pools.free.wait(PATIENCE_SECONDS)
        return self._connection.listAllStoragePools(flags)


async def test_a_host_whose_pools_hang_is_measured_but_for_itself() -> None:
    pools = Pools()
    async with sampling(pools.connect) as sampled:
        try:
            for _ in range(6):
                assert (await sampled.sample(0.5)).rows == ()
            assert late(await sampled.sample()) == []
            assert pools.listed == 1
        finally:
            pools.free.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await sampled.sample()).rows:
                pass


async def test_own_figures_are_there_from_the_start() -> None:
    async with sampling(TEST_DRIVER) as sampled:
        assert sampled.sampler.figures() == {
            "vmwatch_host_calls_overdue": 0,
            "vmwatch_host_calls_given_up_total": 0,
            "vmwatch_host_domains_unresponsive": 0,
            "vmwatch_host_domain_failures_total": 0,
            "vmwatch_host_unknown_fields_total": 0,
        }


@pytest.mark.real
async def test_a_daemon_that_was_restarted_is_measured_again(test_daemon: Libvirtd) -> None:
    async with sampling(test_daemon.uri) as sampled:
        assert len((await sampled.sample()).domains) == 1
        test_daemon.kill()
        assert await sampled.sampler.sample(asyncio.get_running_loop().time() + PATIENCE_SECONDS) is None
        test_daemon.start()
        assert late(await sampled.sample()) == []


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop these processes, and let them go on at the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def guests(daemon: Libvirtd, rom: Path, *names: str) -> Iterator[dict[str, int]]:
    """Start guests and yield the numbers of their processes."""
    with daemon.connection() as connection:
        domains = start_all(connection, [Guest(name=name, rom=rom) for name in names])
        try:
            yield {domain.name(): daemon.guest_pid(domain) for domain in domains}
        finally:
            for domain in domains:
                end(domain)


def end(domain: libvirt.virDomain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


@pytest.mark.real
async def test_a_real_guest_is_measured_in_full(libvirtd: Libvirtd, rom: Path, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1024 * 1024))
    guest = Guest(name=HOSTILE, rom=rom, disks=[Disk(image=image)], interface="user", vcpus=2)
    with libvirtd.connection() as connection:
        start(connection, guest)
        async with sampling(libvirtd.read_only_uri) as sampled:
            domain = by_name(await sampled.sample())[HOSTILE]
            assert sampled.sampler.figures()["vmwatch_host_unknown_fields_total"] == 0
    told = {(column.metric.name, *labels.values()): value for column, labels, value in figures(domain.rows)}
    assert told["libvirt_domain_info_maximum_memory_bytes",] == 16 * 2**20
    assert told["libvirt_domain_vcpu_state", "1"] in (1, 2)
    assert told["libvirt_domain_block_stats_capacity_bytes", "hda"] == 1024 * 1024
    assert told["libvirt_domain_info_cpu_time_seconds_total",] > 0
    assert told["libvirt_domain_memory_stats_rss_bytes",] > 2**20
    assert ("libvirt_domain_memory_stats_usable_bytes",) not in told


@pytest.mark.real
async def test_a_guest_that_hangs_harms_no_other_and_is_told(shared_libvirtd: Libvirtd, rom: Path) -> None:
    names = [f"sampled-{number}" for number in range(6)]
    with guests(shared_libvirtd, rom, *names) as pids:
        async with sampling(shared_libvirtd.uri) as sampled:
            assert late(await sampled.sample()) == []
            with stopped(pids["sampled-3"]):
                for _ in range(3):
                    sample = await sampled.sample()
                    assert late(sample) == ["sampled-3"]
                    assert len(sample.domains) == 6
                assert sampled.sampler.figures()["vmwatch_host_calls_overdue"] == 1
                hung = await sampled.told()
                assert (hung.type, hung.domain.name) == ("domain.unresponsive", "sampled-3")
            back = await sampled.told()
            assert (back.type, back.domain.name) == ("domain.responsive", "sampled-3")
            assert late(await sampled.sample()) == []
            assert sampled.sampler.figures()["vmwatch_host_calls_overdue"] == 0


@pytest.mark.real
async def test_when_many_guests_hang_the_daemon_still_serves_others(shared_libvirtd: Libvirtd, rom: Path) -> None:
    names = [f"many-{number}" for number in range(8)]
    with guests(shared_libvirtd, rom, *names) as pids:
        async with sampling(shared_libvirtd.uri) as sampled:
            with stopped(*(pids[name] for name in names[:6])):
                for _ in range(3):
                    assert set(late(await sampled.sample())) >= set(names[:6])
                    assert sampled.sampler.figures()["vmwatch_host_calls_overdue"] <= 4
                with shared_libvirtd.connection() as another:
                    assert another.getCapabilities()
                assert (await sampled.told()).type == "domain.unresponsive"
            while (await sampled.told()).type != "domain.responsive":
                pass
            async with asyncio.timeout(PATIENCE_SECONDS):
                while late(await sampled.sample()):
                    pass
            assert sampled.sampler.figures()["vmwatch_host_calls_overdue"] == 0


@pytest.mark.real
async def test_a_guest_that_hangs_in_a_hurry_is_found_later(shared_libvirtd: Libvirtd, rom: Path) -> None:
    names = [f"hurry-{number}" for number in range(4)]
    with guests(shared_libvirtd, rom, *names) as pids:
        async with sampling(shared_libvirtd.uri) as sampled:
            await sampled.sample()
            with stopped(pids["hurry-2"]):
                assert "hurry-2" in late(await sampled.sample(0.2))
                assert (await sampled.told()).domain.name == "hurry-2"
                assert late(await sampled.sample()) == ["hurry-2"]


@pytest.mark.real
async def test_a_guest_that_dies_while_it_hangs_is_gone(shared_libvirtd: Libvirtd, rom: Path) -> None:
    with guests(shared_libvirtd, rom, "dies-1", "dies-2") as pids:
        async with sampling(shared_libvirtd.uri) as sampled:
            with stopped(pids["dies-1"]):
                assert late(await sampled.sample()) == ["dies-1"]
                assert (await sampled.told()).type == "domain.unresponsive"
                os.kill(pids["dies-1"], signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while "dies-1" in by_name(await sampled.sample()):
                    pass
            assert late(await sampled.sample()) == []
            assert sampled.events.empty()


@pytest.mark.real
async def test_guests_that_come_and_go_meanwhile_harm_no_sample(shared_libvirtd: Libvirtd, rom: Path) -> None:
    def come_and_go(name: str) -> None:
        with shared_libvirtd.connection() as connection:
            for _ in range(4):
                end(start(connection, Guest(name=name, rom=rom)))

    with guests(shared_libvirtd, rom, "stays") as _:
        async with sampling(shared_libvirtd.uri) as sampled:
            await sampled.sample()
            churn = asyncio.gather(*(asyncio.to_thread(come_and_go, f"comes-{number}") for number in range(3)))
            while not churn.done():
                assert "stays" not in late(await sampled.sample())
            await churn
            sample = await sampled.sample()
            assert (late(sample), "stays" in by_name(sample)) == ([], True)
            assert sampled.events.empty()


@pytest.mark.real
async def test_a_daemon_that_hangs_holds_up_no_sample(libvirtd: Libvirtd, rom: Path) -> None:
    with guests(libvirtd, rom, "held-1"):
        async with sampling(libvirtd.uri) as sampled:
            assert late(await sampled.sample()) == []
            libvirtd.pause()
            try:
                assert late(await sampled.sample(0.2)) == ["held-1"]
                assert late(await sampled.sample(0.2)) == ["held-1"]
            finally:
                libvirtd.resume()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while late(await sampled.sample()):
                    pass
