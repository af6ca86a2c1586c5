import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Guest, start
from tests.beds.libvirtd import Libvirtd
from tests.beds.program import state_of_process, until

pytestmark = pytest.mark.real

_REPOSITORY = Path(__file__).parents[2]


@contextmanager
def a_guest(daemon: Libvirtd, rom: Path) -> Iterator[libvirt.virDomain]:
    with daemon.connection() as connection:
        yield start(connection, Guest(name="web-1", rom=rom))


def test_guests_outlive_a_daemon_that_is_killed(libvirtd: Libvirtd, rom: Path) -> None:
    with a_guest(libvirtd, rom) as domain:
        pid = libvirtd.guest_pid(domain)
        libvirtd.kill()
        libvirtd.start()
    with libvirtd.connection() as connection:
        assert libvirtd.guest_pid(connection.lookupByName("web-1")) == pid


def test_nothing_of_a_closed_daemon_is_left(capabilities: Path, rom: Path) -> None:
    with Libvirtd(capabilities=capabilities) as daemon, a_guest(daemon, rom) as domain:
        pids = [daemon.daemon.pid, daemon.guest_pid(domain)]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not daemon.folder.exists()


def test_nothing_is_left_when_the_tests_are_killed(rom: Path) -> None:
    command = [sys.executable, "-c", _DAEMON_WITH_A_GUEST, str(rom)]
    with subprocess.Popen(command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().split()
        run.kill()
    # a zombie waits for its new parent, which is not ours
    until(lambda: all(state_of_process(int(pid)) in ("", "Z") for pid in pids), "daemon and guest ended")
    until(lambda: not Path(folder).exists(), "folder removed")


_DAEMON_WITH_A_GUEST = """
import sys
from pathlib import Path
from tests.beds.guest import Guest, start
from tests.beds.libvirtd import Libvirtd
with Libvirtd() as daemon, daemon.connection() as connection:
    domain = start(connection, Guest(name="orphan", rom=Path(sys.argv[1])))
    print(daemon.folder, daemon.daemon.pid, daemon.guest_pid(domain), flush=True)
    sys.stdin.read()
"""


def test_it_answers_on_each_of_its_addresses() -> None:
    with Libvirtd("test", host_name="node-7", tcp=True) as daemon:
        opened = [libvirt.open(daemon.uri), libvirt.open(daemon.tcp_uri), libvirt.openReadOnly(daemon.read_only_uri)]
        names = [connection.getHostname() for connection in opened]
        for connection in opened:
            connection.close()
    assert names == ["node-7" if os.geteuid() == 0 else names[0]] * 3


def test_a_paused_daemon_answers_when_it_goes_on(test_daemon: Libvirtd) -> None:
    with test_daemon.connection() as connection, ThreadPoolExecutor(1) as another_thread:
        test_daemon.pause()
        asked = another_thread.submit(connection.getHostname)
        assert state_of_process(test_daemon.daemon.pid) == "T"
        test_daemon.resume()
        assert asked.result()


def test_a_daemon_that_was_stopped_starts_again_at_its_address(test_daemon: Libvirtd) -> None:
    test_daemon.stop()
    assert test_daemon.daemon.process.returncode == 0
    test_daemon.start()
    with test_daemon.connection() as connection:
        assert [domain.name() for domain in connection.listAllDomains()] == ["test"]


def test_it_has_networks_pools_and_secrets_when_asked_for() -> None:
    with Libvirtd(drivers=["network", "storage", "nodedev", "secret"]) as daemon, daemon.connection() as connection:
        connection.networkCreateXML("<network><name>n</name><forward mode='bridge'/><bridge name='br-n'/></network>")
        pool = f"<pool type='dir'><name>p</name><target><path>{daemon.folder}</path></target></pool>"
        connection.storagePoolCreateXML(pool)
        connection.secretDefineXML("<secret><description>s</description></secret>")
        assert len(connection.listAllNetworks() + connection.listAllStoragePools() + connection.listAllSecrets()) == 3
        assert connection.listAllDevices()


def test_signals_reach_the_process_of_a_guest(libvirtd: Libvirtd, rom: Path) -> None:
    with a_guest(libvirtd, rom) as domain:
        os.kill(libvirtd.guest_pid(domain), signal.SIGKILL)
        until(lambda: not libvirtd_domains(libvirtd), "guest gone")


def libvirtd_domains(daemon: Libvirtd) -> list[str]:
    with daemon.connection() as connection:
        return [domain.name() for domain in connection.listAllDomains()]
