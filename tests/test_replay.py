import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from vmwatch.encode import decode, encode
from vmwatch.errors import VmwatchError
from vmwatch.events import Event
from vmwatch.replay import replay
from vmwatch.settings import ShowSettings

TRACES = Path(__file__).parent.parent / "vmwatch" / "traces"
GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in TRACES.glob("*.jsonl"))


def told(*lines: dict[str, Any], show: ShowSettings | None = None) -> list[Event]:
    return list(replay((json.dumps(line) for line in lines), show or ShowSettings()))


def line(event: str, *args: Any, at: float = 0, host: str = "h1", domain: str = "web", id: int = 7) -> dict[str, Any]:  # noqa: A002
    return {"t_offset_ms": at, "host": host, "domain": domain, "id": id, "event": event, "args": list(args)}


def test_there_is_a_reviewed_output_for_every_trace() -> None:
    assert len(NAMES) == 65
    assert sorted(path.stem for path in GOLDEN.glob("*.jsonl")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_real_guests_callbacks_are_told_as_reviewed(name: str) -> None:
    with (TRACES / f"{name}.jsonl").open() as lines:
        printed = [json.loads(encode(event)) for event in replay(lines, ShowSettings())]
    assert printed == [json.loads(text) for text in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_each_hosts_sequence_has_no_gap_and_its_time_never_decreases(name: str) -> None:
    with (TRACES / f"{name}.jsonl").open() as lines:
        events = list(replay(lines, ShowSettings()))
    for host in {event.host for event in events}:
        own = [event for event in events if event.host == host]
        assert [event.sequence for event in own] == list(range(1, len(own) + 1))
        assert [event.id for event in own] == [f"replay-{number}" for number in range(1, len(own) + 1)]
        assert [event.time for event in own] == sorted(event.time for event in own)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_reads_back_as_it_was_written(name: str) -> None:
    with (TRACES / f"{name}.jsonl").open() as lines:
        for event in replay(lines, ShowSettings()):
            assert decode(encode(event)) == event


def test_a_domain_has_the_uuid_of_its_name_on_all_hosts() -> None:
    events = told(line("LIFECYCLE", 4, 0), line("LIFECYCLE", 2, 1, host="h2"))
    expected = str(uuid.uuid5(uuid.NAMESPACE_OID, "web"))
    assert {json.loads(encode(event))["domain"]["uuid"] for event in events} == {expected}


def test_a_renamed_domain_keeps_its_uuid_from_then_on() -> None:
    events = told(
        line("LIFECYCLE", 0, 0, id=-1),
        line("LIFECYCLE", 1, 1, id=-1),
        line("LIFECYCLE", 0, 2, id=-1, domain="shop"),
        line("LIFECYCLE", 4, 0, domain="shop"),
    )
    wire = [json.loads(encode(event)) for event in events]
    assert {event["domain"]["uuid"] for event in wire} == {str(uuid.uuid5(uuid.NAMESPACE_OID, "web"))}
    assert [event["domain"]["name"] for event in wire] == ["web", "web", "shop", "shop"]
    assert [event["state"] for event in wire] == ["shutoff", "undefined", "shutoff", "running"]
    assert wire[-1]["part_of"] == "boot"


def test_time_counts_from_1970_and_the_host_is_its_own_connection() -> None:
    (event,) = told(line("REBOOT", at=1234.5))
    wire = json.loads(encode(event))
    assert wire["time"] == "1970-01-01T00:00:01.234500000Z"
    assert (wire["uri"], wire["id"], wire["origin"]) == ("replay:h1", "replay-1", "libvirt")


def test_a_lost_connection_is_told_and_the_next_callback_of_that_host_is_preceded_by_connected() -> None:
    events = told(
        line("REBOOT"),
        {"t_offset_ms": 5, "host": "h1", "event": "_CONNECTION_CLOSED", "args": [1, "eof"]},
        line("REBOOT", at=6, host="h2"),
        line("REBOOT", at=7),
        line("REBOOT", at=2000),
    )
    assert [(event.type, event.host) for event in events] == [
        ("domain.rebooted", "h1"),
        ("host.disconnected", "h1"),
        ("domain.rebooted", "h2"),
        ("host.connected", "h1"),
        ("domain.rebooted", "h1"),
        ("domain.rebooted", "h1"),
    ]
    assert json.loads(encode(events[1]))["reason"] == "eof"


def test_notes_and_empty_lines_are_skipped_whatever_stands_in_them() -> None:
    lines = ["", '{"t_offset_ms": 1, "event": "_STATE", "id": null, "args": null}\n', json.dumps(line("REBOOT"))]
    assert [event.type for event in replay(lines, ShowSettings())] == ["domain.rebooted"]


@pytest.mark.parametrize("twin", ["BLOCK_JOB", "IO_ERROR", "PMSUSPEND", "PMSUSPEND_DISK", "PMWAKEUP"])
def test_the_poorer_one_of_libvirts_twins_is_skipped(twin: str) -> None:
    assert [event.type for event in told(line(twin, "x", 1, 2), line("REBOOT"))] == ["domain.rebooted"]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "{}",
        '"x"',
        '{"event": 1}',
        '{"event": "REBOOT", "t_offset_ms": 1}',
        '{"event": "REBOOT"}',
        "[" * 9999,
        '{"event": "REBOOT", "t_offset_ms": NaN, "host": "h1", "domain": "web"}',
        '{"event": "REBOOT", "t_offset_ms": -Infinity, "host": "h1", "domain": "web"}',
        '{"event": "REBOOT", "t_offset_ms": 1e300, "host": "h1", "domain": "web"}',
        '{"event": "_CONNECTION_CLOSED", "t_offset_ms": NaN, "host": "h1"}',
    ],
)
def test_a_line_that_is_no_recorded_callback_names_itself(text: str) -> None:
    with pytest.raises(VmwatchError, match="line 2: no recorded callback"):
        list(replay([json.dumps(line("REBOOT")), text], ShowSettings()))


def test_a_name_that_no_encoding_can_write_is_told_with_replacements() -> None:
    (event,) = told(line("REBOOT", domain="web\ud800"))
    assert json.loads(encode(event))["domain"] == {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, "web?")),
        "name": "web?",
        "id": 7,
    }


def test_every_replay_is_a_stream_of_its_own() -> None:
    lines = [json.dumps(line("LIFECYCLE", 2, 0))]
    assert list(replay(lines, ShowSettings())) == list(replay(lines, ShowSettings()))


def test_sensitive_values_are_shown_key_by_key() -> None:
    callback = line("DISK_CHANGE", "/secret/a", None, "ide0", 1)
    (hidden,), (shown,) = told(callback), told(callback, show=ShowSettings(paths=True))
    assert b"secret" not in encode(hidden)
    assert json.loads(encode(shown))["old_path"] == "/secret/a"
