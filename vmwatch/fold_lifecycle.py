"""What a lifecycle event changes in what is known of its domain: its state, the evidence, whether it is up."""

from collections.abc import Callable
from typing import Any

from vmwatch.events import ACTIVE_STATES, Cause, LifecycleEvent, Origin, State, lifecycle
from vmwatch.fold_migration import fold_migration
from vmwatch.state import Evidence, KnownDomain, KnownState, OpenOutage

KEEP_OUTAGES_SECONDS = 600  # the time in which a third outage is flapping

_KEEP_OUTAGES = KEEP_OUTAGES_SECONDS * 1_000_000_000  # by the times on the wire: folding again has no other clock

NO_OUTAGE = frozenset({Cause.MIGRATED, Cause.MIGRATION_FAILED, Cause.SNAPSHOT_REVERT, Cause.RECREATED})
"""Causes of a stop after which the guest runs on elsewhere, never ran, or is started again by the same action."""


def fold_lifecycle(known: KnownState, domain: KnownDomain, event: LifecycleEvent) -> None:
    """Change *domain* to what it is after *event*."""
    domain.name = event.domain.name
    domain.last_told = event.time
    if event.duplicate:
        _confirm(domain, event)
        return
    _note_inference(domain, event)
    starts = type(event) in _STARTS and _starts(event)
    if starts:
        domain.evidence = Evidence()
    note = _EVIDENCE.get(type(event))
    if note is not None:
        note(domain, event)
    fold_migration(known, domain, event, starts=starts)
    _note_state(domain, event, starts=starts)
    down = _DOWN.get(type(event))
    if down is not None:
        down(domain, event)
    if event.state is State.RUNNING:
        domain.up = True
        domain.handed_over = False


def _confirm(domain: KnownDomain, event: LifecycleEvent) -> None:
    domain.inferred.pop(event.type, None)
    outage = domain.outage
    if outage is None or not isinstance(event, lifecycle.Stopped):
        return
    if event.cause in NO_OUTAGE:
        _drop_outage(domain)
    elif outage.cause in (None, Cause.UNKNOWN):
        outage.cause = event.cause
        outage.evidence.append(event.id)


def _note_inference(domain: KnownDomain, event: LifecycleEvent) -> None:
    if event.origin is Origin.LIBVIRT:
        if domain.inferred:
            domain.inferred = {}
        return
    if event.time != domain.inferred_at:
        domain.inferred = {}
        domain.inferred_at = event.time
    domain.inferred[event.type] = event.id


_STARTS = frozenset({lifecycle.Started, lifecycle.Resumed})


def _starts(event: LifecycleEvent) -> bool:
    """Say whether a start begins here: a wake-up is none, the resume of a boot is one."""
    if type(event) is lifecycle.Started:
        return event.detail != "wakeup" and event.previous_state is not State.PMSUSPENDED
    return event.previous_state in (State.SHUTOFF, State.UNDEFINED)


def _note_start(domain: KnownDomain, event: lifecycle.Started) -> None:
    evidence = domain.evidence
    _note_unknown_persistence(domain, event)
    if not _starts(event):
        evidence.woken = event.time
        evidence.hibernating = False
        return
    evidence.incoming = event.detail == "migrated"
    evidence.restoring = event.detail == "restored" and event.state is State.PAUSED
    evidence.replaced = (
        event.detail == "booted"
        and event.previous_state in ACTIVE_STATES
        and None not in (domain.id, event.domain.id)
        and domain.id != event.domain.id
    )


def _note_resume(domain: KnownDomain, event: lifecycle.Resumed) -> None:
    evidence = domain.evidence
    _note_unknown_persistence(domain, event)
    evidence.finished = evidence.guest_shutdown = evidence.hibernating = evidence.restoring = False
    evidence.shutdown_finished = None
    evidence.incoming = False
    if event.previous_state is State.CRASHED:
        evidence.crash_restarted = event.time


def _note_suspension(domain: KnownDomain, event: lifecycle.Suspended) -> None:
    evidence = domain.evidence
    evidence.restoring = False
    evidence.arrived = evidence.incoming
    if event.detail == "guest-shutdown":
        evidence.guest_shutdown = evidence.finished = True


def _note_shutdown(domain: KnownDomain, event: lifecycle.ShutdownFinished) -> None:
    evidence = domain.evidence
    evidence.finished = True
    evidence.shutdown_detail = event.detail
    if evidence.shutdown_finished is None and event.origin is Origin.LIBVIRT:
        evidence.shutdown_finished = event.time


def _note_stop(domain: KnownDomain, event: lifecycle.Stopped) -> None:
    evidence = domain.evidence
    evidence.replaced = False
    if event.state in ACTIVE_STATES:
        return
    evidence.finished = evidence.guest_shutdown = False
    if event.origin is Origin.LIBVIRT:
        evidence.shutdown_finished = None


def _note_sleep(domain: KnownDomain, event: lifecycle.PMSuspended) -> None:
    domain.evidence.hibernating = event.detail == "disk"


def _note_crash(domain: KnownDomain, event: lifecycle.Crashed) -> None:
    if event.state is State.CRASHED:
        domain.evidence.panicked = True


def _note_definition(domain: KnownDomain, event: lifecycle.Defined | lifecycle.Undefined) -> None:
    domain.persistent = type(event) is lifecycle.Defined


def _note_unknown_persistence(domain: KnownDomain, event: LifecycleEvent) -> None:
    if domain.persistent is None and event.previous_state is State.UNDEFINED:
        domain.persistent = False  # nobody ever defined it


_EVIDENCE: dict[type[LifecycleEvent], Callable[[KnownDomain, Any], None]] = {
    lifecycle.Defined: _note_definition,
    lifecycle.Undefined: _note_definition,
    lifecycle.Started: _note_start,
    lifecycle.Resumed: _note_resume,
    lifecycle.Suspended: _note_suspension,
    lifecycle.ShutdownFinished: _note_shutdown,
    lifecycle.Stopped: _note_stop,
    lifecycle.PMSuspended: _note_sleep,
    lifecycle.Crashed: _note_crash,
}


def _note_state(domain: KnownDomain, event: LifecycleEvent, *, starts: bool) -> None:
    active = event.state in ACTIVE_STATES
    if starts and (event.previous_state not in ACTIVE_STATES or domain.evidence.replaced):
        domain.started = None if event.origin is Origin.RESYNC else event.time
    if event.state is not domain.state:
        domain.state = event.state
        domain.since = event.time
    if not active:
        domain.id = None
        domain.started = None
    elif event.domain.id is not None:
        domain.id = event.domain.id


def _shut_down(domain: KnownDomain, event: lifecycle.ShutdownFinished) -> None:
    _go_down(domain, event, None)


def _crash(domain: KnownDomain, event: lifecycle.Crashed) -> None:
    if event.state is State.CRASHED:
        _go_down(domain, event, Cause.GUEST_PANIC)


def _stop(domain: KnownDomain, event: lifecycle.Stopped) -> None:
    if event.state in ACTIVE_STATES:
        return  # another process of it runs
    if event.cause in NO_OUTAGE:
        domain.up = False
        _drop_outage(domain)
    elif domain.outage is None:
        _go_down(domain, event, event.cause)
    else:
        domain.outage.cause = domain.outage.cause or event.cause
        domain.outage.evidence.append(event.id)


_DOWN: dict[type[LifecycleEvent], Callable[[KnownDomain, Any], None]] = {
    lifecycle.ShutdownFinished: _shut_down,
    lifecycle.Crashed: _crash,
    lifecycle.Stopped: _stop,
}


def _go_down(domain: KnownDomain, event: LifecycleEvent, cause: Cause | None) -> None:
    if domain.up and not domain.handed_over and domain.outage is None:
        _begin_outage(domain, event, cause)
    domain.up = False


def _begin_outage(domain: KnownDomain, event: LifecycleEvent, cause: Cause | None) -> None:
    inferred = event.origin is not Origin.LIBVIRT
    domain.outage = OpenOutage(began=event.time, evidence=[event.id], inferred=inferred, cause=cause)
    began, ids = domain.outages_began, domain.outage_ids
    if began and event.time - began[-1] > _KEEP_OUTAGES:
        domain.flapping = False
    while began and event.time - began[0] > _KEEP_OUTAGES:
        del began[0], ids[0]
    began.append(event.time)
    ids.append(event.id)


def _drop_outage(domain: KnownDomain) -> None:
    if domain.outage is not None:
        domain.outage = None
        del domain.outages_began[-1:], domain.outage_ids[-1:]
