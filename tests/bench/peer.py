"""Debian's libvirt exporter, scraped beside vmwatch: what people had before."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median

from tests.beds.program import free_port
from tests.bench.report import Figure
from tests.bench.usage import cpu_seconds, resident_mebibytes

PACKAGE = "prometheus-libvirt-exporter"


class Peer:
    """The exporter, with number *pid*, at *port*."""

    def __init__(self, pid: int, port: int) -> None:
        self._pid = pid
        self._connection = HTTPConnection("127.0.0.1", port)
        self._page = b""

    def scrape(self) -> tuple[float, float]:
        """Scrape, and return how long it took, and its processor time."""
        began, before = time.perf_counter(), cpu_seconds(self._pid)
        self._connection.request("GET", "/metrics")
        self._page = self._connection.getresponse().read()
        return time.perf_counter() - began, cpu_seconds(self._pid) - before

    def until_it_answers(self) -> None:
        """Wait for its first page."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.scrape()
            except OSError:
                self._connection.close()
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"{PACKAGE} does not answer")

    def figure(self, scrapes: Sequence[tuple[float, float]], bare_seconds: float) -> Figure:
        """Say how it compares with the bare call."""
        series = sum(line.startswith(b"libvirt_") for line in self._page.splitlines())
        seconds = median(took for took, _ in scrapes)
        used = sum(cpu for _, cpu in scrapes) / len(scrapes)
        text = (
            f"{seconds / bare_seconds:.2f} ({seconds * 1e3:.0f} ms for {series:,} series of libvirt); "
            f"{used * 1e3:.0f} ms CPU; {resident_mebibytes(self._pid):.0f} MiB"
        )
        return Figure(f"beside it: {_version()}, scrape / bare call", "", text)


@contextmanager
def debian_exporter(uri: str) -> Iterator[Peer | None]:
    """The exporter, run on *uri*; None where it is not installed."""
    if shutil.which(PACKAGE) is None:
        yield None
        return
    port = free_port()
    command = [PACKAGE, f"--libvirt.uri={uri}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        peer = Peer(process.pid, port)
        peer.until_it_answers()
        yield peer
    finally:
        process.terminate()
        process.wait(10)


def _version() -> str:
    asked = ["dpkg-query", "--show", PACKAGE]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return " ".join(answer.stdout.split()) or PACKAGE
