"""The exposition formats as plain text: names, label values and headers, escaped and bounded."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from hashlib import blake2b

from vmwatch.sample import Kind, Metric

MAX_LABEL_CHARACTERS = 256
"""What is longer is cut: every further scrape pays for it."""

_RESERVED = frozenset(
    {
        *("host", "domain", "uuid", "uri", "origin", "type", "exporter", "state", "event", "detail", "cause", "le"),
        *("stat", "vcpu", "target_device", "iothread", "interval", "monitor", "vcpus", "bank", "package", "node"),
        *("storage_pool", "pool", "network", "mode", "driver", "hypervisor", "libvirt", "version"),
        *("os_type", "os_type_arch", "os_type_machine"),
        *("target_bus", "disk_type", "device", "driver_name", "driver_type", "driver_cache", "driver_discard"),
        *("source_file", "source_protocol", "serial", "bus", "cache", "discard"),
        *("interface_type", "source_bridge", "source_network", "mac_address", "model_type", "mtu_size"),
        *("virtualport_interface_id", "virtual_interface"),
        *("instance_id", "instance_name", "flavor_name", "flavor", "root_type", "root_uuid"),
        *("user_name", "user_id", "user_uuid", "project_name", "project_id", "project_uuid"),
        *("kubevirt_uid", "kubevirt_name", "kubevirt_namespace"),
    }
)
"""Labels of ours: a page on which a series has a label twice is refused as a whole."""


class Format(Enum):
    """How a page may be written, with its media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def header(metric: Metric, form: Format) -> str:
    """Return the HELP and TYPE lines of *metric*: OpenMetrics names a family without the suffix of its kind."""
    name, kind, text = metric.name, str(metric.kind), metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if form is Format.OPENMETRICS:
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(metric.kind, "")
        name, text = name.removesuffix(suffix), text.replace('"', r"\"")
    else:
        kind = {Kind.INFO: "gauge", Kind.UNKNOWN: "untyped"}.get(metric.kind, kind)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


@lru_cache(maxsize=16384)
def escape(value: str) -> str:
    """Return *value* as it stands between a label's quotes, cut where it is very long, then with a hash of it all."""
    if len(value) > MAX_LABEL_CHARACTERS:
        digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        value = f"{value[: MAX_LABEL_CHARACTERS - len(digest) - 1]}~{digest}"
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"").replace("\0", "\ufffd")


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """Return *labels* as they stand between a series' braces."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in labels)


def label_name(name: str) -> str:
    """Return *name* with an underscore for each character that a label's name may not have."""
    return re.sub(r"^(?=[0-9])|[^a-zA-Z0-9_]", "_", name) or "_"


def static_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the user's static *labels* under names that are valid and do not stand on series anyway."""
    named = {label_name(name): value for name, value in labels.items()}
    taken = {name for name in named if name in _RESERVED or name.startswith("__")}
    return {f"static_{name}" if name in taken else name: value for name, value in named.items()}
