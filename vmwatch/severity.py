"""How loud an event is: the level that logs give it and terminals colour it by."""

from typing import Any

from vmwatch.events import Cause, Event

_BY_TYPE = {
    "exporter.failed": "error",
    "stream.dropped": "error",
    "host.disconnected": "warning",
    "domain.crashed": "warning",
    "domain.io-error": "warning",
    "domain.watchdog-fired": "warning",
    "domain.memory-failure": "warning",
    "domain.device-removal-failed": "warning",
    "domain.unresponsive": "warning",
    "domain.unknown": "warning",
    "object.unknown": "warning",
    "domain.flapping": "warning",
}

_BAD_WORDS = frozenset({"ioerror", "watchdog", "api-error", "postcopy-failed", "crashed", "failed", "panicked"})
"""libvirt's details and reasons of a state that nobody asked for."""

BAD_CAUSES = frozenset(
    {
        Cause.GUEST_PANIC,
        Cause.WATCHDOG,
        Cause.PROCESS_DIED,
        Cause.HYPERVISOR_QUIT,
        Cause.MIGRATION_FAILED,
        Cause.HOST_REBOOTED,
    }
)
"""Why a domain stopped although nobody wanted it to."""


def level(event: Event) -> str:
    """Return `info`, `warning` (somebody may want to look) or `error` (vmwatch itself failed)."""
    by_type = _BY_TYPE.get(event.type)
    if by_type is not None:
        return by_type
    return "warning" if _went_wrong(event) else "info"


def _went_wrong(event: Any) -> bool:
    return (
        getattr(event, "detail", None) in _BAD_WORDS
        or getattr(event, "reason", None) in _BAD_WORDS
        or getattr(event, "cause", None) in BAD_CAUSES
        or getattr(event, "result", None) == "failed"
        or getattr(event, "success", None) is False
    )
