"""Every event id that can be had is registered; of those that cannot, each is said once."""

import libvirt
import pytest
from structlog.testing import capture_logs

from vmwatch.source.connection import Connection, open_libvirt
from vmwatch.source.decode import DOMAIN_READINGS
from vmwatch.source.loop import start_event_loop
from vmwatch.source.register import FAMILIES, Family, event_ids, lacking, register

DOMAIN = FAMILIES[0]


def test_what_we_can_read_is_either_registered_or_lacking() -> None:
    had = {name for name, _ in event_ids(DOMAIN)}
    assert had | lacking(DOMAIN) >= {"LIFECYCLE", *DOMAIN_READINGS}
    assert had & lacking(DOMAIN) == set()


@pytest.mark.parametrize("family", FAMILIES[:4], ids=lambda family: family.name)
def test_an_id_that_this_libvirt_lacks_is_said_once(family: Family) -> None:
    start_event_loop()
    said: set[tuple[str, str]] = set()
    with capture_logs() as logs:
        for _ in range(2):
            connection = Connection(open_libvirt("test:///default"), lambda _reason: None)
            assert register(connection, family, "h", "test:///default", lambda _callback: None, said) > 0
            connection.close()
    names = [line["event_id"] for line in logs if line["event"] == "event id not supported"]
    assert set(names) >= lacking(family)
    assert len(names) == len(set(names))


def test_a_build_on_libvirt_9_lacks_what_came_later() -> None:
    if libvirt.getVersion() >= 11_002_000:
        pytest.skip("this libvirt has it")
    assert "NIC_MAC_CHANGE" in lacking(DOMAIN)
