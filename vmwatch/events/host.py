"""Events of the other families (networks, pools, devices, secrets), of hosts, and of vmwatch itself."""

from vmwatch.events.base import Event


class ObjectEvent(Event, frozen=True, kw_only=True):
    """Something that happened to an object other than a domain; *name* is what libvirt calls it."""

    name: str
    uuid: str | None = None
    detail: str | None = None


class NetworkDefined(ObjectEvent, frozen=True, kw_only=True, tag="network.defined"):
    """A virtual network's configuration was created or replaced."""


class NetworkUndefined(ObjectEvent, frozen=True, kw_only=True, tag="network.undefined"):
    """A virtual network's configuration was removed."""


class NetworkStarted(ObjectEvent, frozen=True, kw_only=True, tag="network.started"):
    """A virtual network became active."""


class NetworkStopped(ObjectEvent, frozen=True, kw_only=True, tag="network.stopped"):
    """A virtual network became inactive."""


class NetworkMetadataChanged(ObjectEvent, frozen=True, kw_only=True, tag="network.metadata-changed"):
    """A network's title, description or metadata was changed; *namespace* is sensitive."""

    part: str
    namespace: str | None = None


class StoragePoolDefined(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.defined"):
    """A storage pool's configuration was created or replaced."""


class StoragePoolUndefined(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.undefined"):
    """A storage pool's configuration was removed."""


class StoragePoolStarted(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.started"):
    """A storage pool became active."""


class StoragePoolStopped(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.stopped"):
    """A storage pool became inactive."""


class StoragePoolCreated(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.created"):
    """A storage pool's backing was built."""


class StoragePoolDeleted(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.deleted"):
    """A storage pool's backing was deleted."""


class StoragePoolRefreshed(ObjectEvent, frozen=True, kw_only=True, tag="storage-pool.refreshed"):
    """A storage pool was read anew."""


class NodeDeviceCreated(ObjectEvent, frozen=True, kw_only=True, tag="node-device.created"):
    """A device of the host appeared."""


class NodeDeviceDeleted(ObjectEvent, frozen=True, kw_only=True, tag="node-device.deleted"):
    """A device of the host has gone."""


class NodeDeviceDefined(ObjectEvent, frozen=True, kw_only=True, tag="node-device.defined"):
    """A mediated device's configuration was created."""


class NodeDeviceUndefined(ObjectEvent, frozen=True, kw_only=True, tag="node-device.undefined"):
    """A mediated device's configuration was removed."""


class NodeDeviceUpdated(ObjectEvent, frozen=True, kw_only=True, tag="node-device.updated"):
    """A device of the host changed."""


class SecretDefined(ObjectEvent, frozen=True, kw_only=True, tag="secret.defined"):
    """A secret's description was created or replaced."""


class SecretUndefined(ObjectEvent, frozen=True, kw_only=True, tag="secret.undefined"):
    """A secret was removed."""


class SecretValueChanged(ObjectEvent, frozen=True, kw_only=True, tag="secret.value-changed"):
    """A secret got another value (which is never told)."""


class UnknownObjectEvent(ObjectEvent, frozen=True, kw_only=True, tag="object.unknown"):
    """A callback of another family that we cannot read; *family* and *callback* in libvirt's words."""

    family: str
    callback: str
    arguments: str


class HostConnected(Event, frozen=True, kw_only=True, tag="host.connected"):
    """A connection to libvirt stands and its callbacks are registered; *driver* and versions as libvirt gives them."""

    driver: str | None = None
    libvirt_version: str | None = None
    boot_id: str | None = None


class HostDisconnected(Event, frozen=True, kw_only=True, tag="host.disconnected"):
    """The connection is lost, or never came; *reason* is libvirt's text, *cure* what to do about it."""

    reason: str
    cure: str | None = None


class EventsDropped(Event, frozen=True, kw_only=True, tag="stream.dropped"):
    """*count* events of this host are missing: for *exporter*, or for all where it is absent.

    *first_sequence* and *last_sequence* stand where the lost events had one.
    """

    exporter: str | None = None
    count: int
    first_sequence: int | None = None
    last_sequence: int | None = None
    reason: str


class ExporterFailed(Event, frozen=True, kw_only=True, tag="exporter.failed"):
    """An exporter stopped working; it is tried again."""

    exporter: str
    reason: str


class ExporterRecovered(Event, frozen=True, kw_only=True, tag="exporter.recovered"):
    """An exporter that had failed works again."""

    exporter: str
    seconds: float
