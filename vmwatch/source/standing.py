"""How it stands with one host: up or away, since when, why; and what is told when that changes."""

from collections.abc import Mapping

import msgspec
import structlog

from vmwatch.errors import HostError
from vmwatch.events import HostConnected, HostDisconnected, Origin
from vmwatch.pipeline import HostStatus
from vmwatch.state import KnownState
from vmwatch.stream import now

log = structlog.get_logger(__name__)


class Standing:
    """The standing of the host called *host_name*."""

    def __init__(self, host_name: str, uri: str) -> None:
        self._status = HostStatus(host=host_name, uri=uri, up=False, since=now(), reason="not tried yet")

    @property
    def up(self) -> bool:
        """Say whether it is there."""
        return self._status.up

    def status(self, figures: Mapping[str, float]) -> HostStatus:
        """Return how it stands, with *figures*."""
        return msgspec.structs.replace(self._status, figures=figures)

    def connected(self, event: HostConnected) -> None:
        """Note that it is there, as *event* tells."""
        versions = {"driver": event.driver, "libvirt": event.libvirt_version}
        self._status = HostStatus(
            host=self._status.host,
            uri=self._status.uri,
            up=True,
            since=event.time,
            versions={name: text for name, text in versions.items() if text},
        )
        log.info("host connected", host=self._status.host, uri=self._status.uri, **self._status.versions)

    def learned(self, hypervisor_version: str) -> None:
        """Note a version that is known a while later only."""
        versions = {**self._status.versions, "hypervisor": hypervisor_version}
        self._status = msgspec.structs.replace(self._status, versions=versions)

    def lost(self, error: HostError, known: KnownState) -> HostDisconnected | None:
        """Note that it is away; return what is to be told, unless *known* has it."""
        before = self._status
        since = now() if before.up else before.since
        self._status = HostStatus(
            host=before.host, uri=before.uri, up=False, since=since, reason=error.reason, cure=error.cure
        )
        if before.up or before.reason != error.reason:
            log.warning("host away", host=before.host, uri=before.uri, reason=error.reason, cure=error.cure)
        host = known.hosts.get(before.host)
        if host is not None and host.connected is False:
            return None
        return HostDisconnected(
            time=now(),
            host=before.host,
            uri=before.uri,
            origin=Origin.VMWATCH,
            reason=error.reason,
            cure=error.cure or None,
        )
