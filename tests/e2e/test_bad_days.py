"""What tenants, disks, sockets and other people's exporters do to a running vmwatch."""

import os
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Guest, define
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Line, Vmwatch
from tests.e2e.watching import (
    BOOTED,
    DESTROYED,
    assert_gapless,
    assert_told,
    end,
    flow,
    hosts,
    journal,
    listed,
    story,
    wait_for_more,
)

pytestmark = pytest.mark.real

PYTHON = (sys.executable, "-m", "vmwatch")
ROOT = os.geteuid() == 0
WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if ROOT else ()
ON_A_SMALL_DISK = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mkdir -p state; mount -t tmpfs -o size=1m small state; exec "$0" -m vmwatch "$@"',
    sys.executable,
)


def test_a_socket_that_nobody_serves_or_may_open_is_a_state(tmp_path: Path) -> None:
    closed, gone = tmp_path / "closed", tmp_path / "gone"
    (tmp_path / "state").mkdir(mode=0o500)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(closed))
        server.listen()
        closed.chmod(0)
        uris = {name: f"qemu+unix:///system?socket={path}" for name, path in (("closed", closed), ("gone", gone))}
        command = (*WITHOUT_ROOTS_RIGHTS, *PYTHON)
        with Vmwatch(tmp_path, "run", configuration=hosts(**uris), command=command) as vmwatch:
            told = {name: away(vmwatch, name) for name in uris}
            for name in uris:
                assert vmwatch.metrics().value("libvirt_up", host=name) == 0
            assert vmwatch.terminate(seconds=5) == 0
    assert "Permission denied" in told["closed"]["reason"]
    assert "libvirt" in told["closed"]["cure"]
    assert "No such file" in told["gone"]["reason"]
    assert told["gone"]["cure"]
    assert "state directory unusable" in vmwatch.program.tail()


def away(vmwatch: Vmwatch, host: str) -> Line:
    """Wait until *host* is told to be away."""
    return vmwatch.wait_for(lambda line: line["event"] == "host.disconnected" and line["host"] == host)


def test_names_and_metadata_of_tenants_stay_in_their_place(
    vmwatch: Vmwatch, connection: libvirt.virConnect, rom: Path
) -> None:
    name = "Büro \"1\" <'&'> 東京 \u2028 \t\\ ${x} \U0001f600 } 1\\n"
    text = "&quot;\n&#233;{}" * 5000
    domain = define(connection, Guest(name=name, rom=rom, metadata=f"<t:t xmlns:t='urn:tenant'>{text}</t:t>"))
    domain.create()
    vmwatch.wait_for_metrics(
        lambda page: page.value("libvirt_domain_state", domain=name, state="running") == 1, "the guest is on the page"
    )
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, f"<t>{text}</t>", "t", "urn:tenant", 0)
    end(domain)
    assert_told(vmwatch, name, *BOOTED, "metadata-changed", *DESTROYED)
    assert len(vmwatch.lines) == len(vmwatch.events)  # each is one line of JSON
    assert "\u00e9{}" not in "".join(vmwatch.lines)  # what is in the metadata is nobody's business


def test_domains_that_vanish_at_once_are_told_all_the_same(test_daemon: Libvirtd, tmp_path: Path) -> None:
    names = [f"brief-{number}" for number in range(200)]
    with (
        test_daemon.connection() as connection,
        Vmwatch(tmp_path, "run", configuration=hosts(**{"kvm-1": test_daemon.uri})) as vmwatch,
    ):
        listed(vmwatch, domain="test")
        with ThreadPoolExecutor(4) as pool:
            storm = [pool.submit(live_briefly, connection, name) for name in names]
            page = vmwatch.metrics()
            for one in storm:
                one.result()
        vmwatch.wait_until(lambda events: len([line for line in events if ended(line)]) == len(names))
        assert vmwatch.terminate() == 0
    assert_gapless(vmwatch.events)
    told = {name: story(vmwatch.events, name) for name in names}
    assert {tuple(lines) for lines in told.values()} == {
        (
            "started/booted undefined->running",
            "stopped/destroyed running->undefined cause=destroyed",
            "outage cause=destroyed end=undefined",
        )
    }
    assert page.value("libvirt_up", host="kvm-1") == 1
    assert "Traceback" not in vmwatch.program.log.read_text()


def ended(line: Line) -> bool:
    """Say whether nothing comes after *line* in the life of a brief domain."""
    return bool(line["event"] == "domain.outage")


def live_briefly(connection: libvirt.virConnect, name: str) -> None:
    """Start a transient domain, and end it."""
    xml = f"<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    connection.createXML(xml).destroy()


BROKEN = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Broken:
    durable: ClassVar[bool] = False
    wants_samples: ClassVar[bool] = True

    async def run(self, batches, watch):
        async for batch in batches:
            raise RuntimeError("broken as ever")
"""


def test_an_exporter_that_raises_is_told_and_disturbs_nobody(test_daemon: Libvirtd, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    package = tmp_path / "broken-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[vmwatch.exporters]\nbroken = broken:Broken\n")
    configuration = (
        hosts(**{"kvm-1": test_daemon.uri}) + "[exporters.broken]\n[exporters.json_log]\n[exporters.prometheus]\n"
    )
    with test_daemon.connection() as connection, Vmwatch(tmp_path, "run", configuration=configuration) as vmwatch:
        failed = vmwatch.wait_for(lambda line: line["event"] == "exporter.failed")
        assert failed["reason"] == "RuntimeError: broken as ever"
        with flow(connection, "test"):
            wait_for_more(vmwatch, 200)
        page = vmwatch.metrics()
        assert page.value("vmwatch_exporter_up", exporter="broken") == 0
        assert page.value("vmwatch_exporter_up", exporter="json_log") == 1
        assert page.value("vmwatch_exporter_up", exporter="prometheus") == 1
        assert vmwatch.terminate(seconds=5) == 0
    assert_gapless(vmwatch.events)


@pytest.mark.skipif(not ROOT, reason="only root may mount a small disk")
def test_a_full_disk_under_the_journal_is_waited_out(test_daemon: Libvirtd, tmp_path: Path) -> None:
    configuration = hosts(**{"kvm-1": test_daemon.uri})
    with (
        test_daemon.connection() as connection,
        Vmwatch(tmp_path, "run", configuration=configuration, command=ON_A_SMALL_DISK) as vmwatch,
    ):
        listed(vmwatch, domain="test")
        state = Path(f"/proc/{vmwatch.program.pid}/root{vmwatch.state_directory}")
        fill(state / "ballast")
        with flow(connection, "test"):
            wait_for_more(vmwatch, 100)
            vmwatch.wait_for_metrics(lambda page: page.value("vmwatch_journal_writable") == 0, "the disk is full")
            wait_for_more(vmwatch, 100)
        (state / "ballast").unlink()
        vmwatch.wait_for_metrics(lambda page: page.value("vmwatch_journal_writable") == 1, "there is room again")
        vmwatch.wait_for_metrics(lambda page: page.value("vmwatch_journal_waiting_events") == 0, "all is written")
        shutil.copytree(state, tmp_path / "copy")  # SQLite would look for the disk outside, where it is not mounted
        assert vmwatch.terminate(seconds=5) == 0
    assert_gapless(vmwatch.events)
    assert [event["id"] for event in journal(vmwatch, tmp_path / "copy")] == [
        line["event_id"] for line in vmwatch.events
    ]


def fill(path: Path) -> None:
    """Write to *path* until there is no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
