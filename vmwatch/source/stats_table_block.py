"""libvirt's block statistics: a disk's counters, sizes, limits, latencies of intervals, and latency histograms."""

from vmwatch.sample import Kind
from vmwatch.source.stats_fields import BLOCK, BLOCK_INTERVAL, NANOSECONDS, Field, Thing

_C, _G = Kind.COUNTER, Kind.GAUGE

_OPERATIONS = (("rd", "read", "Reads"), ("wr", "write", "Writes"), ("fl", "flush", "Flushes"))

_COUNTERS = (
    *(
        Field(f"block.<n>.{way}.reqs", f"block_stats_{name}_requests_total", _C, f"{what} requested.", BLOCK)
        for way, name, what in _OPERATIONS
    ),
    Field("block.<n>.rd.bytes", "block_stats_read_bytes_total", _C, "Bytes read.", BLOCK),
    Field("block.<n>.wr.bytes", "block_stats_write_bytes_total", _C, "Bytes written.", BLOCK),
    *(
        Field(
            f"block.<n>.{way}.times",
            f"block_stats_{name}_time_seconds_total",
            _C,
            f"{what}' time, summed over requests that may overlap.",
            BLOCK,
            NANOSECONDS,
        )
        for way, name, what in _OPERATIONS
    ),
    Field("block.<n>.errors", "block_errors_total", _C, "Failed requests.", BLOCK),
)

_SIZES = (
    Field("block.<n>.allocation", "block_allocation_bytes", _G, "Highest offset written by this process.", BLOCK),
    Field("block.<n>.capacity", "block_stats_capacity_bytes", _G, "Size that the guest sees.", BLOCK),
    Field("block.<n>.physical", "block_physical_bytes", _G, "Size of what holds the image.", BLOCK),
    Field("block.<n>.threshold", "block_write_threshold_bytes", _G, "Offset that is told once written.", BLOCK),
)

_LIMITS = tuple(
    Field(f"block.<n>.limits.{limit}", f"block_limits_{limit}{unit}", _G, f"{what}.", BLOCK)
    for limit, unit, what in (
        ("request_alignment", "_bytes", "What requests are aligned to"),
        ("discard_max", "_bytes", "Largest discard"),
        ("discard_alignment", "_bytes", "What discards are aligned to"),
        ("write_zeroes_max", "_bytes", "Largest write of zeroes"),
        ("write_zeroes_alignment", "_bytes", "What writes of zeroes are aligned to"),
        ("transfer_optimal", "_bytes", "Best size of a transfer"),
        ("transfer_max", "_bytes", "Largest transfer"),
        ("transfer_hw_max", "_bytes", "Largest transfer of the hardware"),
        ("iov_max", "", "Most pieces of a transfer"),
        ("iov_hw_max", "", "Most pieces of a transfer of the hardware"),
        ("memory_alignment_minimal", "_bytes", "What memory has to be aligned to"),
        ("memory_alignment_optimal", "_bytes", "What memory is best aligned to"),
    )
)

_INTERVALS = (
    Field("block.<n>.timed_group.count"),
    Field("block.<n>.timed_group.<t>.interval"),
    *(
        Field(
            f"block.<n>.timed_group.<t>.{key}_latency_{which}",
            f"block_interval_{name}_latency_{which}_seconds",
            _G,
            f"{word} latency of {name} requests in the interval.",
            BLOCK_INTERVAL,
            NANOSECONDS,
        )
        for key, name in (("rd", "read"), ("wr", "write"), ("flush", "flush"), ("zone_append", "zone_append"))
        for which, word in (("min", "Lowest"), ("max", "Highest"), ("avg", "Mean"))
    ),
    *(
        Field(
            f"block.<n>.timed_group.<t>.{key}_queue_depth_avg",
            f"block_interval_{name}_queue_depth_avg",
            _G,
            f"Mean number of waiting {name} requests in the interval.",
            BLOCK_INTERVAL,
        )
        for key, name in (("rd", "read"), ("wr", "write"), ("zone_append", "zone_append"))
    ),
)

_HISTOGRAMS = tuple(
    field
    for name, total in (("read", "rd.times"), ("write", "wr.times"), ("zone_append", ""), ("flush", "fl.times"))
    for field in (
        Field(f"block.<n>.latency_histogram.{name}.bin.count"),
        Field(f"block.<n>.latency_histogram.{name}.bin.<b>.start"),
        Field(
            f"block.<n>.latency_histogram.{name}.bin.<b>.value",
            f"block_{name}_latency_seconds",
            Kind.HISTOGRAM,
            f"Latency of {name} requests.",
            Thing(f"block_{name}_latency", BLOCK.labels),
            bounds=f"block.<n>.latency_histogram.{name}.bin.<b>.start",
            sum=f"block.<n>.{total}" if total else "",
        ),
    )
)

BLOCK_FIELDS: tuple[Field, ...] = (
    Field("block.count", "block_devices", _G, "Disks and other block devices."),
    Field("block.<n>.name"),
    Field("block.<n>.backingIndex"),
    Field("block.<n>.path"),
    *_COUNTERS,
    *_SIZES,
    *_LIMITS,
    *_INTERVALS,
    *_HISTOGRAMS,
)
"""Every field of the group `block`."""
