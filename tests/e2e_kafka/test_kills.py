"""Broker and vmwatch are killed again and again while events flow; Kafka has what the journal had committed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.e2e_kafka.proof import Counts, fed, goes_on, proven

pytestmark = pytest.mark.real

KILLS = 10
KILLS_OF_BOTH = 5
Holds = Callable[[Counts], None]


def test_a_broker_that_is_killed_ten_times_has_everything_in_the_end(
    mortal_broker: Broker, tmp_path: Path, holds: Holds
) -> None:
    with fed(tmp_path, [mortal_broker.bootstrap], "killed", "--rate=200") as vmwatch:
        for _ in range(KILLS):
            goes_on(vmwatch)
            mortal_broker.kill()
            mortal_broker.start()
        goes_on(vmwatch)
        holds(proven(vmwatch, mortal_broker.bootstrap, "killed"))


def test_a_vmwatch_that_is_killed_ten_times_has_told_everything_in_the_end(
    broker: Broker, tmp_path: Path, holds: Holds
) -> None:
    with fed(tmp_path, [broker.bootstrap], "survivor", "--rate=2000") as vmwatch:
        for _ in range(KILLS):
            goes_on(vmwatch)
            vmwatch.kill()
            vmwatch.start()
        goes_on(vmwatch)
        holds(proven(vmwatch, broker.bootstrap, "survivor"))


def test_both_killed_at_once_lose_nothing(mortal_broker: Broker, tmp_path: Path, holds: Holds) -> None:
    with fed(tmp_path, [mortal_broker.bootstrap], "both", "--rate=500") as vmwatch:
        for _ in range(KILLS_OF_BOTH):
            goes_on(vmwatch)
            vmwatch.kill()
            mortal_broker.kill()
            vmwatch.start()
            mortal_broker.start()
        goes_on(vmwatch)
        holds(proven(vmwatch, mortal_broker.bootstrap, "both"))
