"""What is known: hosts, their domains, open derivations and event counters, as the events told so far leave them.

Only `vmwatch.fold` changes it, so that folding the journal's events again gives the same.  Everything here is plain
data that the journal writes down beside the events; nobody else keeps a copy.
"""

from collections.abc import Iterator

import msgspec

from vmwatch.events import State, Time


class OpenOutage(msgspec.Struct, kw_only=True):
    """A domain that was up and is down: since *began*, told by *evidence*; *inferred* where nobody saw it begin."""

    began: Time
    evidence: list[str]
    inferred: bool
    cause: str | None = None


class OpenMigration(msgspec.Struct, kw_only=True):
    """A migration under way, kept at the domain of one end; the other end has its own half."""

    incoming: bool
    began: Time
    evidence: list[str]
    resumed: bool = False
    postcopy_failed: bool = False


class KnownDomain(msgspec.Struct, kw_only=True):
    """One domain of one host.

    *persistent* is None until a listing or a definition says it.  *since* is when *state* was entered, *started* when
    the domain became active, *last_told* when something of its life was last told.  The rest is the evidence that later
    events are explained by; all of it except the outages ends with the domain's next start.
    """

    uuid: str
    name: str
    id: int | None = None
    state: State = State.UNKNOWN
    persistent: bool | None = None
    since: Time | None = None
    started: Time | None = None
    last_told: Time | None = None

    shutdown_detail: str | None = None
    shutdown_finished: Time | None = None
    panicked: bool = False
    watchdog_poweroff: bool = False
    hibernating: bool = False
    incoming: bool = False
    rebooted: Time | None = None
    woken: Time | None = None
    crash_restarted: Time | None = None

    up: bool = False
    handed_over: bool = False
    inferred: str | None = None
    outage: OpenOutage | None = None
    outages_began: list[Time] = []
    outage_ids: list[str] = []
    flapping_until: Time | None = None
    migration: OpenMigration | None = None


class DomainCounters(msgspec.Struct, kw_only=True):
    """What was counted for one name on one host: *events* by "event detail", *stops* by cause, *last* by event.

    Kept by name, as Prometheus sees it.  *gone* is when the last domain of that name went; None while one exists.
    """

    events: dict[str, int] = {}
    stops: dict[str, int] = {}
    last: dict[str, Time] = {}
    gone: Time | None = None


class Histogram(msgspec.Struct, kw_only=True):
    """Observations of one duration: *buckets* counts them by upper bound (not cumulative), the last one is infinity."""

    buckets: list[int] = []
    sum_seconds: float = 0.0


class KnownHost(msgspec.Struct, kw_only=True):
    """One host: the *sequence* and *time* of its last event, and whether a listing was ever seen (*listed*)."""

    name: str
    uri: str | None = None
    driver: str | None = None
    boot_id: str | None = None
    sequence: int = 0
    time: Time = Time(0)
    connected: bool | None = None
    listed: bool = False
    histograms: dict[str, Histogram] = {}


class KnownState:
    """Everything known, by host; what changed since `take_changes` is remembered for the journal."""

    def __init__(self) -> None:
        self.hosts: dict[str, KnownHost] = {}
        self.domains: dict[str, dict[str, KnownDomain]] = {}
        self.counters: dict[str, dict[str, DomainCounters]] = {}
        self._changed_hosts: set[str] = set()
        self._changed_domains: set[tuple[str, str]] = set()
        self._changed_counters: set[tuple[str, str]] = set()

    def host(self, name: str) -> KnownHost:
        """Return the host called *name*, new if nothing was known of it, marked as changed."""
        self._changed_hosts.add(name)
        known = self.hosts.get(name)
        if known is None:
            known = self.hosts[name] = KnownHost(name=name)
            self.domains[name] = {}
            self.counters[name] = {}
        return known

    def domain(self, host: str, uuid: str) -> KnownDomain | None:
        """Return what is known of a domain, to look at; None where nothing is."""
        return self.domains.get(host, {}).get(uuid)

    def change_domain(self, host: str, uuid: str, name: str) -> KnownDomain:
        """Return a domain to change, new (called *name*) if nothing was known of it."""
        self.host(host)
        self._changed_domains.add((host, uuid))
        domains = self.domains[host]
        known = domains.get(uuid)
        if known is None:
            known = domains[uuid] = KnownDomain(uuid=uuid, name=name)
        return known

    def forget_domain(self, host: str, uuid: str) -> None:
        """Drop a domain of which nothing is left to know."""
        if self.domains.get(host, {}).pop(uuid, None) is not None:
            self._changed_domains.add((host, uuid))

    def change_counters(self, host: str, name: str) -> DomainCounters:
        """Return the counters of *name* to change, new ones if there are none."""
        self.host(host)
        self._changed_counters.add((host, name))
        return self.counters[host].setdefault(name, DomainCounters())

    def forget_counters(self, host: str, name: str) -> None:
        """Drop the counters of a *name* that has gone."""
        if self.counters.get(host, {}).pop(name, None) is not None:
            self._changed_counters.add((host, name))

    def everywhere(self, uuid: str) -> Iterator[tuple[str, KnownDomain]]:
        """Yield the hosts that know a domain with this *uuid*, and what they know: two during a migration."""
        for host, domains in self.domains.items():
            known = domains.get(uuid)
            if known is not None:
                yield host, known

    def take_changes(self) -> "Changes":
        """Return what changed since the last call; None stands for what was forgotten."""
        changes = Changes(
            hosts={name: self.hosts[name] for name in self._changed_hosts},
            domains={(host, uuid): self.domain(host, uuid) for host, uuid in self._changed_domains},
            counters={(host, name): self.counters[host].get(name) for host, name in self._changed_counters},
        )
        self._changed_hosts.clear()
        self._changed_domains.clear()
        self._changed_counters.clear()
        return changes


class Changes(msgspec.Struct, frozen=True):
    """What to write down beside the events that changed it; the objects are live: encode them at once."""

    hosts: dict[str, KnownHost]
    domains: dict[tuple[str, str], KnownDomain | None]
    counters: dict[tuple[str, str], DomainCounters | None]
