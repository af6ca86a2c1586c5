"""What a benchmark says, as a table for people."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("libvirt-python", "msgspec", "aiokafka", "structlog", "prometheus-client", "uvicorn")
PROGRAMS = (("libvirtd", "--version"), ("qemu-system-x86_64", "--version"))


class Figure(NamedTuple):
    """One measured thing beside its goal; the *goal* is empty where there is none."""

    what: str
    goal: str
    measured: str


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that *share* (0 to 1) of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """Say in one line what this was measured on."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def versions() -> str:
    """Say in one line what was measured with what."""
    parts = [f"{name} {version(name)}" for name in PACKAGES]
    for command in PROGRAMS:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        parts.append(answer.stdout.splitlines()[0] if answer.stdout else f"no {command[0]}")
    return ", ".join(parts)


def table(figures: Sequence[Figure]) -> str:
    """Return *figures* as a Markdown table."""
    rows = [f"| {one.what} | {one.goal} | {one.measured} |" for one in figures]
    return "\n".join(["| what | goal | measured |", "|---|---|---|", *rows])


def keep(figures: Sequence[Figure]) -> None:
    """Print *figures* and write them to RESULTS.md."""
    text = f"""# The last run of `make bench`

Written by the benchmark itself.  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine()}.
{versions()}.

{table(figures)}
"""
    RESULTS.write_text(text)
    sys.stdout.write(text)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
