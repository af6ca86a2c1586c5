"""Every query that we ship, as Prometheus gets it: of the dashboard's panels and variables, and of the alert rules."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "dashboards" / "vmwatch.json").read_text())
RULES = ROOT / "deploy" / "alerts.yml"

_VARIABLES = {"$__rate_interval": "10s", "$__range": "5m", "$host": ".*", "$domain": ".*"}
"""What Grafana puts in their places; the first two fit a Prometheus that scrapes each second."""

_METRIC = re.compile(r"\b(?:libvirt|vmwatch|process)_[a-z_]+\b|\bup\b(?=[{ ])")


class Query(NamedTuple):
    """A query, and where it stands."""

    where: str
    expression: str

    @property
    def metrics(self) -> set[str]:
        """Return the names of the metrics it reads."""
        return set(_METRIC.findall(re.sub(r'"[^"]*"', '""', self.expression)))


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels, but for the rows they stand in."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def panel_queries() -> Iterator[Query]:
    """Yield the queries of all panels, with their variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(f"{panel['title']} ({target['refId']})", _filled(target["expr"]))


def variable_queries() -> Iterator[Query]:
    """Yield, for each of the dashboard's variables, the series that its values are read from."""
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            yield Query(f"variable {variable['name']}", f"count by ({label}) ({_filled(series)})")


def alert_queries() -> Iterator[Query]:
    """Yield the expressions of the alert rules."""
    for name, expression in re.findall(r"- alert: (\w+)\n\s+expr: (.+)\n", RULES.read_text()):
        yield Query(f"alert {name}", expression)


def _filled(expression: str) -> str:
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression
