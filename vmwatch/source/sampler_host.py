"""The figures of a host itself: processors, memory, pools, networks and devices, as far as its driver has them."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import libvirt

from vmwatch.sample import Column, Columns, Kind, Metric, Row, columns_of

T = TypeVar("T")

_C, _G = Kind.COUNTER, Kind.GAUGE


def _columns(of: str, labels: tuple[str, ...], *metrics: tuple[str, Kind, str]) -> Columns:
    return columns_of(
        of, labels, tuple(Column(Metric(f"libvirt_{name}", kind, text, "host")) for name, kind, text in metrics)
    )


_NODE = _columns(
    "host",
    (),
    ("host_cpus", _G, "Processors of the host, threads counted."),
    ("host_cpu_frequency_hertz", _G, "Clock rate of the host's processors, as libvirt says it."),
    ("host_numa_nodes", _G, "NUMA nodes of the host."),
    ("host_memory_bytes", _G, "Memory of the host."),
)
_CPU = _columns("host_cpu", ("mode",), ("host_cpu_seconds_total", _C, "Time the host's processors spent, by mode."))
_MEMORY = {
    key: _columns("host_memory", (), (f"host_memory_{key}_bytes", _G, text))
    for key, text in (
        ("free", "Memory of the host that is free."),
        ("buffers", "Memory of the host used as buffers."),
        ("cached", "Memory of the host used as page cache."),
    )
}
_POOL = _columns(
    "storage_pool",
    ("storage_pool",),
    ("storage_pool_state", _G, "The pool's state: 0 inactive, 1 building, 2 running, 3 degraded, 4 inaccessible."),
    ("storage_pool_capacity_bytes", _G, "Size of the pool."),
    ("storage_pool_allocation_bytes", _G, "Space of the pool that is in use."),
    ("storage_pool_available_bytes", _G, "Space of the pool that is left."),
)
_NETWORK = _columns("network", ("network",), ("network_active", _G, "Whether the virtual network is active."))
_DEVICES = _columns("node_devices", (), ("host_devices", _G, "Devices of the host that libvirt knows."))


def read_host(connection: libvirt.virConnect) -> list[Row]:
    """Return what *connection*'s driver says of its host; what it does not have is absent.  Blocks."""
    rows: list[Row] = []
    for part in (_node, _cpu, _memory, _pools, _networks, _devices):
        try:
            rows.extend(part(connection))
        except libvirt.libvirtError:
            if not connection.isAlive():
                raise
    return rows


def _node(connection: libvirt.virConnect) -> Iterator[Row]:
    _model, memory_mib, cpus, megahertz, nodes, *_ = connection.getInfo()
    yield Row(_NODE, (), (cpus, megahertz * 1_000_000, nodes, memory_mib * 1024 * 1024))


def _cpu(connection: libvirt.virConnect) -> Iterator[Row]:
    for mode, nanoseconds in connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS).items():
        if mode != "utilization":
            yield Row(_CPU, (mode,), (nanoseconds / 1e9,))


def _memory(connection: libvirt.virConnect) -> Iterator[Row]:
    for key, kibibytes in connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS).items():
        if key in _MEMORY:
            yield Row(_MEMORY[key], (), (kibibytes * 1024,))


def _pools(connection: libvirt.virConnect) -> Iterator[Row]:
    for pool in connection.listAllStoragePools(0):
        values = _unless_gone(pool.info)
        if values is not None:
            yield Row(_POOL, (pool.name(),), values)


def _networks(connection: libvirt.virConnect) -> Iterator[Row]:
    for network in connection.listAllNetworks(0):
        active = _unless_gone(network.isActive)
        if active is not None:
            yield Row(_NETWORK, (network.name(),), (int(active),))


def _devices(connection: libvirt.virConnect) -> Iterator[Row]:
    yield Row(_DEVICES, (), (connection.numOfDevices(None, 0),))


def _unless_gone(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except libvirt.libvirtError:
        return None
