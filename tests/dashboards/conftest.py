"""A Prometheus that scrapes what people would: the demonstration, and a vmwatch that watches a real guest."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.beds.guest import Disk, Guest, start
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.beds.program import NotInstalledError, free_port
from tests.beds.prometheus import Prometheus
from tests.dashboards.queries import RULES

_CONFIGURATION = """
[[libvirt]]
uri = "{uri}"

[exporters.prometheus]

[exporters.kafka]  # nobody listens there, so this one fails, and is behind
brokers = ["127.0.0.1:{port}"]
start = "earliest"
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, capabilities: Path, rom: Path) -> Iterator[Prometheus]:
    """Prometheus with our alert rules, in whose eyes both have just started."""
    folder = tmp_path_factory.mktemp("run")
    with ExitStack() as running:
        try:
            server = running.enter_context(Prometheus())
            daemon = running.enter_context(Libvirtd(capabilities=capabilities))
        except NotInstalledError as missing:
            pytest.skip(str(missing))
        demo = Vmwatch(tmp_path_factory.mktemp("demo"), "demo")
        run = Vmwatch(folder, "run", configuration=_CONFIGURATION.format(uri=daemon.uri, port=free_port()))
        server.scrape(demo.address, run.address, rules=[RULES])
        server.wait_for('count(up{job="vmwatch"}) == 2')
        start(running.enter_context(daemon.connection()), _guest(folder, rom))
        running.enter_context(demo)
        running.enter_context(run)
        yield server


def _guest(folder: Path, rom: Path) -> Guest:
    image = folder / "disk.img"
    image.write_bytes(bytes(1024 * 1024))
    return Guest(name="shown", rom=rom, disks=[Disk(image=image)])
