"""Choosing events by globs."""

import pytest

from tests.fakes import started
from vmwatch.choose import chooser
from vmwatch.events import HostConnected, Origin, Time

WEB = started(host="node-1", name="web-1")
HOST = HostConnected(time=Time(0), host="node-1", origin=Origin.VMWATCH)


@pytest.mark.parametrize(
    ("globs", "web", "host"),
    [
        ({}, True, True),
        ({"types": ["domain.*"]}, True, False),
        ({"types": ["host.*", "domain.started"]}, True, True),
        ({"hosts": ["node-?"]}, True, True),
        ({"hosts": ["node-2"]}, False, False),
        ({"domains": ["web-*"]}, True, False),
        ({"domains": [WEB.domain.uuid]}, True, False),
        ({"domains": ["db-*"]}, False, False),
        ({"types": ["host.*"], "domains": ["web-*"]}, False, False),
    ],
)
def test_one_glob_of_each_kind_has_to_match(globs: dict[str, list[str]], web: bool, host: bool) -> None:
    assert (chooser(**globs)(WEB), chooser(**globs)(HOST)) == (web, host)
