"""Guests that do not answer: found among those that were asked, told, and watched until they are back."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from vmwatch.events import Domain, Event, Responsive, Unresponsive
from vmwatch.source.sampler_stuck import StuckGuests

WEB = Domain("u-web", "web-1", 3)
MAIL = Domain("u-mail", "mail-1", 4)
LONG_AGO = -1000.0
PATIENCE_SECONDS = 30


class Host:
    """A host whose monitors are as *busy* as a test says, with what was told of its guests."""

    def __init__(self, **busy: float) -> None:
        self.busy: Mapping[str, float] | None = {f"u-{name}": seconds for name, seconds in busy.items()}
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        self.probed = asyncio.Event()
        self.guests = StuckGuests(
            "h", "qemu:///system", publish=self.told.put_nowait, probe=self._probe, patience_seconds=3.0
        )

    async def _probe(self, _domains: Sequence[Domain]) -> Mapping[str, float] | None:
        self.probed.set()
        return self.busy

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.guests.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def looked(self) -> None:
        """Wait until the guests were looked at once more, and that was made use of."""
        self.probed.clear()
        self.guests.look()
        await self.probed.wait()
        await asyncio.sleep(0)


async def test_who_has_been_busy_for_long_is_stuck() -> None:
    host = Host(web=2.0, mail=0.01)
    assert await host.guests.among([WEB, MAIL], 0.0) == {"u-web"}
    assert ("u-web" in host.guests, "u-mail" in host.guests, len(host.guests)) == (True, False, 1)


async def test_without_an_answer_nobody_is_stuck() -> None:
    host = Host()
    host.busy = None
    assert await host.guests.among([WEB], 0.0) == set()


async def test_a_stuck_guest_is_told_once_and_told_when_it_is_back() -> None:
    host = Host(web=2.0)
    await host.guests.among([WEB], LONG_AGO)
    async with host.watched():
        hung = await host.told.get()
        assert isinstance(hung, Unresponsive)
        assert (hung.domain, hung.host, hung.call) == (WEB, "h", "getAllDomainStats")
        assert hung.seconds > 1000
        await host.looked()
        assert host.told.empty()
        host.busy = {"u-web": 0.0}
        host.guests.look()
        back = await host.told.get()
        assert isinstance(back, Responsive)
        assert back.seconds >= hung.seconds
        assert "u-web" not in host.guests


async def test_a_guest_that_is_back_soon_is_not_told() -> None:
    host = Host(web=2.0)
    await host.guests.among([WEB], asyncio.get_running_loop().time())
    async with host.watched():
        await host.looked()
        assert "u-web" in host.guests
        host.busy = {"u-web": 0.0}
        await host.looked()
    assert "u-web" not in host.guests
    assert host.told.empty()


async def test_a_guest_that_vanishes_while_it_is_stuck_is_not_told_to_be_back() -> None:
    host = Host(web=2.0)
    await host.guests.among([WEB], LONG_AGO)
    async with host.watched():
        await host.told.get()
        host.busy = {}
        await host.looked()
    assert len(host.guests) == 0
    assert host.told.empty()


async def test_while_nobody_answers_a_stuck_guest_stays_so() -> None:
    host = Host(web=2.0)
    await host.guests.among([WEB], LONG_AGO)
    async with host.watched():
        await host.told.get()
        host.busy = None
        await host.looked()
    assert "u-web" in host.guests


async def test_suspects_are_left_out_until_it_is_known_who_is_stuck() -> None:
    host = Host(web=2.0, mail=0.0)
    host.guests.suspect([WEB, MAIL], LONG_AGO)
    assert ("u-web" in host.guests, "u-mail" in host.guests, len(host.guests)) == (True, True, 0)
    async with host.watched():
        assert isinstance(await host.told.get(), Unresponsive)
    assert ("u-web" in host.guests, "u-mail" in host.guests, len(host.guests)) == (True, False, 1)


async def test_it_is_not_judged_too_early_who_is_stuck() -> None:
    host = Host(mail=0.0)
    host.guests.suspect([MAIL], asyncio.get_running_loop().time() + 1000)
    async with host.watched():
        await host.looked()
    assert "u-mail" in host.guests


async def test_another_life_of_a_stuck_guest_is_not_stuck() -> None:
    host = Host(web=2.0, mail=2.0)
    await host.guests.among([WEB], 0.0)
    host.guests.suspect([MAIL], 0.0)
    host.guests.keep_only({"u-web": WEB, "u-mail": MAIL})
    assert ("u-web" in host.guests, "u-mail" in host.guests) == (True, True)
    host.guests.keep_only({"u-web": Domain("u-web", "web-1", 99)})
    assert ("u-web" in host.guests, "u-mail" in host.guests) == (False, False)
