"""Callbacks written as a story, and the events they become written as short lines: for tests that read like tables."""

import uuid
from collections.abc import Sequence
from typing import Any

from vmwatch import words
from vmwatch.events import DomainEvent, Event, HostConnected, HostDisconnected, Migration, Origin, Outage, Time
from vmwatch.settings import ShowSettings
from vmwatch.source.callbacks import Callback
from vmwatch.source.listed import Listed, Listing
from vmwatch.source.normalise import normalise
from vmwatch.source.resync import differences
from vmwatch.state import KnownDomain, KnownState
from vmwatch.stream import Stream

KINDS = {kind: number for number, (kind, _) in enumerate(words.LIFECYCLE)}
STEP_SECONDS = 2.0


def uuid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def lifecycle(text: str) -> tuple[int, int]:
    """Return libvirt's numbers for KIND/DETAIL."""
    kind, _, detail = text.lower().replace("_", "-").partition("/")
    number = KINDS[kind]
    return number, words.LIFECYCLE[number][1].index(detail)


class Story:
    """A stream that is told callbacks; *at* is its clock in seconds, which each callback moves on."""

    def __init__(self, *, driver: str | None = None, listed: bool = True) -> None:
        self.known = KnownState()
        self.events: list[Event] = []
        self.at = 100.0
        self._driver = driver
        self._listed = listed
        self.stream = Stream(self.known, epoch=lambda host: host)
        self.stream.listen(self.events.append)

    def forget(self) -> None:
        """Know nothing any more, as after a restart."""
        self.known = KnownState()
        self.stream.known = self.known

    def time(self) -> Time:
        nanoseconds = round(self.at * 1e9)
        return Time(nanoseconds, nanoseconds)

    def say(
        self,
        what: str,
        *arguments: Any,
        after: float = STEP_SECONDS,
        id: int = 7,  # noqa: A002
        host: str = "h1",
        name: str = "web",
        of: str | None = None,
        show: ShowSettings | None = None,
    ) -> list[Event]:
        """Tell the callback *what* (KIND/DETAIL, or the name of an event id); return what became of it.

        The domain is called *name* and has the uuid of the name *of*, where that is another one.
        """
        self.at += after
        if "/" in what:
            what, arguments = "LIFECYCLE", lifecycle(what)
        self._prepare(host)
        callback = Callback(
            host=host,
            uri=f"test:{host}",
            family="domain",
            name=what,
            object_uuid=uuid_of(of or name),
            object_name=name,
            object_id=id,
            arguments=arguments,
            time=self.time(),
        )
        return self.publish(normalise(self.known, callback, show or ShowSettings()))

    def publish(self, *drafts: Event) -> list[Event]:
        before = len(self.events)
        for draft in drafts:
            self.stream.publish(draft)
        return self.events[before:]

    def lose(self, host: str) -> list[Event]:
        self.at += STEP_SECONDS
        return self.publish(HostDisconnected(time=self.time(), host=host, origin=Origin.VMWATCH, reason="gone"))

    def connect(self, host: str, *, driver: str | None = None, boot_id: str | None = None) -> list[Event]:
        self.at += STEP_SECONDS
        return self.publish(
            HostConnected(time=self.time(), host=host, origin=Origin.VMWATCH, driver=driver, boot_id=boot_id)
        )

    def boot(self, *, host: str = "h1", name: str = "web", id: int = 7, define: bool = True) -> None:  # noqa: A002
        """Bring *name* to running, as qemu does."""
        if define:
            self.say("DEFINED/ADDED", id=-1, host=host, name=name)
        self.say("RESUMED/UNPAUSED", id=id, host=host, name=name)
        self.say("STARTED/BOOTED", id=id, host=host, name=name)

    def domain(self, name: str = "web", host: str = "h1") -> KnownDomain:
        known = self.known.domain(host, uuid_of(name))
        assert known is not None
        return known

    def stopped_by_a_listing(self, name: str = "web", host: str = "h1", reason: str = "unknown") -> Event:
        """Tell that a listing shows *name* off, which no callback had said."""
        self.at += STEP_SECONDS
        number = words.STATE_REASONS["shutoff"].index(reason)
        domain = Listed(uuid_of(name), name, None, state=5, reason=number, persistent=True)
        listing = Listing(host, f"test:{host}", self.time(), self.time(), [domain])
        return self.publish(*differences(self.known, listing, now=self.time(), origin=Origin.RESYNC))[0]

    def _prepare(self, host: str) -> None:
        entry = self.known.host(host)
        entry.driver = entry.driver or self._driver
        entry.listed = self._listed


def short(event: Event) -> str:
    """Return what matters of *event* in one line: `stopped running->shutoff cause=process-died`."""
    parts = [event.type.removeprefix("domain.")]
    if isinstance(event, Outage):
        parts += [event.end, f"cause={event.cause}"] + ([f"seconds={event.seconds:g}"] if event.seconds else [])
    elif isinstance(event, Migration):
        parts += [event.result, f"seen={event.seen}", f"{event.from_host}->{event.to_host}", f"on={event.host}"]
    elif isinstance(event, DomainEvent):
        parts += _life(event)
    return " ".join(parts)


def _life(event: Any) -> list[str]:
    parts = [f"{event.previous_state}->{event.state}"] if getattr(event, "previous_state", None) else []
    for name in ("part_of", "cause", "flush_seconds", "reason"):
        value = getattr(event, name, None)
        if value is not None:
            parts.append(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}")
    if getattr(event, "duplicate", False):
        parts.append("duplicate")
    return parts


def shorts(events: Sequence[Event]) -> list[str]:
    return [short(event) for event in events]
