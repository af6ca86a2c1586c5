"""Lists of hosts that others write: read as Prometheus reads them, wrong ones refused, and shared out by name."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from vmwatch.config import Flags, load
from vmwatch.errors import ConfigError
from vmwatch.host_lists import HostLists, all_hosts, is_ours
from vmwatch.settings import HostList, HostSettings, Shard

ALL = Shard()


def lists(folder: Path, **more: Any) -> list[HostList]:
    return [HostList(files=(f"{folder}/*.json", f"{folder}/*.yml"), **more)]


def written(folder: Path, groups: Any, name: str = "hosts.json") -> Path:
    path = folder / name
    path.write_text(groups if isinstance(groups, str) else json.dumps(groups))
    return path


def test_each_target_is_a_host_with_what_its_table_says(tmp_path: Path) -> None:
    written(tmp_path, [{"targets": ["qemu+tls://node-1/system", "xen+ssh://node-2/"], "labels": {"rack": "7"}}])
    one, other = all_hosts([], lists(tmp_path, exclude=("tmp-*",)), ALL)
    assert one == HostSettings(uri="qemu+tls://node-1/system", name="node-1", exclude=("tmp-*",))
    assert (other.name, other.uri) == ("node-2", "xen+ssh://node-2/")


def test_yaml_is_read_too(tmp_path: Path) -> None:
    written(tmp_path, "- targets:\n    - qemu+tls://node-1/system\n", "hosts.yml")
    assert [host.name for host in all_hosts([], lists(tmp_path), ALL)] == ["node-1"]


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("node-1", "qemu+tls://node-1/system"),
        ("node-1:9100", "qemu+tls://node-1/system"),
        ("192.0.2.7:9100", "qemu+tls://192.0.2.7/system"),
        ("[2001:db8::7]:9100", "qemu+tls://[2001:db8::7]/system"),
    ],
)
def test_a_machine_of_a_list_made_for_prometheus_becomes_a_uri(tmp_path: Path, target: str, uri: str) -> None:
    written(tmp_path, [{"targets": [target]}])
    assert [host.uri for host in all_hosts([], lists(tmp_path, uri="qemu+tls://{host}/system"), ALL)] == [uri]


def test_a_group_of_one_target_may_name_it(tmp_path: Path) -> None:
    written(tmp_path, [{"targets": ["esx://root@192.0.2.1/"], "labels": {"host": "esx-1"}}])
    assert [host.name for host in all_hosts([], lists(tmp_path), ALL)] == ["esx-1"]


def test_a_host_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    written(tmp_path, [{"targets": ["qemu+tls://node-1/system"]}], "a.json")
    written(tmp_path, [{"targets": ["qemu+tls://node-1/system"]}], "b.json")
    assert len(all_hosts([], lists(tmp_path), ALL)) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r"hosts.json:1: this is neither JSON nor YAML"),
        ("[" * 100_000, r"hosts.json:1: this is neither JSON nor YAML"),
        ("- " * 900, r"hosts.json: this is neither JSON nor YAML"),
        ('{"targets": []}', r"hosts.json: expected a list of groups"),
        ('[{"targets": "node-1"}]', r"\[0\].targets: expected a list"),
        ('[{"targets": ["qemu+tcp://[secret/system"]}]', r"hosts.json: \[0\].targets\[0\]: expected a libvirt URI"),
        ('[{"targets": ["secret"]}]', r"\[0\].targets\[0\]: expected a libvirt URI"),
        ('[{"targets": ["a:///", "b:///"], "labels": {"host": "c"}}]', r"labels.host: expected one target"),
        ('[{"targets": ["qemu://n/system"]}, {"targets": ["lxc://n/system"]}]', r'"n" is the name of another host'),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_without_its_value(tmp_path: Path, text: str, problem: str) -> None:
    written(tmp_path, text)
    with pytest.raises(ConfigError, match=problem) as caught:
        all_hosts([], lists(tmp_path), ALL)
    assert "secret" not in str(caught.value)


def test_lists_may_be_empty_or_not_there_yet(tmp_path: Path) -> None:
    assert all_hosts([], lists(tmp_path), ALL) == ()
    written(tmp_path, "")
    assert all_hosts([], lists(tmp_path), ALL) == ()


def test_yaml_that_makes_too_much_of_little_is_refused(tmp_path: Path) -> None:
    some = ", ".join(["a:///"] * 1000)
    written(tmp_path, f"- targets: &many [{some}]\n" + "- targets: *many\n" * 200, "hosts.yml")
    with pytest.raises(ConfigError, match=r"hosts\.yml: expected at most 100000 hosts"):
        all_hosts([], lists(tmp_path), ALL)


def test_labels_are_left_alone_whatever_they_look_like(tmp_path: Path) -> None:
    written(tmp_path, "- targets: [a:///]\n  labels: {installed: 2024-02-30, rack: 0x, host: 007}\n", "hosts.yml")
    assert [host.name for host in all_hosts([], lists(tmp_path), ALL)] == ["007"]


def test_json_that_is_no_yaml_is_read(tmp_path: Path) -> None:
    written(tmp_path, '[\n\t{"targets": ["a:///"],\n\t"labels": {"host": "h"}}]')
    assert [host.name for host in all_hosts([], lists(tmp_path), ALL)] == ["h"]


WITHOUT_LIBYAML = """
import sys, yaml
del yaml.CBaseLoader
from vmwatch.host_lists import all_hosts
from vmwatch.settings import HostList, Shard
print([host.name for host in all_hosts([], [HostList(files=(sys.argv[1],))], Shard())])
"""


def test_without_libyaml_a_list_is_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "- targets: [a:///]\n  labels: {installed: 2024-02-30, host: 007}\n", "hosts.yml")
    command = [sys.executable, "-c", WITHOUT_LIBYAML, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "['007']\n"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hosts.json")
    with pytest.raises(ConfigError, match=r"hosts\.json: expected a file"):
        all_hosts([], lists(tmp_path), ALL)


class Changing:
    """Files with one host each, `{file: {name: uri}}`, and what is taken over of them."""

    def __init__(self, folder: Path, **files: dict[str, str]) -> None:
        self._folder = folder
        self.write(**files)
        self.lists = HostLists([], lists(folder), ALL)

    def write(self, **files: dict[str, str] | str) -> None:
        for name, hosts in files.items():
            groups: Any = hosts
            if isinstance(hosts, dict):
                groups = [{"targets": [uri], "labels": {"host": host}} for host, uri in hosts.items()]
            written(self._folder, groups, f"{name}.new").replace(self._folder / f"{name}.json")

    def remove(self, name: str) -> None:
        (self._folder / f"{name}.json").unlink()

    def look(self) -> tuple[dict[str, str], list[str]]:
        """Look again; return who is there, and what was told as wrong."""
        with capture_logs() as told:
            self.lists.again()
        return {host.name: host.uri for host in self.lists.hosts}, [line["reason"] for line in told]


def test_a_list_that_comes_changes_or_goes_is_taken_over(tmp_path: Path) -> None:
    changing = Changing(tmp_path)
    assert not changing.lists.again()
    changing.write(a={"h": "a:///1"})
    assert changing.look() == ({"h": "a:///1"}, [])
    changing.write(a={"h": "a:///2"}, b={"i": "a:///3"})
    assert changing.look() == ({"h": "a:///2", "i": "a:///3"}, [])
    assert not changing.lists.again()
    changing.remove("a")
    assert changing.look() == ({"i": "a:///3"}, [])


@pytest.mark.parametrize(
    "broken", ["this is no list", '[{"targets": ["qemu+tcp://[fe80::1/system"]}]', "[" * 3000, "\xff", '"\\ud800"']
)
def test_a_file_that_is_broken_later_keeps_its_hosts_and_blocks_no_other(tmp_path: Path, broken: str) -> None:
    changing = Changing(tmp_path, a={"one": "a:///1"}, b={"two": "a:///2"})
    changing.write(a=broken)
    hosts, told = changing.look()
    assert hosts == {"one": "a:///1", "two": "a:///2"}
    assert len(told) == 1
    assert f"{tmp_path}/a.json" in told[0]
    changing.write(b={"two": "a:///2", "three": "a:///3"})
    assert changing.look() == ({"one": "a:///1", "two": "a:///2", "three": "a:///3"}, [])
    changing.write(a={"four": "a:///4"})
    assert changing.look() == ({"four": "a:///4", "two": "a:///2", "three": "a:///3"}, [])


def test_a_file_that_is_broken_when_it_comes_blocks_no_other(tmp_path: Path) -> None:
    changing = Changing(tmp_path)
    changing.write(a="this is no list", b={"two": "a:///2"})
    hosts, told = changing.look()
    assert hosts == {"two": "a:///2"}
    assert len(told) == 1


def test_a_change_that_gives_two_hosts_one_name_is_refused_until_it_does_not(tmp_path: Path) -> None:
    changing = Changing(tmp_path, a={"one": "a:///1"}, b={"two": "a:///2"})
    changing.write(a={"two": "a:///other"}, c={"three": "a:///3"})
    hosts, told = changing.look()
    assert hosts == {"one": "a:///1", "two": "a:///2", "three": "a:///3"}
    assert len(told) == 1
    assert '"two" is the name of another host too' in told[0]
    changing.write(b={})
    assert changing.look() == ({"two": "a:///other", "three": "a:///3"}, [])


def test_hosts_may_change_files_in_one_step(tmp_path: Path) -> None:
    changing = Changing(tmp_path, a={"one": "a:///1"}, b={"two": "a:///2"})
    changing.write(a={"two": "a:///3"}, b={"one": "a:///4"})
    assert changing.look() == ({"two": "a:///3", "one": "a:///4"}, [])


def test_a_change_that_makes_room_is_not_refused_with_one_that_does_not_fit(tmp_path: Path) -> None:
    changing = Changing(tmp_path, a={"one": "a:///1"}, b={"two": "a:///2"}, c={"three": "a:///3"})
    changing.write(a={"two": "a:///new"}, b={"four": "a:///4"}, d={"three": "a:///other"})
    hosts, told = changing.look()
    assert hosts == {"two": "a:///new", "four": "a:///4", "three": "a:///3"}
    assert len(told) == 1


def test_each_host_belongs_to_one_shard_whatever_else_is_listed() -> None:
    names = [f"node-{number}" for number in range(300)]
    shards = [{name for name in names if is_ours(name, Shard(number, 3))} for number in range(3)]
    assert set.union(*shards) == set(names)
    assert sum(map(len, shards)) == len(names)
    assert all(70 < len(shard) < 130 for shard in shards)


def test_the_shard_of_a_host_is_for_ever() -> None:
    shards = [next(n for n in range(4) if is_ours(name, Shard(n, 4))) for name in ("node-1", "node-2", "kvm.example")]
    assert shards == [2, 2, 3]


def test_hosts_of_the_configuration_are_shared_out_too(tmp_path: Path) -> None:
    written(tmp_path, [{"targets": [f"qemu+tls://listed-{number}/system" for number in range(20)]}])
    named = [HostSettings(uri=f"qemu+tls://named-{number}/system", name=f"named-{number}") for number in range(20)]
    both = [all_hosts(named, lists(tmp_path), Shard(number, 2)) for number in range(2)]
    assert sum(map(len, both)) == 40
    assert all(any(host.name.startswith("named") for host in part) for part in both)


def test_the_configuration_names_lists_and_flags_the_shard(tmp_path: Path) -> None:
    file = tmp_path / "vmwatch.toml"
    file.write_text('[[libvirt_files]]\nfiles = ["/etc/vmwatch/*.json"]\npoll_interval = "2s"\n')
    settings = load(Flags(config_file=file, shard=1, total_shards=3))
    assert settings.hosts == ()
    assert settings.host_lists == (HostList(files=("/etc/vmwatch/*.json",), poll_interval=2.0),)
    assert settings.shard == Shard(1, 3)


@pytest.mark.parametrize(("number", "total"), [(1, None), (3, 3), (-1, 3), (0, 0)])
def test_a_shard_that_cannot_be_is_refused(number: int, total: int | None) -> None:
    with pytest.raises(ConfigError, match="shard"):
        load(Flags(shard=number, total_shards=total))
