"""One hypervisor as a source: its connections, its callbacks in order, its listings, its samples."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.events import Event, EventsDropped, HostConnected, Origin
from vmwatch.pipeline import HostStatus, Publish
from vmwatch.sample import HostSample
from vmwatch.settings import HostSettings, MetadataLabel, ShowSettings, StatsSettings
from vmwatch.source.callbacks import Callback
from vmwatch.source.connection import Connection, Open, host_error, open_libvirt
from vmwatch.source.drivers import Look, driver_of_type, driver_of_uri, version_text
from vmwatch.source.facts import connected_event, family_uri, is_local
from vmwatch.source.fallback import Fallback
from vmwatch.source.line import Line, OpenLine
from vmwatch.source.listed import Listing
from vmwatch.source.listing import Lister
from vmwatch.source.loop import Gate, Mailbox
from vmwatch.source.normalise import normalise
from vmwatch.source.openings import PATIENCE, Openings, Patience
from vmwatch.source.plan import plan
from vmwatch.source.register import FAMILIES, Family, register
from vmwatch.source.relist import Relisting
from vmwatch.source.resync import stops_by_reboot
from vmwatch.source.sampler import Sampler
from vmwatch.source.standing import Standing
from vmwatch.state import KnownState
from vmwatch.stream import now
from vmwatch.uris import without_credentials

log = structlog.get_logger(__name__)


class Host:
    """The hypervisor that *settings* name, sampled as *stats* say; *show*: which sensitive values its events carry."""

    def __init__(
        self,
        settings: HostSettings,
        stats: StatsSettings,
        show: ShowSettings,
        metadata: Mapping[str, MetadataLabel] | None = None,
        *,
        openings: Openings | None = None,
        open: Open | None = None,  # noqa: A002 - libvirt's word
        patience: Patience = PATIENCE,
    ) -> None:
        self.name = settings.name
        self.uri = without_credentials(settings.uri)
        self.settings = settings
        self._show = show
        self._open_uri = open or self._open_as_set
        self._driver = driver_of_uri(settings.uri)
        self._publish: Publish
        self._known: KnownState
        self._mailbox: Mailbox
        self._relisting: Relisting | None = None
        self._takes_events = False
        self._stands = asyncio.Event()
        self._make_line = partial(Line, openings=openings or Openings(), patience=patience)
        self._line = self._make_line(self.name, settings.uri, open=self._open, watch=self._watch, lost=self._lost)
        self._lines = [self._line]
        for family in FAMILIES:
            uri = family_uri(settings.uri, family.scheme)
            if uri is not None:
                self._lines.append(self._family_line(family, uri))
        self._fallback = Fallback(stats.groups)
        self._sampler = Sampler(
            self.name,
            self.uri,
            connect=self.connect,
            settings=stats,
            publish=lambda event: self._publish(event),
            watched=self._is_watched,
            metadata=metadata,
            per_domain=self._fallback.complete,
        )
        self._standing = Standing(self.name, self.uri)

    def connect(self) -> libvirt.virConnect:
        """Open one more connection to this host; blocks; HostError."""
        return self._open_uri(self.settings.uri)

    def _open_as_set(self, uri: str) -> libvirt.virConnect:
        return open_libvirt(uri, read_only=self.settings.read_only, auth_file=self.settings.auth_file)

    def status(self) -> HostStatus:
        """Say how it stands with the connection that events come by."""
        figures = {
            "vmwatch_host_connections_total": self._line.opened,
            "vmwatch_host_callbacks_waiting": len(self._mailbox) if self._standing.up else 0,
            "vmwatch_host_connections_retired": sum(line.retired for line in self._lines),
            **self._sampler.figures(),
        }
        return self._standing.status(figures)

    async def sample(self, deadline: float) -> HostSample | None:
        """Measure what can be measured by *deadline*; None while the host is away."""
        if not self._standing.up:
            return None
        if self._driver.look in (Look.ANEW, Look.ANEW_AND_HELD):
            self._sampler.renew()
        return await self._sampler.sample(deadline)

    async def run(self, publish: Publish, known: KnownState) -> None:
        """Publish the host's events until cancelled, across all losses of the connection."""

        def tell(event: Event) -> None:
            publish(event)
            self._sampler.note(event)

        self._publish, self._known = tell, known
        self._mailbox = Mailbox(self._received, self._overflowed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sampler.run())
            for line in self._lines:
                tasks.create_task(line.run())

    def _open(self, closed: Callable[[str], None]) -> Connection:
        connection = Connection(self.connect(), closed)
        gate = Gate(self._mailbox.put)
        own = [family for family in FAMILIES if family_uri(self.settings.uri, family.scheme) is None]
        taken = [self._register(connection, family, gate.put) for family in own]
        event = connected_event(connection.libvirt, self.name, self.uri, local=is_local(self.settings.uri))

        def begin() -> None:
            self._takes_events = taken[0] > 0
            self._driver = driver_of_type(event.driver)
            self._fallback.forget()
            self._sampler.forget()
            gate.open(event)

        connection.begin = begin
        return connection

    def _register(self, connection: Connection, family: Family, put: Callable[[Any], None]) -> int:
        if self.settings.events == "polling" and family.name == "domain":
            return 0
        try:
            return register(connection, family, self.name, self.uri, put)
        except libvirt.libvirtError as error:
            connection.close()
            raise host_error(error) from error

    def _family_line(self, family: Family, uri: str) -> Line:
        """Keep a connection of the *family*'s own: callbacks through the guests' daemon end when theirs restarts.

        It is opened only while the host's own stands: of a dead host one opening hangs, not five.
        """

        def open_family(closed: Callable[[str], None]) -> Connection:
            connection = Connection(self._open_uri(uri), closed)
            self._register(connection, family, self._mailbox.put)
            return connection

        async def watch(line: OpenLine) -> None:
            raise HostError(await line.ended)

        said: set[str] = set()

        def lost(error: HostError) -> None:
            if self._standing.up and error.reason not in said:
                said.add(error.reason)
                log.info("no events of this family for now", host=self.name, family=family.name, reason=error.reason)

        name = f"{self.name} {family.name}"
        return self._make_line(name, uri, open=open_family, watch=watch, lost=lost, wanted=self._stands.wait)

    async def _watch(self, line: OpenLine) -> None:
        line.connection.begin()
        self._stands.set()
        lister = Lister(self.name, self.uri, self._driver.look, self.connect)
        line.connection.at_close(lister.close)

        async def look() -> Listing:
            return await line.call(lister)

        self._relisting = Relisting(
            look,
            self._known,
            self._publish,
            is_watched=self._is_watched,
            plan=plan(self._driver, self.settings, takes_events=self._takes_events),
        )
        listing = asyncio.create_task(self._relisting.run())
        learning = asyncio.create_task(self._learn_version(line))
        try:
            waits: set[asyncio.Future[Any]] = {listing, line.ended}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not listing.done():
                raise HostError(line.ended.result())
            listing.result()
        finally:
            self._stands.clear()
            listing.cancel()
            learning.cancel()
            await asyncio.wait({listing, learning})
            self._relisting = None

    async def _learn_version(self, line: OpenLine) -> None:
        """Ask for the hypervisor's version, last of all: libvirt may have to run the hypervisor to tell."""
        with suppress(HostError):
            self._standing.learned(await line.call(lambda connection: version_text(connection.getVersion())))

    def _received(self, item: Any) -> None:
        if isinstance(item, HostConnected):
            self._connected(item)
            return
        callback: Callback = item
        if callback.family == "domain" and not self._is_watched(callback.object_name):
            return
        if callback.name == "LIFECYCLE" and callback.family == "domain" and self._relisting and callback.object_uuid:
            self._relisting.touch(callback.object_uuid)
        event = normalise(self._known, callback, self._show)
        if event is not None:
            self._publish(event)

    def _is_watched(self, domain: str) -> bool:
        include, exclude = self.settings.include, self.settings.exclude
        return (not include or any(fnmatchcase(domain, pattern) for pattern in include)) and not any(
            fnmatchcase(domain, pattern) for pattern in exclude
        )

    def _connected(self, event: HostConnected) -> None:
        self._standing.connected(event)
        for told in (event, *stops_by_reboot(self._known, event)):
            self._publish(told)

    def _overflowed(self, count: int) -> None:
        self._publish(
            EventsDropped(
                time=now(),
                host=self.name,
                uri=self.uri,
                origin=Origin.VMWATCH,
                count=count,
                reason="callbacks came faster than they could be told",
            )
        )
        if self._relisting:
            self._relisting.gap()

    def _lost(self, error: HostError) -> None:
        self._mailbox.take_all()  # what libvirt said before it went is told before that
        disconnected = self._standing.lost(error, self._known)
        if disconnected is not None:
            self._publish(disconnected)
