"""Exporters by name: what is installed is found, what is not is told with what there is."""

from pathlib import Path

import pytest

from vmwatch.errors import ConfigError
from vmwatch.registry import exporter_types, load_exporter
from vmwatch_exporters.json_log import JsonLog


def test_what_is_listed_as_an_entry_point_is_found_by_its_name() -> None:
    assert load_exporter("json_log") is JsonLog
    assert {"json_log", "kafka", "prometheus"} <= set(exporter_types())


def test_every_exporter_that_is_listed_can_be_loaded() -> None:
    for name in exporter_types():
        assert hasattr(load_exporter(name), "durable")


def test_an_unknown_type_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"there are .*json_log.*kafka.*prometheus"):
        load_exporter("jsonlog")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with exporters that are none."""
    about = tmp_path / "others-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    points = (
        "raises = others_raising:Any\nplain = pathlib:Path\nmissing = pathlib:Missing\nfunction = pathlib:Path.cwd\n"
    )
    (about / "entry_points.txt").write_text(f"[vmwatch.exporters]\n{points}")
    (tmp_path / "others_raising.py").write_text("raise ValueError('not today')\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("raises", "others_raising:Any cannot be loaded: ValueError: not today"),
        ("missing", "pathlib:Missing cannot be loaded: AttributeError"),
        ("plain", "pathlib:Path is no exporter: expected a dataclass"),
        ("function", "pathlib:Path.cwd is no exporter: expected a dataclass"),
    ],
)
def test_an_entry_point_that_leads_to_no_exporter_is_a_wrong_configuration(kind: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_exporter(kind)
