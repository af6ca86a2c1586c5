"""Lists of hosts in files that others write, in the format of Prometheus' file_sd, and which of them are our shard's.

A file is JSON or YAML: groups with `targets`, and `labels` that are left alone but for `host`, the name of a group's
only target.  A target is a libvirt URI, or a machine (with a port or not) where the table says what to make of it.
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from vmwatch import config
from vmwatch.errors import ConfigError
from vmwatch.settings import HostList, HostSettings, Shard

MOST_BYTES = 16 * 1024 * 1024

_COMMON = tuple(field.name for field in fields(HostSettings) if field.name not in ("uri", "name"))


def all_hosts(named: Sequence[HostSettings], lists: Sequence[HostList], shard: Shard) -> tuple[HostSettings, ...]:
    """Return the hosts that are *named* and those of the *lists*, as far as they are of our *shard*; ConfigError.

    What is listed again is the same host; another one of the same name is wrong.
    """
    found: dict[str, HostSettings] = {host.name: host for host in named}
    for one in lists:
        for path in paths(one):
            for host in read_list(path, one):
                if found.setdefault(host.name, host).uri != host.uri:
                    raise ConfigError(f'{path}: "{host.name}" is the name of another host too: expected one for each')
    return tuple(host for host in found.values() if is_ours(host.name, shard))


def is_ours(name: str, shard: Shard) -> bool:
    """Say whether the host called *name* belongs to *shard*; the same for all who ask, for ever."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % shard.total == shard.number


def paths(one: HostList) -> list[Path]:
    """Return the files that the patterns of a list match now, in order."""
    return sorted({Path(path) for pattern in one.files for path in glob.glob(pattern, recursive=True)})  # noqa: PTH207


def fingerprint(lists: Sequence[HostList]) -> tuple[tuple[str, int, int, int], ...]:
    """Return what changes when a file of the *lists* comes, goes or is written."""
    return tuple(_look(path) for one in lists for path in paths(one))


def _look(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:  # it has just gone
        return str(path), 0, 0, 0
    return str(path), status.st_mtime_ns, status.st_size, status.st_ino


def read_list(path: Path, one: HostList) -> Iterator[HostSettings]:
    """Yield the hosts of one file; ConfigError where it is not as it has to be."""
    for number, group in enumerate(_groups(path)):
        targets, labels = group.get("targets"), group.get("labels") or {}
        place = f"{path}: [{number}]"
        if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
            raise ConfigError(f"{place}.targets: expected a list of libvirt URIs")
        if not isinstance(labels, Mapping):
            raise ConfigError(f"{place}.labels: expected a table")
        name = labels.get("host", "")
        if name and len(targets) > 1:
            raise ConfigError(f"{place}.labels.host: expected one target only where there is a name")
        for at, target in enumerate(targets):
            yield _host(target, str(name), one, f"{place}.targets[{at}]")


def _groups(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        if os.stat(path).st_size > MOST_BYTES:  # noqa: PTH116
            raise ConfigError(f"{path}: expected a list of hosts, not so much")
        groups = yaml.safe_load(path.read_text("utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: this is neither JSON nor YAML") from error
    if groups is None:
        return []
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise ConfigError(f"{path}: expected a list of groups with targets, as Prometheus' file_sd has them")
    return groups


def _host(target: str, name: str, one: HostList, place: str) -> HostSettings:
    uri = target
    if "://" not in target and not target.startswith("test:"):
        if "{host}" not in one.uri:
            raise ConfigError(f'{place}: expected a libvirt URI, or uri = "...{{host}}..." in [[libvirt_files]]')
        uri = one.uri.replace("{host}", _machine(target))
    common = {field: getattr(one, field) for field in _COMMON}
    return config.named(HostSettings(uri=uri, name=name, **common), place)


def _machine(target: str) -> str:
    """Return *target* without its port: of another service, as in lists made for Prometheus."""
    host, colon, port = target.rpartition(":")
    return host if colon and port.isdigit() and (":" not in host or host.endswith("]")) else target
