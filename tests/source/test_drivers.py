"""The table of drivers, and what follows from a row: how a host is watched, and what is refused before it is tried."""

from pathlib import Path

import libvirt
import pytest

from vmwatch.errors import HostError
from vmwatch.events import Origin
from vmwatch.settings import HostSettings
from vmwatch.source.connection import open_libvirt
from vmwatch.source.drivers import (
    DRIVERS,
    UNKNOWN,
    Driver,
    Events,
    driver_of_type,
    driver_of_uri,
    refusal,
    version_number,
    version_text,
)
from vmwatch.source.facts import family_uri
from vmwatch.source.plan import RACE_SECONDS, Plan, plan
from vmwatch.source.register import FAMILIES

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.type)
def test_each_driver_is_found_by_its_schemes_and_by_what_it_calls_itself(driver: Driver) -> None:
    assert driver_of_type(driver.type.upper()) is driver
    for scheme in driver.schemes:
        assert driver_of_uri(f"{scheme}+tls://somebody@somewhere:1/system?no_verify=1") is driver


def test_the_test_driver_calls_itself_as_its_row_says() -> None:
    connection = libvirt.open("test:///default")
    assert driver_of_type(connection.getType()).schemes == ("test",)
    connection.close()


def test_the_readme_says_of_each_driver_how_it_was_tested() -> None:
    section = README.read_text().partition("## Hypervisors")[2].partition("\n## ")[0]
    rows = {line.split(" | ")[0].strip("| "): line for line in section.splitlines() if line.startswith("| ")}
    assert set(rows) - {"driver"} == {driver.name for driver in DRIVERS} - {"XenServer (xenapi)", "User-mode Linux"}
    for driver in DRIVERS:
        row = rows.get(driver.name, "")
        assert ("callbacks" in row) == (driver.events is not Events.NONE and not driver.until)


@pytest.mark.parametrize("uri", ["phyp://user@hmc/managed", "xenapi://host/", "uml:///system"])
def test_a_driver_that_libvirt_removed_is_refused_with_the_version_that_did(uri: str) -> None:
    with pytest.raises(HostError, match=r"libvirt \d\.\d\.0 removed its driver for .+ is installed"):
        open_libvirt(uri)


def test_the_power_hypervisor_is_watched_where_the_installed_libvirt_still_has_it() -> None:
    assert refusal("phyp://hmc/managed", version_number("5.10.0")) == ""
    assert "6.0.0" in refusal("phyp://hmc/managed", version_number("6.0.0"))


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("qmeu:///system", r"^libvirt has no driver qmeu; did you mean qemu\?$"),
        ("qmeu+ssh://root@node-1/system", r"^libvirt has no driver qmeu; did you mean qemu\?$"),
        ("vmware:///session", r"^libvirt has no driver vmware; did you mean vmwarews or vmware"),
        ("foo://host/", r"^libvirt has no driver foo; there are qemu, xen, lxc, .*, esx, vpx, gsx, .*, test$"),
        ("kvm+tls://root:HUNTER2@host/", r"^libvirt has no driver kvm; (?!.*HUNTER2)"),
    ],
)
def test_a_scheme_that_no_driver_has_is_refused_with_those_that_are_near(uri: str, sentence: str) -> None:
    with pytest.raises(HostError, match=sentence):
        open_libvirt(uri)


@pytest.mark.parametrize(
    "uri", ["", "alias", "test+tcp://h/default", "QEMU+SSH://h/system", "remote+ssh://h/", "nodedev+tls://h/system"]
)
def test_what_libvirt_can_open_is_not_refused(uri: str) -> None:
    assert refusal(uri, version_number("9.0.0")) == ""


def test_no_family_of_a_host_is_refused() -> None:
    uris = [family_uri("qemu+tls://h/system", family.scheme) for family in FAMILIES]
    assert {refusal(uri, version_number("9.0.0")) for uri in uris if uri} == {""}


def test_a_libvirt_newer_than_the_table_may_have_any_driver() -> None:
    assert refusal("foo:///system", version_number("13.0.0")) == ""


def test_versions_are_read_as_they_are_written() -> None:
    assert version_text(version_number("9.0.12")) == "9.0.12"


def settings(events: str = "auto", poll_interval: float | None = None) -> HostSettings:
    return HostSettings(uri="test:///default", events=events, poll_interval=poll_interval)  # type: ignore[arg-type]


QEMU, BHYVE, ESX = (driver_of_type(name) for name in ("QEMU", "BHYVE", "ESX"))


def test_complete_events_are_checked_by_listings_that_have_to_agree() -> None:
    assert plan(QEMU, settings(), takes_events=True) == Plan(True, False, 60.0, Origin.RESYNC, RACE_SECONDS)


def test_incomplete_events_come_beside_listings_that_are_the_truth() -> None:
    assert plan(BHYVE, settings(), takes_events=True) == Plan(True, True, 5.0, Origin.RESYNC, RACE_SECONDS)


def test_a_driver_without_events_is_polled() -> None:
    assert plan(ESX, settings(), takes_events=False) == Plan(False, True, 15.0, Origin.POLLING, 0.0)


@pytest.mark.parametrize(
    ("seconds", "names"),
    [(5.0, ("bhyve", "ch")), (15.0, ("esx", "hyper-v", "vbox", "vmware", "openvz", "phyp"))],
)
def test_a_driver_is_polled_as_often_as_a_listing_is_worth(seconds: float, names: tuple[str, ...]) -> None:
    assert {driver_of_type(name).poll_seconds for name in names} == {seconds}


def test_a_driver_that_takes_events_against_its_row_is_not_trusted_with_them() -> None:
    assert plan(ESX, settings(), takes_events=True).at_once


def test_a_driver_that_nobody_knows_is_polled_beside_its_events() -> None:
    assert UNKNOWN.events is Events.PARTIAL
    assert plan(driver_of_type("brand new"), settings(), takes_events=True).at_once


def test_the_user_decides_how_and_how_often() -> None:
    assert plan(QEMU, settings("polling", 2.0), takes_events=True) == Plan(False, True, 2.0, Origin.POLLING, 0.0)
    assert plan(BHYVE, settings("callbacks"), takes_events=True) == Plan(True, False, 60.0, Origin.RESYNC, RACE_SECONDS)
