"""What a scrape costs: beside a bare call for everything, with a guest that hangs, with Debian's exporter."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median

import libvirt

from tests.beds.libvirtd import Libvirtd
from tests.beds.program import until
from tests.bench.live import Running, host, vmwatch
from tests.bench.peer import debian_exporter
from tests.bench.report import Figure, percentile
from tests.bench.usage import cpu_seconds

GUESTS = 41
PAIRS = 25
PAGES = 400
FROZEN_SCRAPES = 10
NAMED = "guest-20"

_ALWAYS_FRESH = ("[stats]", "max_age = 0", 'interval = "1h"')
_NEVER_FRESH_AGAIN = ("[stats]", 'max_age = "1h"', 'interval = "1h"')


def measure() -> Sequence[Figure]:
    """Scrape 41 guests in all these ways."""
    with host(GUESTS, vcpus=2) as daemon:
        with vmwatch(daemon.uri, *_ALWAYS_FRESH) as running:
            until_sampled(running)
            figures = _paired(daemon, running)
            figures += _one_frozen(daemon, running)
        with vmwatch(daemon.uri, *_NEVER_FRESH_AGAIN) as running:
            until_sampled(running)
            figures.append(_fresh_enough(running))
    return figures


def until_sampled(running: Running) -> None:
    """Wait for the first page with figures of all guests."""
    scrape = Scrapes(running.port)

    def sampled() -> bool:
        scrape.again()
        return _complete(scrape.page) == GUESTS

    until(sampled, "a page with figures of all guests")


class Scrapes:
    """A Prometheus of one target: one connection that is kept, and a timeout of 10 s."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self.page = b""

    def __call__(self) -> float:
        """Scrape, and return how long it took."""
        began = time.perf_counter()
        self._connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
        self.page = self._connection.getresponse().read()
        return time.perf_counter() - began

    def again(self) -> None:
        """Scrape, if there is anybody by now."""
        try:
            self()
        except OSError:
            self._connection.close()

    @property
    def series(self) -> int:
        """How many series the last page has."""
        return sum(not line.startswith(b"#") for line in self.page.splitlines())


class _Bare:
    """The call that all is compared with: everything of all guests, by one connection."""

    def __init__(self, connection: libvirt.virConnect) -> None:
        self._connection = connection

    def __call__(self) -> float:
        began = time.perf_counter()
        self.records = self._connection.getAllDomainStats(0, 0)
        return time.perf_counter() - began


def _paired(daemon: Libvirtd, running: Running) -> list[Figure]:
    """Take turns: the bare call, vmwatch, Debian's exporter; what disturbs one of them disturbs all."""
    scrape = Scrapes(running.port)
    with daemon.connection() as connection, debian_exporter(daemon.uri) as peer:
        bare = _Bare(connection)
        bare(), scrape()
        calls: list[float] = []
        scrapes: list[float] = []
        peers: list[tuple[float, float]] = []
        used = own = 0.0
        for _ in range(PAIRS):
            began = time.process_time()
            calls.append(bare())
            own += time.process_time() - began
            before = cpu_seconds(running.process.pid)
            scrapes.append(scrape())
            used += cpu_seconds(running.process.pid) - before
            peers += [peer.scrape()] if peer else []
        fields = sum(len(record) for _, record in bare.records)
        return [
            _duration(calls, scrapes, scrape.series, fields),
            _processor(own / PAIRS, used / PAIRS, scrape.series),
            Figure("resident memory after these scrapes", "<= 64 MB", f"{running.resident_mebibytes():.0f} MiB"),
            peer.figure(peers, median(calls)) if peer else _no_peer(),
        ]


def _duration(calls: Sequence[float], scrapes: Sequence[float], series: int, fields: int) -> Figure:
    ratios = sorted(scrape / call for scrape, call in zip(scrapes, calls, strict=True))
    text = (
        f"{median(ratios):.2f} ({median(scrapes) * 1e3:.0f} ms, {series:,} series; "
        f"bare {median(calls) * 1e3:.0f} ms, {fields:,} fields)"
    )
    return Figure(f"full fresh scrape of {GUESTS} guests / bare getAllDomainStats, median of {PAIRS}", "<= 0.65", text)


def _processor(own: float, used: float, series: int) -> Figure:
    allowed = 1.5 * own + 3e-6 * series
    text = f"{used * 1e3:.0f} ms (allowed {allowed * 1e3:.0f}: the bare call's client takes {own * 1e3:.0f} ms)"
    return Figure("CPU for such a scrape", "<= 1.5 x bare + 3 us a series", text)


def _no_peer() -> Figure:
    return Figure("Debian's prometheus-libvirt-exporter", "", "not installed")


def _fresh_enough(running: Running) -> Figure:
    scrape = Scrapes(running.port)
    seconds = [scrape() for _ in range(PAGES)]
    p50, p99 = (percentile(seconds, share) * 1e3 for share in (0.5, 0.99))
    what = "page from a sample that is fresh enough, p50 / p99"
    return Figure(what, "<= 8 / 15 ms", f"{p50:.1f} / {p99:.1f} ms ({scrape.series:,} series, {PAGES} pages)")


def _one_frozen(daemon: Libvirtd, running: Running) -> list[Figure]:
    """Stop one QEMU during scrapes, and let it go on."""
    scrape = Scrapes(running.port)
    usual = median(scrape() for _ in range(FROZEN_SCRAPES))
    with frozen(daemon, NAMED):
        began = time.monotonic()
        first, others = scrape(), _complete(scrape.page)
        told = _told_after(running, "domain.unresponsive", began)
        seconds: list[float] = []
        for _ in range(FROZEN_SCRAPES):
            seconds.append(scrape())
            others = min(others, _complete(scrape.page))
    back = _told_after(running, "domain.responsive", time.monotonic())
    return [
        Figure(
            f"one of {GUESTS} guests frozen: first scrape; the others / usual time; complete ones",
            "by the deadline; <= 1.2; 40",
            f"{first:.2f} s; {median(seconds) / usual:.2f} ({median(seconds) * 1e3:.0f} ms); {others}",
        ),
        Figure("told that it does not answer / answers again", "<= 5 / 5 s", f"{told:.1f} / {back:.1f} s"),
    ]


@contextmanager
def frozen(daemon: Libvirtd, name: str) -> Iterator[None]:
    """Stop the process of guest *name* for as long as the context lasts."""
    with daemon.connection() as connection:
        pid = daemon.guest_pid(connection.lookupByName(name))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _complete(page: bytes) -> int:
    """Return how many domains were read, and have what is read last of a guest."""
    lines = page.decode().splitlines()
    read = {_domain(line) for line in lines if line.startswith("libvirt_domain_timed_out{") and line.endswith(" 0")}
    full = {_domain(line) for line in lines if line.startswith("libvirt_domain_block_stats_read_bytes_total{")}
    return len(read & full)


def _domain(line: str) -> str:
    return line.partition('domain="')[2].partition('"')[0]


def _told_after(running: Running, kind: str, began: float) -> float:
    while running.line()["event"] != kind:
        pass
    return time.monotonic() - began
