"""The configuration: what it says is taken over, and what is wrong with it is told so that it can be put right."""

from pathlib import Path

import pytest

from vmwatch.config import Flags, default_state_directory, host_name, load, machine_name
from vmwatch.errors import ConfigError
from vmwatch.settings import Globs, Settings
from vmwatch_exporters.json_log import JsonLog


def read(tmp_path: Path, text: str, **flags: object) -> Settings:
    path = tmp_path / "vmwatch.toml"
    path.write_text(text)
    return load(Flags(config_file=path, **flags), {"STATE_DIRECTORY": "/state"})  # type: ignore[arg-type]


def refused(tmp_path: Path, text: str, **flags: object) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **flags)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_without_a_file_the_local_hypervisor_goes_to_standard_output_and_prometheus() -> None:
    settings = load(Flags())
    assert [(host.uri, host.name) for host in settings.hosts] == [("qemu:///system", machine_name())]
    assert [exporter.name for exporter in settings.exporters] == ["json_log", "prometheus"]


def test_every_table_is_taken_over(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [[libvirt]]
        uri = "qemu+ssh://root@node-1.example/system"
        resync_interval = "2m"
        exclude = ["tmp-*"]

        [[libvirt]]
        uri = "qemu:///system"
        name = "here"
        read_only = false
        events = "polling"

        [stats]
        groups = ["state", "cpu"]
        interval = 30
        max_age = "500ms"

        [journal]
        max_age = "1d"
        max_bytes = "64MiB"

        [metadata.owner]
        namespace = "http://example.org/owner"
        xpath = "@name"

        [labels]
        site = "berlin"

        [show]
        paths = true

        [exporters.audit]
        type = "json_log"
        path = "/var/log/vmwatch.jsonl"
        linger = "100ms"
        include = { type = ["domain.*"], host = ["here"] }
        exclude = ["domain.rtc-changed"]

        [web]
        listen_addresses = ["127.0.0.1:0", "[::1]:9178"]
        """,
    )
    node, here = settings.hosts
    assert (node.name, node.resync_interval, node.exclude) == ("node-1.example", 120.0, ("tmp-*",))
    assert (here.name, here.read_only, here.events) == ("here", False, "polling")
    assert (settings.stats.groups, settings.stats.interval, settings.stats.max_age) == (("state", "cpu"), 30.0, 0.5)
    assert (settings.journal.max_age, settings.journal.max_bytes) == (86400.0, 64 * 1024 * 1024)
    assert settings.metadata["owner"].xpath == "@name"
    assert settings.labels == {"site": "berlin"}
    assert settings.show.paths
    (audit,) = settings.exporters
    assert (audit.name, audit.type, audit.linger, audit.start) == ("audit", "json_log", 0.1, "now")
    assert audit.exporter == JsonLog(path=Path("/var/log/vmwatch.jsonl"))
    assert audit.include == Globs(type=("domain.*",), host=("here",))
    assert audit.exclude == Globs(type=("domain.rtc-changed",))
    assert settings.web.endpoints == (("127.0.0.1", 0), ("::1", 9178))
    assert settings.state_directory == Path("/state")


def test_a_flag_beats_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        state_directory = "/elsewhere"
        [[libvirt]]
        uri = "qemu:///system"
        name = "known"
        [web]
        telemetry_path = "/figures"
        [log]
        level = "debug"
        """,
        uris=("test:///default", "qemu:///system"),
        listen_addresses=(":1",),
        telemetry_path="/m",
        log_level="error",
        state_directory=Path("/flag"),
    )
    assert [(host.uri, host.name) for host in settings.hosts] == [
        ("test:///default", machine_name()),
        ("qemu:///system", "known"),
    ]
    assert (settings.web.listen_addresses, settings.web.telemetry_path) == ((":1",), "/m")
    assert (settings.log.level, settings.state_directory) == ("error", Path("/flag"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[statz]\n", "vmwatch.toml:1: statz: unknown key; did you mean stats?"),
        ("[stats]\n\nintervall = 1\n", "vmwatch.toml:3: stats.intervall: unknown key; did you mean interval?"),
        (
            "[exporters.json_log]\npathh = 'x'\n",
            "vmwatch.toml:2: exporters.json_log.pathh: unknown key; did you mean path?",
        ),
        (
            "[exporters.json_log]\nincludes = []\n",
            "vmwatch.toml:2: exporters.json_log.includes: unknown key; did you mean include?",
        ),
        (
            "[[libvirt]]\nuri = 'a:///'\n[[libvirt]]\nuri = 5\n",
            "vmwatch.toml:4: libvirt[1].uri: expected text, not this number",
        ),
        ("[[libvirt]]\nname = 'a'\n", "vmwatch.toml:1: libvirt[0]: uri is missing: expected text"),
        ("[stats]\ninterval = 'soon'\n", "vmwatch.toml:2: stats.interval: expected at least 0.1 seconds"),
        ("[stats]\ninterval = 0\n", "vmwatch.toml:2: stats.interval: expected at least 0.1 seconds"),
        ("[stats]\ninterval = nan\n", "vmwatch.toml:2: stats.interval: expected at least 0.1 seconds"),
        ("[stats]\nconcurrency = true\n", "vmwatch.toml:2: stats.concurrency: expected a whole number, at least 1"),
        (
            "[[libvirt]]\nuri = 'a:///'\nevents = 'callback'\n",
            "vmwatch.toml:3: libvirt[0].events: expected one of auto, callbacks, polling, not this text; did you mean",
        ),
        ("[stats]\ngroups = ['state', 'cpus']\n", "vmwatch.toml:2: stats.groups[1]: expected one of state, cpu"),
        ("stats = 5\n", "vmwatch.toml:1: stats: expected a table, as in [stats]"),
        ("exporters.json_log = 5\n", "vmwatch.toml:1: exporters.json_log: expected a table"),
        (
            "[exporters.jsonlog]\n",
            "vmwatch.toml:1: exporters.jsonlog: no exporter of this type is installed; there are ",
        ),
        ("[labels]\nhost = 'x'\n", "vmwatch.toml:2: labels.host: this label is vmwatch's own"),
        ("[labels]\n'a-b' = 'x'\n", "vmwatch.toml:2: labels.a-b: expected a label's name"),
        ("[web]\nlisten_addresses = ['9177']\n", "vmwatch.toml:2: web.listen_addresses: expected"),
        ("[stats\n", "vmwatch.toml: this is not TOML: "),
        (
            "[[libvirt]]\nname = 'a'\nuri = 'qemu+tcp://[fe80::1/system'\n",
            "vmwatch.toml:3: libvirt[0].uri: expected a libvirt URI, such as ",
        ),
    ],
)
def test_what_is_wrong_names_file_line_key_and_what_was_expected(tmp_path: Path, text: str, told: str) -> None:
    assert refused(tmp_path, text).startswith(told)


def test_what_stands_there_is_not_repeated_as_it_could_be_a_secret(tmp_path: Path) -> None:
    assert "hunter2" not in refused(tmp_path, "[exporters.json_log]\nsamples = 'hunter2'\n")
    assert "hunter2" not in refused(tmp_path, "[[libvirt]]\nuri = 'a:///'\nevents = 'hunter2'\n")


def test_two_hosts_of_one_name_are_refused(tmp_path: Path) -> None:
    text = "[[libvirt]]\nuri = 'qemu:///system'\n[[libvirt]]\nuri = 'lxc:///system'\n"
    assert refused(tmp_path, text).startswith("vmwatch.toml:3: libvirt[1].name: ")


def test_two_uris_of_one_name_are_refused_by_the_name_of_their_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--libvirt\.uri: qemu:///system and lxc:///system would both be called"):
        load(Flags(uris=("qemu:///system", "lxc:///system")))


@pytest.mark.parametrize("uri", ["qemu+tcp://[fe80::1/system", "test:///x\0y"])
def test_what_is_no_uri_is_refused_by_the_name_of_its_flag(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"^--libvirt\.uri: expected a libvirt URI"):
        load(Flags(uris=(uri,)))


def test_passwords_in_uris_of_one_name_are_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"esx://root@h:1/ and esx://root@h:2/ would both be called") as caught:
        load(Flags(uris=("esx://root:HUNTER2@h:1/", "esx://root:HUNTER2@h:2/")))
    assert "HUNTER2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load(Flags(config_file=tmp_path / "absent.toml"))
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(ConfigError, match=r"latin\.toml: this is not UTF-8"):
        load(Flags(config_file=tmp_path / "latin.toml"))


def test_a_wrong_flag_names_the_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--web\.listen-address: expected"):
        load(Flags(listen_addresses=("localhost",)))
    with pytest.raises(ConfigError, match=r"^--web\.telemetry-path: expected"):
        load(Flags(telemetry_path="metrics"))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+ssh://root@Node-1:2222/system", "Node-1"),
        ("esx://root@esx.example/?no_verify=1", "esx.example"),
        ("qemu+tls://[2001:db8::1]:16514/system", "2001:db8::1"),
        ("qemu+unix:///system?socket=/run/x", machine_name()),
        ("test:///default", machine_name()),
    ],
)
def test_a_host_is_called_by_its_uri_else_by_the_machine(uri: str, name: str) -> None:
    assert host_name(uri) == name


def test_the_state_directory_is_systemds_else_roots_else_the_users() -> None:
    assert default_state_directory({"STATE_DIRECTORY": "/a:/b"}) == Path("/a")
    assert default_state_directory({}, root=True) == Path("/var/lib/vmwatch")
    assert default_state_directory({"XDG_STATE_HOME": "/x"}, root=False) == Path("/x/vmwatch")
    assert default_state_directory({"XDG_STATE_HOME": "relative"}, root=False) == Path.home() / ".local/state/vmwatch"
