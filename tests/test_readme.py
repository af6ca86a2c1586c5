"""README.md says the truth about commands, make targets and files."""

import re
from pathlib import Path

from vmwatch.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_command_stands_in_the_table_in_the_order_of_the_help() -> None:
    assert re.findall(r"^\| `vmwatch (\w+)", README, re.MULTILINE) == [*COMMANDS]


def test_every_make_target_exists() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake (\w+)", README)) <= set(targets)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^):]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
