"""What `vmwatch check` says of hosts that cannot be had here, or refuse something."""

from typing import Any

from vmwatch.commands.check_hosts import HostFinding, finding
from vmwatch.settings import HostSettings
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.probe import Found
from vmwatch.source.rights import MissingRight


def said(driver: str, **more: Any) -> HostFinding:
    facts: dict[str, Any] = {
        "libvirt_version": "9.0.0",
        "domains": 3,
        "takes_events": True,
        "has_bulk_statistics": False,
        "calls": None,
        "families": {},
        "missing_rights": (),
    }
    return finding(HostSettings(uri="x://u:secret@h/", name="h"), Found(driver=driver_of_type(driver), **facts | more))


def test_a_host_that_refuses_a_right_would_fail_and_the_line_that_grants_it_is_said() -> None:
    host = said("qemu", missing_rights=(MissingRight("domain.read", "statistics", "sudo grant-it"),))
    assert not host.good
    assert "missing right domain.read, needed for statistics, to be granted there: sudo grant-it" in list(host.more)


def test_what_may_be_hidden_is_said_but_is_no_failure() -> None:
    host = said("qemu", perhaps_missing=(MissingRight("domain.getattr", "domains", "sudo grant-it"),))
    assert host.good
    assert any(line.startswith("perhaps missing right domain.getattr, ") for line in host.more)


def test_what_events_do_not_tell_is_said_and_what_is_done_instead() -> None:
    lines = list(said("bhyve").more)
    assert lines[0].startswith("events: callbacks, listed every 5 s")
    assert any(
        line.startswith("not told by events, so found in listings: what a guest does by itself") for line in lines
    )


def test_a_driver_without_events_is_said_to_be_listed() -> None:
    lines = list(said("esx", takes_events=False, calls=("info",)).more)
    assert lines == [
        "events: none, so listed every 15 s (one listing for each state)",
        "statistics: by calls for each domain (info)",
        "left out: cpu.time (not a counter: the last interval's, or 0)",
    ]


def test_only_calls_that_were_answered_are_said_to_be_there() -> None:
    host = said("xen", calls=("info", "memoryStats"))
    assert host.measuring is not None
    assert host.measuring.calls == ("info", "memoryStats")


def test_families_that_are_away_are_said_but_are_no_failure() -> None:
    host = said("lxc", families={"secret": "no connection driver available"})
    assert host.good
    assert "no events of secrets: no connection driver available" in list(host.more)


def test_passwords_are_not_said() -> None:
    assert "secret" not in said("qemu").uri
