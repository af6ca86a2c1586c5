"""Samples that are shared: reused while fresh, marked when late, taken unasked, and told once in each interval."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.fakes import Replay, started
from vmwatch.events import Domain, Event, State, Time
from vmwatch.sample import DomainSample, HostSample
from vmwatch.sampling import HostSampling, Sampling

PATIENCE_SECONDS = 30.0
NEVER_SECONDS = 1e6


class Measured(Replay):
    """A host that takes a sample whenever `free` is set; while `away` it has none."""

    def __init__(self) -> None:
        super().__init__([])
        self.free = asyncio.Event()
        self.free.set()
        self.asked = asyncio.Event()
        self.away = self.broken = False
        self.deadlines: list[float] = []

    async def sample(self, deadline: float, /) -> HostSample | None:
        self.deadlines.append(deadline)
        self.asked.set()
        await self.free.wait()
        if self.broken:
            raise ZeroDivisionError
        domain = DomainSample(domain=Domain("u-web", "web-1", 3), state=State.RUNNING, time=Time(len(self.deadlines)))
        return None if self.away else HostSample(host=self.name, time=Time(1), seconds=0.1, domains=[domain])

    @property
    def samples(self) -> int:
        return len(self.deadlines)


def soon(seconds: float = PATIENCE_SECONDS) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_sample_that_is_fresh_enough_is_used_again() -> None:
    host = Measured()
    sampling = HostSampling(host, NEVER_SECONDS)
    assert await sampling.sample(soon()) is await sampling.sample(soon())
    assert host.samples == 1


async def test_a_sample_that_is_too_old_is_not_used_again() -> None:
    host = Measured()
    sampling = HostSampling(host, -1)
    assert await sampling.sample(soon()) is not await sampling.sample(soon())


async def test_all_who_ask_meanwhile_share_one_sample() -> None:
    host = Measured()
    host.free.clear()
    sampling = HostSampling(host, 0)
    asking = [asyncio.create_task(sampling.sample(soon())) for _ in range(5)]
    await host.asked.wait()
    host.free.set()
    assert len({id(sample) for sample in await asyncio.gather(*asking)}) == 1
    assert host.samples == 1


async def test_that_a_host_was_away_is_not_remembered() -> None:
    host = Measured()
    sampling = HostSampling(host, NEVER_SECONDS)
    host.away = True
    assert await sampling.sample(soon()) is None
    host.away = False
    assert await sampling.sample(soon()) is not None


async def test_a_bug_costs_a_sample_and_no_more() -> None:
    host = Measured()
    sampling = HostSampling(host, -1)
    host.broken = True
    assert await sampling.sample(soon()) is None
    host.broken = False
    assert await sampling.sample(soon()) is not None


async def test_an_old_sample_is_not_passed_off_as_fresh() -> None:
    host = Measured()
    sampling = HostSampling(host, -1)
    assert await sampling.sample(soon()) is not None
    host.free.clear()
    late = await sampling.sample(soon(0.01))
    assert late is not None
    assert [one.timed_out for one in late.domains] == [True]
    host.free.set()
    again = await sampling.sample(soon())
    assert again is not None
    assert [one.timed_out for one in again.domains] == [False]


async def test_a_source_has_to_be_back_before_who_asked_gives_up() -> None:
    host = Measured()
    deadline = soon(1)
    await HostSampling(host, 0).sample(deadline)
    assert deadline - 0.11 < host.deadlines[0] < deadline - 0.09


class Told:
    """What a sampling told, of *each* sample so many events."""

    def __init__(self, host: Measured, interval_seconds: float, *, wanted: bool = True, each: int = 1) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._each = each
        self.hosts: Sequence[Measured] = [host]
        self.sampling = Sampling(
            lambda: self.hosts,
            max_age_seconds=0,
            interval_seconds=interval_seconds,
            timeout_seconds=PATIENCE_SECONDS,
            publish=self.events.put_nowait,
            events=self._events_of,
            wanted=wanted,
        )

    def _events_of(self, _sample: HostSample) -> Iterable[Event]:
        return (started(number) for number in range(self._each))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sampling.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.mark.parametrize("wanted", [True, False])
async def test_nobody_asking_a_sample_is_taken_in_each_interval(wanted: bool) -> None:
    host = Measured()
    told = Told(host, 0.01, wanted=wanted)
    async with told.running():
        while host.samples < 3:
            host.asked.clear()
            await host.asked.wait()
        if wanted:
            await told.events.get()
            await told.events.get()
    assert wanted or told.events.empty()


async def test_a_sample_that_somebody_asked_for_counts_as_the_interval_s() -> None:
    host = Measured()
    told = Told(host, NEVER_SECONDS)
    async with told.running():
        await told.events.get()  # the first one, taken unasked
        assert host.samples == 1
        await told.sampling.sample(soon())
        await asyncio.sleep(0)
    assert host.samples == 2
    assert told.events.empty()


async def test_a_host_that_is_away_is_tried_again() -> None:
    host = Measured()
    host.away = True
    told = Told(host, 0.01)
    async with told.running():
        await host.asked.wait()
        host.away = False
        await told.events.get()


async def test_others_have_their_turn_while_a_large_sample_is_told() -> None:
    turns: Sequence[int] = []
    told = Told(Measured(), NEVER_SECONDS, each=20_000)
    async with told.running():
        await told.events.get()
        while told.events.qsize() < 19_999:
            turns = [*turns, told.events.qsize()]
            await asyncio.sleep(0)
    assert len(turns) > 5


async def test_samples_of_some_hosts_only_can_be_asked_for() -> None:
    host = Measured()
    sampling = Told(host, NEVER_SECONDS).sampling
    assert len(await sampling.sample(soon(), ["host-a"])) == 1
    assert await sampling.sample(soon(), ["another"]) == []


async def test_hosts_come_and_go() -> None:
    first, second = Measured(), Measured()
    told = Told(first, 0.01)
    second.free.clear()
    async with told.running():
        await told.events.get()
        told.hosts = [second]
        await second.asked.wait()
        asking = asyncio.create_task(told.sampling.sample(soon()))
        second.free.set()
        (sample,) = await asking
        assert len(sample.domains) == 1
        samples = first.samples
        second.asked.clear()
        await second.asked.wait()
        assert first.samples == samples
