"""VMware Player and Workstation: real driver, programs that only answer what libvirt asks; see `tests/beds/vmware.py`.

libvirt 9.0.0 there: a VM that was started after the connection was opened is not seen by it; one that was stopped is
not seen by a new one; one that was started again has no id and is "inactive", while `state` says that it runs.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from structlog.testing import capture_logs

from tests.beds.vmware import Desktop, desktop
from tests.source.watched import watching
from vmwatch.errors import HostError
from vmwatch.events import State
from vmwatch.source.connection import open_libvirt
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.loop import start_event_loop
from vmwatch.state import KnownState

pytestmark = pytest.mark.real

URIS = ("vmwareplayer:///session", "vmwarews:///session")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Desktop]:
    start_event_loop()
    with desktop(tmp_path) as one:
        for name in ("mail", "build"):
            one.add(name)
            one.start(name)
        try:
            open_libvirt(URIS[0]).close()
        except HostError as error:
            if "built without" in error.reason or "certificate" in error.reason:
                pytest.skip(f"this libvirt has no driver for VMware: {error.reason}")
            raise
        yield one


@pytest.mark.parametrize("uri", URIS)
async def test_starts_and_stops_behind_libvirts_back_are_told(bed: Desktop, uri: str) -> None:
    async with watching(uri, poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)
        bed.stop("mail")
        await watched.until_told("domain.stopped")
        bed.start("mail")
        await watched.until_told("domain.started")
        bed.stop("mail")
        await watched.until_told("domain.stopped", 2)
    assert watched.told_of("mail") == ["polling discovered", "polling stopped", "polling started", "polling stopped"]
    assert watched.told_of("build") == ["polling discovered"]


async def test_a_vm_that_is_new_since_the_connection_was_opened_is_seen(bed: Desktop) -> None:
    async with watching(URIS[0], poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)
        bed.add("new")
        bed.start("new")
        await watched.until_told("domain.started")
        bed.stop("new")
        await watched.until_told("domain.stopped")
    assert watched.told_of("new") == ["polling defined", "polling started", "polling stopped"]


async def test_a_vm_that_is_off_when_vmwatch_starts_again_is_not_undefined(bed: Desktop) -> None:
    known = KnownState()
    async with watching(URIS[0], known, poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)
        bed.stop("mail")
        await watched.until_told("domain.stopped")
    bed.stop("build")
    async with watching(URIS[0], known, poll_interval=0.1) as watched:
        await watched.until_told("domain.stopped")
        bed.start("mail")
        await watched.until_told("domain.started")
        bed.start("build")
        await watched.until_told("domain.started", 2)
    assert watched.told_of("mail") == ["polling started"]
    assert watched.told_of("build") == ["polling stopped", "polling started"]


async def test_where_no_connection_can_be_opened_anew_the_older_ones_tell_on(bed: Desktop) -> None:
    with capture_logs() as logs:
        async with watching(URIS[0], poll_interval=0.1) as watched:
            await watched.until_told("domain.discovered", 2)
            bed.lose_log("build")
            bed.stop("mail")
            await watched.until_told("domain.stopped")
            bed.start("mail")
            await watched.until_told("domain.started")
            bed.stop("build")  # so that connections can be opened
            await watched.until_told("domain.stopped", 2)
            bed.add("new")
            bed.start("new")
            await watched.until_told("domain.started", 2)
    assert "host.disconnected" not in watched.types()
    assert watched.told_of("mail") == ["polling discovered", "polling stopped", "polling started"]
    said = [log["event"] for log in logs if "new domains" in log["event"]]
    assert said == ["new domains are not seen: no new connection", "new domains are seen again"]


async def test_samples_see_what_the_first_connection_does_not(bed: Desktop) -> None:
    async with watching(URIS[0], poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)

        async def states() -> dict[str, State]:
            sample = await watched.host.sample(asyncio.get_running_loop().time() + 10)
            assert sample is not None
            names = {column.metric.name for one in sample.domains for row in one.rows for column in row.columns.columns}
            assert "libvirt_domain_info_maximum_memory_bytes" in names
            assert "libvirt_domain_info_cpu_time_seconds_total" not in names
            return {one.domain.name: one.state for one in sample.domains}

        assert await states() == dict.fromkeys(["mail", "build"], State.RUNNING)
        bed.stop("mail")
        assert (await states())["build"] is State.RUNNING
        bed.start("mail")
        bed.add("new")
        bed.start("new")
        assert await states() == dict.fromkeys(["mail", "build", "new"], State.RUNNING)


def test_the_driver_calls_itself_as_its_row_says(bed: Desktop) -> None:
    connection = libvirt.open(URIS[0])
    assert URIS[0].partition(":")[0] in driver_of_type(connection.getType()).schemes
    connection.close()
