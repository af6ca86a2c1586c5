"""`vmwatch demo`: something to look at, said to be no more than that."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.program import Program
from tests.commands.program import ANY_PORT, program


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    vmwatch = program(tmp_path, "demo", ANY_PORT, "--log.format=json")
    vmwatch.start()
    yield vmwatch
    vmwatch.kill()


def test_its_first_line_says_that_it_is_a_demonstration(demo: Program) -> None:
    demo.until(lambda: demo.tail().count("\n") > 1, "its first lines")
    first = json.loads(demo.log.read_text().splitlines()[0])
    assert first["event"].startswith("demonstration")
    assert [host.split()[0] for host in first["hosts"].split(", ")] == ["demo-live", "demo-recorded", "demo-recorded-2"]


def test_the_live_host_works_and_a_recorded_guest_flushes(demo: Program, tmp_path: Path) -> None:
    def told() -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in demo.log.read_text().splitlines() if line.endswith("}")]
        return [(line["host"], line["event"]) for line in lines if "domain" in line]

    demo.until(lambda: ("demo-live", "domain.started") in told(), "a start on the live host")
    demo.until(lambda: ("demo-recorded", "domain.stopped") in told(), "a stop on the recorded one")
    recorded = [event for host, event in told() if host == "demo-recorded"]
    assert recorded.index("domain.shutdown-finished") < recorded.index("domain.stopped")
    assert demo.stop(seconds=5) == 0
    assert not (tmp_path / "state").exists()
