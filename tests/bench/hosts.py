"""Many hosts in one process: beside dead ones, by polling, and two hundred of them."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from socket import create_server

import libvirt

from tests.beds.libvirtd import Libvirtd
from tests.bench.live import Running, vmwatch
from tests.bench.report import Figure, percentile
from vmwatch.source.drivers import Look
from vmwatch.source.listing import Lister

HOSTS, DEAD = 10, 2
TOGGLES = 100
DOMAINS = 1000
POLL_SECONDS = 2.0
CONNECTIONS = 200
PATIENCE_SECONDS = 120.0

DOMAIN = "<domain type='test'><name>guest-{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


def measure() -> Sequence[Figure]:
    """Measure all three."""
    return [*_beside_dead_hosts(), *_polling(), *_connections()]


class Told:
    """What a vmwatch tells, read by a thread: when each (host, type) was read last, and how often."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._count: dict[tuple[str, str], int] = {}
        self._at: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                event = self._running.line()
                with self._changed:
                    key = (event["host"], event["event"])
                    self._count[key] = self._count.get(key, 0) + 1
                    self._at[key] = time.monotonic()
                    self._changed.notify_all()
        except ValueError:  # the end of its output
            return

    def count(self, host: str, kind: str) -> int:
        """Return how often it was told."""
        return self._count.get((host, kind), 0)

    def until(self, enough: Callable[[], bool]) -> float:
        """Wait until *enough* holds; return when (monotonic)."""
        with self._changed:
            if not self._changed.wait_for(enough, PATIENCE_SECONDS):
                raise TimeoutError(f"not told: {self._count}")
            return time.monotonic()

    def after(self, host: str, kind: str, act: Callable[[], object]) -> float:
        """Return the seconds from *act* until it is told."""
        before, began = self.count(host, kind), time.monotonic()
        act()
        self.until(lambda: self.count(host, kind) > before)
        return self._at[host, kind] - began


@contextmanager
def _daemons(number: int) -> Iterator[list[tuple[Libvirtd, libvirt.virDomain]]]:
    """So many private test hosts, each with a domain to play with."""
    with ExitStack() as stack:
        some = [stack.enter_context(Libvirtd("test", host_name=f"host-{at}", tcp=True)) for at in range(number)]
        yield [(one, stack.enter_context(one.connection()).lookupByName("test")) for one in some]


def _tables(uris: Sequence[str], *more: str) -> tuple[str, list[str]]:
    """Return the first URI, and the lines of configuration that come after it."""
    lines = ['name = "host-0"', *more]
    for at, uri in enumerate(uris[1:], 1):
        lines += ["[[libvirt]]", f'uri = "{uri}"', f'name = "host-{at}"', *more]
    return uris[0], lines


def _beside_dead_hosts() -> Iterator[Figure]:
    with _daemons(HOSTS - 1) as daemons, create_server(("127.0.0.1", 0)) as hole:
        good, frozen = daemons[: HOSTS - DEAD], daemons[-1][0]
        uris = [daemon.tcp_uri for daemon, _ in good]
        alone = _latencies(uris, good)
        frozen.pause()
        dead = [frozen.tcp_uri, f"test+tcp://127.0.0.1:{hole.getsockname()[1]}/default"]
        beside = _latencies([*uris, *dead], good)
        frozen.resume()
    yield Figure(
        f"callback to line, {HOSTS - DEAD} hosts beside one that is frozen and one that says nothing, p50 / p99",
        "as alone: " + _milliseconds(alone),
        _milliseconds(beside),
    )


def _latencies(uris: Sequence[str], good: Sequence[tuple[Libvirtd, libvirt.virDomain]]) -> list[float]:
    uri, lines = _tables(uris)
    with vmwatch(uri, *lines) as running:
        told = Told(running)
        for at in range(len(good)):
            told.until(lambda at=at: told.count(f"host-{at}", "domain.discovered") > 0)  # type: ignore[misc]
        return [
            told.after(f"host-{at}", kind, act)
            for _ in range(TOGGLES)
            for at, (_, domain) in enumerate(good)
            for kind, act in (("domain.suspended", domain.suspend), ("domain.resumed", domain.resume))
        ]


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{percentile(seconds, 0.5) * 1000:.1f} / {percentile(seconds, 0.99) * 1000:.1f} ms"


def _polling() -> Iterator[Figure]:
    with Libvirtd("test", tcp=True) as daemon, daemon.connection() as connection:
        domains = [connection.createXML(DOMAIN.format(at)) for at in range(DOMAINS)]
        lister = Lister("host-0", daemon.uri, Look.BY_DOMAIN, lambda: connection)
        rounds = []
        for _ in range(10):
            began = time.monotonic()
            lister(connection)
            rounds.append(time.monotonic() - began)
        uri, lines = _tables([daemon.tcp_uri], 'events = "polling"', f"poll_interval = {POLL_SECONDS}")
        with vmwatch(uri, *lines) as running:
            told = Told(running)
            told.until(lambda: told.count("host-0", "domain.discovered") > DOMAINS)
            late = [told.after("host-0", "domain.suspended", domain.suspend) for domain in domains[:15]]
    yield Figure(f"polling {DOMAINS:,} domains, a round, p50", "<= 0.5 s", f"{percentile(rounds, 0.5):.2f} s")
    goal = f"<= {POLL_SECONDS:g} s"
    yield Figure(f"polling every {POLL_SECONDS:g} s, a change is told within, at most", goal, f"{max(late):.2f} s")


def _connections() -> Iterator[Figure]:
    with Libvirtd("test", tcp=True) as daemon, daemon.connection():
        _, one = _start([daemon.tcp_uri])
        seconds, many = _start([daemon.tcp_uri] * CONNECTIONS)
    each = (many - one) / (CONNECTIONS - 1)
    yield Figure(f"{CONNECTIONS} hosts, from start until all are connected and listed", "<= 20 s", f"{seconds:.1f} s")
    yield Figure(f"{CONNECTIONS} hosts, resident memory for each", "<= 1 MB", f"{each:.2f} MiB")


def _start(uris: Sequence[str]) -> tuple[float, float]:
    """Return the seconds until all of *uris* are listed, and the memory after they were sampled, in MiB."""
    uri, lines = _tables(uris)
    with vmwatch(uri, *lines, "[stats]", "interval = 1") as running:
        told = Told(running)
        for at in range(len(uris)):
            ended = told.until(lambda at=at: told.count(f"host-{at}", "domain.discovered") > 0)  # type: ignore[misc]
        time.sleep(5)
        running.scrape()
        return ended - running.began, running.resident_mebibytes()
