"""libvirt's enums as words: its own names, in lower case with hyphens, each at the place of its number.

Taken from the public headers of libvirt 12.8.0.  A number that a newer libvirt adds is told as `unknown-<n>`.
"""

from typing import Final

Words = tuple[str | None, ...]

LIFECYCLE: Final[tuple[tuple[str, Words], ...]] = (
    ("defined", ("added", "updated", "renamed", "from-snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated", "restored", "from-snapshot", "wakeup", "recreated")),
    (
        "suspended",
        (
            "paused",
            "migrated",
            "ioerror",
            "watchdog",
            "restored",
            "from-snapshot",
            "api-error",
            "postcopy",
            "postcopy-failed",
            "guest-shutdown",
        ),
    ),
    ("resumed", ("unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed")),
    (
        "stopped",
        ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "recreated"),
    ),
    ("shutdown", ("finished", "guest", "host")),
    ("pmsuspended", ("memory", "disk")),
    ("crashed", ("panicked", "crashloaded")),
)
"""The kinds of lifecycle events, each with its details."""

STATES: Final[Words] = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")

STATE_REASONS: Final[dict[str, Words]] = {
    "nostate": ("unknown",),
    "running": (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from-snapshot",
        "unpaused",
        "migration-canceled",
        "save-canceled",
        "wakeup",
        "crashed",
        "postcopy",
        "postcopy-failed",
    ),
    "blocked": ("unknown",),
    "paused": (
        "unknown",
        "user",
        "migration",
        "save",
        "dump",
        "ioerror",
        "watchdog",
        "from-snapshot",
        "shutting-down",
        "snapshot",
        "crashed",
        "starting-up",
        "postcopy",
        "postcopy-failed",
        "api-error",
    ),
    "shutdown": ("unknown", "user"),
    "shutoff": (
        "unknown",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from-snapshot",
        "daemon",
    ),
    "crashed": ("unknown", "panicked"),
    "pmsuspended": ("unknown",),
}
"""Why a domain is in a state, by the state."""

WATCHDOG_ACTIONS: Final[Words] = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "injectnmi")
IO_ERROR_ACTIONS: Final[Words] = ("none", "pause", "report")
GRAPHICS_PHASES: Final[Words] = ("connect", "initialize", "disconnect")
GRAPHICS_FAMILIES: Final[Words] = ("ipv4", "ipv6", "unix")
BLOCK_JOBS: Final[Words] = ("unknown", "pull", "copy", "commit", "active-commit", "backup")
BLOCK_JOB_STATUSES: Final[Words] = ("completed", "failed", "canceled", "ready")
DISK_CHANGES: Final[Words] = ("change-missing-on-start", "drop-missing-on-start")
TRAY_CHANGES: Final[Words] = ("open", "close")
CHANNEL_STATUSES: Final[Words] = (None, "connected", "disconnected")
CHANNEL_REASONS: Final[Words] = ("unknown", "domain-started", "channel")
MEMORY_FAILURE_RECIPIENTS: Final[Words] = ("hypervisor", "guest")
MEMORY_FAILURE_ACTIONS: Final[Words] = ("ignore", "inject", "fatal", "reset")
MEMORY_FAILURE_FLAGS: Final[Words] = ("action-required", "recursive")
METADATA_PARTS: Final[Words] = ("description", "title", "element")
JOB_OPERATIONS: Final[Words] = (
    "unknown",
    "start",
    "save",
    "restore",
    "migration-in",
    "migration-out",
    "snapshot",
    "snapshot-revert",
    "dump",
    "backup",
    "snapshot-delete",
)
CLOSE_REASONS: Final[Words] = ("error", "eof", "keepalive", "client")

NETWORK_LIFECYCLE: Final[Words] = ("defined", "undefined", "started", "stopped")
STORAGE_POOL_LIFECYCLE: Final[Words] = ("defined", "undefined", "started", "stopped", "created", "deleted")
NODE_DEVICE_LIFECYCLE: Final[Words] = ("created", "deleted", "defined", "undefined")
SECRET_LIFECYCLE: Final[Words] = ("defined", "undefined")


def word(words: Words, number: int) -> str:
    """Return the word for *number*, `unknown-<n>` where *words* has none."""
    known = words[number] if 0 <= number < len(words) else None
    return known or f"unknown-{number}"


def is_word(text: str) -> bool:
    """Say whether *text* is a word of libvirt's, not a number that nobody knew."""
    return not text.removeprefix("unknown-").lstrip("-").isdigit()


def flags(words: Words, number: int) -> list[str]:
    """Return the words for the bits of *number*, the lowest first; a bit without a word is `unknown-<its value>`."""
    bits = (bit for bit in range(number.bit_length()) if number >> bit & 1)
    return [words[bit] or "" if bit < len(words) else f"unknown-{1 << bit}" for bit in bits]
