"""ESX and vCenter: real drivers against govmomi's simulator, changed behind libvirt's back; see `tests/beds/esx`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.program import NotInstalledError
from tests.beds.vsphere import VSphere
from tests.source.watched import watching
from vmwatch.errors import HostError
from vmwatch.events import Discovered, LifecycleEvent, State
from vmwatch.source.connection import open_libvirt
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.loop import start_event_loop
from vmwatch.source.openings import Patience

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]  # the first one may build the simulator


@pytest.fixture(params=["esx", "vcenter"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VSphere]:
    yield from running(tmp_path, vcenter=request.param == "vcenter")


@pytest.fixture
def esx(tmp_path: Path) -> Iterator[VSphere]:
    yield from running(tmp_path, vcenter=False)


def running(folder: Path, *, vcenter: bool) -> Iterator[VSphere]:
    start_event_loop()
    try:
        simulated = VSphere(folder, vcenter=vcenter)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with simulated as one:
        try:
            open_libvirt(one.uri, auth_file=one.auth_file).close()
        except HostError as error:
            if "built without" in error.reason:
                pytest.skip(error.reason)
            raise
        yield one


def first(bed: VSphere) -> str:
    connection = open_libvirt(bed.uri, auth_file=bed.auth_file)
    name: str = connection.listAllDomains(0)[0].name()
    connection.close()
    return name


async def test_what_others_do_to_a_vm_is_told(bed: VSphere) -> None:
    name = first(bed)
    async with watching(bed.uri, auth_file=bed.auth_file, poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)
        for act, told in (
            (f"suspend {name}", "domain.suspended"),
            (f"on {name}", "domain.resumed"),
            (f"off {name}", "domain.stopped"),
            (f"on {name}", "domain.started"),
            (f"create {name} twin", "domain.defined"),
            ("destroy twin", "domain.undefined"),
        ):
            await asyncio.to_thread(bed.obey, act)
            await watched.until_told(told)
    assert watched.told_of(name) == [
        f"polling {kind}" for kind in ("discovered", "suspended", "resumed", "stopped", "started")
    ]
    assert watched.told_of("twin") == ["polling defined", "polling undefined"]
    assert all(one.detail is None for one in watched.events if isinstance(one, LifecycleEvent))


async def test_the_states_of_all_vms_come_right_without_asking_each(esx: VSphere) -> None:
    name = first(esx)
    await asyncio.to_thread(esx.obey, f"suspend {name}")
    async with watching(esx.uri, auth_file=esx.auth_file, poll_interval=0.1) as watched:
        await watched.until_told("domain.discovered", 2)
    told = {one.domain.name: one.state for one in watched.events if isinstance(one, Discovered)}
    assert told.pop(name) is State.PAUSED
    assert set(told.values()) == {State.RUNNING}


async def test_a_host_that_hangs_is_away_and_comes_back(esx: VSphere) -> None:
    patience = Patience(open_seconds=0.5, again_seconds=0.5, call_seconds=0.5)
    async with watching(esx.uri, auth_file=esx.auth_file, poll_interval=0.1, patience=patience) as watched:
        await watched.until_told("domain.discovered", 2)
        esx.program.pause()
        await watched.until_told("host.disconnected")
        assert watched.host.status().reason == "no answer for 0.5 s"
        esx.program.resume()
        await watched.until_told("host.connected", 2)
    assert "domain.stopped" not in watched.types()


async def test_a_wrong_password_is_told_in_words_and_with_what_to_do(esx: VSphere) -> None:
    esx.auth_file.write_text(esx.auth_file.read_text().replace("secret", "guess"))
    async with watching(esx.uri, auth_file=esx.auth_file) as watched:
        await watched.until_told("host.disconnected")
        status = watched.host.status()
    assert "auth file" in status.cure
    assert "guess" not in f"{status}"


async def test_a_password_in_the_uri_reaches_neither_labels_nor_events(esx: VSphere) -> None:
    async with watching(esx.uri.replace("root@", "root:hunter2@"), auth_file=esx.auth_file) as watched:
        await watched.until_told("host.disconnected")  # libvirt takes it for a part of the user's name
        text = f"{watched.events} {watched.host.status()}"
    assert "hunter2" not in text
    assert str(esx.auth_file) not in text


async def test_only_what_esx_can_know_is_sampled(esx: VSphere) -> None:
    async with watching(esx.uri, auth_file=esx.auth_file) as watched:
        await watched.until_told("domain.discovered", 2)
        sample = await watched.host.sample(asyncio.get_running_loop().time() + 20)
    assert sample is not None
    names = {column.metric.name for one in sample.domains for row in one.rows for column in row.columns.columns}
    assert {"libvirt_domain_info_maximum_memory_bytes", "libvirt_domain_vcpu_current"} <= names
    assert "libvirt_domain_info_cpu_time_seconds_total" not in names


def test_both_drivers_call_themselves_as_their_row_says(bed: VSphere) -> None:
    connection = open_libvirt(bed.uri, auth_file=bed.auth_file)
    assert bed.uri.partition(":")[0] in driver_of_type(connection.getType()).schemes
    connection.close()
