"""One vmwatch for all tests of a module that watch guests of the shared daemon."""

from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.beds.guest import Guest, define
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.e2e.watching import assert_gapless, hosts, listed


@pytest.fixture(scope="module")
def connection(shared_libvirtd: Libvirtd) -> Iterator[libvirt.virConnect]:
    """The shared daemon, to be changed; the guests that are left end with the module."""
    with shared_libvirtd.connection() as connection:
        yield connection
        end_all(connection)


@pytest.fixture(scope="module")
def vmwatch(
    shared_libvirtd: Libvirtd, connection: libvirt.virConnect, rom: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vmwatch]:
    """A vmwatch that knows what the shared daemon has, and calls it kvm-1; what it told has no gap in the end."""
    folder = tmp_path_factory.mktemp("vmwatch")
    define(connection, Guest(name="there-before", rom=rom))
    with Vmwatch(folder, "run", configuration=hosts(**{"kvm-1": shared_libvirtd.uri})) as running:
        listed(running)
        yield running
        assert running.terminate() == 0
        assert_gapless(running.events)


def end_all(connection: libvirt.virConnect) -> None:
    """End all guests, running or not."""
    for domain in connection.listAllDomains():
        if domain.isActive():
            domain.destroy()
    for domain in connection.listAllDomains():
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
