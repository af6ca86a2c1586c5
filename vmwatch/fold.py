"""The one fold: what each told event changes in known state, from nothing but the event as it stands on the wire.

So folding a journal again gives the same, but for what a listing sets silently (`note_listing`).  Runs for every event
on the event loop's thread: it has to be quick.
"""

from collections.abc import Callable, Mapping
from typing import Any

from vmwatch.events import (
    ACTIVE_STATES,
    Discovered,
    DomainEvent,
    Event,
    Flapping,
    HostConnected,
    HostDisconnected,
    LifecycleEvent,
    Migration,
    Outage,
    State,
    Time,
    device,
)
from vmwatch.fold_counters import count, mark_gone, mark_there
from vmwatch.fold_lifecycle import fold_lifecycle
from vmwatch.state import KnownDomain, KnownState, Threshold

KEEP_GONE = 600_000_000_000  # nanoseconds; as long as a derived event may need it: flapping looks back so far


def fold(known: KnownState, event: Event) -> None:
    """Bring *known* to where it stands after *event*, which has been told: it has an id, and the host's sequence."""
    host = known.host(event.host)
    host.sequence = event.sequence
    host.time = event.time
    if event.uri is not None:
        host.uri = event.uri
    gone = known.gone(event.host)
    if gone:
        _forget_long_gone(known, event, gone)
    if isinstance(event, DomainEvent):
        _fold_domain_event(known, event)
    elif isinstance(event, HostConnected):
        host.connected = True
        host.driver = event.driver or host.driver
        host.boot_id = event.boot_id or host.boot_id
    elif isinstance(event, HostDisconnected):
        host.connected = False


def _fold_domain_event(known: KnownState, event: DomainEvent) -> None:
    before = known.domain(event.host, event.domain.uuid)
    old_name = before.name if before is not None and before.exists else None
    domain = known.change_domain(event.host, event.domain.uuid, event.domain.name)
    domain.sequence = event.sequence
    if isinstance(event, LifecycleEvent):
        fold_lifecycle(known, domain, event)
    else:
        change = _CHANGES.get(type(event))
        if change is not None:
            change(known, domain, event)
    if before is None or (domain.name if domain.exists else None) != old_name:
        _came_or_went(known, event, domain, old_name)
    count(known, event)


def _came_or_went(known: KnownState, event: DomainEvent, domain: KnownDomain, old_name: str | None) -> None:
    gone = known.gone(event.host)
    gone.pop(domain.uuid, None)
    if domain.exists:
        mark_there(known, event.host, domain.name)
    else:
        gone[domain.uuid] = event.time
        mark_gone(known, event.host, domain.name, event.time)
    if old_name is not None and old_name != domain.name:
        mark_gone(known, event.host, old_name, event.time)


def _discovered(_known: KnownState, domain: KnownDomain, event: Discovered) -> None:
    domain.state = event.state
    domain.persistent = event.persistent
    domain.id = event.domain.id
    domain.last_told = event.time
    domain.up = event.state in (State.RUNNING, State.PMSUSPENDED)  # a paused one may never have run


def _rebooted(_known: KnownState, domain: KnownDomain, event: device.Rebooted) -> None:
    if domain.state is State.CRASHED:
        domain.evidence.crash_restarted = event.time
    if event.domain.id is not None:
        domain.id = event.domain.id  # a container that reboots is a new process, and yet was not stopped
    if not event.duplicate:
        domain.rebooted = event.time


def _watchdog_fired(_known: KnownState, domain: KnownDomain, event: device.WatchdogFired) -> None:
    if event.action == "poweroff":
        domain.evidence.watchdog_poweroff = True


def _agent_changed(_known: KnownState, domain: KnownDomain, event: device.AgentChanged) -> None:
    domain.evidence.agent = event.status


def _block_threshold(_known: KnownState, domain: KnownDomain, event: device.BlockThreshold) -> None:
    if not event.duplicate:
        domain.evidence.threshold = Threshold(
            device=event.device,
            threshold_bytes=event.threshold_bytes,
            excess_bytes=event.excess_bytes,
            at=event.time,
        )


def _outage(_known: KnownState, domain: KnownDomain, _event: Outage) -> None:
    domain.outage = None


def _flapping(_known: KnownState, domain: KnownDomain, _event: Flapping) -> None:
    domain.flapping = True


def _migration(known: KnownState, _domain: KnownDomain, event: Migration) -> None:
    for host, end in list(known.everywhere(event.domain.uuid)):
        if end.migration is not None or end.postcopy_failed:
            end = known.change_domain(host, end.uuid, end.name)
            end.migration = None
            end.postcopy_failed = False
    source = known.domain(event.from_host, event.domain.uuid) if event.from_host is not None else None
    if source is not None and event.result == "completed" and source.state in ACTIVE_STATES:
        known.change_domain(event.from_host or "", source.uuid, source.name).moved = True


_CHANGES: Mapping[type[DomainEvent], Callable[[KnownState, KnownDomain, Any], None]] = {
    Discovered: _discovered,
    Outage: _outage,
    Flapping: _flapping,
    Migration: _migration,
    device.Rebooted: _rebooted,
    device.WatchdogFired: _watchdog_fired,
    device.AgentChanged: _agent_changed,
    device.BlockThreshold: _block_threshold,
}


def _forget_long_gone(known: KnownState, event: Event, gone: dict[str, Time]) -> None:
    uuid, since = next(iter(gone.items()))
    if event.time - since > KEEP_GONE:
        known.forget_domain(event.host, uuid)


def note_listing(
    known: KnownState,
    host: str,
    persistent: Mapping[str, bool | None],
    began: Time,
    stateless: Mapping[str, str] | None = None,
) -> None:
    """Set silently what a listing begun at *began* says beside differences, after these were told.

    *persistent* has every listed uuid, *stateless* the names of those whose state the driver did not know.  A domain of
    which nothing but its name was known, and that is not listed, is forgotten; the journal writes this down with its
    next group.
    """
    entry = known.host(host)
    if not entry.listed:
        for uuid, name in (stateless or {}).items():
            known.change_domain(host, uuid, name).undiscovered = True
            mark_there(known, host, name)
    entry.listed = True
    entry.listed_at = began
    for uuid, domain in list(known.domains[host].items()):
        if uuid in persistent:
            if domain.persistent is None and persistent[uuid] is not None:
                known.change_domain(host, uuid, domain.name).persistent = persistent[uuid]
        elif domain.state is State.UNKNOWN:
            known.forget_domain(host, uuid)
            mark_gone(known, host, domain.name, began)
