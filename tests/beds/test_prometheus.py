from pathlib import Path

import pytest

from tests.beds.program import BedError
from tests.beds.prometheus import Alertmanager, Prometheus, promtool

pytestmark = pytest.mark.real

RULES = """
groups:
  - name: test
    rules:
      - {alert: AlwaysThere, expr: vector(1), labels: {severity: page}}
"""


def test_it_scrapes_answers_and_alerts(prometheus_server: Prometheus, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with Alertmanager() as alertmanager:
        prometheus_server.scrape(prometheus_server.address, rules=[rules], alertmanager=alertmanager.address)
        (up,) = prometheus_server.wait_for('up{job="vmwatch"} == 1')
        alertmanager.wait_for("AlwaysThere")
    assert up.labels["instance"] == prometheus_server.address
    assert prometheus_server.query_range('up{job="vmwatch"}')[0].values[-1] == 1
    assert prometheus_server.firing_alerts() == {"AlwaysThere"}
    with pytest.raises(BedError, match="parse error"):
        prometheus_server.query("up{")


def test_promtool_says_what_is_wrong(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    assert "1 rules found" in promtool("check", "rules", rules)
    rules.write_text(RULES.replace("expr", "expression"))
    with pytest.raises(BedError, match="expression"):
        promtool("check", "rules", rules)
