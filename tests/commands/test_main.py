"""The command line as a whole: help, wrong usage, and the exit status."""

import re
from pathlib import Path

import pytest

from tests.commands.program import ANY_PORT, TEST_DRIVER, run


def test_the_help_is_short_and_names_every_command(tmp_path: Path) -> None:
    told = run(tmp_path, "--help")
    assert told.returncode == 0
    assert len(told.stdout.splitlines()) < 30
    for command in ("run", "demo", "events", "top", "check", "replay", "schema"):
        assert re.search(rf"^ +{command} +\S", told.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["run", "demo", "events", "top", "check", "replay", "schema"])
def test_every_command_has_its_own_help(tmp_path: Path, command: str) -> None:
    told = run(tmp_path, command, "--help")
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [(), ("runn",), ("run", "--web.port=1"), ("run", "--log.level=loud")])
def test_wrong_usage_is_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    told = run(tmp_path, *arguments)
    assert told.returncode == 2
    assert told.stderr.startswith("usage: vmwatch")


def test_wrong_usage_is_told_without_the_password_in_a_uri(tmp_path: Path) -> None:
    told = run(tmp_path, "check", "esx://root:HUNTER2@esx-1/")
    assert told.returncode == 2
    assert told.stderr.endswith("unrecognized arguments: esx://root@esx-1/\n")


def test_a_wrong_configuration_is_status_2_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text("[stats]\nintervall = 5\n")
    told = run(tmp_path, "run", "--config.file=vmwatch.toml")
    assert told.returncode == 2
    assert told.stderr == "vmwatch: vmwatch.toml:2: stats.intervall: unknown key; did you mean interval?\n"


def test_a_configuration_that_is_right_but_for_an_exporter_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "vmwatch.toml").write_text("[exporters.nagios]\n")
    told = run(tmp_path, "run", "--config.file=vmwatch.toml", TEST_DRIVER, ANY_PORT)
    assert told.returncode == 2
    assert (
        "exporters.nagios: no exporter of this type is installed; there are json_log, kafka, prometheus" in told.stderr
    )
