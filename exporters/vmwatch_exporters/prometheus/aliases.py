"""The names that other exporters give to what is exported here, for dashboards that were made for them."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from vmwatch.sample import Kind, Metric

Compatibility = Literal["tinkoff", "debian"]


class Alias(msgspec.Struct, frozen=True):
    """Another *name* of the metric *of*, some of whose labels are called otherwise there."""

    name: str
    of: str
    labels: tuple[tuple[str, str], ...] = ()

    def metric(self, metric: Metric) -> Metric:
        """Return *metric* under this name."""
        kind = metric.kind
        if kind is Kind.INFO and not self.name.endswith("_info"):
            kind = Kind.GAUGE
        return Metric(self.name, kind, metric.help, metric.group)


_POOL = (("storage_pool", "pool"),)

_ALIASES: dict[Compatibility, tuple[Alias, ...]] = {
    "tinkoff": (
        Alias("libvirt_domain_info_vstate", "libvirt_domain_info_state"),
        Alias("libvirt_domain_block_stats_allocation", "libvirt_domain_block_allocation_bytes"),
        Alias("libvirt_domain_block_stats_physicalsize_bytes", "libvirt_domain_block_physical_bytes"),
        Alias("libvirt_domain_memory_stats_actual_balloon_bytes", "libvirt_domain_memory_stats_current_balloon_bytes"),
        Alias("libvirt_domain_memory_stats_disk_cache_bytes", "libvirt_domain_memory_stats_disk_caches_bytes"),
        Alias("libvirt_pool_info_capacity_bytes", "libvirt_storage_pool_capacity_bytes", _POOL),
        Alias("libvirt_pool_info_allocation_bytes", "libvirt_storage_pool_allocation_bytes", _POOL),
        Alias("libvirt_pool_info_available_bytes", "libvirt_storage_pool_available_bytes", _POOL),
        Alias(
            "libvirt_domain_block_meta",
            "libvirt_domain_block_stats_info",
            (("target_bus", "bus"), ("driver_cache", "cache"), ("driver_discard", "discard")),
        ),
        Alias(
            "libvirt_domain_interface_meta",
            "libvirt_domain_interface_stats_info",
            (("virtualport_interface_id", "virtual_interface"),),
        ),
        Alias(
            "libvirt_domain_info_meta",
            "libvirt_domain_openstack_info",
            (("flavor_name", "flavor"), ("user_id", "user_uuid"), ("project_id", "project_uuid")),
        ),
    ),
    "debian": (
        Alias("libvirt_domains_number", "libvirt_domains"),
        Alias("libvirt_domain_state_code", "libvirt_domain_info_state"),
        Alias("libvirt_domain_block_stats_read_seconds_total", "libvirt_domain_block_stats_read_time_seconds_total"),
        Alias("libvirt_domain_block_stats_write_seconds_total", "libvirt_domain_block_stats_write_time_seconds_total"),
        Alias("libvirt_domain_block_stats_flush_seconds_total", "libvirt_domain_block_stats_flush_time_seconds_total"),
    ),
}


def aliases(compatibility: Sequence[Compatibility]) -> dict[str, list[Alias]]:
    """Return the further names of each metric, by its name here."""
    found: dict[str, list[Alias]] = {}
    for alias in (alias for exporter in dict.fromkeys(compatibility) for alias in _ALIASES[exporter]):
        found.setdefault(alias.of, []).append(alias)
    return found
