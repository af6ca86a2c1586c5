"""Containers of a real libvirtd: complete events, statistics call by call."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.beds.libvirtd import Libvirtd
from tests.beds.program import NotInstalledError
from tests.source.watched import watching
from tests.waiting import until
from vmwatch.events import Cause, DomainEvent
from vmwatch.events.lifecycle import Stopped
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.loop import start_event_loop

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.geteuid() != 0, reason="libvirt's containers need root")]

CONTAINER = """\
<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/bin/sh</init><initarg>-c</initarg><initarg>{script}</initarg></os>
  <devices>
    <emulator>/usr/lib/libvirt/libvirt_lxc</emulator>
    <console type='pty'/>
    <interface type='ethernet'><target dev='vmwatch-lxc0'/></interface>
  </devices>
</domain>"""

REBOOT = "/usr/bin/python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x01234567)'"  # LINUX_REBOOT_CMD_RESTART


@pytest.fixture(scope="module")
def daemon() -> Iterator[Libvirtd]:
    start_event_loop()
    try:
        bed = Libvirtd("lxc")
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with bed as one:
        yield one


@pytest.fixture
def containers(daemon: Libvirtd) -> Iterator[libvirt.virConnect]:
    with daemon.connection() as connection:
        yield connection
        for domain in connection.listAllDomains(0):
            if domain.isActive():  # one that is ended by libvirt leaves no control group
                domain.destroy()


def start(containers: libvirt.virConnect, name: str, script: str = "while :; do sleep 1; done") -> libvirt.virDomain:
    escaped = script.replace("&", "&amp;").replace("<", "&lt;")
    return containers.createXML(CONTAINER.format(name=name, script=escaped))


async def test_what_happens_to_a_container_is_told_by_its_callbacks(
    daemon: Libvirtd, containers: libvirt.virConnect
) -> None:
    async with watching(daemon.uri) as watched:
        await until(lambda: watched.stream.known.host("h").listed)
        domain = await asyncio.to_thread(start, containers, "web")
        await watched.until(lambda: bool(watched.told_of("web")))
        domain.suspend()
        domain.resume()
        await watched.until_told("domain.resumed")
        await asyncio.to_thread(domain.destroy)
        await watched.until_told("domain.stopped")
    assert watched.told_of("web") == [f"libvirt {kind}" for kind in ("started", "suspended", "resumed", "stopped")]
    (stopped,) = [one for one in watched.events if isinstance(one, Stopped)]
    assert (stopped.cause, stopped.state) == (Cause.DESTROYED, "undefined")


@pytest.mark.parametrize(("victim", "cause"), [("init", Cause.GUEST_SHUTDOWN), ("controller", Cause.PROCESS_DIED)])
async def test_a_container_that_is_killed_stops_for_a_reason(
    daemon: Libvirtd, containers: libvirt.virConnect, victim: str, cause: Cause
) -> None:
    async with watching(daemon.uri) as watched:
        await watched.until_told("host.connected")
        await asyncio.to_thread(start, containers, "web")
        await watched.until(lambda: "libvirt started" in watched.told_of("web"))
        controller = process(daemon, "libvirt_lxc")
        pid = controller if victim == "controller" else init_of(controller)
        os.kill(pid, signal.SIGKILL)
        await watched.until_told("domain.stopped")
    (stopped,) = [one for one in watched.events if isinstance(one, Stopped)]
    assert stopped.cause is cause


async def test_a_container_that_reboots_is_not_told_as_stopped(
    daemon: Libvirtd, containers: libvirt.virConnect
) -> None:
    async with watching(daemon.uri, resync_interval=0.1) as watched:
        await watched.until_told("host.connected")
        await asyncio.to_thread(start, containers, "web", f"sleep 1; [ -e /dev/shm/again ] || {REBOOT}")
        await watched.until_told("domain.rebooted")
        looked = [one for one in watched.events if isinstance(one, DomainEvent)][-1]
        known = watched.stream.known.domain("h", looked.domain.uuid)
        assert known is not None
        assert known.id == containers.lookupByName("web").ID()
    assert "domain.stopped" not in watched.types()


async def test_containers_are_measured_call_by_call(daemon: Libvirtd, containers: libvirt.virConnect) -> None:
    await asyncio.to_thread(start, containers, "web")
    async with watching(daemon.uri) as watched:
        await watched.until_told("domain.discovered")
        sample = await watched.host.sample(asyncio.get_running_loop().time() + 20)
    assert sample is not None
    (domain,) = sample.domains
    figures = {
        column.metric.name: number
        for row in domain.rows
        for column, number in zip(row.columns.columns, row.values, strict=True)
    }
    assert figures["libvirt_domain_info_cpu_time_seconds_total"] > 0
    assert figures["libvirt_domain_info_maximum_memory_bytes"] == 64 * 1024 * 1024
    assert 0 < figures["libvirt_domain_memory_stats_rss_bytes"] < 64 * 1024 * 1024
    assert figures["libvirt_domain_interface_stats_receive_bytes_total"] >= 0
    assert figures["libvirt_domain_block_stats_read_bytes_total"] >= 0
    assert "libvirt_domain_memory_stats_swap_in_bytes" not in figures  # LXC says there what is in use


def process(daemon: Libvirtd, program: str) -> int:
    return next(pid for pid, command in daemon.processes() if command[0].endswith(program))


def init_of(controller: int) -> int:
    return int(Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0])


def test_the_driver_calls_itself_as_its_row_says(containers: libvirt.virConnect) -> None:
    assert driver_of_type(containers.getType()).schemes == ("lxc",)
