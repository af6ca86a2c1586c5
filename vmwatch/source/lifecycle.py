"""What a lifecycle callback means: the state after it, what it is a part of, and why a domain stopped.

Pure: (what is known of the domain, the callback) -> a verdict; read the tables first.  Only what was told since the
domain's last start counts (`vmwatch.state.Evidence`).  libvirt's detail alone does not tell a cause: on qemu a guest's
power-off, a killed process and a forced stop all begin with SHUTDOWN, and a watchdog's power-off ends like a crash.
Orders and details seen with libvirt 9.0.0 and QEMU 7.2, Xen 4.17 and LXC.
"""

from collections.abc import Callable
from typing import NamedTuple

from vmwatch.events import ACTIVE_STATES, Cause, PartOf, State, Time
from vmwatch.source.confirm import Inference, Told, repeated
from vmwatch.state import Evidence, KnownDomain, is_qemu

SECOND = 1.0  # within this time x86 firmware resets again, and the resume path of a wake-up resets


class Verdict(NamedTuple):
    """What a lifecycle callback means; *kind* is that of our event."""

    kind: str
    state: State
    previous_state: State
    part_of: PartOf | None = None
    cause: Cause | None = None
    flush_seconds: float | None = None
    confirms: str | None = None


def judge(domain: KnownDomain, told: Told, *, driver: str | None, listed: bool) -> Verdict:
    """Return what *told* means for *domain*; its host has *driver* (None: as qemu), and was ever *listed* or not."""
    before = state_before(domain, listed=listed)
    if is_vz(driver) and told.kind == "started" and before is State.PAUSED:
        told = told._replace(kind="resumed")
    repeats = repeated(domain, told, before)
    cause = _stop_cause(domain.evidence, told.detail, driver) if told.kind == "stopped" else None
    return Verdict(
        kind=told.kind,
        state=before if repeats else _state_after(domain, before, told, driver),
        previous_state=before,
        part_of=_part_of(domain.evidence, before, told, cause, repeats),
        cause=cause,
        flush_seconds=_flush_seconds(domain.evidence, told.at, cause),
        confirms=repeats.id if repeats else None,
    )


def state_before(domain: KnownDomain, *, listed: bool) -> State:
    """Return the state that *domain* is in; one that no listing had comes from `undefined`."""
    if domain.state is State.UNKNOWN and listed and not domain.undiscovered:
        return State.SHUTOFF if domain.persistent else State.UNDEFINED
    return domain.state


# The state after.

_AFTER: dict[tuple[str, str], State] = {
    ("started", "migrated"): State.PAUSED,  # the incoming process exists; the guest does not run here yet
    ("suspended", "guest-shutdown"): State.SHUTDOWN,
    ("crashed", "panicked"): State.CRASHED,
}
_AFTER_ANY_DETAIL: dict[str, State] = {
    "started": State.RUNNING,
    "suspended": State.PAUSED,
    "resumed": State.RUNNING,
    "shutdown": State.SHUTDOWN,
    "pmsuspended": State.PMSUSPENDED,
}


def _state_after(domain: KnownDomain, before: State, told: Told, driver: str | None) -> State:
    kind, detail = told.kind, told.detail
    if kind in ("defined", "undefined"):
        runs = before in ACTIVE_STATES or (before is State.UNKNOWN and told.id is not None)
        return before if runs else {"defined": State.SHUTOFF, "undefined": State.UNDEFINED}[kind]
    if kind == "stopped":
        if domain.evidence.replaced and _replaces_processes(driver):
            return before  # Xen: this was the old process
        return State.UNDEFINED if domain.persistent is False else State.SHUTOFF
    if kind == "suspended" and domain.evidence.finished:
        return State.SHUTDOWN  # the guest has finished: never paused until its process is gone
    if kind == "started" and detail in ("restored", "from-snapshot") and is_qemu(driver):
        return State.RUNNING if before is State.RUNNING else State.PAUSED  # a RESUMED follows, where it shall run
    return _AFTER.get((kind, detail)) or _AFTER_ANY_DETAIL.get(kind, before)


# What it is a part of.

_MIGRATION_DETAILS = frozenset({"migrated", "postcopy", "postcopy-failed"})


def _part_of(
    evidence: Evidence, before: State, told: Told, cause: Cause | None, repeats: Inference | None
) -> PartOf | None:
    kind, detail = told.kind, told.detail
    if detail in _MIGRATION_DETAILS or cause is Cause.MIGRATION_FAILED:
        return PartOf.MIGRATION
    if evidence.incoming and kind in ("defined", "suspended"):
        return PartOf.MIGRATION
    if detail == "restored" or (evidence.restoring and kind in ("resumed", "suspended")):
        return PartOf.RESTORE
    if detail == "from-snapshot":
        return PartOf.REVERT
    if kind == "started" and detail == "wakeup":
        return PartOf.WAKEUP
    if kind == "resumed" and before is State.CRASHED:
        return PartOf.CRASH_RESTART
    starts = before in (State.SHUTOFF, State.UNDEFINED) or (repeats is not None and repeats.type == "domain.started")
    return PartOf.BOOT if kind == "resumed" and starts else None  # qemu: vCPUs run before libvirt says STARTED/BOOTED


def judge_reboot(domain: KnownDomain, at: Time) -> tuple[PartOf | None, bool]:
    """Return what a REBOOT is a part of, and whether it repeats one that the firmware just made."""
    evidence = domain.evidence
    part_of = None
    if domain.state is State.CRASHED or _just(evidence.crash_restarted, at):
        part_of = PartOf.CRASH_RESTART
    elif _just(evidence.woken, at):
        part_of = PartOf.WAKEUP
    return part_of, _just(domain.rebooted, at)


def _just(earlier: Time | None, at: Time) -> bool:
    return earlier is not None and at.since(earlier) < SECOND


# Why it stopped.

_CAUSE_BY_DETAIL: dict[str, Cause] = {
    "destroyed": Cause.DESTROYED,  # also a crashed domain
    "saved": Cause.SAVED,
    "migrated": Cause.MIGRATED,
    "from-snapshot": Cause.SNAPSHOT_REVERT,
    "recreated": Cause.RECREATED,
}


def _cause_of_failed(evidence: Evidence, _driver: str | None) -> Cause:
    if evidence.watchdog_poweroff:
        return Cause.WATCHDOG  # a configured action, though it looks like a crash
    if evidence.incoming and not evidence.arrived:
        return Cause.MIGRATION_FAILED
    return Cause.PROCESS_DIED


def _cause_of_shutdown(evidence: Evidence, driver: str | None) -> Cause:
    if is_vz(driver):
        return Cause.UNKNOWN  # vz says this of every stop, forced ones too
    if evidence.hibernating:
        return Cause.HIBERNATED
    if evidence.shutdown_detail == "host":
        return Cause.HYPERVISOR_QUIT
    return Cause.GUEST_SHUTDOWN  # also without a SHUTDOWN: it fell into a gap, or the driver has none


def _cause_of_crashed(evidence: Evidence, driver: str | None) -> Cause:
    return Cause.GUEST_PANIC if evidence.panicked or not is_qemu(driver) else Cause.UNKNOWN


_CAUSE_BY_EVIDENCE: dict[str, Callable[[Evidence, str | None], Cause]] = {
    "failed": _cause_of_failed,
    "shutdown": _cause_of_shutdown,
    "crashed": _cause_of_crashed,
}


def _stop_cause(evidence: Evidence, detail: str, driver: str | None) -> Cause:
    by_evidence = _CAUSE_BY_EVIDENCE.get(detail)
    return by_evidence(evidence, driver) if by_evidence else _CAUSE_BY_DETAIL.get(detail, Cause.UNKNOWN)


def _flush_seconds(evidence: Evidence, at: Time, cause: Cause | None) -> float | None:
    if cause in (None, Cause.DESTROYED) or evidence.shutdown_finished is None:
        return None  # nothing was flushed
    return at.since(evidence.shutdown_finished)


# What drivers do differently.


def is_vz(driver: str | None) -> bool:
    """Say whether *driver* is Virtuozzo's, which knows no RESUMED and one kind of stop."""
    return driver is not None and driver.lower() in ("vz", "parallels")


def _replaces_processes(driver: str | None) -> bool:
    return driver is None or driver.lower() in ("xen", "libxl")
