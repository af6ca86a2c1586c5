"""The bed with polkit: what is denied is denied to nobody, never to root, and ends with the bed."""

import pytest

from tests.beds.polkit import Polkit
from tests.beds.program import NotInstalledError, find

pytestmark = pytest.mark.real


def test_libvirt_refuses_what_polkit_denies() -> None:
    try:
        bed = Polkit()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    virsh = find("virsh", package="libvirt-clients")
    with bed:
        ask = (virsh, "--readonly", "--connect", bed.libvirtd.read_only_uri, "list", "--all")
        bed.deny()
        assert bed.as_nobody(*ask).returncode == 0
        bed.deny("org.libvirt.api.connect.search-domains")
        assert "access denied" in bed.as_nobody(*ask).stderr
        assert bed.run(*ask).returncode == 0
    assert not bed.folder.exists()
    assert not list(bed.libvirtd.processes())
