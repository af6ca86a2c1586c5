"""The one ordered stream: stamps each event, folds it into what is known, and hands it to all who listen.

libvirt cannot wait for us, so publishing never blocks and never fails.  Everything here runs on the event loop's
thread; one call of `publish` tells the event and what follows from it before it returns.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from vmwatch.derive import derive
from vmwatch.events import SAMPLES, Event, Time
from vmwatch.fold import fold
from vmwatch.state import KnownState

Listener = Callable[[Event], None]
"""Takes a told event at once; must neither block nor fail."""


def now() -> Time:
    """Return the present by the wall clock and the monotonic one."""
    return Time(time.time_ns(), time.monotonic_ns())


def random_epoch(_host: str) -> str:
    """Return an epoch for one host and one run of vmwatch."""
    return secrets.token_hex(8)


class Stream:
    """Tells events: each host's in order, with a gapless sequence that goes on where *known* left off."""

    def __init__(
        self,
        known: KnownState,
        *,
        labels: Mapping[str, str] | None = None,
        epoch: Callable[[str], str] = random_epoch,
    ) -> None:
        self.known = known
        self.told: Counter[tuple[str, str]] = Counter()
        self._labels = dict(labels or {})
        self._new_epoch = epoch
        self._epochs: dict[str, str] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Hand every event told from now on to *listener*."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Hand nothing more to *listener*."""
        self._listeners.remove(listener)

    def publish(self, event: Event) -> None:
        """Tell *event*, then whatever it completes.  Samples are handed on as they are: they have no sequence."""
        if isinstance(event, SAMPLES):
            self._hand_out(msgspec.structs.replace(event, labels=self._labels) if self._labels else event)
            return
        told = self._stamp(event)
        fold(self.known, told)
        self._hand_out(told)
        for follower in derive(self.known, told):
            self.publish(follower)

    def _stamp(self, event: Event) -> Event:
        host = self.known.host(event.host)
        sequence = host.sequence + 1
        at = event.time if event.time >= host.time else Time(host.time, event.time.monotonic)
        epoch = self._epochs.get(event.host) or self._epochs.setdefault(event.host, self._new_epoch(event.host))
        return msgspec.structs.replace(
            event, id=f"{epoch}-{sequence}", sequence=sequence, time=at, labels=self._labels or event.labels
        )

    def _hand_out(self, event: Event) -> None:
        self.told[event.origin, event.type] += 1
        for listener in self._listeners:
            listener(event)
