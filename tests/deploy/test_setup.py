"""deploy/setup.sh on machines where it cannot help: it says what is missing and stops, and has changed nothing."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "find", "sed", "sort", "tee")


class Machine:
    """A checkout in *folder*, on a machine with just a few *tools*."""

    def __init__(self, folder: Path, tools: Sequence[str]) -> None:
        self.programs, self.checkout = folder / "bin", folder / "checkout"
        self.programs.mkdir()
        for tool in tools:
            self.add(tool, shutil.which(tool) or "")
        (self.checkout / "deploy").mkdir(parents=True)
        for name in ("deploy/setup.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout / name)

    def add(self, name: str, target: str) -> None:
        (self.programs / name).symlink_to(target)

    def write(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def setup(self, kind: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.checkout / "deploy" / "setup.sh"), kind]
        environment = {"PATH": str(self.programs), "LANG": "C.UTF-8"}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, TOOLS)


@pytest.fixture
def machine_with_python(machine: Machine) -> Machine:
    machine.add("python3", sys.executable)
    return machine


def test_without_a_python_that_is_new_enough_it_says_which_is_needed(machine: Machine) -> None:
    machine.write("python3", "exit 1")
    outcome = machine.setup("run")
    assert outcome.returncode == 1
    assert "Python 3.11 or newer" in outcome.stderr


def test_on_other_distributions_it_names_the_packages_and_stops(machine_with_python: Machine) -> None:
    outcome = machine_with_python.setup("run")
    assert outcome.returncode == 1
    assert "libvirt-dev: " in outcome.stderr
    assert "no apt-get here" in outcome.stderr
    assert not (machine_with_python.checkout / ".venv").exists()


def test_without_root_and_sudo_it_says_what_root_has_to_run(machine_with_python: Machine) -> None:
    machine_with_python.write("apt-get", "exit 1")
    machine_with_python.write("id", "echo 1000")
    outcome = machine_with_python.setup("test")
    assert outcome.returncode == 1
    assert "run as root: apt-get install --no-install-recommends " in outcome.stderr
    assert " prometheus " in outcome.stderr


def test_another_word_is_refused_with_the_right_ones(machine: Machine) -> None:
    outcome = machine.setup("tests")
    assert outcome.returncode == 1
    assert "run|check|test" in outcome.stderr
