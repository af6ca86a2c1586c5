"""Measures one host: statistics of all its guests from several threads at once, whatever hangs.

Guests are read in shards, so that one that hangs holds up few others; which one it is, `controlInfo` tells, and the
others of its shard are read again by another thread.  A call that hangs can only be left behind: its thread and its
connection are kept and counted, and at most four are, as each holds one of libvirtd's twenty workers.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import libvirt
import msgspec
import structlog

from vmwatch import words
from vmwatch.errors import HostError
from vmwatch.events import Domain, DomainEvent, Event, State, Time
from vmwatch.sample import DomainSample, HostSample, Row
from vmwatch.settings import MetadataLabel, StatsSettings
from vmwatch.source.metadata import Definitions
from vmwatch.source.sampler_crew import Crew
from vmwatch.source.sampler_host import read_host
from vmwatch.source.sampler_probe import Prober
from vmwatch.source.sampler_reader import (
    Listed,
    PerDomain,
    Reader,
    Reading,
    Record,
    describe,
    info_record,
    list_domains,
)
from vmwatch.source.sampler_round import Job, Round, split
from vmwatch.source.sampler_stuck import StuckGuests
from vmwatch.source.sampler_unknown import UnknownFields
from vmwatch.source.stats import convert
from vmwatch.stream import now

MOST_CALLS = 4
"""Calls under way to one daemon, and therefore the most that can hang there."""

LONGEST_PATIENCE_SECONDS = 4.0

_DESCRIBED_AT_ONCE = 4  # so few that the loop parses them in a millisecond
_SAMPLES_AT_ONCE = 500
_HANDLES_AT_ONCE = 500

log = structlog.get_logger(__name__)


class Sampler:
    """Measures the host called *host_name* as *settings* say, by connections that *connect* makes.

    *publish* gets the events that a guest does not answer, or answers again.  Domains whose name is not *watched* are
    left out.  *metadata* are the user's labels; *per_domain* reads a domain where the driver has no bulk statistics.
    """

    def __init__(
        self,
        host_name: str,
        uri: str,
        *,
        connect: Callable[[], libvirt.virConnect],
        settings: StatsSettings,
        publish: Callable[[Event], None],
        watched: Callable[[str], bool] = lambda _name: True,
        metadata: Mapping[str, MetadataLabel] | None = None,
        per_domain: PerDomain = info_record,
    ) -> None:
        self._host_name = host_name
        self._watched = watched
        self._reader = Reader(settings.groups, per_domain)
        self._definitions = Definitions(metadata or {})
        self._stuck = StuckGuests(
            host_name,
            uri,
            publish=publish,
            probe=lambda domains: self._prober.probe(domains),
            patience_seconds=min(settings.timeout, LONGEST_PATIENCE_SECONDS),
        )
        size = min(settings.concurrency, MOST_CALLS)
        self._crew = Crew(f"sample {host_name}", size, connect, self._stuck.look)
        self._prober = Prober(host_name, connect, self._stuck.look)
        self._unknown = UnknownFields(host_name)
        self._listed: Sequence[Listed] = ()
        self._fresh: dict[str, _Heard] = {}
        self._heard: dict[str, _Heard] = {}
        self._host_rows: Sequence[Row] = ()
        self._host_is_asked = False
        self._failures = 0
        self._failing: dict[str, str] = {}

    def figures(self) -> dict[str, float]:
        """Return counts and gauges about our own work, by metric name."""
        probes = self._prober.crew
        return {
            "vmwatch_host_calls_overdue": self._crew.overdue + probes.overdue,
            "vmwatch_host_calls_given_up_total": self._crew.given_up_total + probes.given_up_total,
            "vmwatch_host_domains_unresponsive": len(self._stuck),
            "vmwatch_host_domain_failures_total": self._failures,
            "vmwatch_host_unknown_fields_total": self._unknown.total,
        }

    def note(self, event: Event) -> None:
        """Take an event of this host that was told: it may change what a domain is made of."""
        if isinstance(event, DomainEvent):
            self._definitions.note(event)

    async def run(self) -> None:
        """Watch guests that do not answer until cancelled."""
        try:
            await self._stuck.run()
        finally:
            self._crew.close()
            self._prober.crew.close()

    def forget(self) -> None:
        """Ask anew which statistics the host has: it was connected to again, and may be another version of it."""
        self._reader.forget()

    def renew(self) -> None:
        """Measure by a new connection from now on: there are drivers whose old ones do not see what has changed."""
        self._crew.renew()

    async def sample(self, deadline: float) -> HostSample | None:
        """Measure what can be by *deadline* (seconds of the loop's clock); None where the host cannot be listed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._fresh, self._host_rows = {}, ()
        try:
            if await self._crew.ready(deadline - began):
                self._take_list(await self._crew.ask(self._list, deadline - loop.time()))
                await Round(self._crew, self._stuck, deadline).run(self._jobs(loop.time()))
        except (libvirt.libvirtError, HostError) as error:
            log.debug("no list of domains", host=self._host_name, reason=str(error))
            return None
        domains = await self._samples()
        return HostSample(
            host=self._host_name, time=now(), seconds=loop.time() - began, rows=self._host_rows, domains=domains
        )

    def _list(self, connection: libvirt.virConnect) -> list[Listed]:
        return [one for one in list_domains(connection) if self._watched(one.domain.name)]

    def _take_list(self, listed: Sequence[Listed] | None) -> None:
        if listed is None:  # too late, or too much hangs: the last list has to do
            return
        self._forget_handles()
        self._listed = listed
        domains = {one.domain.uuid: one.domain for one in listed}
        self._stuck.keep_only(domains)
        self._definitions.keep_only(domains.keys())
        for about in (self._heard, self._failing):
            for uuid in about.keys() - domains.keys():
                del about[uuid]

    def _forget_handles(self) -> None:
        """Let a thread free the last list's handles: 10,000 take 40 ms."""
        if len(self._listed) > _HANDLES_AT_ONCE and self._crew.free > 0:
            old = [self._listed]
            self._crew.begin(lambda _connection: old.clear())

    def _jobs(self, at: float) -> list[Job]:
        asked = [one for one in self._listed if one.domain.uuid not in self._stuck] if self._stuck.any else self._listed
        active = [one for one in asked if one.domain.id is not None]
        jobs = [] if self._host_is_asked else [Job(self._ask_host, (), self._take_host)]
        jobs += [Job(self._reader.read, shard, self._take) for shard in split(active, MOST_CALLS)]
        unread = [one for one in asked if self._definitions.wants(one.domain, at)]
        shards = (unread[start : start + _DESCRIBED_AT_ONCE] for start in range(0, len(unread), _DESCRIBED_AT_ONCE))
        return jobs + [Job(describe, shard, self._take_definitions) for shard in shards]

    def _ask_host(self, connection: libvirt.virConnect, _: Sequence[Listed]) -> Sequence[Row]:
        """Read the host's own figures, in a thread; one such call may hang (in a pool's storage), not one a scrape."""
        self._host_is_asked = True
        try:
            return read_host(connection)
        finally:
            self._host_is_asked = False

    def _take_host(self, rows: Sequence[Row]) -> None:
        self._host_rows = rows

    def _take_definitions(self, described: Sequence[tuple[Domain, str]]) -> None:
        at = asyncio.get_running_loop().time()
        for domain, xml in described:
            self._definitions.take(domain, xml, at)

    def _take(self, readings: Sequence[Reading]) -> None:
        at = now()
        for reading in readings:
            uuid = reading.domain.uuid
            if reading.record is None:
                self._fail(reading.domain, reading.reason)
                continue
            try:
                rows, unknown = convert(reading.record, at / 1e9, self._definitions.balloon_period_seconds(uuid))
            except Exception:  # what one domain's record breaks is that domain's figures
                log.exception("statistics cannot be read", host=self._host_name, domain=reading.domain.name)
                self._failures += 1
                continue
            self._unknown.note(unknown)
            self._failing.pop(uuid, None)
            self._fresh[uuid] = _Heard(reading.domain, at, _state(reading.record), rows)

    def _fail(self, domain: Domain, reason: str) -> None:
        self._failures += 1
        if self._failing.get(domain.uuid) != reason:  # told when it begins, not at every scrape
            log.warning("domain cannot be measured", host=self._host_name, domain=domain.name, reason=reason)
        self._failing[domain.uuid] = reason

    async def _samples(self) -> list[DomainSample]:
        samples = []
        for number, listed in enumerate(self._listed):
            samples.append(self._sample_of(listed.domain))
            if number % _SAMPLES_AT_ONCE == _SAMPLES_AT_ONCE - 1:
                await asyncio.sleep(0)
        return samples

    def _sample_of(self, domain: Domain) -> DomainSample:
        about = self._definitions.rows(domain.uuid)
        fresh = self._fresh.get(domain.uuid)
        if fresh is not None:
            self._heard[domain.uuid] = _Heard(fresh.domain, fresh.at, fresh.state)
            return DomainSample(domain=fresh.domain, state=fresh.state, time=fresh.at, rows=(*fresh.rows, *about))
        if domain.id is None:
            return DomainSample(domain=domain, state=State.SHUTOFF, time=None, rows=about)
        heard = self._heard.get(domain.uuid)
        if heard is None or heard.domain.id != domain.id:
            return DomainSample(domain=domain, state=State.UNKNOWN, time=None, timed_out=True, rows=about)
        return DomainSample(domain=domain, state=heard.state, time=heard.at, timed_out=True, rows=about)


class _Heard(msgspec.Struct, frozen=True, gc=False):
    """What was last heard of a domain."""

    domain: Domain
    at: Time
    state: State
    rows: Sequence[Row] = ()


_STATES = {**{number: State(word) for number, word in enumerate(words.STATES) if word in set(State)}, 2: State.RUNNING}
"""libvirt's states as ours: a blocked domain runs, and without a state nothing is known."""


def _state(record: Record) -> State:
    return _STATES.get(record.get("state.state", 0), State.UNKNOWN)
