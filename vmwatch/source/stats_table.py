"""libvirt's bulk statistics, one line for each field there is: its key, what it is called here, its unit.

A field without a name is told elsewhere: it is the length of a list, or the label of its neighbours.  Names are those
of the inovex exporter where its unit is right.  Fields and units as in libvirt 12.8.0's public header.
"""

from vmwatch.sample import Kind
from vmwatch.source.stats_fields import (
    BANK,
    INTERFACE,
    IOTHREAD,
    KIBIBYTES,
    MEBIBYTES,
    NANOSECONDS,
    NODE,
    PACKAGE,
    VCPU,
    VCPU_DIRTY_RATE,
    Field,
)
from vmwatch.source.stats_table_block import BLOCK_FIELDS

_C, _G, _U = Kind.COUNTER, Kind.GAUGE, Kind.UNKNOWN

_STATE = (
    Field("state.state"),  # told from the known state, which also knows where libvirt says it late
    Field("state.reason", "state_reason", _G, "Why the domain is in its state, as libvirt's number for that state."),
)

_CPU = (
    Field("cpu.time", "info_cpu_time_seconds_total", _C, "CPU time of the domain's process.", scale=NANOSECONDS),
    Field("cpu.user", "cpu_user_seconds_total", _C, "CPU time in user mode.", scale=NANOSECONDS),
    Field("cpu.system", "cpu_system_seconds_total", _C, "CPU time in kernel mode.", scale=NANOSECONDS),
    Field(
        "cpu.haltpoll.success.time",
        "cpu_haltpoll_success_seconds_total",
        _C,
        "Time polled for work before a halt, with success.",
        scale=NANOSECONDS,
    ),
    Field(
        "cpu.haltpoll.fail.time",
        "cpu_haltpoll_fail_seconds_total",
        _C,
        "Time polled for work before a halt, in vain.",
        scale=NANOSECONDS,
    ),
    Field("cpu.cache.monitor.count"),
    Field("cpu.cache.monitor.<m>.name"),
    Field("cpu.cache.monitor.<m>.vcpus"),
    Field("cpu.cache.monitor.<m>.bank.count"),
    Field("cpu.cache.monitor.<m>.bank.<b>.id"),
    Field("cpu.cache.monitor.<m>.bank.<b>.bytes", "cpu_cache_bytes", _G, "Last level cache in use.", BANK),
    Field("cpu.energy.monitor.count"),
    Field("cpu.energy.monitor.<m>.name"),
    Field("cpu.energy.monitor.<m>.vcpus"),
    Field("cpu.energy.monitor.<m>.pkg.count"),
    Field("cpu.energy.monitor.<m>.pkg.<p>.id"),
    Field(
        "cpu.energy.monitor.<m>.pkg.<p>.<event>", "cpu_energy_joules_total", _C, "Energy used, by the kernel.", PACKAGE
    ),
)

_BALLOON = (
    Field(
        "balloon.current",
        "memory_stats_current_balloon_bytes",
        _G,
        "Memory that the domain has now.",
        scale=KIBIBYTES,
        also="info_memory_usage_bytes",
    ),
    Field(
        "balloon.maximum",
        "memory_stats_maximum_bytes",
        _G,
        "Memory that the domain may have.",
        scale=KIBIBYTES,
        also="info_maximum_memory_bytes",
    ),
    Field("balloon.swap_in", "memory_stats_swap_in_bytes", _G, "Memory the guest swapped in.", scale=KIBIBYTES),
    Field("balloon.swap_out", "memory_stats_swap_out_bytes", _G, "Memory the guest swapped out.", scale=KIBIBYTES),
    Field("balloon.major_fault", "memory_stats_major_fault_total", _C, "Page faults in the guest that needed a disk."),
    Field("balloon.minor_fault", "memory_stats_minor_fault_total", _C, "Page faults in the guest that needed none."),
    Field("balloon.unused", "memory_stats_unused_bytes", _G, "Memory the guest leaves free.", scale=KIBIBYTES),
    Field("balloon.available", "memory_stats_available_bytes", _G, "Memory the guest sees.", scale=KIBIBYTES),
    Field("balloon.usable", "memory_stats_usable_bytes", _G, "Memory the guest could give up.", scale=KIBIBYTES),
    Field(
        "balloon.last-update",
        "memory_stats_last_update_timestamp_seconds",
        _G,
        "When the guest last told its memory figures.",
    ),
    Field("balloon.rss", "memory_stats_rss_bytes", _G, "Memory of the domain's process.", scale=KIBIBYTES),
    Field("balloon.disk_caches", "memory_stats_disk_caches_bytes", _G, "The guest's page cache.", scale=KIBIBYTES),
    Field("balloon.hugetlb_pgalloc", "memory_stats_hugetlb_pgalloc_total", _C, "Huge pages allocated in the guest."),
    Field("balloon.hugetlb_pgfail", "memory_stats_hugetlb_pgfail_total", _C, "Huge pages the guest could not have."),
    Field("balloon.used_percent", "memory_stats_used_percent", _G, "Share of the guest's memory it cannot give up."),
)

_VCPU = (
    Field("vcpu.current", "vcpu_current", _G, "Virtual CPUs online.", also="info_virtual_cpus"),
    Field("vcpu.maximum", "vcpu_maximum", _G, "Virtual CPUs that may be online."),
    Field("vcpu.<n>.state", "vcpu_state", _G, "State of a virtual CPU: 0 offline, 1 running, 2 blocked.", VCPU),
    Field("vcpu.<n>.time", "vcpu_time_seconds_total", _C, "Run time of a virtual CPU.", VCPU, NANOSECONDS),
    Field("vcpu.<n>.wait", "vcpu_wait_seconds_total", _C, "Scheduler's wait time of a virtual CPU.", VCPU, NANOSECONDS),
    Field(
        "vcpu.<n>.delay", "vcpu_delay_seconds_total", _C, "Time a virtual CPU was kept from running.", VCPU, NANOSECONDS
    ),
    Field("vcpu.<n>.halted", "vcpu_halted", _G, "Whether a virtual CPU is halted.", VCPU),
    *(
        Field(
            f"vcpu.<n>.<stat>.{kind}",
            "vcpu_hypervisor_stat",
            _U,
            "The hypervisor's own figures of a virtual CPU, in its units.",
            VCPU,
            column_labels=(("stat", "<stat>"), ("type", kind)),
        )
        for kind in ("sum", "cur", "max")
    ),
)

_VM = tuple(
    Field(
        f"vm.<stat>.{kind}",
        "vm_hypervisor_stat",
        _U,
        "The hypervisor's own figures of a domain, in its units.",
        column_labels=(("stat", "<stat>"), ("type", kind)),
    )
    for kind in ("sum", "cur", "max")
)

_INTERFACE = (
    Field("net.count", "interfaces", _G, "Network interfaces, those without figures too."),
    Field("net.<n>.name"),
    *(
        Field(f"net.<n>.{way}.{key}", f"interface_stats_{verb}_{name}_total", _C, f"{what} {done}.", INTERFACE)
        for way, verb, done in (("rx", "receive", "received"), ("tx", "transmit", "sent"))
        for key, name, what in (
            ("bytes", "bytes", "Bytes"),
            ("pkts", "packets", "Packets"),
            ("errs", "errors", "Errors of packets"),
            ("drop", "drops", "Drops of packets"),
        )
    ),
)

_PERF = (
    Field("perf.cmt", "perf_cmt_bytes", _G, "Cache in use, by the kernel's perf."),
    Field("perf.mbmt", "perf_mbmt_bytes_per_second", _G, "Memory bandwidth of the system, by the kernel's perf."),
    Field("perf.mbml", "perf_mbml_bytes_per_second", _G, "Memory bandwidth of its node, by the kernel's perf."),
    Field("perf.cpu_clock", "perf_cpu_clock_seconds_total", _C, "CPU clock by perf.", scale=NANOSECONDS),
    Field("perf.task_clock", "perf_task_clock_seconds_total", _C, "Task clock by perf.", scale=NANOSECONDS),
    *(
        Field(f"perf.{event}", f"perf_{event}_total", _C, f"Perf's count of {event.replace('_', ' ')}.")
        for event in (
            "cache_misses",
            "cache_references",
            "instructions",
            "cpu_cycles",
            "branch_instructions",
            "branch_misses",
            "bus_cycles",
            "stalled_cycles_frontend",
            "stalled_cycles_backend",
            "ref_cpu_cycles",
            "page_faults",
            "context_switches",
            "cpu_migrations",
            "page_faults_min",
            "page_faults_maj",
            "alignment_faults",
            "emulation_faults",
        )
    ),
)

_IOTHREAD = (
    Field("iothread.count", "iothreads", _G, "I/O threads."),
    Field("iothread.<id>.poll-max-ns", "iothread_poll_max_seconds", _G, "Longest time polled.", IOTHREAD, NANOSECONDS),
    Field("iothread.<id>.poll-grow", "iothread_poll_grow", _G, "Factor that polling grows by; 0: default.", IOTHREAD),
    Field("iothread.<id>.poll-shrink", "iothread_poll_shrink", _G, "Divisor polling shrinks by; 0: off.", IOTHREAD),
    Field("iothread.<id>.poll-weight", "iothread_poll_weight", _G, "Weight of the last poll, as a shift.", IOTHREAD),
)

_MEMORY = (
    Field("memory.bandwidth.monitor.count"),
    Field("memory.bandwidth.monitor.<m>.name"),
    Field("memory.bandwidth.monitor.<m>.vcpus"),
    Field("memory.bandwidth.monitor.<m>.node.count"),
    Field("memory.bandwidth.monitor.<m>.node.<k>.id"),
    Field(
        "memory.bandwidth.monitor.<m>.node.<k>.bytes.local",
        "memory_bandwidth_local_bytes_total",
        _C,
        "Bytes moved to and from the memory of its own node.",
        NODE,
    ),
    Field(
        "memory.bandwidth.monitor.<m>.node.<k>.bytes.total",
        "memory_bandwidth_bytes_total",
        _C,
        "Bytes moved to and from memory, its own node's too.",
        NODE,
    ),
)

_DIRTYRATE = (
    Field("dirtyrate.calc_status", "dirty_rate_status", _G, "Last measurement: 0 none, 1 under way, 2 done."),
    Field("dirtyrate.calc_start_time", "dirty_rate_start_time_seconds", _G, "When it began, since the host's boot."),
    Field("dirtyrate.calc_period", "dirty_rate_period_seconds", _G, "How long it took."),
    Field("dirtyrate.calc_mode"),
    Field("dirtyrate.megabytes_per_second", "dirty_rate_bytes_per_second", _G, "Memory written.", scale=MEBIBYTES),
    Field(
        "dirtyrate.vcpu.<n>.megabytes_per_second",
        "vcpu_dirty_rate_bytes_per_second",
        _G,
        "Memory written by a virtual CPU.",
        VCPU_DIRTY_RATE,
        MEBIBYTES,
    ),
)

FIELDS: tuple[Field, ...] = (
    *_STATE,
    *_CPU,
    *_BALLOON,
    *_VCPU,
    *_INTERFACE,
    *BLOCK_FIELDS,
    *_PERF,
    *_IOTHREAD,
    *_MEMORY,
    *_DIRTYRATE,
    *_VM,
)
"""Every field; the first whose key fits is the one."""
