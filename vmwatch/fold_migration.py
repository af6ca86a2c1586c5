"""What a lifecycle event changes in what is known of a migration: each end keeps its own half."""

from vmwatch.events import ACTIVE_STATES, LifecycleEvent, lifecycle
from vmwatch.state import KnownDomain, KnownState, OpenMigration

_MOVES = frozenset({"migrated", "postcopy", "postcopy-failed"})


def fold_migration(known: KnownState, domain: KnownDomain, event: LifecycleEvent, *, starts: bool) -> None:
    """Open, lead on or drop the half of a migration that *domain* is; *starts* where *event* begins a start of it."""
    kind, detail = type(event), event.detail
    if starts:
        domain.migration = _incoming(known, event) if detail == "migrated" else None
        domain.handed_over = domain.moved = domain.postcopy_failed = False
    elif kind is lifecycle.Resumed:
        _resume(domain, event)
    elif detail in _MOVES:
        _move(domain, event)
    elif kind is lifecycle.Suspended and domain.migration is not None and domain.migration.incoming:
        _arrive(domain.migration, event)


def _resume(domain: KnownDomain, event: LifecycleEvent) -> None:
    domain.moved = False
    if event.detail in _MOVES:
        domain.postcopy_failed = event.detail == "postcopy-failed"
    if domain.migration is not None and domain.migration.incoming:
        _arrive(domain.migration, event)
    else:
        domain.migration = None  # it stays here after all


def _move(domain: KnownDomain, event: LifecycleEvent) -> None:
    half = domain.migration
    if event.detail == "postcopy-failed":
        domain.postcopy_failed = True
    elif half is not None and half.incoming and not half.arrived and type(event) is lifecycle.Suspended:
        _arrive(half, event)  # it waits here for the switch-over
    else:
        domain.postcopy_failed = False
        _hand_over(domain, event)


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
