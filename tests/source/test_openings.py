"""How many openings and connections may hang at once: of one URI, and in all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vmwatch.source.openings import MOST_RETIRED, Openings, Patience

PATIENCE = Patience(turn_seconds=0.001, open_seconds=0.001, again_seconds=0.001, most_left_behind=2)


class Hanging:
    """Openings that hang, all left behind, until a test lets them return."""

    def __init__(self) -> None:
        self.openings = Openings()
        self.answers: list[asyncio.Future[None]] = []

    def begin(self) -> "asyncio.Future[None]":
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def hang(self, *uris: str) -> None:
        for uri in uris:
            async with self.openings.opening(uri, self.begin, PATIENCE):
                pass

    @asynccontextmanager
    async def no_room_for(self, uri: str) -> AsyncIterator[None]:
        """Wait for room for *uri*, for longer than it takes where there is some; there is when the body is done."""
        waiting = asyncio.create_task(self.openings.room(uri, PATIENCE))
        other = Hanging()
        await other.hang("other")
        await other.openings.room("other", PATIENCE)
        assert not waiting.done()
        yield
        await waiting


async def test_another_is_begun_beside_one_that_hangs_but_not_beside_as_many_as_may() -> None:
    hanging = Hanging()
    await hanging.hang("a", "a")
    await hanging.openings.room("a", PATIENCE)
    await hanging.hang("a")
    async with hanging.no_room_for("a"):
        hanging.answers[0].set_result(None)
    await hanging.openings.room("b", PATIENCE)


async def test_where_many_hang_in_all_none_is_begun_beside_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmwatch.source.openings.MOST_BESIDE", 2)
    hanging = Hanging()
    await hanging.hang("a", "a", "b", "b", "c")
    async with hanging.no_room_for("c"):
        await hanging.openings.room("good", PATIENCE)
        hanging.answers[0].set_result(None)


async def test_hosts_that_come_hang_and_go_do_not_use_up_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmwatch.source.openings.MOST_LEFT_BEHIND", 3)
    hanging = Hanging()
    await hanging.hang("a", "b", "c")
    async with hanging.no_room_for("d"):
        hanging.answers[0].set_result(None)


async def test_where_call_after_call_hangs_no_further_connection_is_opened() -> None:
    hanging = Hanging()
    for _ in range(MOST_RETIRED):
        hanging.openings.retire("a", "h", hanging.begin())
    async with hanging.no_room_for("a"):
        hanging.answers[0].set_result(None)
    assert hanging.openings.retired("h") == MOST_RETIRED - 1
