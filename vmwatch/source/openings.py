"""What hangs in libvirt, of all hosts together: how connections are opened beside that.

An opening can neither be cancelled nor made to end: one that hangs holds its thread until it returns, if ever.  So it
is known here by URI, and longer than the host that began it: a list may drop a host and name it again at any time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

OPENINGS_AT_ONCE = 8
MOST_RETIRED = 8
"""So many connections to one URI in which a call hangs, and no other is opened."""
MOST_BESIDE = 64
"""So many openings beside another one to the same URI, and none is begun beside one that hangs."""
MOST_LEFT_BEHIND = 256
"""So many openings that nobody waits for any more, and none is begun at all."""


class Patience(NamedTuple):
    """How long a host may be silent.

    An opening gives up its turn after *turn_seconds*, or sooner: after half of it beside one that hangs, a third beside
    two, and so on, as hosts that do not answer must not delay others.  One that takes longer than *open_seconds* is
    told; it goes on, since it cannot be cancelled.  After another *again_seconds* a second one is tried beside it: the
    peer of this one may have gone without a word.  At most *most_left_behind* are left so at once, as each holds a
    thread.  *call_seconds* is for connections without keep-alive, where nothing else would tell.
    """

    turn_seconds: float = 0.5
    open_seconds: float = 10.0
    again_seconds: float = 120.0
    most_left_behind: int = 3
    call_seconds: float = 30.0


PATIENCE = Patience()


class _Opening(msgspec.Struct):
    uri: str
    began: float
    gave_up_turn: bool = False
    left_behind: bool = False


class Openings:
    """The openings of all hosts, *at_once* of them having their turn; and the connections in which a call hangs."""

    def __init__(self, at_once: int = OPENINGS_AT_ONCE) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._under_way: dict[asyncio.Future[Any], _Opening] = {}
        self._retired: dict[asyncio.Future[Any], tuple[str, str]] = {}

    async def room(self, uri: str, patience: Patience) -> None:
        """Wait until *uri* may be opened: no call about it hangs, or it may be tried beside those."""
        while (seconds := self._not_before(uri, patience)) > 0:
            hanging = {answer for answer, opening in self._under_way.items() if opening.uri == uri}
            hanging |= {closing for closing, (of, _name) in self._retired.items() if of == uri}
            await _first(hanging, seconds)

    def _not_before(self, uri: str, patience: Patience) -> float:
        """Return how many seconds to wait before *uri* is opened or this is asked again."""
        same = [opening for opening in self._under_way.values() if opening.uri == uri]
        retired = sum(of == uri for of, _name in self._retired.values())
        if retired >= MOST_RETIRED or (self._too_many_beside() if same else self._too_many_left_behind()):
            return patience.open_seconds
        if len(same) > patience.most_left_behind:
            return patience.open_seconds
        if not same:
            return 0.0
        last = max(opening.began for opening in same)
        return last + patience.open_seconds + patience.again_seconds - asyncio.get_running_loop().time()

    @asynccontextmanager
    async def opening(
        self, uri: str, begin: Callable[[], "asyncio.Future[None]"], patience: Patience
    ) -> "AsyncIterator[asyncio.Future[None]]":
        """Have *begin* open *uri* when it is its turn; enter when it has answered, or has given up its turn."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        opening = self._under_way[ended] = _Opening(uri, loop.time())
        ended.add_done_callback(self._under_way.pop)
        answer = None
        try:
            async with self._turns:
                answer = begin()
                answer.add_done_callback(lambda _: ended.set_result(None))
                answer.add_done_callback(see)  # also where nobody waits for it any more
                seconds = min(patience.turn_seconds, patience.open_seconds)
                await _first({answer}, seconds / (1 + self._hanging()))
                opening.gave_up_turn = True
            yield answer
        finally:
            opening.gave_up_turn = opening.left_behind = True
            if answer is None:
                ended.set_result(None)

    def _hanging(self) -> int:
        return sum(opening.gave_up_turn for opening in self._under_way.values())

    def _too_many_beside(self) -> bool:
        uris = {opening.uri for opening in self._under_way.values()}
        return len(self._under_way) - len(uris) >= MOST_BESIDE

    def _too_many_left_behind(self) -> bool:
        return sum(opening.left_behind for opening in self._under_way.values()) >= MOST_LEFT_BEHIND

    def retire(self, uri: str, name: str, closing: "asyncio.Future[None]") -> None:
        """Note that a connection of *name* to *uri* is kept because a call hangs in it, until *closing* is done."""
        self._retired[closing] = uri, name
        closing.add_done_callback(self._closed)

    def _closed(self, closing: "asyncio.Future[None]") -> None:
        del self._retired[closing]
        see(closing)

    def retired(self, name: str) -> int:
        """Return how many connections of *name* are kept so now."""
        return sum(of == name for _uri, of in self._retired.values())


async def _first(futures: "set[asyncio.Future[Any]]", seconds: float) -> None:
    if futures:
        await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(seconds)


def see(call: "asyncio.Future[Any]") -> None:
    """Take note of how *call* ended, so that asyncio does not complain of an error that nobody saw."""
    if not call.cancelled():
        call.exception()
