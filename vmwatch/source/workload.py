"""A scripted workload on libvirt's test driver, so that the demonstration has a live host on which things happen."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import cycle

import libvirt
import structlog

from vmwatch.pipeline import HostStatus, Publish, Source
from vmwatch.sample import HostSample
from vmwatch.source.loop import start_event_loop
from vmwatch.state import KnownState
from vmwatch.threads import Worker

TEST_DRIVER = "test:///default"
STEP_SECONDS = 1.5

_XML = """\
<domain type='test'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>{mebibytes}</memory><vcpu>{vcpus}</vcpu>
  <os><type>hvm</type></os>
</domain>
"""

GUESTS = {
    "web-1": _XML.format(name="web-1", uuid="d3300000-0000-4000-8000-000000000001", mebibytes=512, vcpus=2),
    "web-2": _XML.format(name="web-2", uuid="d3300000-0000-4000-8000-000000000002", mebibytes=512, vcpus=2),
    "db-1": _XML.format(name="db-1", uuid="d3300000-0000-4000-8000-000000000003", mebibytes=2048, vcpus=4),
}
_BATCH = _XML.format(name="batch", uuid="d3300000-0000-4000-8000-000000000004", mebibytes=256, vcpus=1)

Step = Callable[[libvirt.virConnect], object]

SCRIPT: tuple[Step, ...] = (
    lambda host: host.lookupByName("web-1").create(),
    lambda host: host.lookupByName("db-1").create(),
    lambda host: host.lookupByName("web-2").create(),
    lambda host: host.createXML(_BATCH),
    lambda host: host.lookupByName("db-1").suspend(),
    lambda host: host.lookupByName("db-1").resume(),
    lambda host: host.lookupByName("batch").destroy(),
    lambda host: host.lookupByName("web-2").managedSave(),
    lambda host: host.lookupByName("web-2").create(),
    lambda host: host.lookupByName("web-1").shutdown(),
    lambda host: host.lookupByName("db-1").destroy(),
    lambda host: host.lookupByName("web-2").destroy(),
)
"""What is done, one after the other, again and again; afterwards everything is off as before."""

log = structlog.get_logger(__name__)


class BusyHost:
    """A *host* of the test driver, and the workload on it, as one source."""

    def __init__(self, host: Source, step_seconds: float = STEP_SECONDS) -> None:
        self._host = host
        self._step_seconds = step_seconds

    @property
    def name(self) -> str:
        """The host's name."""
        return self._host.name

    async def run(self, publish: Publish, known: KnownState) -> None:
        """Publish what happens on the host while the workload runs, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._host.run(publish, known))
            tasks.create_task(self._work())

    async def sample(self, deadline: float) -> HostSample | None:
        """Measure the host."""
        return await self._host.sample(deadline)

    def status(self) -> HostStatus:
        """Say how it stands with the host."""
        return self._host.status()

    async def _work(self) -> None:
        worker = Worker("workload")
        try:
            connection = await worker.call(_prepared)
            for step in cycle(SCRIPT):
                await asyncio.sleep(self._step_seconds)
                await worker.call(_do, step, connection)
        finally:
            worker.end()


def _prepared() -> libvirt.virConnect:
    """Open the test driver, whose state both connections share as they are of one process, and define the guests."""
    start_event_loop()
    connection = libvirt.open(TEST_DRIVER)
    defined = {domain.name() for domain in connection.listAllDomains()}
    for xml in _missing(defined):
        connection.defineXML(xml)
    return connection


def _missing(defined: set[str]) -> Iterator[str]:
    yield from (xml for name, xml in GUESTS.items() if name not in defined)


def _do(step: Step, connection: libvirt.virConnect) -> None:
    try:
        step(connection)
    except libvirt.libvirtError as error:
        log.debug("the demonstration's workload stumbled", reason=str(error))
