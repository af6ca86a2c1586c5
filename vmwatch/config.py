"""Read the configuration: a TOML file and the flags that beat it become `Settings`, for the commands.

Whatever is wrong raises ConfigError with the file, the line, the key's whole path and what was expected.
"""

import os
import re
import socket
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

from vmwatch.config_place import Place, WrongKeyError, line_of
from vmwatch.config_table import convert, read_table
from vmwatch.errors import ConfigError
from vmwatch.registry import load_exporter
from vmwatch.settings import (
    ExporterSettings,
    Globs,
    HostList,
    HostSettings,
    JournalSettings,
    LogSettings,
    MetadataLabel,
    Settings,
    Shard,
    ShowSettings,
    StatsSettings,
    WebSettings,
)
from vmwatch.uris import host_of, without_credentials

DEFAULT_URI = "qemu:///system"

DEFAULT_EXPORTERS: Mapping[str, Mapping[str, Any]] = {"json_log": {}, "prometheus": {}}
"""What runs where the configuration names no exporter; one that names some gets exactly these."""

_PIPELINE_KEYS = ("include", "exclude", "linger", "start")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_RESERVED_LABELS = frozenset({"host", "domain", "uri", "uuid"})


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says; None or empty where it says nothing."""

    config_file: Path | None = None
    uris: tuple[str, ...] = ()
    listen_addresses: tuple[str, ...] = ()
    telemetry_path: str | None = None
    web_config_file: Path | None = None
    log_level: str | None = None
    log_format: str | None = None
    state_directory: Path | None = None
    shard: int | None = None
    total_shards: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """The configuration file, key by key."""

    libvirt: tuple[HostSettings, ...] = ()
    libvirt_files: tuple[HostList, ...] = ()
    stats: StatsSettings = field(default_factory=StatsSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    metadata: Mapping[str, MetadataLabel] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    show: ShowSettings = field(default_factory=ShowSettings)
    exporters: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_EXPORTERS)
    web: WebSettings = field(default_factory=WebSettings)
    log: LogSettings = field(default_factory=LogSettings)
    state_directory: Path | None = None


def load(flags: Flags, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the file and the *flags* say; ConfigError where either is wrong."""
    if flags.config_file is None:
        return _settings({}, flags, environment)
    text = _text(flags.config_file)
    try:
        return _settings(tomllib.loads(text), flags, environment)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{flags.config_file}: this is not TOML: {error}") from error
    except WrongKeyError as error:
        line = line_of(text, error.place)
        raise ConfigError(f"{flags.config_file}{f':{line}' if line else ''}: {error}") from error


def machine_name() -> str:
    """Return what this machine calls itself."""
    return socket.gethostname()


def default_state_directory(environment: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """Return systemd's state directory, else root's usual place, else the one of the XDG rules."""
    if given := environment.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/vmwatch")
    home = environment.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "vmwatch"


def host_name(uri: str) -> str:
    """Return the host part of *uri* as it is written there, else this machine's name; ValueError where it is no URI."""
    return host_of(uri) or machine_name()


def named(host: HostSettings, place: str | Place) -> HostSettings:
    """Return *host* with a name; ConfigError where the URI at *place* is none."""
    try:
        name = host_name(host.uri)
    except ValueError as error:
        if isinstance(place, Place):
            raise WrongKeyError(place, str(error)) from error
        raise ConfigError(f"{place}: {error}") from error
    return replace(host, name=host.name or name)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not UTF-8") from error


def _settings(table: Mapping[str, Any], flags: Flags, environment: Mapping[str, str]) -> Settings:
    file = read_table(File, table, Place())
    _check_labels(file.labels, Place(("labels",)))
    _check_labels(file.metadata, Place(("metadata",)))
    return Settings(
        hosts=_hosts(file.libvirt, flags.uris, default=not file.libvirt_files),
        host_lists=() if flags.uris else file.libvirt_files,
        shard=_shard(flags.shard, flags.total_shards),
        exporters=tuple(_exporter(name, keys, Place(("exporters", name))) for name, keys in file.exporters.items()),
        state_directory=flags.state_directory or file.state_directory or default_state_directory(environment),
        stats=file.stats,
        journal=file.journal,
        metadata=file.metadata,
        labels=file.labels,
        show=file.show,
        web=_web(file.web, flags),
        log=_log(file.log, flags),
    )


def _shard(number: int | None, total: int | None) -> Shard:
    shard = Shard(number or 0, 1 if total is None else total)
    if shard.total < 1:
        raise ConfigError("--total-shards: expected at least 1")
    if not 0 <= shard.number < shard.total:
        raise ConfigError(f"--shard: expected 0 to {shard.total - 1}, one less than --total-shards")
    return shard


def _hosts(listed: Sequence[HostSettings], uris: Sequence[str], *, default: bool) -> tuple[HostSettings, ...]:
    """Name the hosts: those of the flags where there are some, with what the file says about the same URI."""
    by_uri = {host.uri: host for host in listed}
    if uris:
        listed = [by_uri.get(uri) or HostSettings(uri=uri) for uri in dict.fromkeys(uris)]
    defaults = [HostSettings(DEFAULT_URI)] if default else []
    hosts = [
        named(host, "--libvirt.uri" if uris else Place(("libvirt", index, "uri")))
        for index, host in enumerate(listed or defaults)
    ]
    first: dict[str, int] = {}
    for index, host in enumerate(hosts):
        other = first.setdefault(host.name, index)
        if other != index and uris:
            both = " and ".join(without_credentials(one.uri) for one in (hosts[other], host))
            raise ConfigError(f'--libvirt.uri: {both} would both be called "{host.name}"; name them in a configuration')
        if other != index:
            raise WrongKeyError(
                Place(("libvirt", index, "name")),
                f'"{host.name}" is the name of libvirt[{other}] too: expected a name of its own for each host',
            )
    return tuple(hosts)


def _exporter(name: str, table: Any, place: Place) -> ExporterSettings:
    if not isinstance(table, Mapping):
        raise WrongKeyError(place, f"expected a table, as in [{place}]")
    kind = convert(table.get("type", name), str, place / "type")
    try:
        exporter = load_exporter(kind)
    except ConfigError as error:
        raise WrongKeyError(place / "type" if "type" in table else place, str(error)) from error
    hints = get_type_hints(ExporterSettings, include_extras=True)
    common: dict[str, Any] = {
        key: _globs(table[key], place / key) if hints[key] is Globs else convert(table[key], hints[key], place / key)
        for key in _PIPELINE_KEYS
        if key in table
    }
    own = {key: value for key, value in table.items() if key not in ("type", *_PIPELINE_KEYS)}
    return ExporterSettings(
        name=name, type=kind, exporter=read_table(exporter, own, place, also=("type", *_PIPELINE_KEYS)), **common
    )


def _globs(value: Any, place: Place) -> Globs:
    """Read patterns; a plain list of them is about types."""
    return read_table(Globs, {"type": value} if isinstance(value, list) else value, place)


def _web(web: WebSettings, flags: Flags) -> WebSettings:
    given = {
        "listen_addresses": flags.listen_addresses,
        "telemetry_path": flags.telemetry_path,
        "config_file": flags.web_config_file,
    }
    try:
        return replace(web, **{key: value for key, value in given.items() if value})  # type: ignore[arg-type]
    except ValueError as error:
        flag = "--web.telemetry-path" if "telemetry" in str(error) else "--web.listen-address"
        raise ConfigError(f"{flag}: {str(error).partition(': ')[2]}") from error


def _log(log: LogSettings, flags: Flags) -> LogSettings:
    given = {"level": flags.log_level, "format": flags.log_format}
    return replace(log, **{key: value for key, value in given.items() if value})  # type: ignore[arg-type]


def _check_labels(labels: Mapping[str, Any], place: Place) -> None:
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise WrongKeyError(place / label, "expected a label's name: letters, digits and _")
        if label in _RESERVED_LABELS:
            raise WrongKeyError(place / label, "this label is vmwatch's own: expected another name")
