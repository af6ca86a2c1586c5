import json
from pathlib import Path

from tests.commands.program import ROOT, run


def test_it_prints_the_committed_schema(tmp_path: Path) -> None:
    told = run(tmp_path, "schema")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == (ROOT / "tests" / "golden" / "schema.json").read_text()


def test_it_prints_the_document_of_the_topics(tmp_path: Path) -> None:
    told = run(tmp_path, "schema", "--asyncapi")
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["asyncapi"] == "3.0.0"
