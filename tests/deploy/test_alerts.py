"""deploy/prometheus.yml and alerts.yml: Prometheus takes them, and each alert fires and is silent when it should be."""

import re
import subprocess
from pathlib import Path

from tests.beds.program import find

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "alerts.yml"
RULE_TESTS = Path(__file__).parent / "alerts.test.yml"


def promtool(*arguments: str | Path) -> None:
    command = [find("promtool", package="prometheus"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_scrape_configuration() -> None:
    promtool("check", "config", ROOT / "deploy" / "prometheus.yml")


def test_prometheus_takes_the_alert_rules() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)


def test_alerts_fire_when_they_should_and_are_silent_otherwise() -> None:
    promtool("test", "rules", RULE_TESTS)


def test_each_alert_is_tested_firing_and_silent() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    cases = re.findall(r"alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:(.*)", RULE_TESTS.read_text())
    assert {name for name, expected in cases if not expected} == alerts
    assert {name for name, expected in cases if expected == " []"} == alerts


def test_each_alert_says_how_urgent_it_is() -> None:
    alerts = RULES.read_text().split("- alert: ")[1:]
    assert all(re.search(r"severity: (page|ticket)\n", alert) for alert in alerts)
