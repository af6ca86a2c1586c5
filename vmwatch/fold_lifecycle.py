"""What a lifecycle event changes in what is known of its domain: state, evidence, whether it is up, where it moves."""

from vmwatch.events import ACTIVE_STATES, Cause, LifecycleEvent, Origin, State, lifecycle
from vmwatch.state import Evidence, KnownDomain, KnownState, OpenMigration, OpenOutage

KEEP_OUTAGES_SECONDS = 600.0  # the time in which a third outage is flapping

NO_OUTAGE = frozenset({Cause.MIGRATED, Cause.MIGRATION_FAILED, Cause.SNAPSHOT_REVERT, Cause.RECREATED})
"""Causes of a stop after which the guest runs on elsewhere, never ran, or is started again by the same action."""

_HANDED_OVER = frozenset({"migrated", "postcopy"})


def fold_lifecycle(known: KnownState, domain: KnownDomain, event: LifecycleEvent) -> None:
    """Change *domain* to what it is after *event*."""
    domain.name = event.domain.name
    domain.last_told = event.time
    if event.duplicate:
        _confirm(domain, event)
        return
    _note_inference(domain, event)
    _note_evidence(domain, event)
    _note_persistence(domain, event)
    _note_migration(known, domain, event)
    _note_state(domain, event)
    _note_outage(domain, event)


def _confirm(domain: KnownDomain, event: LifecycleEvent) -> None:
    domain.inferred.pop(event.type, None)
    outage = domain.outage
    if outage is not None and isinstance(event, lifecycle.Stopped) and outage.cause in (None, Cause.UNKNOWN):
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


def _note_evidence(domain: KnownDomain, event: LifecycleEvent) -> None:
    if _starts(event):
        domain.evidence = Evidence()
    if isinstance(event, lifecycle.Started):
        _note_start(domain, event)
        return
    evidence = domain.evidence
    if isinstance(event, lifecycle.Resumed):
        _note_resume(evidence, event)
    elif isinstance(event, lifecycle.Suspended):
        _note_suspension(evidence, event)
    elif isinstance(event, lifecycle.ShutdownFinished):
        _note_shutdown(evidence, event)
    elif isinstance(event, lifecycle.Stopped):
        _note_stop(evidence, event)
    elif isinstance(event, lifecycle.PMSuspended):
        evidence.hibernating = event.detail == "disk"
    elif isinstance(event, lifecycle.Crashed):
        evidence.panicked = evidence.panicked or event.state is State.CRASHED


def _starts(event: LifecycleEvent) -> bool:
    if isinstance(event, lifecycle.Started):
        return event.detail != "wakeup" and event.previous_state is not State.PMSUSPENDED
    return isinstance(event, lifecycle.Resumed) and event.previous_state in (State.SHUTOFF, State.UNDEFINED)


def _note_start(domain: KnownDomain, event: lifecycle.Started) -> None:
    evidence = domain.evidence
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


def _note_resume(evidence: Evidence, event: lifecycle.Resumed) -> None:
    evidence.finished = evidence.guest_shutdown = evidence.hibernating = evidence.restoring = False
    evidence.shutdown_finished = None
    evidence.arrived = evidence.arrived or evidence.incoming
    evidence.incoming = False
    if event.previous_state is State.CRASHED:
        evidence.crash_restarted = event.time


def _note_suspension(evidence: Evidence, event: lifecycle.Suspended) -> None:
    evidence.restoring = False
    evidence.arrived = evidence.arrived or evidence.incoming
    if event.detail == "guest-shutdown":
        evidence.guest_shutdown = evidence.finished = True


def _note_shutdown(evidence: Evidence, event: lifecycle.ShutdownFinished) -> None:
    evidence.finished = True
    evidence.shutdown_detail = event.detail
    if evidence.shutdown_finished is None and event.origin is Origin.LIBVIRT:
        evidence.shutdown_finished = event.time


def _note_stop(evidence: Evidence, event: lifecycle.Stopped) -> None:
    evidence.replaced = False
    if event.state in ACTIVE_STATES:
        return
    evidence.finished = evidence.guest_shutdown = False
    if event.origin is Origin.LIBVIRT:
        evidence.shutdown_finished = None


def _note_persistence(domain: KnownDomain, event: LifecycleEvent) -> None:
    if isinstance(event, lifecycle.Defined):
        domain.persistent = True
    elif isinstance(event, lifecycle.Undefined):
        domain.persistent = False
    elif (
        domain.persistent is None
        and event.previous_state is State.UNDEFINED
        and isinstance(event, lifecycle.Started | lifecycle.Resumed)
    ):
        domain.persistent = False  # nobody ever defined it


def _note_migration(known: KnownState, domain: KnownDomain, event: LifecycleEvent) -> None:
    half = domain.migration
    if event.detail == "postcopy-failed":
        domain.postcopy_failed = True
    elif event.detail in _HANDED_OVER or isinstance(event, lifecycle.Started):
        domain.postcopy_failed = False
    if isinstance(event, lifecycle.Started) and _starts(event):
        domain.migration = _incoming(known, event) if event.detail == "migrated" else None
        domain.handed_over = False
    elif isinstance(event, lifecycle.Resumed | lifecycle.Suspended) and half is not None and half.incoming:
        if not half.arrived or isinstance(event, lifecycle.Resumed):
            _arrive(half, event)
        elif event.detail in _HANDED_OVER and not domain.evidence.incoming:
            _hand_over(domain, event)
    elif isinstance(event, lifecycle.Suspended | lifecycle.Stopped) and event.detail in _HANDED_OVER:
        _hand_over(domain, event)
    elif isinstance(event, lifecycle.Resumed):
        domain.migration = None
        domain.handed_over = False


def _incoming(known: KnownState, event: LifecycleEvent) -> OpenMigration:
    others = (host for host, other in known.everywhere(event.domain.uuid) if host != event.host)
    source = next((host for host in others if known.domains[host][event.domain.uuid].state in ACTIVE_STATES), None)
    return OpenMigration(incoming=True, began=event.time, evidence=[event.id], source=source)


def _arrive(half: OpenMigration, event: LifecycleEvent) -> None:
    if not half.arrived:
        half.arrived = True
        half.evidence.append(event.id)


def _hand_over(domain: KnownDomain, event: LifecycleEvent) -> None:
    domain.handed_over = True
    half = domain.migration
    if half is None or half.incoming:
        domain.migration = OpenMigration(incoming=False, began=event.time, evidence=[event.id])
    else:
        half.evidence.append(event.id)


def _note_state(domain: KnownDomain, event: LifecycleEvent) -> None:
    active = event.state in ACTIVE_STATES
    if _starts(event) and (event.previous_state not in ACTIVE_STATES or domain.evidence.replaced):
        domain.started = None if event.origin is Origin.RESYNC else event.time
    if event.state is not domain.state:
        domain.state = event.state
        domain.since = event.time
    if not active:
        domain.id = None
        domain.started = None
    elif event.domain.id is not None:
        domain.id = event.domain.id


def _note_outage(domain: KnownDomain, event: LifecycleEvent) -> None:
    if isinstance(event, lifecycle.Stopped) and event.state not in ACTIVE_STATES:
        _stop(domain, event)
    elif isinstance(event, lifecycle.ShutdownFinished):
        _go_down(domain, event, None)
    elif isinstance(event, lifecycle.Crashed) and event.state is State.CRASHED:
        _go_down(domain, event, Cause.GUEST_PANIC)
    if event.state is State.RUNNING:
        domain.up = True
        domain.handed_over = False


def _stop(domain: KnownDomain, event: lifecycle.Stopped) -> None:
    if event.cause in NO_OUTAGE:
        domain.up = False
        _drop_outage(domain)
    elif domain.outage is None:
        _go_down(domain, event, event.cause)
    else:
        domain.outage.cause = domain.outage.cause or event.cause
        domain.outage.evidence.append(event.id)


def _go_down(domain: KnownDomain, event: LifecycleEvent, cause: Cause | None) -> None:
    if domain.up and not domain.handed_over and domain.outage is None:
        _begin_outage(domain, event, cause)
    domain.up = False


def _begin_outage(domain: KnownDomain, event: LifecycleEvent, cause: Cause | None) -> None:
    inferred = event.origin is not Origin.LIBVIRT
    domain.outage = OpenOutage(began=event.time, evidence=[event.id], inferred=inferred, cause=cause)
    began, ids = domain.outages_began, domain.outage_ids
    if began and event.time.since(began[-1]) > KEEP_OUTAGES_SECONDS:
        domain.flapping = False
    while began and event.time.since(began[0]) > KEEP_OUTAGES_SECONDS:
        del began[0], ids[0]
    began.append(event.time)
    ids.append(event.id)


def _drop_outage(domain: KnownDomain) -> None:
    if domain.outage is not None:
        domain.outage = None
        del domain.outages_began[-1:], domain.outage_ids[-1:]
