"""libvirt's callback arguments as the fields of our events: a table from libvirt's event id to what each says.

Pure: arguments in, fields out.  Whatever is not as libvirt documents it raises ValueError, and
`vmwatch.source.normalise` tells the callback as unknown.  Lifecycle events of domains are not here: they depend on what
is known of the domain.
"""

from typing import Any, NamedTuple

from vmwatch import words
from vmwatch.events import DomainEvent, ObjectEvent, device, host
from vmwatch.settings import ShowSettings
from vmwatch.source.arguments import (
    Fields,
    Read,
    address,
    bytes_of_kib,
    if_shown,
    integer,
    job,
    subject,
    text,
    text_or_none,
    tunables,
    word_of,
)
from vmwatch.words import Words, word


class Reading(NamedTuple):
    """How a callback is read: each argument, in libvirt's order, becomes the field of that name."""

    event: type[Any]
    fields: dict[str, Read]


def decode_arguments(reading: Reading, arguments: tuple[Any, ...], show: ShowSettings) -> Fields:
    """Return the fields that *arguments* say; sensitive ones only where *show* says so.  ValueError for any other."""
    if len(arguments) != len(reading.fields):
        raise ValueError(f"{len(arguments)} arguments, expected {len(reading.fields)}")
    fields: Fields = {}
    for (name, read), argument in zip(reading.fields.items(), arguments, strict=True):
        value = read(argument, show)
        if name:
            fields[name] = value
        else:
            fields.update(value)
    return fields


_PATH = if_shown("paths", text_or_none)
_URI = if_shown("metadata", text_or_none)

DOMAIN_READINGS: dict[str, Reading] = {
    "REBOOT": Reading(device.Rebooted, {}),
    "RTC_CHANGE": Reading(device.RTCChanged, {"offset_seconds": integer}),
    "WATCHDOG": Reading(device.WatchdogFired, {"action": word_of(words.WATCHDOG_ACTIONS)}),
    "IO_ERROR_REASON": Reading(
        device.DiskError,
        {"path": _PATH, "device": text, "action": word_of(words.IO_ERROR_ACTIONS), "reason": text_or_none},
    ),
    "GRAPHICS": Reading(
        device.Graphics,
        {
            "phase": word_of(words.GRAPHICS_PHASES),
            "local": if_shown("graphics", address),
            "remote": if_shown("graphics", address),
            "auth_scheme": text_or_none,
            "subject": if_shown("graphics", subject),
        },
    ),
    "CONTROL_ERROR": Reading(device.ControlError, {}),
    "BLOCK_JOB_2": Reading(
        device.BlockJob,
        {"device": text, "job": word_of(words.BLOCK_JOBS), "status": word_of(words.BLOCK_JOB_STATUSES)},
    ),
    "DISK_CHANGE": Reading(
        device.DiskChanged,
        {"old_path": _PATH, "new_path": _PATH, "device": text_or_none, "reason": word_of(words.DISK_CHANGES)},
    ),
    "TRAY_CHANGE": Reading(device.TrayChanged, {"device": text, "reason": word_of(words.TRAY_CHANGES)}),
    "BALLOON_CHANGE": Reading(device.BalloonChanged, {"actual_bytes": bytes_of_kib}),
    "DEVICE_REMOVED": Reading(device.DeviceRemoved, {"device": text}),
    "TUNABLE": Reading(device.TunableChanged, {"": tunables}),
    "AGENT_LIFECYCLE": Reading(
        device.AgentChanged, {"status": word_of(words.CHANNEL_STATUSES), "reason": word_of(words.CHANNEL_REASONS)}
    ),
    "DEVICE_ADDED": Reading(device.DeviceAdded, {"device": text}),
    "MIGRATION_ITERATION": Reading(device.MigrationIteration, {"iteration": integer}),
    "JOB_COMPLETED": Reading(device.JobCompleted, {"": job}),
    "DEVICE_REMOVAL_FAILED": Reading(device.DeviceRemovalFailed, {"device": text}),
    "METADATA_CHANGE": Reading(device.MetadataChanged, {"part": word_of(words.METADATA_PARTS), "namespace": _URI}),
    "BLOCK_THRESHOLD": Reading(
        device.BlockThreshold,
        {"device": text, "path": _PATH, "threshold_bytes": integer, "excess_bytes": integer},
    ),
    "MEMORY_FAILURE": Reading(
        device.MemoryFailure,
        {
            "recipient": word_of(words.MEMORY_FAILURE_RECIPIENTS),
            "action": word_of(words.MEMORY_FAILURE_ACTIONS),
            "flags": lambda value, _show: words.flags(words.MEMORY_FAILURE_FLAGS, integer(value)),
        },
    ),
    "MEMORY_DEVICE_SIZE_CHANGE": Reading(device.MemoryDeviceSizeChanged, {"device": text, "size_bytes": bytes_of_kib}),
    "NIC_MAC_CHANGE": Reading(device.NICMACChanged, {"device": text, "old_mac": text, "new_mac": text}),
    "VCPU_REMOVED": Reading(device.VCPURemoved, {"vcpu": integer}),
    "CHANNEL_LIFECYCLE": Reading(
        device.ChannelChanged,
        {"channel": text, "status": word_of(words.CHANNEL_STATUSES), "reason": word_of(words.CHANNEL_REASONS)},
    ),
}
"""How each domain event id is read, but LIFECYCLE."""

OBJECT_READINGS: dict[tuple[str, str], Reading] = {
    ("network", "METADATA_CHANGE"): Reading(
        host.NetworkMetadataChanged, {"part": word_of(words.METADATA_PARTS), "namespace": _URI}
    ),
    ("storage_pool", "REFRESH"): Reading(host.StoragePoolRefreshed, {}),
    ("node_device", "UPDATE"): Reading(host.NodeDeviceUpdated, {}),
    ("secret", "VALUE_CHANGED"): Reading(host.SecretValueChanged, {}),
}
"""How each event id of the other families is read, but LIFECYCLE."""

OBJECT_LIFECYCLES: dict[str, tuple[Words, dict[str, type[ObjectEvent]]]] = {
    "network": (
        words.NETWORK_LIFECYCLE,
        {
            "defined": host.NetworkDefined,
            "undefined": host.NetworkUndefined,
            "started": host.NetworkStarted,
            "stopped": host.NetworkStopped,
        },
    ),
    "storage_pool": (
        words.STORAGE_POOL_LIFECYCLE,
        {
            "defined": host.StoragePoolDefined,
            "undefined": host.StoragePoolUndefined,
            "started": host.StoragePoolStarted,
            "stopped": host.StoragePoolStopped,
            "created": host.StoragePoolCreated,
            "deleted": host.StoragePoolDeleted,
        },
    ),
    "node_device": (
        words.NODE_DEVICE_LIFECYCLE,
        {
            "created": host.NodeDeviceCreated,
            "deleted": host.NodeDeviceDeleted,
            "defined": host.NodeDeviceDefined,
            "undefined": host.NodeDeviceUndefined,
        },
    ),
    "secret": (words.SECRET_LIFECYCLE, {"defined": host.SecretDefined, "undefined": host.SecretUndefined}),
}
"""The events that the kinds of the other families' lifecycles are."""


def decode_domain(name: str, arguments: tuple[Any, ...], show: ShowSettings) -> tuple[type[DomainEvent], Fields]:
    """Return the event that the callback *name* is, and its own fields; ValueError where we cannot read it."""
    reading = DOMAIN_READINGS.get(name)
    if reading is None:
        raise ValueError("no such event id")
    return reading.event, decode_arguments(reading, arguments, show)


def decode_object(
    family: str, name: str, arguments: tuple[Any, ...], show: ShowSettings
) -> tuple[type[ObjectEvent], Fields]:
    """Return the event that the callback *name* of *family* is, and its own fields; ValueError where we cannot."""
    reading = OBJECT_READINGS.get((family, name))
    if reading is not None:
        return reading.event, decode_arguments(reading, arguments, show)
    if name != "LIFECYCLE" or len(arguments) != 2:
        raise ValueError("no such event id")
    kinds, events = OBJECT_LIFECYCLES[family]
    kind, detail = integer(arguments[0]), integer(arguments[1])
    event = events.get(word(kinds, kind))
    if event is None:
        raise ValueError("no such kind")
    return event, {"detail": f"unknown-{detail}"} if detail else {}
