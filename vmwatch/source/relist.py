"""When a host is listed, and which differences are told: at once after a gap, else only what two listings agree on."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from vmwatch.events import DomainEvent, Event, State
from vmwatch.fold import note_listing
from vmwatch.pipeline import Publish
from vmwatch.source.arguments import clean
from vmwatch.source.listed import Listing, says_no_state
from vmwatch.source.plan import Plan
from vmwatch.source.relist_pace import Pace
from vmwatch.source.resync import differences
from vmwatch.state import KnownState
from vmwatch.stream import now

AGAIN_SECONDS = 5.0  # how far apart the two listings are that have to agree

Look = Callable[[], Awaitable[Listing]]


class Relisting:
    """The listings of one host, made by *look* as *plan* says; differences from *known* go to *publish*.

    libvirt cannot say what it changed silently, so a difference is believed when a second listing shows it too.  After
    a gap there is nothing to wait for, and where callbacks are incomplete or missing nothing better will come: there
    the first listing tells at once.
    """

    def __init__(
        self,
        look: Look,
        known: KnownState,
        publish: Publish,
        *,
        is_watched: Callable[[str], bool],
        plan: Plan,
    ) -> None:
        self._look = look
        self._is_watched = is_watched
        self._known = known
        self._publish = publish
        self._plan = plan
        self._pace = Pace(plan)
        self._listed_seconds = 0.0
        self._touched: set[str] = set()
        self._gap = asyncio.Event()

    def touch(self, uuid: str) -> None:
        """Note a lifecycle callback: a listing under way knows less of this domain than we do."""
        self._touched.add(uuid)

    def gap(self) -> None:
        """Note that callbacks were lost: list at once."""
        self._gap.set()

    async def run(self) -> None:
        """List now, some seconds later (a restarted daemon first shows dead guests), then as `Pace` says; HostError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._tell_all()
        interval = min(AGAIN_SECONDS, self._plan.interval_seconds)
        while True:
            took = loop.time() - began
            gap = await self._gap_within(
                self._pace.rest_seconds(interval, listed_seconds=self._listed_seconds, round_seconds=took)
            )
            began = loop.time()
            await (self._tell_all() if gap or self._plan.at_once else self._tell_agreed())
            interval = self._plan.interval_seconds

    async def _gap_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gap.wait()
        gap = self._gap.is_set()
        self._gap.clear()
        return gap

    async def _tell_all(self) -> None:
        listing, events = await self._differences()
        self._tell(listing, events)

    async def _tell_agreed(self) -> None:
        listing, events = await self._differences()
        first = _by_domain(events)
        if not first:
            self._tell(listing, [])
            return
        if await self._gap_within(AGAIN_SECONDS):
            await self._tell_all()
            return
        listing, events = await self._differences()
        agreed = {uuid for uuid, some in _by_domain(events).items() if some == first.get(uuid)}
        self._tell(listing, [event for event in events if _uuid(event) in agreed])

    async def _differences(self) -> tuple[Listing, Sequence[Event]]:
        self._touched.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        listing = await self._look()
        self._listed_seconds = loop.time() - began
        await asyncio.sleep(self._plan.race_seconds)
        skip = self._touched | self._unwatched(listing)
        return listing, differences(self._known, listing, now=now(), origin=self._plan.origin, skip=skip)

    def _unwatched(self, listing: Listing) -> set[str]:
        """Return whom nobody watches: neither what is listed of them nor that they are no longer is told."""
        known = self._known.domains.get(listing.host, {}).values()
        both = [(one.uuid, one.name) for one in listing.domains] + [(one.uuid, one.name) for one in known]
        return {uuid for uuid, name in both if not self._is_watched(name)}

    def _tell(self, listing: Listing, events: Sequence[Event]) -> None:
        for event in events:
            self._publish(event)
        persistent = {one.uuid: one.persistent for one in listing.domains}
        unclear = [one for one in listing.domains if says_no_state(one) and self._is_watched(one.name)]
        stateless = {one.uuid: clean(one.name) for one in unclear}
        note_listing(self._known, listing.host, persistent, listing.began, stateless)


def _uuid(event: Event) -> str:
    return event.domain.uuid if isinstance(event, DomainEvent) else ""


def _by_domain(events: Sequence[Event]) -> dict[str, list[tuple[str, State | None]]]:
    """Return what is told of each domain, in the words that two listings have to agree on."""
    told: dict[str, list[tuple[str, State | None]]] = defaultdict(list)
    for event in events:
        told[_uuid(event)].append((event.type, getattr(event, "state", None)))
    return told
