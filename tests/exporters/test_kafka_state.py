import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tests.fakes import FakeWatch, started
from vmwatch.asyncapi import asyncapi
from vmwatch.events import (
    Domain,
    DomainSampled,
    Event,
    HostConnected,
    Origin,
    Resumed,
    Started,
    State,
    Stopped,
    Suspended,
    Time,
)
from vmwatch.fold import fold, note_listing
from vmwatch.pipeline import HostStatus
from vmwatch.stream import now
from vmwatch_exporters.kafka import Kafka
from vmwatch_exporters.kafka.records import Record
from vmwatch_exporters.kafka.state import DomainState, States

UUID = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"


class Here(FakeWatch):
    """A watch that folds what happens; *hosts* are in the configuration."""

    def __init__(self, *hosts: str) -> None:
        super().__init__()
        self.statuses = [HostStatus(host=host, uri="test:///default", up=True, since=Time(0)) for host in hosts]
        self._sequence = 0

    def happen(self, kind: type[Any] = Started, host: str = "host-a", **fields: Any) -> Event:
        self._sequence += 1
        given = msgspec.structs.asdict(started(self._sequence, host))
        known = self.state.domain(host, UUID)
        event: Event = kind(**(given | {"previous_state": known.state if known else State.SHUTOFF} | fields))
        fold(self.state, event)
        return event

    def states(self, topic: str = "vmwatch.state") -> States:
        kafka = Kafka(brokers=("kafka-1:9092",))
        return States(topic, self, lambda host, domain: self.concerns(kafka, host, domain))


def told(records: Iterable[Record]) -> dict[str, Any]:
    """Return what *records* say by key; one that is said twice is a mistake."""
    values: dict[str, Any] = {}
    for record in records:
        assert record.topic == "vmwatch.state"
        assert record.key.decode() not in values
        values[record.key.decode()] = None if record.value is None else json.loads(record.value)
    return values


def stored(records: Iterable[Record]) -> dict[bytes, bytes]:
    """Return what stands in the topic after *records*."""
    return {record.key: record.value for record in records if record.value is not None}


def owners(here: Here) -> dict[str, str | None]:
    """Return who is said to own the guest, by key."""
    batch = [started(domain=Domain(UUID, "web-1"))]
    return {key: value and value.get("owner") for key, value in told(here.states().after(batch)).items()}


def test_a_domain_has_one_record_with_its_whole_state_after_the_last_event_of_a_batch() -> None:
    here = Here("host-a")
    here.labels = {"site": "north"}
    batch = [here.happen(), here.happen(Suspended, detail="paused", state=State.PAUSED)]
    assert told(here.states().after(batch)) == {
        f"host-a/{UUID}": {
            "host": "host-a",
            "uri": "test:///default",
            "sequence": 2,
            "time": "2023-11-14T22:13:20.000000002Z",
            "domain": {"uuid": UUID, "name": "web-1", "id": 1},
            "state": "paused",
            "since": "2023-11-14T22:13:20.000000002Z",
            "started": "2023-11-14T22:13:20.000000001Z",
            "owner": "host-a",
            "labels": {"site": "north"},
        }
    }


def test_a_state_has_the_fields_of_the_asyncapi_document() -> None:
    described = asyncapi()["components"]["schemas"]["DomainState"]
    assert list(DomainState.__struct_fields__) == list(described["properties"])
    assert [field.name for field in msgspec.structs.fields(DomainState) if field.required] == described["required"]


def test_a_domain_that_has_gone_has_a_null_value() -> None:
    here = Here("host-a")
    batch = [here.happen(), here.happen(Stopped, detail="destroyed", state=State.UNDEFINED)]
    assert told(here.states().after(batch)) == {f"host-a/{UUID}": None}


def test_a_domain_that_is_not_chosen_is_told_neither_at_the_start_nor_because_it_is_elsewhere_too() -> None:
    here = Here("host-a", "host-b")
    batch = [here.happen(host="host-a")]
    here.happen(host="host-b", detail="migrated", state=State.PAUSED)
    here.unconcerning = {("host-b", "web-1")}
    states = here.states()
    assert [*told(states.differing({}))] == [f"host-a/{UUID}"]
    assert [*told(states.after(batch))] == [f"host-a/{UUID}"]


def test_samples_and_events_about_no_domain_change_no_state() -> None:
    here = Here("host-a")
    here.happen()
    sample = DomainSampled(
        time=Time(1), host="host-a", origin=Origin.VMWATCH, domain=Domain(UUID, "web-1"), state=State.RUNNING, values={}
    )
    connected = HostConnected(time=Time(1), host="host-a", origin=Origin.VMWATCH)
    assert told(here.states().after([sample, connected])) == {}


def test_a_migrating_domain_has_a_record_on_each_host_that_says_who_owns_it() -> None:
    here = Here("host-a", "host-b")
    source, destination = f"host-a/{UUID}", f"host-b/{UUID}"
    here.happen(host="host-a")
    here.happen(host="host-b", detail="migrated", state=State.PAUSED)
    assert owners(here) == {source: "host-a", destination: "host-a"}
    here.happen(Suspended, host="host-a", detail="migrated", state=State.PAUSED)
    assert owners(here) == {source: None, destination: None}
    here.happen(Resumed, host="host-b", detail="migrated", state=State.RUNNING)
    assert owners(here) == {source: "host-b", destination: "host-b"}
    here.happen(Stopped, host="host-a", detail="migrated", state=State.SHUTOFF)
    assert owners(here) == {source: "host-b", destination: "host-b"}


def test_an_inactive_domain_is_owned_by_its_host() -> None:
    here = Here("host-a")
    here.happen()
    here.happen(Stopped, detail="shutdown", state=State.SHUTOFF)
    assert owners(here) == {f"host-a/{UUID}": "host-a"}


def test_an_empty_topic_is_given_all_that_is_known() -> None:
    here = Here("host-a", "host-b")
    here.happen()
    here.happen(host="host-b", domain=Domain(OTHER, "web-2", 1))
    assert told(here.states().differing({})).keys() == {f"host-a/{UUID}", f"host-b/{OTHER}"}


def test_a_topic_that_is_right_is_given_nothing() -> None:
    here = Here("host-a")
    here.happen()
    stands = stored(here.states().differing({}))
    assert told(here.states().differing(stands)) == {}


def test_what_is_stale_or_cannot_be_read_is_said_again() -> None:
    here = Here("host-a")
    here.happen()
    here.happen(domain=Domain(OTHER, "web-2", 1))
    stands = stored(here.states().differing({}))
    here.happen(Suspended, detail="paused", state=State.PAUSED)
    assert told(here.states().differing(stands)).keys() == {f"host-a/{UUID}"}
    garbage = dict.fromkeys(stands, b"{")
    assert told(here.states().differing(garbage)).keys() == {f"host-a/{UUID}", f"host-a/{OTHER}"}


def test_a_stored_domain_that_is_not_known_is_deleted_once_its_host_has_been_listed() -> None:
    here = Here("host-a")
    states = here.states()
    assert told(states.differing({f"host-a/{UUID}".encode(): b"{}"})) == {}
    assert told(states.settled()) == {}
    assert states.unsettled()
    note_listing(here.state, "host-a", {}, Time(1))  # of an earlier run, as it is read from the journal
    assert told(states.settled()) == {}
    note_listing(here.state, "host-a", {}, now())
    assert told(states.settled()) == {f"host-a/{UUID}": None}
    assert not states.unsettled()
    assert told(states.settled()) == {}


def test_a_stored_domain_that_turned_up_meanwhile_is_not_deleted() -> None:
    here = Here("host-a")
    states = here.states()
    list(states.differing({f"host-a/{UUID}".encode(): b"{}"}))
    here.happen()
    note_listing(here.state, "host-a", {UUID: True}, now())
    assert told(states.settled()) == {}


def test_nothing_is_said_about_hosts_that_are_not_ours() -> None:
    states = Here("host-a").states()
    assert states.ours(f"host-a/{UUID}".encode())
    assert not states.ours(f"host-b/{UUID}".encode())
    assert not states.ours(b"\xff")


def test_without_a_topic_there_is_nothing_to_say() -> None:
    here = Here("host-a")
    states = here.states("")
    batch = [here.happen()]
    assert told(states.after(batch)) == {}
    assert told(states.differing({})) == {}
    assert not states.unsettled()


def test_a_domain_that_is_not_chosen_any_more_has_no_state_any_more() -> None:
    here = Here("host-a")
    batch = [here.happen()]
    here.unconcerning = {("host-a", "web-1")}  # as it would be after it was given another name
    assert told(here.states().after(batch)) == {f"host-a/{UUID}": None}


def test_nothing_is_said_of_a_host_that_was_ours() -> None:
    here = Here("host-a")
    batch = [here.happen(host="host-b")]
    states = here.states()
    assert told(states.differing({})) == {}
    assert told(states.after(batch)) == {}
    assert not states.outdated(batch)


def test_a_host_that_is_new_among_ours_is_reason_to_read_the_topic_again() -> None:
    here = Here("host-a")
    states = here.states()
    here.statuses.append(HostStatus(host="host-b", uri="test:///default", up=True, since=Time(0)))
    assert not states.outdated([here.happen(host="host-a")])
    assert states.outdated([here.happen(host="host-b")])
    assert not here.states().outdated([here.happen(host="host-b")])
