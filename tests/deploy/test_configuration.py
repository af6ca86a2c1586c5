"""deploy/vmwatch.toml is what users copy: it loads as it is, and says the truth about keys and defaults."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from vmwatch.config import Flags, load
from vmwatch.registry import exporter_types, load_exporter
from vmwatch.settings import (
    HostSettings,
    JournalSettings,
    LogSettings,
    Settings,
    ShowSettings,
    StatsSettings,
    WebSettings,
)

EXAMPLE = Path(__file__).parents[2] / "deploy" / "vmwatch.toml"
COMMENTED_KEY = re.compile(r"^#(?=\[|\w+ = )", re.MULTILINE)


def settings_of(text: str, folder: Path) -> Settings:
    file = folder / "vmwatch.toml"
    file.write_text(text)
    return load(Flags(config_file=file), {"STATE_DIRECTORY": "/nowhere"})


def with_defaults_said() -> str:
    """Return the example with each default switched on, and nothing that is only an example."""
    lines: list[str] = []
    only_an_example = False
    for line in EXAMPLE.read_text().splitlines():
        if not COMMENTED_KEY.match(line):
            only_an_example = line.startswith("# ") and "or example" in line
        elif not only_an_example:
            line = line.removeprefix("#")
        lines.append(line)
    return "\n".join(lines)


def test_the_example_as_it_is_watches_the_local_hypervisor_with_all_defaults(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    assert settings_of(text, tmp_path) == settings_of('[[libvirt]]\nuri = "qemu:///system"\n', tmp_path)


def test_every_default_that_the_example_shows_is_the_default(tmp_path: Path) -> None:
    said = settings_of(with_defaults_said(), tmp_path)
    plain = settings_of("[exporters.prometheus]\n[exporters.json_log]\n", tmp_path)
    assert [f.name for f in fields(Settings) if getattr(said, f.name) != getattr(plain, f.name)] == []


def test_every_key_that_the_example_names_exists(tmp_path: Path) -> None:
    settings = settings_of(COMMENTED_KEY.sub("", EXAMPLE.read_text()), tmp_path)
    assert [host.name for host in settings.hosts] == ["kvm1", "kvm2"]
    assert settings.labels == {"site": "fra1"}


@pytest.mark.parametrize("kind", [HostSettings, StatsSettings, JournalSettings, ShowSettings, WebSettings, LogSettings])
def test_the_example_shows_every_key(kind: type) -> None:
    shown = set(re.findall(r"^#?(\w+) = ", EXAMPLE.read_text(), re.MULTILINE))
    assert {field.name for field in fields(kind)} - shown == set()


@pytest.mark.parametrize("name", sorted(exporter_types()))
def test_the_example_mentions_every_key_of_every_exporter(name: str) -> None:
    text = EXAMPLE.read_text()
    assert f"[exporters.{name}]" in text
    keys = [field.name for field in fields(load_exporter(name))]  # type: ignore[arg-type]  # exporters are dataclasses
    assert [key for key in keys if not re.search(rf"\b{key}\b", text)] == []
