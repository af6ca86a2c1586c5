"""The nine lifecycle events of a domain, each with the state before and after."""

from enum import StrEnum

from vmwatch.events.base import DomainEvent, State, Time


class PartOf(StrEnum):
    """The larger thing that an event is one step of."""

    BOOT = "boot"
    RESTORE = "restore"
    REVERT = "revert"
    MIGRATION = "migration"
    WAKEUP = "wakeup"
    CRASH_RESTART = "crash-restart"


class Cause(StrEnum):
    """Why a domain stopped."""

    GUEST_SHUTDOWN = "guest-shutdown"
    DESTROYED = "destroyed"
    HYPERVISOR_QUIT = "hypervisor-quit"
    GUEST_PANIC = "guest-panic"
    WATCHDOG = "watchdog"
    PROCESS_DIED = "process-died"
    HIBERNATED = "hibernated"
    SAVED = "saved"
    MIGRATED = "migrated"
    MIGRATION_FAILED = "migration-failed"
    SNAPSHOT_REVERT = "snapshot-revert"
    RECREATED = "recreated"
    HOST_REBOOTED = "host-rebooted"
    UNKNOWN = "unknown"


class LifecycleEvent(DomainEvent, frozen=True, kw_only=True):
    """A change of a domain's life.

    *detail* is libvirt's word for a callback (`unknown-<n>` for a number we do not know); inferred events have
    *reason* (libvirt's for the listed state) instead, and *not_before*, when the domain was last known otherwise.
    *confirms* is the id of an inferred event that this one repeats.
    """

    detail: str | None = None
    reason: str | None = None
    state: State
    previous_state: State
    part_of: PartOf | None = None
    duplicate: bool = False
    confirms: str | None = None
    not_before: Time | None = None


class Defined(LifecycleEvent, frozen=True, kw_only=True, tag="domain.defined"):
    """A persistent configuration was created or replaced."""


class Undefined(LifecycleEvent, frozen=True, kw_only=True, tag="domain.undefined"):
    """The persistent configuration was removed; an active domain runs on as a transient one."""


class Started(LifecycleEvent, frozen=True, kw_only=True, tag="domain.started"):
    """The domain became active, or woke up."""


class Suspended(LifecycleEvent, frozen=True, kw_only=True, tag="domain.suspended"):
    """The vCPUs were stopped."""


class Resumed(LifecycleEvent, frozen=True, kw_only=True, tag="domain.resumed"):
    """The vCPUs run again."""


class ShutdownFinished(LifecycleEvent, frozen=True, kw_only=True, tag="domain.shutdown-finished"):
    """The guest has shut down; its process stays while it flushes."""


class Stopped(LifecycleEvent, frozen=True, kw_only=True, tag="domain.stopped"):
    """The domain became inactive.

    *cause* is told from what came before; *flush_seconds* is the time since `domain.shutdown-finished`.
    """

    cause: Cause | None = None
    flush_seconds: float | None = None


class PMSuspended(LifecycleEvent, frozen=True, kw_only=True, tag="domain.pm-suspended"):
    """The guest's power management suspended it."""


class Crashed(LifecycleEvent, frozen=True, kw_only=True, tag="domain.crashed"):
    """The guest reported a panic."""
