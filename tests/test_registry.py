"""Exporters by name: what is installed is found, what is not is told with what there is."""

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
