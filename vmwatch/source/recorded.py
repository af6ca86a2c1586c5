"""Hosts that play recorded guests again and again as if they lived: what the demonstration shows of real ones.

Recordings come with vmwatch.  Their callbacks are handed to the normaliser with the time of the play, so that epoch,
sequence, time and all that is counted are those of a live host.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from heapq import merge
from importlib.resources import files

import msgspec

from vmwatch.events import Domain, HostConnected, Origin, Time
from vmwatch.pipeline import HostStatus, Publish
from vmwatch.replay import recorded
from vmwatch.sample import DomainSample, HostSample
from vmwatch.settings import ShowSettings
from vmwatch.source.callbacks import Callback
from vmwatch.source.normalise import normalise
from vmwatch.state import KnownState
from vmwatch.stream import now

TRACES = {
    "guest-poweroff-destroy": 0.0,
    "migrate-live-persist": 3.0,
    "watchdog-reset": 6.0,
    "guest-panic-destroy": 9.0,
    "ioerror-enospc-stop": 12.0,
    "pm-suspend-s3-wakeup": 14.0,
    "qemu-killed-9": 17.0,
}
"""What is played, and at which second of a round it begins."""

ROUND_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 2.0
IDS_OF_A_ROUND = 1000


class Cue(msgspec.Struct, frozen=True, order=True):
    """A callback to be made so many seconds after a round began."""

    seconds: float
    number: int
    callback: Callback


class RecordedHost:
    """The host *name*, on which in every round *cues* happen; *began*, by *clock*, is shared by all of a play."""

    def __init__(
        self,
        name: str,
        cues: Sequence[Cue],
        *,
        show: ShowSettings,
        began: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._uri = f"recorded:{name}"
        self._cues = cues
        self._began = began
        self._show = show
        self._clock = clock
        self._sleep = sleep
        self._known = KnownState()
        self._since = now()

    async def run(self, publish: Publish, known: KnownState) -> None:
        """Play round after round until cancelled."""
        self._known = known
        publish(HostConnected(time=now(), host=self.name, uri=self._uri, origin=Origin.VMWATCH, driver="QEMU"))
        known.host(self.name).listed = True
        played = 0
        while True:
            for cue in self._cues:
                await self._sleep(self._began + played * ROUND_SECONDS + cue.seconds - self._clock())
                publish(normalise(known, self._live(cue.callback, played), self._show))
            played += 1

    def _live(self, callback: Callback, played: int) -> Callback:
        """Return *callback* as this host's, now; each round's starts have ids of their own."""
        own_id = callback.object_id if callback.object_id < 0 else callback.object_id + played * IDS_OF_A_ROUND
        return msgspec.structs.replace(callback, host=self.name, uri=self._uri, object_id=own_id, time=now())

    async def sample(self, _deadline: float) -> HostSample | None:
        """Return the states; of figures there is no recording."""
        time = now()
        domains = [
            DomainSample(domain=Domain(one.uuid, one.name, one.id), state=one.state, time=time)
            for one in self._known.domains.get(self.name, {}).values()
            if one.state.active
        ]
        return HostSample(host=self.name, time=time, seconds=0.0, domains=domains)

    def status(self) -> HostStatus:
        """Say that all is well: nothing can be away here."""
        return HostStatus(host=self.name, uri=self._uri, up=True, since=self._since)


def recorded_hosts(names: Mapping[str, str], show: ShowSettings) -> list[RecordedHost]:
    """Return hosts for the recordings that come with vmwatch; *names* says what the recordings' hosts are called."""
    everything, began = all_cues(), time.monotonic()
    return [RecordedHost(name, cues_of(host, everything), show=show, began=began) for host, name in names.items()]


def all_cues() -> list[Cue]:
    """Return what happens in a round, on all hosts."""
    folder = files("vmwatch").joinpath("traces")
    return list(merge(*(cues(folder.joinpath(f"{name}.jsonl").read_text("utf-8"), at) for name, at in TRACES.items())))


def cues_of(host: str, everything: Iterable[Cue]) -> list[Cue]:
    """Return what happens on one *host* of the recordings."""
    return [cue for cue in everything if cue.callback.host == host]


def cues(recording: str, at: float) -> list[Cue]:
    """Return the callbacks of one *recording*, to begin *at* so many seconds, with long pauses made short."""
    found: list[Cue] = []
    last: Time | None = None
    for number, item in enumerate(recorded(recording.splitlines())):
        if isinstance(item, Callback):
            at += min(LONGEST_PAUSE_SECONDS, item.time.since(last or Time(0, 0)))
            last = item.time
            found.append(Cue(at, number, item))
    return found
