"""Waiting for what only the outside world can tell: a file that is read again, a thread that ends."""

import asyncio
from collections.abc import Awaitable, Callable

MOST_SECONDS = 20.0


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return as soon as *true* says so; TimeoutError where it never does."""
    async with asyncio.timeout(MOST_SECONDS):
        while not await _said(true()):  # noqa: ASYNC110 - nothing here can be awaited: that is what this is for
            await asyncio.sleep(0.005)


async def _said(answer: bool | Awaitable[bool]) -> bool:
    return answer if isinstance(answer, bool) else await answer
