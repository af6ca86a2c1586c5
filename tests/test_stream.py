"""The stream stamps, folds and hands on: gapless for each host, in order, what follows directly after."""

import msgspec

from tests.fakes import started
from vmwatch.events import Domain, DomainSampled, Event, Origin, State, Stopped, Time
from vmwatch.events.lifecycle import Cause
from vmwatch.state import KnownState
from vmwatch.stream import Stream

SECOND = 1_000_000_000


def draft(host: str = "a", time: int = SECOND, **fields: object) -> Event:
    return msgspec.structs.replace(started(1, host), id="", sequence=0, time=Time(time), **fields)


def stream() -> tuple[Stream, list[Event]]:
    told: list[Event] = []
    one = Stream(KnownState(), epoch=lambda host: f"epoch-of-{host}")
    one.listen(told.append)
    return one, told


def test_each_host_has_a_gapless_sequence_and_an_epoch_of_its_own() -> None:
    one, told = stream()
    for host in ("a", "b", "a", "a"):
        one.publish(draft(host))
    assert [(event.host, event.sequence, event.id) for event in told] == [
        ("a", 1, "epoch-of-a-1"),
        ("b", 1, "epoch-of-b-1"),
        ("a", 2, "epoch-of-a-2"),
        ("a", 3, "epoch-of-a-3"),
    ]


def test_the_sequence_goes_on_where_known_state_left_off() -> None:
    known = KnownState()
    known.host("a").sequence = 41
    one = Stream(known)
    told: list[Event] = []
    one.listen(told.append)
    one.publish(draft())
    assert told[0].sequence == 42


def test_time_never_decreases_within_a_host() -> None:
    one, told = stream()
    one.publish(draft("a", 9 * SECOND))
    one.publish(draft("a", 5 * SECOND))
    one.publish(draft("b", 5 * SECOND))
    assert [event.time for event in told] == [9 * SECOND, 9 * SECOND, 5 * SECOND]


def test_two_runs_never_share_an_epoch() -> None:
    ids = set()
    for _ in range(2):
        one = Stream(KnownState())
        one.listen(lambda event: ids.add(event.id))
        one.publish(draft("a"))
        one.publish(draft("b"))
    assert len(ids) == 4


def test_the_users_labels_stand_on_every_event() -> None:
    one = Stream(KnownState(), labels={"site": "north"})
    told: list[Event] = []
    one.listen(told.append)
    one.publish(draft())
    assert told[0].labels == {"site": "north"}


def test_what_an_event_completes_follows_it_directly() -> None:
    one, told = stream()
    one.publish(draft())
    stopped = Stopped(
        time=Time(2 * SECOND),
        host="a",
        origin=Origin.LIBVIRT,
        domain=Domain(started().domain.uuid, "web-1", None),
        detail="destroyed",
        cause=Cause.DESTROYED,
        state=State.SHUTOFF,
        previous_state=State.RUNNING,
    )
    one.publish(stopped)
    one.publish(draft("a", 5 * SECOND))
    assert [event.type for event in told] == ["domain.started", "domain.stopped", "domain.started", "domain.outage"]
    assert [event.sequence for event in told] == [1, 2, 3, 4]


def test_known_state_is_up_to_date_when_publish_returns() -> None:
    one, _told = stream()
    one.publish(draft())
    known = one.known.domain("a", started().domain.uuid)
    assert known is not None
    assert known.state is State.RUNNING


def test_samples_have_no_sequence_and_change_nothing() -> None:
    one, told = stream()
    one.publish(
        DomainSampled(
            time=Time(1), host="a", origin=Origin.VMWATCH, domain=Domain("u", "n", 1), state=State.RUNNING, values={}
        )
    )
    assert told[0].sequence == 0
    assert one.known.hosts == {}
