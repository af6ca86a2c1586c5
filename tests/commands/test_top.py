"""`vmwatch top`: one table where nobody watches it live."""

from pathlib import Path

from tests.commands.program import TEST_DRIVER, run


def test_a_pipe_gets_one_table(tmp_path: Path) -> None:
    told = run(tmp_path, "top", TEST_DRIVER)
    head, row = told.stdout.splitlines()
    assert told.returncode == 0
    assert head.split()[:2] == ["DOMAIN", "STATE"]
    assert row.split()[:2] == ["test", "running"]
    assert "\x1b" not in told.stdout
