"""The latest events in memory: whole or not at all, and no more than there is room for."""

import pytest

from tests.test_journal import event
from vmwatch.journal_tail import Tail


def filled(positions: range, *, max_events: int = 100, max_bytes: int = 100) -> Tail:
    tail = Tail(max_events, max_bytes)
    for position in positions:
        tail.put(position, event(position), size=1)
    return tail


def sequences(tail: Tail, after: int, last: int) -> list[int] | None:
    found = tail.between(after, last)
    assert found is None or all(told == event(position) for position, told in found)
    return None if found is None else [position for position, _told in found]


def test_what_is_there_is_returned_in_order() -> None:
    tail = filled(range(5, 9))
    assert sequences(tail, 4, 8) == [5, 6, 7, 8]
    assert sequences(tail, 6, 7) == [7]


def test_nothing_more_is_no_reason_to_look_elsewhere() -> None:
    assert sequences(filled(range(5, 9)), 8, 8) == []
    assert sequences(Tail(), 3, 3) == []


@pytest.mark.parametrize(("after", "last"), [(3, 8), (4, 9), (0, 2), (9, 12)])
def test_a_part_is_not_enough(after: int, last: int) -> None:
    assert sequences(filled(range(5, 9)), after, last) is None


@pytest.mark.parametrize("limits", [{"max_events": 3}, {"max_bytes": 3}])
def test_the_oldest_go_for_want_of_room(limits: dict[str, int]) -> None:
    tail = filled(range(1, 11), **limits)
    assert sequences(tail, 6, 10) is None
    assert sequences(tail, 7, 10) == [8, 9, 10]


def test_an_event_larger_than_the_room_is_not_kept() -> None:
    tail = filled(range(1, 3))
    tail.put(3, event(3), size=1000)
    assert sequences(tail, 0, 3) is None
    tail.put(4, event(4), size=1)
    assert sequences(tail, 3, 4) == [4]


def test_there_are_no_gaps() -> None:
    tail = filled(range(1, 4))
    tail.put(7, event(7), size=1)
    assert sequences(tail, 0, 7) is None
    assert sequences(tail, 6, 7) == [7]
    tail.clear()
    tail.put(8, event(8), size=1)
    assert sequences(tail, 6, 8) is None
    assert sequences(tail, 7, 8) == [8]
