"""What the dashboard and the alerts ask for is there: asked of a real Prometheus that scrapes real vmwatches."""

import pytest

from tests.beds.prometheus import Prometheus
from tests.dashboards.queries import Query, alert_queries, panel_queries, variable_queries
from vmwatch.source.stats_table import FIELDS

NOT_SHOWN_HERE = {"Memory used in the guest (A)": "guests tell it through a balloon driver, and these have none"}

PANELS = [*panel_queries()]
SHOWN = [query for query in [*PANELS, *variable_queries()] if query.where not in NOT_SHOWN_HERE]
METRICS_OF_ALERTS = sorted({metric for query in alert_queries() for metric in query.metrics})


def name(query: Query) -> str:
    return query.where


@pytest.mark.parametrize("query", SHOWN, ids=name)
def test_the_dashboard_shows_something_for(query: Query, prometheus: Prometheus) -> None:
    assert prometheus.wait_for(query.expression)


@pytest.mark.parametrize("query", [query for query in PANELS if query.where in NOT_SHOWN_HERE], ids=name)
def test_what_is_not_shown_here_is_empty_but_can_be_exported(query: Query, prometheus: Prometheus) -> None:
    assert prometheus.query(query.expression) == []
    assert query.metrics <= {metric.name for field in FIELDS for metric in field.metrics}


@pytest.mark.parametrize("metric", METRICS_OF_ALERTS)
def test_the_alerts_watch_something_that_is_there(metric: str, prometheus: Prometheus) -> None:
    assert prometheus.wait_for(f"count({metric})")


@pytest.mark.parametrize("alert", ["GuestCrashed", "GuestProcessDied", "GuestWatchdogFired", "GuestDiskError"])
def test_the_demonstration_sets_off(alert: str, prometheus: Prometheus) -> None:
    assert prometheus.wait_for(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
