"""The sampler's calls: so many at once, by a deadline, without those that hang."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import libvirt
import pytest
import pytest_asyncio

from vmwatch.errors import HostError
from vmwatch.events import Domain
from vmwatch.source.sampler_crew import Crew
from vmwatch.source.sampler_reader import Listed
from vmwatch.source.sampler_round import Job, Round, split
from vmwatch.source.sampler_stuck import StuckGuests

FOR_EVER_SECONDS = 30.0


def listed(*names: str) -> list[Listed]:
    return [Listed(Domain(f"u-{name}", name, 1), None) for name in names]


class Calls:
    """Calls as a test wants them: those about a *hung* guest wait until `free`."""

    def __init__(self, *hung: str) -> None:
        self.hung = set(hung)
        self.answered: list[str] = []
        self.connections: list[libvirt.virConnect] = []
        self.entered: list[list[str]] = []
        self.free = threading.Event()
        self.back = asyncio.Event()

    def connect(self) -> libvirt.virConnect:
        connection = libvirt.open("test:///default")
        self.connections.append(connection)
        return connection

    def call(self, _connection: libvirt.virConnect, domains: Sequence[Listed]) -> list[str]:
        names = [one.domain.name for one in domains]
        self.entered.append(names)
        if self.hung & set(names):
            self.free.wait(FOR_EVER_SECONDS)
        return names

    def jobs(self, *shards: Sequence[str]) -> list[Job]:
        return [Job(self.call, listed(*shard), self.answered.extend) for shard in shards]

    async def probe(self, domains: Sequence[Domain]) -> Mapping[str, float] | None:
        return {one.uuid: 5.0 if one.name in self.hung else 0.0 for one in domains}

    def stuck(self) -> StuckGuests:
        return StuckGuests("h", "u", publish=lambda _: None, probe=self.probe, patience_seconds=3.0)

    def crew(self, size: int = 4) -> Crew:
        return Crew("test", size, self.connect, self.back.set)


@pytest_asyncio.fixture
async def calls() -> AsyncIterator[Callable[..., Calls]]:
    made: list[Calls] = []

    def make(*hung: str) -> Calls:
        made.append(Calls(*hung))
        return made[-1]

    yield make
    for one in made:
        one.free.set()


def later(seconds: float = FOR_EVER_SECONDS) -> float:
    return asyncio.get_running_loop().time() + seconds


def is_open(connection: libvirt.virConnect) -> bool:
    try:
        connection.getLibVersion()
    except libvirt.libvirtError:
        return False
    return True


async def test_all_jobs_are_done(calls: Callable[..., Calls]) -> None:
    some, crew = calls(), calls().crew(2)
    await Round(crew, some.stuck(), later()).run(some.jobs(["a", "b"], ["c"], ["d"]))
    assert sorted(some.answered) == ["a", "b", "c", "d"]
    assert (crew.free, crew.overdue, crew.given_up_total) == (2, 0, 0)


async def test_one_connection_serves_all_threads(calls: Callable[..., Calls]) -> None:
    some = calls()
    await Round(some.crew(), some.stuck(), later()).run(some.jobs(["a"], ["b"], ["c"], ["d"]))
    assert len(some.connections) == 1


async def test_a_guest_that_hangs_takes_no_other_with_it(calls: Callable[..., Calls]) -> None:
    some = calls("c")
    crew, stuck = some.crew(2), some.stuck()
    await Round(crew, stuck, later()).run(some.jobs(["a", "b", "c"], ["d"], ["e"]))
    assert sorted(some.answered) == ["a", "b", "d", "e"]
    assert "u-c" in stuck
    assert (crew.overdue, crew.free, crew.given_up_total) == (1, 1, 1)


async def test_the_connection_in_which_a_call_hangs_is_kept_until_it_is_back(calls: Callable[..., Calls]) -> None:
    some = calls("a")
    crew = some.crew(2)
    await Round(crew, some.stuck(), later()).run(some.jobs(["a", "b"]))
    kept, taking_over = some.connections
    assert kept.isAlive()
    some.free.set()
    async with asyncio.timeout(FOR_EVER_SECONDS):
        await some.back.wait()
    assert (crew.overdue, crew.free) == (0, 2)
    assert taking_over.isAlive()
    async with asyncio.timeout(FOR_EVER_SECONDS):
        while is_open(kept):  # noqa: ASYNC110 - a thread closes it, and tells nobody
            await asyncio.sleep(0)


async def test_no_more_calls_hang_than_there_are_threads(calls: Callable[..., Calls]) -> None:
    some = calls("a", "b", "c", "d", "e")
    crew, stuck = some.crew(2), some.stuck()
    await Round(crew, stuck, later()).run(some.jobs(["a"], ["b"], ["c"], ["d"], ["e"]))
    assert (some.answered, crew.overdue, len(some.entered)) == ([], 2, 2)
    await Round(crew, stuck, later()).run(some.jobs(["f"]))
    assert (some.answered, len(some.entered)) == ([], 2)


async def test_a_round_ends_at_its_deadline_and_finds_suspects(calls: Callable[..., Calls]) -> None:
    some = calls("a")
    crew, stuck = some.crew(1), some.stuck()
    some.hung, slow = set(), some.hung
    blocked = Job(lambda *_: some.free.wait(FOR_EVER_SECONDS), listed(*slow), some.answered.append)
    await Round(crew, stuck, later(0.01)).run([blocked, *some.jobs(["b"])])
    assert some.answered == []
    assert "u-a" in stuck
    assert (crew.overdue, crew.free) == (1, 0)


async def test_a_call_that_libvirt_refuses_harms_no_other(calls: Callable[..., Calls]) -> None:
    some = calls()

    def refused(*_: Any) -> None:
        raise libvirt.libvirtError("no")

    jobs = [Job(refused, listed("a"), some.answered.extend), *some.jobs(["b"])]
    await Round(some.crew(), some.stuck(), later()).run(jobs)
    assert some.answered == ["b"]


async def test_a_bug_is_not_swallowed(calls: Callable[..., Calls]) -> None:
    some = calls()
    with pytest.raises(ZeroDivisionError):
        await Round(some.crew(), some.stuck(), later()).run([Job(lambda *_: 1 // 0, (), print)])


async def test_a_round_that_is_cancelled_leaves_its_calls_behind(calls: Callable[..., Calls]) -> None:
    some = calls("a")
    crew = some.crew()
    some.hung, hung = set(), some.hung
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(*_: Any) -> None:
        loop.call_soon_threadsafe(entered.set)
        some.free.wait(FOR_EVER_SECONDS)

    running = asyncio.create_task(Round(crew, some.stuck(), later()).run([Job(wait, listed(*hung), print)]))
    await entered.wait()
    running.cancel()
    await asyncio.wait({running})
    assert (running.cancelled(), crew.overdue) == (True, 1)


async def test_what_is_asked_of_a_crew_without_a_free_thread_has_no_answer(calls: Callable[..., Calls]) -> None:
    some = calls()
    crew = some.crew(1)
    assert await crew.ask(lambda _: some.free.wait(FOR_EVER_SECONDS), 0.01) is None
    assert await crew.ask(lambda _: "answer", FOR_EVER_SECONDS) is None
    some.free.set()
    async with asyncio.timeout(FOR_EVER_SECONDS):
        await some.back.wait()
    assert await crew.ask(lambda _: "answer", FOR_EVER_SECONDS) == "answer"


async def test_a_connection_that_takes_long_to_open_is_waited_for_by_all_who_ask(calls: Callable[..., Calls]) -> None:
    some, far = calls(), threading.Event()
    opened = []

    def connect() -> libvirt.virConnect:
        opened.append(1)
        far.wait(FOR_EVER_SECONDS)
        return some.connect()

    crew = Crew("test", 2, connect, some.back.set)
    assert not await crew.ready(0.01)
    assert not await crew.ready(0.01)
    far.set()
    assert await crew.ready(FOR_EVER_SECONDS)
    assert await crew.ready(0.0)
    assert (len(opened), crew.overdue, crew.given_up_total) == (1, 0, 0)


async def test_a_connection_that_cannot_be_opened_says_why_and_is_tried_again(calls: Callable[..., Calls]) -> None:
    some, answers = calls(), [HostError("not now")]

    def connect() -> libvirt.virConnect:
        if answers:
            raise answers.pop()
        return some.connect()

    crew = Crew("test", 1, connect, some.back.set)
    with pytest.raises(HostError, match="not now"):
        await crew.ready(FOR_EVER_SECONDS)
    assert await crew.ready(FOR_EVER_SECONDS)


@pytest.mark.parametrize(
    ("domains", "threads", "sizes"),
    [(0, 4, []), (1, 4, [1]), (41, 4, [6, 5, 5, 5, 5, 5, 5, 5]), (250, 4, [16] * 10 + [15] * 6)],
)
def test_shards_are_of_one_size_and_have_everybody_once(domains: int, threads: int, sizes: list[int]) -> None:
    names = [f"g{number}" for number in range(domains)]
    made = split(listed(*names), threads)
    assert [len(shard) for shard in made] == sizes
    assert sorted(one.domain.name for shard in made for one in shard) == sorted(names)
