"""OpenVZ: libvirt's real driver, and programs that only answer what it asks; see `tests/beds/openvz.py`.

vmwatch itself runs in the namespace where OpenVZ's files are.  libvirt 9.0.0 there: a container that is new is not seen
by an open connection, ids and listings stay as they were; `state` is right; info fails without a CPU time.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.openvz import Containers
from tests.beds.program import NotInstalledError, Program

pytestmark = pytest.mark.real

PATIENCE_SECONDS = 30.0

CONFIGURATION = '[[libvirt]]\nuri = "openvz:///system"\nname = "vz"\npoll_interval = 0.1\n'

READ_SAMPLES = """
import asyncio, json, sys
from vmwatch.events import Event
from vmwatch.settings import HostSettings, ShowSettings, StatsSettings
from vmwatch.source.host import Host
from vmwatch.state import KnownState

async def main() -> None:
    host = Host(HostSettings(uri="openvz:///system", name="vz"), StatsSettings(), ShowSettings())
    running = asyncio.create_task(host.run(lambda event: None, KnownState()))
    while not host.status().up:
        await asyncio.sleep(0.01)
    sample = await host.sample(asyncio.get_running_loop().time() + 10)
    for one in sample.domains:
        pairs = [pair for row in one.rows for pair in zip(row.columns.columns, row.values)]
        figures = {column.metric.name: value for column, value in pairs}
        print(json.dumps([one.domain.name, one.state, figures]))
    running.cancel()

asyncio.run(main())
"""


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    try:
        bed = Containers(tmp_path)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    bed.set(101, "running")
    bed.set(102, "running")
    return bed


@pytest.fixture
def told(containers: Containers, tmp_path: Path) -> Iterator[Iterator[dict[str, Any]]]:
    """All events that vmwatch tells of the containers, as they come."""
    configuration = tmp_path / "vmwatch.toml"
    configuration.write_text(CONFIGURATION)
    vmwatch = [sys.executable, "-m", "vmwatch", "events", "--format=json", f"--config.file={configuration}"]
    program = Program(
        containers.command(*vmwatch, f"--state.directory={tmp_path / 'state'}"),
        tmp_path / "vmwatch.log",
        environment={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    program.start(stdout=subprocess.PIPE)
    output = program.process.stdout
    assert output is not None
    impatience = threading.Timer(PATIENCE_SECONDS, program.process.terminate)  # then there is no next line
    impatience.start()
    yield (json.loads(line) for line in output)
    impatience.cancel()
    program.process.send_signal(signal.SIGTERM)
    program.stop()
    output.close()


def until(told: Iterator[dict[str, Any]], kind: str, number: int) -> dict[str, Any]:
    return next(one for one in told if one["type"] == kind and one["domain"]["name"] == str(number))


def test_what_the_administrator_does_is_told(containers: Containers, told: Iterator[dict[str, Any]]) -> None:
    until(told, "domain.discovered", 102)
    containers.set(101, "stopped")
    stopped = until(told, "domain.stopped", 101)
    assert (stopped["origin"], stopped["previous_state"], stopped["state"]) == ("polling", "running", "shutoff")
    containers.set(101, "running")
    assert until(told, "domain.started", 101)["state"] == "running"


def test_a_new_container_is_seen(containers: Containers, told: Iterator[dict[str, Any]]) -> None:
    until(told, "domain.discovered", 102)
    containers.set(103, "running")
    assert until(told, "domain.defined", 103)["origin"] == "polling"
    assert until(told, "domain.started", 103)["state"] == "running"


def samples_of(containers: Containers) -> dict[str, tuple[str, dict[str, float]]]:
    """Return the state and the figures of each container, by its name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = containers.command(sys.executable, "-c", READ_SAMPLES)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in answer.stdout.splitlines() if line.startswith("[")]  # beside the log
    return {name: (state, figures) for name, state, figures in map(json.loads, lines)}


def test_a_container_that_cannot_be_measured_harms_no_other(containers: Containers) -> None:
    containers.tell_cpu_time(102, 300)
    samples = samples_of(containers)
    cpu_time = "libvirt_domain_info_cpu_time_seconds_total"
    assert {state for state, _ in samples.values()} == {"running"}
    assert cpu_time not in samples["101"][1]
    assert samples["102"][1][cpu_time] == pytest.approx(300 / os.sysconf("SC_CLK_TCK"))


def test_memory_that_the_driver_always_says_is_0_is_absent(containers: Containers) -> None:
    containers.tell_cpu_time(102, 300)
    _, figures = samples_of(containers)["102"]
    assert figures["libvirt_domain_info_virtual_cpus"] == 1
    assert [name for name in figures if "memory" in name] == []


def test_one_container_that_cannot_be_measured_does_not_pass_for_a_driver_that_cannot_measure(
    containers: Containers, tmp_path: Path
) -> None:
    containers.tell_cpu_time(102, 300)
    check = [sys.executable, "-m", "vmwatch", "check", "--libvirt.uri=openvz:///system", "--format=json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STATE_DIRECTORY": str(tmp_path / "state")}
    answer = subprocess.run(
        containers.command(*check, "--web.listen-address=127.0.0.1:0"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (host,) = [one for one in json.loads(answer.stdout)["findings"] if one["kind"] == "host"]
    assert host["measuring"]["calls"] == ["info", "interfaceStats"]
