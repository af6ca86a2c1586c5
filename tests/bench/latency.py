"""How long an event takes from libvirt's callback to the line that another process reads, while sampling goes on."""

import threading
import time
from collections.abc import Sequence

import libvirt

from tests.bench.live import Running, host, vmwatch
from tests.bench.report import Figure, percentile
from vmwatch.encode import parse_rfc3339

GUESTS = 41
TOGGLES = 500
PACE_SECONDS = 0.02
SCRAPE_SECONDS = 1.0


def measure() -> Sequence[Figure]:
    """Suspend and resume a guest at a steady pace beside 40 others that are sampled; read each line as it comes."""
    stop = threading.Event()
    with host(GUESTS) as daemon, vmwatch(daemon.uri) as running:
        while running.line()["event"] != "domain.discovered":
            pass
        toggling = threading.Thread(target=_toggle, args=(daemon.uri,))
        scraping = threading.Thread(target=_scrape, args=(running, stop))
        toggling.start()
        scraping.start()
        delays = _read(running)
        toggling.join()
        stop.set()
        scraping.join()
    p50, p99 = (percentile(delays, share) * 1e3 for share in (0.5, 0.99))
    text = f"{p50:.2f} / {p99:.2f} ms ({len(delays)} events, {GUESTS} guests, a scrape each {SCRAPE_SECONDS:g} s)"
    return [Figure("callback entry to JSON line read by another process, p50 / p99", "<= 0.5 / 2 ms", text)]


def _toggle(uri: str) -> None:
    domain = libvirt.open(uri).lookupByName("guest-0")
    for _ in range(TOGGLES):
        domain.suspend()
        time.sleep(PACE_SECONDS)
        domain.resume()
        time.sleep(PACE_SECONDS)


def _scrape(running: Running, stop: threading.Event) -> None:
    while not stop.wait(SCRAPE_SECONDS):
        running.scrape()


def _read(running: Running) -> list[float]:
    delays: list[float] = []
    while len(delays) < 2 * TOGGLES:
        line = running.line()
        at = time.time_ns()
        if line["event"] in ("domain.suspended", "domain.resumed"):
            delays.append((at - parse_rfc3339(line["timestamp"])) / 1e9)
    return delays
