"""What a host with 10,000 domains costs: libvirtd's test driver has them, running, with figures of their state."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import libvirt

from tests.beds.libvirtd import Libvirtd
from tests.beds.program import until
from tests.bench.live import Running, vmwatch
from tests.bench.report import Figure
from tests.bench.scrape import Scrapes
from tests.bench.usage import resident_mebibytes

SIZES = (1_000, 5_000, 10_000)
SCRAPES = 5
DEFINERS = 4

# The driver has all other figures by single calls for each domain only: those would be all that is measured here.
_CONFIGURATION = ("[stats]", 'groups = ["state"]', "max_age = 0", 'interval = "1h"', "[exporters.prometheus]")

_DOMAIN = """
<domain type='test'>
  <name>guest-{number}</name><uuid>00000000-0000-4000-8000-{number:012d}</uuid>
  <memory>8192</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><source file='/images/{number}.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><source network='default'/><target dev='vnet{number}'/></interface>
  </devices>
</domain>
"""


def measure() -> Sequence[Figure]:
    """Scrape more and more domains, each time by a vmwatch of its own."""
    measured = []
    with Libvirtd("test") as daemon, daemon.connection() as connection:
        made = 0
        for size in SIZES:
            _make(connection, range(made, size))
            made = size
            with vmwatch(daemon.uri, *_CONFIGURATION) as running:
                measured.append((size, *_scraped(running, size)))
    return _figures(measured)


def _make(connection: libvirt.virConnect, numbers: range) -> None:
    with ThreadPoolExecutor(DEFINERS) as pool:
        list(pool.map(lambda number: connection.defineXML(_DOMAIN.format(number=number)).create(), numbers))


def _scraped(running: Running, domains: int) -> tuple[float, int, float]:
    """Return how long a full scrape takes, how many series it has, and what memory is resident after some."""
    scrape = Scrapes(running.port)

    def complete() -> bool:
        scrape.again()
        names = ("block_stats_info", "timed_out", "info_state")
        return all(scrape.page.count(f"\nlibvirt_domain_{name}{{".encode()) >= domains for name in names)

    until(complete, f"{domains} domains are on the page")
    seconds = median(scrape() for _ in range(SCRAPES))
    return seconds, scrape.series, resident_mebibytes(running.process.pid)


def _figures(measured: Sequence[tuple[int, float, int, float]]) -> list[Figure]:
    few, seconds_for_few, _, memory_for_few = measured[0]
    many, seconds_for_many, series, memory_for_many = measured[-1]
    each = (memory_for_many - memory_for_few) * 1024 / (many - few)
    linear = (seconds_for_many / many) / (seconds_for_few / few)
    times = ", ".join(f"{size:,}: {seconds:.2f} s" for size, seconds, _, _ in measured)
    return [
        Figure(
            f"full fresh scrape of {many:,} domains; time for each, beside that of {few:,}",
            "<= 3 s; 1",
            f"{seconds_for_many:.2f} s ({series:,} series); {linear:.2f} ({times})",
        ),
        Figure("memory for each further domain", "<= 15 KB", f"{each:.1f} KB ({memory_for_many:.0f} MiB in all)"),
    ]
