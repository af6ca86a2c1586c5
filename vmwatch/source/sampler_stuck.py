"""Guests that do not answer their monitor: left out of samples, told, watched until they are back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from vmwatch.events import Domain, Event, Origin, Responsive, Unresponsive
from vmwatch.stream import now

LOOK_SECONDS = 0.5
STUCK_SECONDS = 0.25
"""A monitor that has been busy with one command for less is at work; QEMU answers in milliseconds."""

Probe = Callable[[Sequence[Domain]], Awaitable[Mapping[str, float] | None]]
"""Returns how long the monitors of these have been busy, by uuid, without those that are unknown; None: no answer."""


class _Stuck(msgspec.Struct):
    domain: Domain
    began: float
    told: bool = False


class StuckGuests:
    """The stuck guests of one host; *publish* gets their events, *probe* asks how it stands with them.

    A guest is told as unresponsive when it has not answered for *patience_seconds*.
    """

    def __init__(
        self, host: str, uri: str, *, publish: Callable[[Event], None], probe: Probe, patience_seconds: float
    ) -> None:
        self._host = host
        self._uri = uri
        self._publish = publish
        self._probe = probe
        self._patience_seconds = patience_seconds
        self._stuck: dict[str, _Stuck] = {}
        self._suspects: dict[str, _Stuck] = {}
        self._look = asyncio.Event()

    def __contains__(self, uuid: str) -> bool:
        """Say whether that domain is stuck, or may be."""
        return uuid in self._stuck or uuid in self._suspects

    def __len__(self) -> int:
        """Return how many are stuck."""
        return len(self._stuck)

    @property
    def any(self) -> bool:
        """Whether one is stuck, or may be."""
        return bool(self._stuck or self._suspects)

    async def among(self, domains: Sequence[Domain], began: float) -> set[str]:
        """Find out who of *domains*, asked at *began* (seconds of the loop's clock), is stuck; return their uuids."""
        if not domains:
            return set()
        busy = await self._probe(domains) or {}
        stuck = {uuid for uuid, seconds in busy.items() if seconds >= STUCK_SECONDS}
        for domain in domains:
            if domain.uuid in stuck:
                self._stuck.setdefault(domain.uuid, _Stuck(domain, began))
                self._look.set()
        return stuck

    def suspect(self, domains: Sequence[Domain], began: float) -> None:
        """Find out later who of *domains* is stuck: a call made at *began* was given up too soon to tell."""
        for domain in domains:
            self._suspects.setdefault(domain.uuid, _Stuck(domain, began))
        self._look.set()

    def look(self) -> None:
        """Look soon whether one is back: a call that hung has returned."""
        self._look.set()

    def keep_only(self, listed: Mapping[str, Domain]) -> None:
        """Forget those that are not *listed*, or not in the same life: their end was told."""
        for guests in (self._stuck, self._suspects):
            for uuid, guest in list(guests.items()):
                if uuid not in listed or listed[uuid].id != guest.domain.id:
                    del guests[uuid]

    async def run(self) -> None:
        """Watch them until cancelled."""
        while True:
            await self._look.wait()
            self._look.clear()
            while self._stuck or self._suspects:
                await self._look_once()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._look.wait()
                self._look.clear()

    async def _look_once(self) -> None:
        asked = [*self._stuck.values(), *self._suspects.values()]
        busy = await self._probe([guest.domain for guest in asked])
        if busy is None:
            return
        at = asyncio.get_running_loop().time()
        for guest in asked:
            seconds = busy.get(guest.domain.uuid)
            if guest.domain.uuid in self._suspects:
                self._judge(guest, seconds or 0.0, at)
            elif seconds is None or seconds < STUCK_SECONDS:
                self._end(guest, answers=seconds is not None, at=at)
            elif not guest.told and at - guest.began >= self._patience_seconds:
                guest.told = True
                about = self._about(guest.domain)
                self._publish(Unresponsive(**about, seconds=at - guest.began, call="getAllDomainStats"))

    def _judge(self, suspect: _Stuck, busy_seconds: float, at: float) -> None:
        if busy_seconds >= STUCK_SECONDS:
            self._stuck[suspect.domain.uuid] = suspect
        elif at - suspect.began < LOOK_SECONDS:
            return  # too early to tell
        self._suspects.pop(suspect.domain.uuid, None)

    def _end(self, guest: _Stuck, *, answers: bool, at: float) -> None:
        self._stuck.pop(guest.domain.uuid, None)
        if guest.told and answers:
            self._publish(Responsive(**self._about(guest.domain), seconds=at - guest.began))

    def _about(self, domain: Domain) -> dict[str, Any]:
        return {"time": now(), "host": self._host, "uri": self._uri, "origin": Origin.VMWATCH, "domain": domain}
