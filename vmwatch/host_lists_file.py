"""One file with a list of hosts, in the format of Prometheus' file_sd; for `vmwatch.host_lists`.

It is JSON or YAML: groups with `targets`, and `labels` that are left alone but for `host`, the name of a group's only
target.  A target is a libvirt URI, or a machine (with a port or not) where the table says what to make of it.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vmwatch.config import named
from vmwatch.errors import ConfigError
from vmwatch.settings import HostList, HostSettings

MOST_BYTES = 16 * 1024 * 1024
MOST_HOSTS = 100_000  # YAML's anchors can make more of a small file than we could ever look at

_COMMON = tuple(field.name for field in fields(HostSettings) if field.name not in ("uri", "name"))

_YAML = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""All values as text: a label may look like a date and be none.  Without libyaml it takes five times as long."""


def read_list(path: Path, one: HostList) -> tuple[HostSettings, ...]:
    """Return the hosts of the file at *path*, a file of the list *one*; ConfigError where it is not as it has to be.

    Blocks.
    """
    hosts: list[HostSettings] = []
    for number, group in enumerate(_groups(path)):
        hosts.extend(_hosts(group, one, f"{path}: [{number}]"))
        if len(hosts) > MOST_HOSTS:
            raise ConfigError(f"{path}: expected at most {MOST_HOSTS} hosts")
    return tuple(hosts)


def _groups(path: Path) -> Sequence[Mapping[str, Any]]:
    groups = _content(path, _text(path))
    if groups in (None, ""):
        return []
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise ConfigError(f"{path}: expected a list of groups with targets, as Prometheus' file_sd has them")
    return groups


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a pipe would never end
            raise ConfigError(f"{path}: expected a file")
        if status.st_size > MOST_BYTES:
            raise ConfigError(f"{path}: expected a list of hosts, not so much")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _content(path: Path, text: str) -> Any:
    """Read JSON, which most lists are, a hundred times as fast as YAML; whatever is no JSON may be YAML."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return yaml.load(text, Loader=_YAML)  # noqa: S506 - BaseLoader makes nothing but text, lists and tables
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""  # libyaml counts one more at the end
        raise ConfigError(f"{path}{line}: this is neither JSON nor YAML") from error


def _hosts(group: Mapping[str, Any], one: HostList, place: str) -> Iterator[HostSettings]:
    targets, labels = group.get("targets"), group.get("labels") or {}
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise ConfigError(f"{place}.targets: expected a list of libvirt URIs")
    if not isinstance(labels, Mapping):
        raise ConfigError(f"{place}.labels: expected a table")
    name = labels.get("host") or ""
    if name and len(targets) > 1:
        raise ConfigError(f"{place}.labels.host: expected one target only where there is a name")
    if not str(name).isprintable():
        raise ConfigError(f"{place}.labels.host: expected a name without control characters")
    for at, target in enumerate(targets):
        yield _host(target, str(name), one, f"{place}.targets[{at}]")


def _host(target: str, name: str, one: HostList, place: str) -> HostSettings:
    uri = target
    if "://" not in target and not target.startswith("test:"):
        if "{host}" not in one.uri:
            raise ConfigError(f'{place}: expected a libvirt URI, or uri = "...{{host}}..." in [[libvirt_files]]')
        uri = one.uri.replace("{host}", _machine(target))
    common = {field: getattr(one, field) for field in _COMMON}
    return named(HostSettings(uri=uri, name=name, **common), place)


def _machine(target: str) -> str:
    """Return *target* without its port: of another service, as in lists made for Prometheus."""
    host, colon, port = target.rpartition(":")
    return host if colon and port.isdigit() and (":" not in host or host.endswith("]")) else target
