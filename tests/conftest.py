"""Fixtures for every test that needs the real thing; what is not installed skips the test and names its package."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.beds.guest import write_rom
from tests.beds.kafka import Broker
from tests.beds.libvirtd import Libvirtd
from tests.beds.program import NotInstalledError
from tests.beds.prometheus import Prometheus

Bed = TypeVar("Bed")


@contextmanager
def _running(make: Callable[[], AbstractContextManager[Bed]]) -> Iterator[Bed]:
    """Yield what *make* returns, entered, or skip the test when something is not installed."""
    try:
        bed = make()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with bed as running:
        yield running


@pytest.fixture(scope="session")
def rom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware of our guests: `Guest(name="web-1", rom=rom)`."""
    return write_rom(tmp_path_factory.mktemp("rom"))


@pytest.fixture(scope="session")
def capabilities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the daemons of this run have found out about QEMU, for a test that makes its own."""
    return tmp_path_factory.mktemp("capabilities")


@pytest.fixture(scope="session")
def shared_libvirtd(capabilities: Path) -> Iterator[Libvirtd]:
    """A daemon for real guests that many tests share: each has guests of its own names, and ends them."""
    with _running(lambda: Libvirtd(host_name="shared", capabilities=capabilities)) as daemon:
        yield daemon


@pytest.fixture
def libvirtd(capabilities: Path) -> Iterator[Libvirtd]:
    """A daemon for real guests that this test has for itself: to be killed, stopped, paused."""
    with _running(lambda: Libvirtd(capabilities=capabilities)) as daemon:
        yield daemon


@pytest.fixture
def test_daemon() -> Iterator[Libvirtd]:
    """A daemon with nothing but libvirt's test driver, for this test alone."""
    with _running(lambda: Libvirtd("test")) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A broker that many tests share: each has topics of its own names, and leaves it running."""
    with _running(Broker) as broker:
        yield broker


@pytest.fixture
def fresh_broker() -> Iterator[Broker]:
    """A broker that this test has for itself: to be killed, stopped, paused."""
    with _running(Broker) as broker:
        yield broker


@pytest.fixture
def prometheus_server() -> Iterator[Prometheus]:
    """A Prometheus of this test alone, which scrapes nothing until it is told to.

    Ask for it before the test's slower fixtures: it takes up targets only 5 s after its start.
    """
    with _running(Prometheus) as server:
        yield server
