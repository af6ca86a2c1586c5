"""How soon after the start of the process the first event is told."""

import time
from collections.abc import Sequence

from tests.bench.live import host, vmwatch
from tests.bench.report import Figure, percentile

RUNS = 9


def measure() -> Sequence[Figure]:
    """Start vmwatch on a local libvirtd, again and again."""
    seconds = []
    with host(3) as daemon:
        for _ in range(RUNS):
            with vmwatch(daemon.uri) as running:
                running.line()
                seconds.append(time.monotonic() - running.began)
    median = f"{percentile(seconds, 0.5):.2f} s (best {min(seconds):.2f}, worst {max(seconds):.2f} of {RUNS})"
    return [Figure("process start to first event told, local libvirtd", "<= 0.7 s", median)]
