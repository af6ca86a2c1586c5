"""All other events of a domain: devices, jobs, errors, agents.  Numbers that libvirt counts in KiB are bytes here."""

from vmwatch.events.base import DomainEvent
from vmwatch.events.lifecycle import PartOf


class Rebooted(DomainEvent, frozen=True, kw_only=True, tag="domain.rebooted"):
    """The guest was reset; x86 firmware resets twice, the second one is the *duplicate*."""

    part_of: PartOf | None = None
    duplicate: bool = False


class WatchdogFired(DomainEvent, frozen=True, kw_only=True, tag="domain.watchdog-fired"):
    """The guest's watchdog expired and the hypervisor takes *action*."""

    action: str


class DiskError(DomainEvent, frozen=True, kw_only=True, tag="domain.io-error"):
    """A disk request failed on the host; *reason* is `enospc` or what libvirt says, *path* is sensitive."""

    device: str
    action: str
    reason: str | None = None
    path: str | None = None


class Graphics(DomainEvent, frozen=True, kw_only=True, tag="domain.graphics"):
    """A VNC or SPICE client came or went; *local*, *remote* and *subject* are sensitive."""

    phase: str
    auth_scheme: str | None = None
    local: dict[str, str] | None = None
    remote: dict[str, str] | None = None
    subject: list[list[str]] | None = None


class ControlError(DomainEvent, frozen=True, kw_only=True, tag="domain.control-error"):
    """The monitor became unusable; not an incident by itself."""


class BlockJob(DomainEvent, frozen=True, kw_only=True, tag="domain.block-job"):
    """A block job changed its status."""

    device: str
    job: str
    status: str


class DiskChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.disk-changed"):
    """A missing optional source was changed or dropped at start; the paths are sensitive."""

    device: str | None = None
    reason: str
    old_path: str | None = None
    new_path: str | None = None


class TrayChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.tray-changed"):
    """A removable medium's tray opened or closed."""

    device: str
    reason: str


class RTCChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.rtc-changed"):
    """The guest set its clock."""

    offset_seconds: int


class BalloonChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.balloon-changed"):
    """The balloon reached a new size."""

    actual_bytes: int


class DeviceAdded(DomainEvent, frozen=True, kw_only=True, tag="domain.device-added"):
    """A device was plugged."""

    device: str


class DeviceRemoved(DomainEvent, frozen=True, kw_only=True, tag="domain.device-removed"):
    """A device has left."""

    device: str


class DeviceRemovalFailed(DomainEvent, frozen=True, kw_only=True, tag="domain.device-removal-failed"):
    """The guest refused to let a device go."""

    device: str


class TunableChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.tunable-changed"):
    """Tunables were changed through libvirt; *values* are sensitive, their *names* are not."""

    names: list[str]
    values: dict[str, int | float | bool | str] | None = None


class AgentChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.agent-changed"):
    """The guest agent's channel was opened or closed in the guest."""

    status: str
    reason: str


class ChannelChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.channel-changed"):
    """A virtio-serial channel was opened or closed in the guest; a *duplicate* where agent-changed says it too."""

    channel: str
    status: str
    reason: str
    duplicate: bool = False


class MigrationIteration(DomainEvent, frozen=True, kw_only=True, tag="domain.migration-iteration"):
    """A memory pass of a migration, save or snapshot began; the first is 1."""

    iteration: int


class JobCompleted(DomainEvent, frozen=True, kw_only=True, tag="domain.job-completed"):
    """A job ended; *statistics* are libvirt's own, under libvirt's names and units (times in ms)."""

    operation: str
    part_of: PartOf | None = None
    success: bool | None = None
    statistics: dict[str, int | float | bool | str]


class MetadataChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.metadata-changed"):
    """Title, description or a metadata element was changed; *namespace* is sensitive."""

    part: str
    namespace: str | None = None


class BlockThreshold(DomainEvent, frozen=True, kw_only=True, tag="domain.block-threshold"):
    """A write passed a block device's threshold; *path* is sensitive."""

    device: str
    threshold_bytes: int
    excess_bytes: int
    duplicate: bool = False
    path: str | None = None


class MemoryFailure(DomainEvent, frozen=True, kw_only=True, tag="domain.memory-failure"):
    """The host's memory failed under the hypervisor or its guest."""

    recipient: str
    action: str
    flags: list[str]


class MemoryDeviceSizeChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.memory-device-size-changed"):
    """A memory device has now so much plugged."""

    device: str
    size_bytes: int


class NICMACChanged(DomainEvent, frozen=True, kw_only=True, tag="domain.nic-mac-changed"):
    """The guest changed a network card's address."""

    device: str
    old_mac: str
    new_mac: str


class VCPURemoved(DomainEvent, frozen=True, kw_only=True, tag="domain.vcpu-removed"):
    """A vCPU was unplugged."""

    vcpu: int


class UnknownDomainEvent(DomainEvent, frozen=True, kw_only=True, tag="domain.unknown"):
    """A callback that we cannot read: told as it came.

    *callback* is libvirt's name of the event id, or `unknown-<n>`; *kind* and *detail* are its first two numbers where
    it has some; *arguments* is the text of all, cut at 1 KiB.
    """

    callback: str
    kind: str | None = None
    detail: str | None = None
    arguments: str
