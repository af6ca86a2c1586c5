"""Who is to be watched, as lists change: nothing that stands in them ends anything, or holds anybody up."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.waiting import until
from vmwatch.settings import HostList, HostSettings, Settings
from vmwatch.source.roster import Roster

NAMED = HostSettings(uri="test:///default", name="named")


def written(folder: Path, groups: Any, name: str = "hosts.json") -> None:
    new = folder / "new"
    new.write_text(groups if isinstance(groups, str) else json.dumps(groups))
    new.replace(folder / name)


def group(name: str, uri: str = "test:///default") -> dict[str, Any]:
    return {"targets": [uri], "labels": {"host": name}}


def roster(folder: Path, **more: Any) -> Roster:
    lists = (HostList(files=(f"{folder}/*.json",), uri=more.pop("uri", "")),)
    settings: dict[str, Any] = {
        "hosts": (NAMED,),
        "host_lists": lists,
        "exporters": (),
        "state_directory": folder,
    } | more
    return Roster(Settings(**settings))


def names(one: Roster) -> list[str]:
    return [host.name for host in one()]


async def test_a_change_is_taken_over_and_who_stays_is_the_same(tmp_path: Path) -> None:
    written(tmp_path, [group("a")])
    one = roster(tmp_path)
    before = list(one())
    written(tmp_path, [group("a"), group("b")])
    assert names(one) == ["named", "a"]  # whatever reading takes, it is not done here
    await until(lambda: names(one) == ["named", "a", "b"])
    assert list(one())[:2] == before


@pytest.mark.parametrize(
    "bad",
    [
        [group("bad", "qemu+tcp://[fe80::1/system")],
        [group("bad", "qemu+tcp://ho\u2100st/system")],
        [{"targets": ["[node-1"]}],
        [group("bad", "test:///x\0y")],
        "- targets: [a:///]\n  labels: [2024-02-30]\n",
        "[" * 3000,
    ],
    ids=["address", "name", "machine", "nul", "labels", "depth"],
)
async def test_a_bad_entry_changes_nothing_and_is_told_once(tmp_path: Path, bad: Any) -> None:
    written(tmp_path, [group("a")])
    one = roster(tmp_path, uri="qemu+tcp://{host}/system")
    with capture_logs() as told:
        written(tmp_path, bad)
        await until(lambda: bool(told) or names(one) != ["named", "a"])
        written(tmp_path, [group("b")], "other.json")
        await until(lambda: names(one) == ["named", "a", "b"])
    assert [line["event"] for line in told] == ["list of hosts not taken over"]
    assert "hosts.json" in told[0]["reason"]


async def test_passwords_in_uris_are_warned_of_once_by_the_names_of_their_hosts(tmp_path: Path) -> None:
    with capture_logs() as told:
        one = roster(tmp_path, hosts=(NAMED, HostSettings(uri="esx://root:HUNTER2@h/", name="esx")))
        written(tmp_path, [group("a"), group("b", "esx://root:HUNTER2@i/")])
        await until(lambda: names(one) == ["named", "esx", "a", "b"])
    assert [line["hosts"] for line in told if line["event"].startswith("password in a URI")] == ["esx", "b"]
    assert "HUNTER2" not in str(told)


async def test_a_date_that_is_none_is_a_label_like_any_other(tmp_path: Path) -> None:
    one = roster(tmp_path)
    written(tmp_path, "- targets: [a:///]\n  labels: {host: a, installed: 2024-02-30}\n")
    await until(lambda: names(one) == ["named", "a"])


async def test_a_bug_that_an_entry_brings_up_is_told_once_and_harms_that_file_only(tmp_path: Path) -> None:
    one = roster(tmp_path, uri=5)  # nobody can configure this
    with capture_logs() as told:
        written(tmp_path, [{"targets": ["node-1"]}])
        await until(lambda: bool(one() and told))
        written(tmp_path, [group("b")], "other.json")
        await until(lambda: names(one) == ["named", "b"])
    assert [line["event"] for line in told] == ["list of hosts not taken over"]


async def test_a_bug_that_a_host_brings_up_is_told_once_for_each_change(tmp_path: Path) -> None:
    one = roster(tmp_path, hosts=(), stats=None)  # nobody can configure this
    with capture_logs() as told:
        for number in range(1, 3):
            written(tmp_path, [group("a")] * number)
            await until(lambda number=number: not one() and len(told) >= number)  # type: ignore[misc]
    assert [line["event"] for line in told] == ["lists of hosts not taken over"] * 2
