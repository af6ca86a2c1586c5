"""dashboards/vmwatch.json as a document: whole, readable, and tied to no data source."""

from collections import Counter
from typing import Any

from tests.dashboards.queries import DASHBOARD, panels


def places(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel["description"].endswith(".")] == []


def test_ids_are_given_once() -> None:
    assert max(Counter(panel["id"] for panel in DASHBOARD["panels"]).values()) == 1


def test_no_panel_covers_another_or_leaves_the_grid() -> None:
    taken = Counter(place for panel in DASHBOARD["panels"] for place in places(panel))
    assert [place for place, number in taken.items() if number > 1] == []
    assert {x for x, _ in taken} <= set(range(24))


def test_the_data_source_is_the_users_choice() -> None:
    sources = [target["datasource"]["uid"] for panel in panels() for target in (panel, *panel["targets"])]
    assert set(sources) == {"${datasource}"}
