"""What is kept of the events told: by name, for a while, the same however often they are folded."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stories import STEP_SECONDS, Story, uuid_of
from vmwatch import words
from vmwatch.counters import EVENTS_BORN_AT_ZERO, STOPS_BORN_AT_ZERO
from vmwatch.encode import decode, encode
from vmwatch.events import Event, LifecycleEvent, Origin, State, Time
from vmwatch.events.derived import Unresponsive
from vmwatch.fold import fold
from vmwatch.journal_rows import everything, known_rows, restore
from vmwatch.state import DomainCounters, KnownState


def counters(story: Story, name: str = "web", host: str = "h1") -> DomainCounters:
    return story.known.counters[host][name]


def counted(story: Story, name: str = "web") -> dict[str, int]:
    """Return what is counted, without what stands at 0."""
    return {key: number for key, number in counters(story, name).events.items() if number}


class TestCounters:
    def test_what_is_bad_stands_at_zero_from_the_start(self) -> None:
        story = Story()
        story.say("DEFINED/ADDED", id=-1)
        assert counters(story).events == dict.fromkeys(EVENTS_BORN_AT_ZERO, 0) | {"defined added": 1}
        assert counters(story).stops == dict.fromkeys(STOPS_BORN_AT_ZERO, 0)
        assert {"crashed panicked", "watchdog-fired reset", "io-error pause"} < set(EVENTS_BORN_AT_ZERO)
        assert {"process-died", "guest-panic", "watchdog", "hypervisor-quit"} < set(STOPS_BORN_AT_ZERO)

    def test_an_event_is_counted_by_its_kind_and_detail(self) -> None:
        story = Story()
        story.boot()
        story.say("WATCHDOG", 2)
        story.say("IO_ERROR_REASON", "/a", "vda", 1, "enospc")
        story.say("DEVICE_ADDED", "net0")
        assert counted(story) == {
            "defined added": 1,
            "started booted": 1,
            "watchdog-fired reset": 1,
            "io-error pause": 1,
            "device-added ": 1,
        }

    def test_a_boot_is_no_resume_and_a_resume_is_one(self) -> None:
        story = Story()
        story.boot()
        assert "resumed unpaused" not in counted(story)
        story.say("SUSPENDED/PAUSED")
        story.say("RESUMED/UNPAUSED")
        assert counted(story)["resumed unpaused"] == 1

    def test_resets_of_a_crash_restart_or_a_wake_up_are_no_reboots(self) -> None:
        story = Story()
        story.boot()
        story.say("CRASHED/PANICKED")
        story.say("REBOOT")
        story.say("RESUMED/UNPAUSED")
        story.say("REBOOT", after=0.2)
        story.say("PMSUSPENDED/MEMORY")
        story.say("STARTED/WAKEUP")
        story.say("REBOOT", after=0.2)
        assert "rebooted " not in counted(story)
        assert counted(story)["resumed unpaused"] == 1

    def test_a_duplicate_is_not_counted_twice(self) -> None:
        story = Story()
        story.say("REBOOT")
        story.say("REBOOT", after=0.2)
        assert counted(story) == {"rebooted ": 1}

    def test_a_number_that_is_no_word_makes_no_label(self) -> None:
        story = Story()
        story.say("WATCHDOG", 99)
        story.say("LIFECYCLE", 3, 77)
        assert counted(story) == {"watchdog-fired ": 1, "suspended ": 1}

    def test_the_enums_own_unknown_is_a_word(self) -> None:
        story = Story()
        story.say("JOB_COMPLETED", {"operation": 0})
        assert counted(story) == {"job-completed unknown": 1}

    def test_stops_are_counted_by_cause(self) -> None:
        story = Story()
        story.boot()
        story.say("STOPPED/FAILED")
        assert counters(story).stops["process-died"] == 1

    def test_what_listings_and_we_ourselves_say_counts_too(self) -> None:
        story = Story()
        story.boot()
        story.stopped_by_a_listing()
        subject = story.events[-1].domain  # type: ignore[attr-defined]
        unresponsive = Unresponsive(
            time=story.time(), host="h1", origin=Origin.VMWATCH, domain=subject, seconds=5.0, call="stats"
        )
        story.publish(unresponsive)
        assert counted(story)["stopped "] == 1
        assert counted(story)["unresponsive "] == 1

    def test_it_is_known_when_each_event_was_last_counted(self) -> None:
        story = Story()
        story.boot()
        assert counters(story).last["started"] == story.time()
        assert "resumed" not in counters(story).last

    def test_a_name_keeps_its_counters_until_a_while_after_its_domain_has_gone(self) -> None:
        story = Story()
        story.boot(define=False)
        story.say("STOPPED/DESTROYED", id=-1)
        assert counters(story).gone == story.time()
        story.boot(define=False, id=8)
        assert counters(story).gone is None
        assert counted(story)["started booted"] == 2
        story.say("STOPPED/DESTROYED", id=-1)
        story.say("DEFINED/ADDED", name="next", id=-1, after=3599)
        story.say("UNDEFINED/REMOVED", name="next", id=-1, after=0)
        assert "web" in story.known.counters["h1"]
        story.say("UNDEFINED/REMOVED", name="last", id=-1)
        assert "web" not in story.known.counters["h1"]

    def test_a_rename_begins_new_counters_and_ends_the_old(self) -> None:
        story = Story()
        story.say("DEFINED/ADDED", id=-1)
        story.say("UNDEFINED/RENAMED", id=-1)
        story.say("DEFINED/RENAMED", id=-1, name="shop", of="web")
        assert counters(story).gone is not None
        assert counters(story, "shop").gone is None
        assert counted(story, "shop") == {"defined renamed": 1}

    def test_a_name_has_not_gone_while_another_domain_has_it(self) -> None:
        story = Story()
        story.boot(define=False)
        story.say("RESUMED/UNPAUSED", name="web", of="other")
        story.say("STOPPED/DESTROYED", id=-1)
        assert counters(story).gone is None


class TestHistograms:
    def test_the_time_of_a_flush_is_observed(self) -> None:
        story = Story()
        story.boot()
        story.say("SHUTDOWN/GUEST")
        story.say("STOPPED/SHUTDOWN", after=1.5)
        flush = story.known.hosts["h1"].histograms["shutdown_flush"]
        assert flush.sum_seconds == 1.5
        assert flush.buckets == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]

    def test_a_value_on_a_bound_belongs_below_it_and_a_huge_one_to_infinity(self) -> None:
        story = Story()
        for seconds in (2.5, 1e6):
            story.boot()
            story.say("STOPPED/FAILED")
            story.say("RESUMED/UNPAUSED", after=seconds)
        outages = story.known.hosts["h1"].histograms["outage"]
        assert (outages.buckets[1], outages.buckets[-1]) == (1, 1)

    def test_only_an_outage_that_was_seen_to_end_in_running_is_observed(self) -> None:
        story = Story()
        story.boot()
        story.say("STOPPED/FAILED")
        story.say("UNDEFINED/REMOVED", id=-1)
        assert story.known.hosts["h1"].histograms == {}

    def test_a_migration_is_observed_at_its_destination(self) -> None:
        story = Story()
        story.boot(host="h1")
        story.say("STARTED/MIGRATED", host="h2")
        story.say("STOPPED/MIGRATED", host="h1")
        story.say("JOB_COMPLETED", {"operation": 5, "time_elapsed": 518, "downtime": 41}, host="h1")
        observed = story.known.hosts["h2"].histograms
        assert {name: one.sum_seconds for name, one in observed.items()} == {
            "migration_duration": 0.518,
            "migration_downtime": 0.041,
        }


class TestMemory:
    def test_a_domain_that_has_gone_is_kept_for_ten_minutes(self) -> None:
        story = Story()
        story.boot(define=False)
        story.say("STOPPED/DESTROYED", id=-1)
        assert not story.domain().exists
        story.say("DEFINED/ADDED", name="next", id=-1, after=599)
        assert story.known.domain("h1", uuid_of("web")) is not None
        story.say("DEFINED/UPDATED", name="next", id=-1)
        assert story.known.domain("h1", uuid_of("web")) is None

    def test_a_domain_that_had_been_gone_for_long_can_come_back(self) -> None:
        story = Story()
        story.say("UNDEFINED/REMOVED", id=-1)
        story.say("CRASHED/CRASHLOADED", after=700)
        story.boot(define=False)
        assert story.domain().state == "running"

    def test_a_domain_of_which_only_the_end_was_heard_is_forgotten_too(self) -> None:
        story = Story()
        story.say("UNDEFINED/REMOVED", id=-1)
        assert counters(story).gone is not None
        story.say("DEFINED/ADDED", name="next", id=-1, after=601)
        assert story.known.domain("h1", uuid_of("web")) is None

    def test_a_domain_that_came_back_is_kept(self) -> None:
        story = Story()
        for _ in range(2):
            story.boot(define=False)
            story.say("STOPPED/DESTROYED", id=-1)
        story.boot(define=False)
        story.say("DEFINED/ADDED", name="next", id=-1, after=601)
        assert story.domain().state == "running"

    def test_since_started_and_id_follow_the_state(self) -> None:
        story = Story()
        story.boot()
        domain = story.domain()
        started = Time(story.time() - int(STEP_SECONDS * 1e9))
        assert (domain.id, domain.started, domain.since) == (7, started, started)
        assert domain.sequence == story.events[-1].sequence
        story.say("SUSPENDED/PAUSED")
        assert (domain.started, domain.since) == (started, story.time())
        story.say("STOPPED/DESTROYED", id=-1)
        assert (domain.id, domain.started, domain.since) == (None, None, story.time())

    def test_a_wake_up_is_no_start_and_another_process_is(self) -> None:
        story = Story(driver="Xen")
        story.say("STARTED/BOOTED")
        first = story.domain().started
        story.say("PMSUSPENDED/MEMORY")
        story.say("STARTED/WAKEUP")
        assert story.domain().started == first
        story.say("STARTED/BOOTED", id=8)
        assert story.domain().started == story.time()

    def test_the_host_is_known_by_its_connection(self) -> None:
        story = Story()
        story.connect("h1", driver="QEMU", boot_id="one")
        host = story.known.hosts["h1"]
        assert (host.connected, host.driver, host.boot_id) == (True, "QEMU", "one")
        story.lose("h1")
        assert (host.connected, host.driver, host.boot_id) == (False, "QEMU", "one")


KINDS = [
    f"{kind}/{detail}".upper().replace("-", "_") for kind, details in words.LIFECYCLE for detail in details if detail
]
OTHERS: list[tuple[str, tuple[Any, ...]]] = [
    ("REBOOT", ()),
    ("WATCHDOG", (3,)),
    ("CONTROL_ERROR", ()),
    ("AGENT_LIFECYCLE", (1, 1)),
    ("CHANNEL_LIFECYCLE", ("org.qemu.guest_agent.0", 1, 1)),
    ("BLOCK_THRESHOLD", ("vda", None, 1, 1)),
    ("BLOCK_THRESHOLD", ("vda[1]", None, 1, 1)),
    ("JOB_COMPLETED", ({"operation": 5, "time_elapsed": 1, "downtime": 1},)),
    ("MIGRATION_ITERATION", (1,)),
    ("LIFECYCLE", (5, 99)),
    ("LIFECYCLE", (99, 0)),
    ("unknown-77", (1, 2)),
    ("lost", ()),
    ("connected", ()),
]
callbacks = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(KINDS).map(lambda kind: (kind, ())), st.sampled_from(OTHERS)),
        st.sampled_from(["h1", "h2"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([-1, 1, 2]),
        st.sampled_from([0.0, 0.4, 1.0, 30.0, 700.0]),
    ),
    max_size=40,
)


def tell(driver: str | None, listed: bool, said: list[Any]) -> Story:
    story = Story(driver=driver, listed=listed)
    tell_more(story, said)
    return story


def tell_more(story: Story, said: list[Any]) -> list[Event]:
    before = len(story.events)
    for (what, arguments), host, name, number, after in said:
        if what == "lost":
            story.lose(host)
        elif what == "connected":
            story.connect(host)
        else:
            told = story.say(what, *arguments, host=host, name=name, id=number, after=after)
            assert [event.origin for event in told[:1]] == [Origin.LIBVIRT]
            assert all(event.origin is Origin.DERIVED for event in told[1:])
    return story.events[before:]


drivers = st.sampled_from([None, "QEMU", "Xen", "vz", "LXC"])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(driver=drivers, listed=st.booleans(), said=callbacks)
def test_any_callbacks_are_told_one_by_one_in_order_without_a_gap(
    driver: str | None, listed: bool, said: list[Any]
) -> None:
    story = tell(driver, listed, said)
    for host in ("h1", "h2"):
        own = [event for event in story.events if event.host == host]
        assert [event.sequence for event in own] == list(range(1, len(own) + 1))
        assert all(before.time <= after.time for before, after in pairwise(own))
    for events in by_domain(story.events).values():
        assert all(before.state == after.previous_state for before, after in pairwise(events) if listed)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(driver=drivers, listed=st.booleans(), said=callbacks)
def test_a_guest_that_finished_is_never_paused_until_it_runs_or_starts_again_or_is_gone(
    driver: str | None, listed: bool, said: list[Any]
) -> None:
    for events in by_domain(tell(driver, listed, said).events).values():
        finished = False
        for event in events:
            kind = event.type.removeprefix("domain.")
            finished = kind == "shutdown-finished" or (finished and kind not in ("resumed", "started", "stopped"))
            assert not (finished and event.state is State.PAUSED)
            assert not (finished and event.state is State.SHUTOFF)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(driver=drivers, listed=st.booleans(), said=callbacks)
def test_folding_what_was_written_gives_what_is_known(driver: str | None, listed: bool, said: list[Any]) -> None:
    story = tell(driver, listed, said)
    known = KnownState()
    for host in story.known.hosts.values():
        again = known.host(host.name)
        again.listed, again.driver = host.listed, host.driver
    for event in story.events:
        fold(known, decode(encode(event)))
    assert known.domains == story.known.domains
    assert known.counters == story.known.counters
    assert known.hosts == story.known.hosts


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(before=callbacks, after=callbacks)
def test_what_is_known_survives_being_written_down(before: list[Any], after: list[Any]) -> None:
    going_on, restarted = tell(None, True, before), tell(None, True, before)
    rows = known_rows(everything(restarted.known))
    restarted.forget()
    restore(restarted.known, rows)
    told = [tell_more(story, after) for story in (going_on, restarted)]
    assert told[0] == told[1]
    assert going_on.known.domains == restarted.known.domains
    assert going_on.known.counters == restarted.known.counters


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(said=callbacks)
def test_the_same_callbacks_are_told_the_same(said: list[Any]) -> None:
    assert tell(None, True, said).events == tell(None, True, said).events


def by_domain(events: list[Event]) -> dict[tuple[str, str], list[LifecycleEvent]]:
    found: dict[tuple[str, str], list[LifecycleEvent]] = {}
    for event in events:
        if isinstance(event, LifecycleEvent):
            found.setdefault((event.host, event.domain.uuid), []).append(event)
    return found


@pytest.mark.parametrize("name", EVENTS_BORN_AT_ZERO)
def test_what_is_born_at_zero_has_words_for_details(name: str) -> None:
    assert name.count(" ") == 1
