"""What is known: hosts, their domains, open derivations and event counters, as the events told so far leave them.

Only `vmwatch.fold` changes it, so that folding the journal's events again gives the same.  Everything here is plain
data that the journal writes down beside the events; nobody else keeps a copy.
"""

from collections.abc import Iterator

import msgspec

from vmwatch.counters import DomainCounters, Histogram
from vmwatch.events import State, Time

__all__ = [
    "Changes",
    "DomainCounters",
    "Evidence",
    "Histogram",
    "KnownDomain",
    "KnownHost",
    "KnownState",
    "OpenMigration",
    "OpenOutage",
    "Threshold",
    "is_qemu",
]


class OpenOutage(msgspec.Struct, kw_only=True, gc=False):
    """A domain that was up and is down: since *began*, told by *evidence*; *inferred* where nobody saw it begin."""

    began: Time
    evidence: list[str]
    inferred: bool
    cause: str | None = None


class OpenMigration(msgspec.Struct, kw_only=True, gc=False):
    """A migration under way, kept at the domain of one end; the other end has its own half.

    The destination's (*incoming*) begins with STARTED/MIGRATED, has *arrived* when the guest is resumed or paused
    there, and notes which host had it running as *source*.  The source's begins when the guest is stopped for the
    switch-over.
    """

    incoming: bool
    began: Time
    evidence: list[str]
    arrived: bool = False
    source: str | None = None


class Threshold(msgspec.Struct, kw_only=True, gc=False):
    """The last block threshold that was passed, by a device's plain name."""

    device: str
    threshold_bytes: int
    excess_bytes: int
    at: Time


class Evidence(msgspec.Struct, kw_only=True, gc=False):
    """What was told of a domain since its last start, by which later events are explained.

    *shutdown_finished* is when libvirt told it (never inferred); *finished* is set while the guest has shut down and
    its process is still there; *incoming* from STARTED/MIGRATED to the first RESUMED, *arrived* if it is paused there;
    *restoring* from a STARTED/RESTORED that leaves the domain paused to the RESUMED or SUSPENDED after it; *replaced*
    when another process of the same domain was started, and the STOPPED of the old one is to come.
    """

    shutdown_detail: str | None = None
    shutdown_finished: Time | None = None
    finished: bool = False
    guest_shutdown: bool = False
    panicked: bool = False
    watchdog_poweroff: bool = False
    hibernating: bool = False
    incoming: bool = False
    arrived: bool = False
    restoring: bool = False
    replaced: bool = False
    woken: Time | None = None
    crash_restarted: Time | None = None
    threshold: Threshold | None = None
    agent: str | None = None


class KnownDomain(msgspec.Struct, kw_only=True, gc=False):
    """One domain of one host; a domain that has gone (*state* undefined) is kept for ten minutes.

    *undiscovered*: the host's first listing had it in no state, so the first state that is listed is its discovery.
    *persistent* is None until a listing or a definition says it.  *since* is when *state* was entered, *started* when
    the domain became active, *last_told* when something of its life was last told, *sequence* that of its last event.
    *rebooted* is the last reboot that was no duplicate.  *inferred* has the ids, by type, of what a listing told at
    *inferred_at* and no callback has confirmed.

    *up*: it ran since its start.  *handed_over*: the guest was stopped to run on another host, and not resumed here.
    *moved*: it was told that the guest has arrived there, while the process here was not yet known to have ended.
    *outages_began* and *outage_ids* are the outages of the last ten minutes; *flapping* mutes more of that.
    """

    uuid: str
    name: str
    id: int | None = None
    state: State = State.UNKNOWN
    undiscovered: bool = False
    persistent: bool | None = None
    since: Time | None = None
    started: Time | None = None
    last_told: Time | None = None
    sequence: int = 0

    evidence: Evidence = msgspec.field(default_factory=Evidence)
    rebooted: Time | None = None
    inferred: dict[str, str] = {}
    inferred_at: Time | None = None

    up: bool = False
    handed_over: bool = False
    moved: bool = False
    postcopy_failed: bool = False
    outage: OpenOutage | None = None
    outages_began: list[Time] = []
    outage_ids: list[str] = []
    flapping: bool = False
    migration: OpenMigration | None = None

    @property
    def exists(self) -> bool:
        """Say whether the domain has not gone."""
        return self.state is not State.UNDEFINED


class KnownHost(msgspec.Struct, kw_only=True):
    """One host: the *sequence* and *time* of its last event.

    *listed* says whether a listing was ever applied, *listed_at* when the last one of them was begun.  *histograms* are
    by the names of `HISTOGRAM_BOUNDS_SECONDS`, those with observations only.
    """

    name: str
    uri: str | None = None
    driver: str | None = None
    boot_id: str | None = None
    sequence: int = 0
    time: Time = Time(0)
    connected: bool | None = None
    listed: bool = False
    listed_at: Time | None = None
    histograms: dict[str, Histogram] = {}


def is_qemu(driver: str | None) -> bool:
    """Say whether *driver* tells everything: a CRASHED, a RESUMED after a restore, a JOB_COMPLETED; None is as qemu."""
    return driver is None or driver.lower() == "qemu"


class KnownState:
    """Everything known, by host; what changed since `take_changes` is remembered for the journal."""

    def __init__(self) -> None:
        self.hosts: dict[str, KnownHost] = {}
        self.domains: dict[str, dict[str, KnownDomain]] = {}
        self.counters: dict[str, dict[str, DomainCounters]] = {}
        self._gone: dict[str, dict[str, Time]] = {}
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
        if host not in self.hosts:
            self.host(host)
        self._changed_domains.add((host, uuid))
        domains = self.domains[host]
        known = domains.get(uuid)
        if known is None:
            known = domains[uuid] = KnownDomain(uuid=uuid, name=name)
        return known

    def forget_domain(self, host: str, uuid: str) -> None:
        """Drop a domain of which nothing is left to know."""
        self.gone(host).pop(uuid, None)
        if self.domains.get(host, {}).pop(uuid, None) is not None:
            self._changed_domains.add((host, uuid))

    def gone(self, host: str) -> dict[str, Time]:
        """Return when each domain of *host* that has gone did so, the first one first; to change with its state."""
        gone = self._gone.get(host)
        if gone is None:
            some = [known for known in self.domains.get(host, {}).values() if not known.exists and known.since]
            gone = {
                known.uuid: known.since for known in sorted(some, key=lambda known: known.since or 0) if known.since
            }
            self._gone[host] = gone
        return gone

    def change_counters(self, host: str, name: str) -> DomainCounters:
        """Return the counters of *name* to change, new ones if there are none."""
        if host not in self.hosts:
            self.host(host)
        self._changed_counters.add((host, name))
        counters = self.counters[host].get(name)
        if counters is None:
            counters = self.counters[host][name] = DomainCounters()
        return counters

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
