"""What a line of the statistics table says: a field's key, name, unit, and which thing's figure it is."""

from collections.abc import Mapping

import msgspec

from vmwatch.sample import Column, Kind, Metric

PREFIX = "libvirt_domain_"

_GROUPS = {"net": "interface"}


class Scale(msgspec.Struct, frozen=True):
    """How a number becomes one of base units: times *times*, then divided by *per*."""

    times: int = 1
    per: int = 1


ONE = Scale()
NANOSECONDS = Scale(per=1_000_000_000)
KIBIBYTES = Scale(times=1024)
MEBIBYTES = Scale(times=1024 * 1024)


class Thing(msgspec.Struct, frozen=True):
    """What has figures: its *labels*, each with where its value stands: in the key (`<n>`), or under another key."""

    of: str
    labels: tuple[tuple[str, str], ...] = ()


DOMAIN = Thing("domain")
VCPU = Thing("vcpu", (("vcpu", "<n>"),))
VCPU_DIRTY_RATE = Thing("vcpu_dirty_rate", (("vcpu", "<n>"),))
IOTHREAD = Thing("iothread", (("iothread", "<id>"),))
INTERFACE = Thing("interface", (("target_device", "net.<n>.name"),))
BLOCK = Thing("block", (("target_device", "block.<n>.name"),))
BLOCK_INTERVAL = Thing("block_interval", (*BLOCK.labels, ("interval", "block.<n>.timed_group.<t>.interval")))
BANK = Thing(
    "cpu_cache",
    (
        ("monitor", "cpu.cache.monitor.<m>.name"),
        ("vcpus", "cpu.cache.monitor.<m>.vcpus"),
        ("bank", "cpu.cache.monitor.<m>.bank.<b>.id"),
    ),
)
PACKAGE = Thing(
    "cpu_energy",
    (
        ("monitor", "cpu.energy.monitor.<m>.name"),
        ("vcpus", "cpu.energy.monitor.<m>.vcpus"),
        ("package", "cpu.energy.monitor.<m>.pkg.<p>.id"),
        ("event", "<event>"),
    ),
)
NODE = Thing(
    "memory_bandwidth",
    (
        ("monitor", "memory.bandwidth.monitor.<m>.name"),
        ("vcpus", "memory.bandwidth.monitor.<m>.vcpus"),
        ("node", "memory.bandwidth.monitor.<m>.node.<k>.id"),
    ),
)


class Field(msgspec.Struct, frozen=True):
    """One field of libvirt's statistics: *key* with its variable parts in angle brackets, *name* without the prefix.

    *also* is a second name of the same quantity; *column_labels* take their values from the key.  *bounds* and *sum*
    are the keys of a histogram's lower bounds and of its sum.
    """

    key: str
    name: str = ""
    kind: Kind = Kind.GAUGE
    help: str = ""
    thing: Thing = DOMAIN
    scale: Scale = ONE
    also: str = ""
    column_labels: tuple[tuple[str, str], ...] = ()
    bounds: str = ""
    sum: str = ""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that it becomes: none, one, or two of the same value."""
        group = self.key.partition(".")[0]
        group = _GROUPS.get(group, group)
        return tuple(Metric(PREFIX + name, self.kind, self.help, group) for name in (self.name, self.also) if name)

    def columns(self, parts: Mapping[str, str]) -> tuple[Column, ...]:
        """Return its columns in a row, with the variable *parts* of the key filled in."""
        labels = tuple((label, fill(where, parts)) for label, where in self.column_labels)
        return tuple(Column(metric, labels) for metric in self.metrics)


def fill(pattern: str, parts: Mapping[str, str]) -> str:
    """Return *pattern* with each `<part>` replaced by its value in *parts*."""
    return ".".join(parts.get(word, word) for word in pattern.split("."))
