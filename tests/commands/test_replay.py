import json
import subprocess
from pathlib import Path

from tests.commands.program import ROOT, VMWATCH, environment, run

TRACES = ROOT / "vmwatch" / "traces"
GOLDEN = ROOT / "tests" / "golden"


def test_it_prints_one_line_of_json_for_each_event(tmp_path: Path) -> None:
    told = run(tmp_path, "replay", str(TRACES / "start-destroy.jsonl"))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == (GOLDEN / "start-destroy.jsonl").read_text()


def test_each_file_is_a_stream_of_its_own(tmp_path: Path) -> None:
    path = str(TRACES / "qemu-killed-9.jsonl")
    told = run(tmp_path, "replay", path, path)
    assert told.stdout == (GOLDEN / "qemu-killed-9.jsonl").read_text() * 2


def test_it_reads_standard_input(tmp_path: Path) -> None:
    with (TRACES / "start-fails.jsonl").open() as lines:
        told = subprocess.run(
            [*VMWATCH, "replay", "-"],
            stdin=lines,
            env=environment(tmp_path),
            capture_output=True,
            timeout=60,
            check=True,
        )
    assert told.stdout == (GOLDEN / "start-fails.jsonl").read_bytes()


def test_sensitive_values_are_shown_when_asked_for(tmp_path: Path) -> None:
    path = str(TRACES / "graphics-vnc.jsonl")
    assert "127.0.0.1" not in run(tmp_path, "replay", path).stdout
    assert "127.0.0.1" in run(tmp_path, "replay", "--show.graphics", path).stdout


def test_a_file_that_is_not_there_or_no_recording_is_status_1_and_one_line(tmp_path: Path) -> None:
    told = run(tmp_path, "replay", "missing.jsonl")
    assert (told.returncode, told.stderr) == (1, "vmwatch: missing.jsonl: No such file or directory\n")
    (tmp_path / "notes.jsonl").write_text('{"t_offset_ms": 1, "event": "_ACTION"}\nhello\n')
    told = run(tmp_path, "replay", "notes.jsonl")
    assert told.returncode == 1
    assert told.stderr.startswith("vmwatch: notes.jsonl: line 2: no recorded callback")
    assert told.stderr.count("\n") == 1


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    paths = " ".join(str(path) for path in TRACES.glob("*.jsonl"))
    told = subprocess.run(
        ["sh", "-c", f"{' '.join(VMWATCH)} replay {paths} | head -1"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(told.stdout)["id"] == "replay-1"
    assert told.stderr == ""
