"""Every event id of libvirt becomes its event; what cannot be read is told as unknown, and nothing ever raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.stories import Story, uuid_of
from vmwatch.encode import decode, encode
from vmwatch.events import Event, Origin, Time
from vmwatch.settings import ShowSettings
from vmwatch.source.callbacks import Callback
from vmwatch.source.decode import DOMAIN_READINGS, OBJECT_LIFECYCLES, OBJECT_READINGS
from vmwatch.source.normalise import normalise
from vmwatch.state import KnownState

ALL = ShowSettings(graphics=True, tunables=True, paths=True, metadata=True)
NONE = ShowSettings()

VNC = ({"family": 0, "node": "10.0.0.1", "service": "5900"}, {"family": 1, "node": "::1", "service": None})


def callback(name: str, *arguments: Any, family: str = "domain", **fields: Any) -> Callback:
    given_: dict[str, Any] = {
        "host": "h1",
        "uri": "test:h1",
        "object_uuid": uuid_of("web"),
        "object_name": "web",
        "object_id": 7,
        "time": Time(1_000_000_000),
    }
    return Callback(family=family, name=name, arguments=arguments, **(given_ | fields))


def wire(event: Event) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(encode(event))
    return read


def own(event: Event) -> dict[str, Any]:
    """Return the fields that only this kind of event has."""
    common = {"id", "sequence", "time", "host", "uri", "origin", "domain", "labels"}
    return {name: value for name, value in wire(event).items() if name not in common}


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("REBOOT", (), {"type": "domain.rebooted"}),
    ("RTC_CHANGE", (-3600,), {"type": "domain.rtc-changed", "offset_seconds": -3600}),
    ("WATCHDOG", (6,), {"type": "domain.watchdog-fired", "action": "injectnmi"}),
    ("WATCHDOG", (7,), {"type": "domain.watchdog-fired", "action": "unknown-7"}),
    (
        "IO_ERROR_REASON",
        ("/a.img", "virtio-disk1", 1, "enospc"),
        {"type": "domain.io-error", "path": "/a.img", "device": "virtio-disk1", "action": "pause", "reason": "enospc"},
    ),
    ("IO_ERROR_REASON", ("", "d", 2, ""), {"type": "domain.io-error", "device": "d", "action": "report"}),
    (
        "GRAPHICS",
        (1, *VNC, "vnc", [("x509dname", "CN=me"), ["saslUsername", "you"]]),
        {
            "type": "domain.graphics",
            "phase": "initialize",
            "local": {"family": "ipv4", "node": "10.0.0.1", "service": "5900"},
            "remote": {"family": "ipv6", "node": "::1"},
            "auth_scheme": "vnc",
            "subject": [["x509dname", "CN=me"], ["saslUsername", "you"]],
        },
    ),
    ("CONTROL_ERROR", (), {"type": "domain.control-error"}),
    (
        "BLOCK_JOB_2",
        ("vda", 4, 3),
        {"type": "domain.block-job", "device": "vda", "job": "active-commit", "status": "ready"},
    ),
    (
        "DISK_CHANGE",
        ("/a", None, None, 1),
        {"type": "domain.disk-changed", "old_path": "/a", "reason": "drop-missing-on-start"},
    ),
    ("TRAY_CHANGE", ("ide0", 1), {"type": "domain.tray-changed", "device": "ide0", "reason": "close"}),
    ("BALLOON_CHANGE", (2048,), {"type": "domain.balloon-changed", "actual_bytes": 2097152}),
    ("DEVICE_REMOVED", ("net0",), {"type": "domain.device-removed", "device": "net0"}),
    (
        "TUNABLE",
        ({"cputune.cpu_shares": 512, "blkdeviotune.disk": "vda", "cputune.vcpu_quota": -1},),
        {
            "type": "domain.tunable-changed",
            "names": ["blkdeviotune.disk", "cputune.cpu_shares", "cputune.vcpu_quota"],
            "values": {"cputune.cpu_shares": 512, "blkdeviotune.disk": "vda", "cputune.vcpu_quota": -1},
        },
    ),
    ("AGENT_LIFECYCLE", (1, 2), {"type": "domain.agent-changed", "status": "connected", "reason": "channel"}),
    ("AGENT_LIFECYCLE", (0, 0), {"type": "domain.agent-changed", "status": "unknown-0", "reason": "unknown"}),
    ("DEVICE_ADDED", ("net0",), {"type": "domain.device-added", "device": "net0"}),
    ("MIGRATION_ITERATION", (3,), {"type": "domain.migration-iteration", "iteration": 3}),
    (
        "JOB_COMPLETED",
        ({"operation": 9, "time_elapsed": 37, "success": True, "errmsg": "x"},),
        {
            "type": "domain.job-completed",
            "operation": "backup",
            "success": True,
            "statistics": {"time_elapsed": 37, "errmsg": "x"},
        },
    ),
    (
        "JOB_COMPLETED",
        ({"operation": 5, "data_total": 2**64 - 1},),
        {
            "type": "domain.job-completed",
            "operation": "migration-out",
            "part_of": "migration",
            "statistics": {"data_total": 2**64 - 1},
        },
    ),
    ("DEVICE_REMOVAL_FAILED", ("net0",), {"type": "domain.device-removal-failed", "device": "net0"}),
    ("METADATA_CHANGE", (2, "urn:x"), {"type": "domain.metadata-changed", "part": "element", "namespace": "urn:x"}),
    (
        "BLOCK_THRESHOLD",
        ("vdb", "/b", 65536, 1),
        {"type": "domain.block-threshold", "device": "vdb", "path": "/b", "threshold_bytes": 65536, "excess_bytes": 1},
    ),
    (
        "MEMORY_FAILURE",
        (1, 2, 0b111),
        {
            "type": "domain.memory-failure",
            "recipient": "guest",
            "action": "fatal",
            "flags": ["action-required", "recursive", "unknown-4"],
        },
    ),
    (
        "MEMORY_DEVICE_SIZE_CHANGE",
        ("ua-mem", 4),
        {"type": "domain.memory-device-size-changed", "device": "ua-mem", "size_bytes": 4096},
    ),
    (
        "NIC_MAC_CHANGE",
        ("net0", "52:54:00:00:00:01", "52:54:00:00:00:02"),
        {
            "type": "domain.nic-mac-changed",
            "device": "net0",
            "old_mac": "52:54:00:00:00:01",
            "new_mac": "52:54:00:00:00:02",
        },
    ),
    ("VCPU_REMOVED", (3,), {"type": "domain.vcpu-removed", "vcpu": 3}),
    (
        "CHANNEL_LIFECYCLE",
        ("org.spice", 2, 1),
        {
            "type": "domain.channel-changed",
            "channel": "org.spice",
            "status": "disconnected",
            "reason": "domain-started",
        },
    ),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
def test_a_callback_is_told_as(name: str, arguments: tuple[Any, ...], expected: dict[str, Any]) -> None:
    event = normalise(KnownState(), callback(name, *arguments), ALL)
    assert own(event) == expected
    assert wire(event)["domain"] == {"uuid": uuid_of("web"), "name": "web", "id": 7}
    assert decode(encode(event)) == event


def test_every_event_id_has_its_case() -> None:
    assert {name for name, _, _ in CASES} == set(DOMAIN_READINGS)


OBJECT_CASES = [
    *[
        (family, "LIFECYCLE", (number, 0), f"{family.replace('_', '-')}.{kind}")
        for family, (kinds, _) in OBJECT_LIFECYCLES.items()
        for number, kind in enumerate(kinds)
    ],
    ("network", "METADATA_CHANGE", (0, None), "network.metadata-changed"),
    ("storage_pool", "REFRESH", (), "storage-pool.refreshed"),
    ("node_device", "UPDATE", (), "node-device.updated"),
    ("secret", "VALUE_CHANGED", (), "secret.value-changed"),
]


@pytest.mark.parametrize(("family", "name", "arguments", "expected"), OBJECT_CASES)
def test_another_familys_callback_is_told_as(family: str, name: str, arguments: tuple[Any, ...], expected: str) -> None:
    event = normalise(KnownState(), callback(name, *arguments, family=family, object_uuid=None), NONE)
    assert (event.type, wire(event)["name"]) == (expected, "web")
    assert decode(encode(event)) == event


def test_every_family_and_event_id_has_its_case() -> None:
    assert {case[0] for case in OBJECT_CASES} == set(OBJECT_LIFECYCLES)
    assert set(OBJECT_READINGS) < {(case[0], case[1]) for case in OBJECT_CASES}


def test_a_detail_that_was_always_0_passes_through_when_it_is_not() -> None:
    event = normalise(KnownState(), callback("LIFECYCLE", 2, 3, family="network"), NONE)
    assert (event.type, wire(event)["detail"]) == ("network.started", "unknown-3")


SECRETS: list[tuple[str, str, tuple[Any, ...]]] = [
    (
        "graphics",
        "GRAPHICS",
        (0, {"family": 0, "node": "secret"}, {"family": 0, "node": "secret"}, "n", [("a", "secret")]),
    ),
    ("tunables", "TUNABLE", ({"cputune.emulatorpin": "secret"},)),
    ("paths", "IO_ERROR_REASON", ("/secret", "d", 1, "")),
    ("paths", "DISK_CHANGE", ("/secret", "/secret", "d", 1)),
    ("paths", "BLOCK_THRESHOLD", ("vda", "/secret", 1, 1)),
    ("metadata", "METADATA_CHANGE", (2, "urn:secret")),
]


@pytest.mark.parametrize(("key", "name", "arguments"), SECRETS)
def test_sensitive_values_are_told_only_where_their_key_says_so(
    key: str, name: str, arguments: tuple[Any, ...]
) -> None:
    others = {other: other != key for other in ("graphics", "tunables", "paths", "metadata")}
    assert b"secret" not in encode(normalise(KnownState(), callback(name, *arguments), ShowSettings(**others)))
    assert b"secret" in encode(normalise(KnownState(), callback(name, *arguments), ShowSettings(**{key: True})))


@pytest.mark.parametrize(("key", "name", "arguments"), SECRETS)
def test_a_sensitive_callback_that_cannot_be_read_does_not_tell_them_either(
    key: str, name: str, arguments: tuple[Any, ...]
) -> None:
    event = normalise(KnownState(), callback(name, *arguments, "one too many"), ALL)
    assert event.type == "domain.unknown", key
    assert b"secret" not in encode(event)


def test_an_event_id_that_is_newer_than_ours_is_told_as_it_came() -> None:
    event = normalise(KnownState(), callback("unknown-31", 4, 2, "net0", {"a": 1}), NONE)
    assert own(event) == {
        "type": "domain.unknown",
        "callback": "unknown-31",
        "kind": "unknown-4",
        "detail": "unknown-2",
        "arguments": "4, 2, 'net0', {'a': 1}",
    }


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (7, 7), (-1, None), ("x", None)])
def test_what_cannot_be_read_still_says_which_domain(number: Any, expected: int | None) -> None:
    event = normalise(KnownState(), callback("unknown-31", object_id=number), NONE)
    assert wire(event)["domain"] == {"uuid": uuid_of("web"), "name": "web", "id": expected}


def test_a_lifecycle_kind_that_is_newer_than_ours_changes_no_state() -> None:
    story = Story()
    story.boot()
    (event,) = story.say("LIFECYCLE", 9, 1)
    assert own(event)["kind"] == "unknown-9"
    assert story.domain().state == "running"


def test_what_cannot_be_read_is_logged_once_for_each_kind_of_trouble_and_counted_each_time() -> None:
    story = Story()
    with capture_logs() as logs:
        for _ in range(3):
            story.say("unknown-4711", 1)
            story.say("unknown-4712", 1)
    assert [entry["event_id"] for entry in logs] == ["unknown-4711", "unknown-4712"]
    assert story.known.counters["h1"]["web"].events["unknown "] == 6


def test_of_a_host_that_was_never_heard_of_every_state_is_unknown() -> None:
    event = normalise(KnownState(), callback("LIFECYCLE", 4, 0), NONE)
    assert (event.previous_state, event.part_of) == ("unknown", None)  # type: ignore[attr-defined]


def test_a_domain_without_a_uuid_is_found_by_its_name() -> None:
    story = Story()
    story.boot()
    event = normalise(story.known, callback("LIFECYCLE", 5, 5, object_uuid=None), NONE)
    assert (event.domain.uuid, event.state) == (uuid_of("web"), "shutoff")  # type: ignore[attr-defined]


class TestDuplicates:
    def test_the_indexed_name_repeats_the_plain_one(self) -> None:
        story = Story()
        first, second = (
            story.say("BLOCK_THRESHOLD", "vdb", None, 1, 2),
            story.say("BLOCK_THRESHOLD", "vdb[1]", None, 1, 2, after=0.001),
        )
        assert [event.duplicate for event in first + second] == [False, True]  # type: ignore[attr-defined]
        assert story.known.counters["h1"]["web"].events["block-threshold "] == 1

    def test_a_threshold_set_on_the_indexed_name_is_news(self) -> None:
        story = Story()
        story.say("BLOCK_THRESHOLD", "vda", None, 1, 2)
        for device, threshold, after in (("vdb[1]", 1, 0.1), ("vda[1]", 9, 0.1), ("vda[1]", 1, 5)):
            (event,) = story.say("BLOCK_THRESHOLD", device, None, threshold, 2, after=after)
            assert not event.duplicate, device  # type: ignore[attr-defined]

    def test_the_agents_channel_repeats_the_agent(self) -> None:
        story = Story()
        agent = "org.qemu.guest_agent.0"
        (before,) = story.say("CHANNEL_LIFECYCLE", agent, 1, 1)
        story.say("AGENT_LIFECYCLE", 1, 1)
        (same,) = story.say("CHANNEL_LIFECYCLE", agent, 1, 1)
        (other,) = story.say("CHANNEL_LIFECYCLE", "org.spice", 1, 1)
        (news,) = story.say("CHANNEL_LIFECYCLE", agent, 2, 1)
        assert [event.duplicate for event in (before, same, other, news)] == [False, True, False, False]  # type: ignore[attr-defined]


class TestId:
    @pytest.mark.parametrize(
        ("number", "expected"), [(7, 7), (0, 0), (-1, None), (2**70, None), ("7", None), (None, None)]
    )
    def test_is_the_hypervisors_number_while_there_is_one(self, number: Any, expected: int | None) -> None:
        event = normalise(KnownState(), callback("REBOOT", object_id=number), NONE)
        assert (event.type, event.domain.id) == ("domain.rebooted", expected)  # type: ignore[attr-defined]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["x\ny" * 22_000, "\0", "\ud800", "a" * 65_536])
    | st.builds(pow, st.just(10), st.just(5000))
    | st.binary(max_size=9)
    | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(sorted({"LIFECYCLE", "unknown-99", *DOMAIN_READINGS, *(name for _, name in OBJECT_READINGS)}))


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(
    family=st.sampled_from(["domain", "network", "storage_pool", "node_device", "secret", "newer"]),
    name=names,
    arguments=st.lists(anything, max_size=6),
    object_name=st.text(st.characters(exclude_categories=())) | st.sampled_from(["n" * 65_536, "\ud800\n\0"]),
    object_id=st.integers() | st.none() | st.text(),
    show=st.sampled_from([ALL, NONE]),
)
def test_whatever_comes_is_told_once_and_can_be_written_and_read(
    family: str, name: str, arguments: list[Any], object_name: str, object_id: Any, show: ShowSettings
) -> None:
    story = Story()
    came = callback(name, *arguments, family=family, object_name=object_name, object_id=object_id)
    (event,) = story.publish(normalise(story.known, came, show))
    line = encode(event)
    assert b"\n" not in line
    assert decode(line) == event
    assert event.origin is Origin.LIBVIRT


@pytest.mark.parametrize("name", sorted(DOMAIN_READINGS))
def test_arguments_of_the_wrong_kind_are_told_as_unknown(name: str) -> None:
    count = len(DOMAIN_READINGS[name].fields)
    for wrong in (object(), b"x", 1.5, [1], 2**64, float("nan")):
        event = normalise(KnownState(), callback(name, *[wrong] * max(count, 1)), ALL)
        assert event.type == "domain.unknown", wrong
        assert len(wire(event)["arguments"]) <= 1024
