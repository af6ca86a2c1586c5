"""Choosing events by globs."""

import pytest

from tests.fakes import Collect, started
from vmwatch.choose import chooser
from vmwatch.events import HostConnected, Origin, State, Time
from vmwatch.events.sample import DomainSampled
from vmwatch.settings import ExporterSettings, Globs
from vmwatch.settings_choice import concerned_by, given_to

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


@pytest.mark.parametrize(
    ("include", "exclude", "concerned"),
    [
        (Globs(), Globs(), True),
        (Globs(type=("domain.stopped",)), Globs(type=("domain.started",)), True),
        (Globs(host=("node-2",)), Globs(), False),
        (Globs(domain=("web-*",)), Globs(host=("node-2",)), True),
        (Globs(domain=("db-*",)), Globs(), False),
        (Globs(), Globs(domain=(WEB.domain.uuid,)), False),
        (Globs(), Globs(host=("node-1",), domain=("db-*",)), True),
        (Globs(), Globs(type=("domain.started",), domain=("web-1",)), True),
    ],
)
def test_a_domain_concerns_an_exporter_that_may_get_events_of_it(
    include: Globs, exclude: Globs, concerned: bool
) -> None:
    settings = ExporterSettings("some", "some", Collect(), include=include, exclude=exclude)
    assert concerned_by(settings)("node-1", WEB.domain) is concerned


class Keeper(Collect):
    """An exporter that keeps the states of domains."""

    keeps_states = True


def test_who_keeps_states_is_given_all_that_changes_them_and_nothing_else() -> None:
    sample = DomainSampled(
        time=Time(0), host="node-1", origin=Origin.VMWATCH, domain=WEB.domain, state=State.RUNNING, values={}
    )
    elsewhere = started(host="node-2")
    include = Globs(type=("domain.stopped",), host=("node-1",))
    given = {kind: given_to(ExporterSettings("some", "some", kind(), include=include)) for kind in (Collect, Keeper)}
    assert [given[Keeper](event) for event in (WEB, elsewhere, HOST, sample)] == [True, False, False, False]
    assert not any(given[Collect](event) for event in (WEB, elsewhere, HOST, sample))
