"""`python -m tests.bench [part...]`: measure all parts, or those named; only a whole run is kept in RESULTS.md."""

import sys
from collections.abc import Callable, Sequence

from tests.bench import hosts, kafka, large, latency, memory, scrape, startup, throughput
from tests.bench.report import Figure, keep, table

PARTS: dict[str, Callable[[], Sequence[Figure]]] = {
    "startup": startup.measure,
    "latency": latency.measure,
    "throughput": throughput.measure,
    "kafka": kafka.measure,
    "memory": memory.measure,
    "scrape": scrape.measure,
    "large": large.measure,
    "hosts": hosts.measure,
}


def main() -> None:
    """Run the parts."""
    chosen = sys.argv[1:] or list(PARTS)
    figures: list[Figure] = []
    for name in chosen:
        sys.stderr.write(f"measuring {name} ...\n")
        figures += PARTS[name]()
    if chosen == list(PARTS):
        keep(figures)
    else:
        sys.stdout.write(table(figures) + "\n")


main()
