"""Everything that can be set, as frozen values with their defaults: read by `vmwatch.config`, given to all others.

A field's name is its key in the configuration, and its type is what may stand there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from msgspec import Meta

from vmwatch.pipeline import Exporter

_DURATION = 'seconds as a number, or text such as "15s", "10m", "24h", "7d"'

Seconds = Annotated[float, Meta(ge=0, description=_DURATION, extra={"unit": "seconds"})]
"""A duration, which may be 0."""

Interval = Annotated[float, Meta(ge=0.1, description=f"at least 0.1 {_DURATION}", extra={"unit": "seconds"})]
"""A time between two things that are done again and again."""

Bytes = Annotated[int, Meta(ge=0, description='bytes as a number, or text such as "256MiB"', extra={"unit": "bytes"})]
"""A size."""

Count = Annotated[int, Meta(ge=1, description="a whole number, at least 1")]

StatsGroup = Literal[
    "state", "cpu", "balloon", "vcpu", "interface", "block", "perf", "iothread", "memory", "dirtyrate", "vm"
]
"""libvirt's groups of bulk statistics (VIR_DOMAIN_STATS_*; `cpu` is CPU_TOTAL)."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One hypervisor.

    *name* stands on every event of it; where it is empty, `vmwatch.config` takes the URI's host, else this machine's.
    *read_only* is tried first where it is None; *poll_interval* is as the driver needs it where it is None.  *include*
    and *exclude* are globs on the names of domains.
    """

    uri: str
    name: str = ""
    read_only: bool | None = None
    events: Literal["auto", "callbacks", "polling"] = "auto"
    poll_interval: Interval | None = None
    resync_interval: Interval = 60.0
    auth_file: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostList:
    """Hosts that stand in files, in the format of Prometheus' file_sd; *files* are paths and globs, looked at for ever.

    *uri* makes a URI of a target that is none: `{host}` stands for its machine.  The rest is as for one host.
    """

    files: tuple[str, ...]
    uri: str = ""
    read_only: bool | None = None
    events: Literal["auto", "callbacks", "polling"] = "auto"
    poll_interval: Interval | None = None
    resync_interval: Interval = 60.0
    auth_file: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shard:
    """Which hosts this process watches, of those that *total* processes share: number 0 to *total* - 1."""

    number: int = 0
    total: int = 1


@dataclass(frozen=True, slots=True)
class StatsSettings:
    """What is measured and how often; *timeout* is when a call is overdue, *concurrency* calls run at once per host."""

    groups: tuple[StatsGroup, ...] = get_args(StatsGroup)
    interval: Interval = 15.0
    max_age: Seconds = 1.0
    timeout: Interval = 3.0
    concurrency: Count = 4


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How much the journal keeps: *max_bytes* counts the file and its log."""

    max_age: Seconds = 7 * 86400.0
    max_bytes: Bytes = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MetadataLabel:
    """Where a label of `libvirt_domain_metadata_info` comes from: *xpath* in the metadata element of *namespace*."""

    namespace: str
    xpath: str


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How vmwatch's own log is written: `auto` is for people on a terminal, JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The web server: *listen_addresses* as in `:9177` (all addresses), `127.0.0.1:9177`, `[::1]:9177`.

    *config_file* is the exporter-toolkit's; *enable_reload* lets a POST to `/-/reload` re-read the configuration.
    Raises ValueError for an address or path that cannot be one.
    """

    listen_addresses: tuple[str, ...] = (":9177",)
    telemetry_path: str = "/metrics"
    config_file: Path | None = None
    enable_reload: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not self.telemetry_path.startswith("/") or self.telemetry_path == "/":
            raise ValueError('telemetry_path: expected a path such as "/metrics"')
        _ = self.endpoints

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """Return the listen addresses as (host, port); the host is empty for all addresses."""
        return tuple(_endpoint(address) for address in self.listen_addresses)


def _endpoint(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in bare and bare == host):
        raise ValueError('listen_addresses: expected ":9177", "127.0.0.1:9177" or "[::1]:9177"')
    return bare, int(port)


@dataclass(frozen=True, slots=True)
class ShowSettings:
    """Which sensitive values events may carry; all are left out unless switched on."""

    graphics: bool = False
    tunables: bool = False
    paths: bool = False
    metadata: bool = False


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns on an event's type, host and domain name; none given matches all."""

    type: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """One exporter: *name* is its position in the journal, its metric label and its log field.

    It gets what *include* matches and *exclude* does not.  *linger* gathers that long before a batch; *start* is where
    a durable exporter without a position begins.
    """

    name: str
    type: str
    exporter: Exporter
    include: Globs = Globs()
    exclude: Globs = Globs()
    linger: Seconds = 0.0
    start: Literal["now", "earliest"] = "now"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration.  *labels* are static fields for every event and series.

    Watched are *hosts* and those of *host_lists* that belong to *shard*.
    """

    hosts: tuple[HostSettings, ...]
    exporters: tuple[ExporterSettings, ...]
    state_directory: Path
    host_lists: tuple[HostList, ...] = ()
    shard: Shard = Shard()
    stats: StatsSettings = StatsSettings()
    journal: JournalSettings = JournalSettings()
    metadata: Mapping[str, MetadataLabel] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    show: ShowSettings = ShowSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
