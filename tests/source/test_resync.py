"""Each row of the table by which a difference between known state and a listing is told."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.stories import Story, shorts, uuid_of
from vmwatch import words
from vmwatch.events import Event, HostConnected, Origin, State
from vmwatch.fold import note_listing
from vmwatch.source.listed import Listed, Listing, says_no_state
from vmwatch.source.resync import differences, stops_by_reboot

REASONS = {state: dict(zip(reasons, range(99), strict=False)) for state, reasons in words.STATE_REASONS.items()}


def listed(
    state: str,
    reason: str = "unknown",
    *,
    persistent: bool | None = True,
    id: int | None = 7,  # noqa: A002
    name: str = "web",
) -> Listed:
    number = words.STATES.index(state)
    return Listed(uuid_of("web"), name, None if state == "shutoff" else id, number, REASONS[state][reason], persistent)


def look(story: Story, *domains: Listed, after: float = 60, **options: Any) -> list[Event]:
    """List *domains* and tell what differs."""
    story.at += after
    listing = Listing("h1", "test:h1", story.time(), story.time(), domains)
    drafts = differences(story.known, listing, now=story.time(), origin=Origin.RESYNC, **options)
    told = story.publish(*drafts)
    stateless = {one.uuid: one.name for one in domains if says_no_state(one)}
    note_listing(story.known, "h1", {one.uuid: one.persistent for one in domains}, listing.began, stateless)
    return told


def known_as(state: str, *, persistent: bool = True) -> Story:
    """Return a story in which `web` has been brought to *state* by callbacks; `absent` is an empty listing."""
    story = Story(driver="QEMU")
    look(story)
    if state == "absent":
        return story
    if persistent:
        story.say("DEFINED/ADDED", id=-1)
    if state == "shutoff":
        return story
    story.say("RESUMED/UNPAUSED")
    story.say("STARTED/BOOTED")
    into = {
        "paused": "SUSPENDED/PAUSED",
        "shutdown": "SHUTDOWN/GUEST",
        "crashed": "CRASHED/PANICKED",
        "pmsuspended": "PMSUSPENDED/MEMORY",
    }
    if state in into:
        story.say(into[state])
    return story


ACTIVE = ("running", "paused", "shutdown", "crashed", "pmsuspended")
INTO = {
    "paused": "suspended running->paused",
    "shutdown": "shutdown-finished running->shutdown",
    "crashed": "crashed running->crashed",
    "pmsuspended": "pm-suspended running->pmsuspended",
}
OUT_OF = {
    "paused": "resumed paused->running",
    "crashed": "resumed crashed->running",
    "shutdown": "resumed shutdown->running",
    "pmsuspended": "started pmsuspended->running",
}


def path(*steps: str, reason: str = "unknown") -> list[str]:
    return [*steps[:-1], f"{steps[-1]} reason={reason}"] if steps else []


def told(events: Sequence[Event]) -> list[str]:
    """Return the inferred events; what is derived from them has tests of its own."""
    return shorts([event for event in events if event.origin is Origin.RESYNC])


@pytest.mark.parametrize("state", ACTIVE)
def test_from_shutoff_a_domain_is_started_and_led_on(state: str) -> None:
    steps = ["started shutoff->running", *([INTO[state]] if state in INTO else [])]
    assert told(look(known_as("shutoff"), listed(state))) == path(*steps)


@pytest.mark.parametrize("state", ACTIVE)
def test_from_absent_a_persistent_one_is_defined_first(state: str) -> None:
    steps = ["defined undefined->shutoff", "started shutoff->running", *([INTO[state]] if state in INTO else [])]
    assert told(look(known_as("absent"), listed(state))) == path(*steps)


@pytest.mark.parametrize("state", ACTIVE)
def test_from_absent_a_transient_one_is_just_started(state: str) -> None:
    steps = ["started undefined->running", *([INTO[state]] if state in INTO else [])]
    assert told(look(known_as("absent"), listed(state, persistent=False))) == path(*steps)


def test_a_definition_that_went_before_a_transient_start_is_told() -> None:
    story = known_as("shutoff")
    steps = path("undefined shutoff->undefined", "started undefined->running")
    assert told(look(story, listed("running", persistent=False))) == steps
    assert look(known_as("shutoff"), listed("shutoff", persistent=False)) == []


def test_from_absent_to_shutoff_it_is_defined() -> None:
    assert told(look(known_as("absent"), listed("shutoff"))) == path("defined undefined->shutoff")


@pytest.mark.parametrize("before", ACTIVE)
@pytest.mark.parametrize("after", ACTIVE)
def test_between_active_states_it_goes_through_running(before: str, after: str) -> None:
    steps = (
        []
        if before == after
        else [*([OUT_OF[before]] if before in OUT_OF else []), *([INTO[after]] if after in INTO else [])]
    )
    assert told(look(known_as(before), listed(after))) == path(*steps)


@pytest.mark.parametrize("state", ACTIVE)
@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("shutdown", "guest-shutdown"),
        ("destroyed", "destroyed"),
        ("crashed", "process-died"),
        ("migrated", "migrated"),
        ("saved", "saved"),
        ("from-snapshot", "snapshot-revert"),
        ("failed", "unknown"),
        ("daemon", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_from_active_to_shutoff_it_is_stopped_for_libvirts_reason(state: str, reason: str, cause: str) -> None:
    cause = "guest-panic" if (state, reason) == ("crashed", "crashed") else cause
    expected = f"stopped {state}->shutoff cause={cause} reason={reason}"
    assert told(look(known_as(state), listed("shutoff", reason))) == [expected]


@pytest.mark.parametrize("before", ACTIVE)
@pytest.mark.parametrize("after", ACTIVE)
def test_another_id_is_a_stop_and_a_start(before: str, after: str) -> None:
    steps = [f"stopped {before}->shutoff cause=unknown", "started shutoff->running"]
    assert told(look(known_as(before), listed(after, id=8))) == path(*steps, *([INTO[after]] if after in INTO else []))


@pytest.mark.parametrize("driver", ["ESX", "Hyper-V", "VBOX", "VMware", "OpenVZ"])
def test_ids_that_a_driver_invents_mean_nothing(driver: str) -> None:
    story = known_as("running")
    story.known.host("h1").driver = driver
    assert told(look(story, listed("running", id=8))) == []
    assert told(look(known_as("running"), listed("running", id=8), trust_ids=False)) == []


def test_another_id_of_a_transient_one_passes_through_nothing() -> None:
    story = known_as("running", persistent=False)
    steps = path("stopped running->undefined cause=unknown", "started undefined->running")
    assert told(look(story, listed("running", id=8, persistent=False))) == steps


@pytest.mark.parametrize("state", ACTIVE)
def test_what_is_absent_is_stopped_and_undefined_if_it_was_persistent(state: str) -> None:
    expected = [f"stopped {state}->shutoff cause=unknown", "undefined shutoff->undefined"]
    assert told(look(known_as(state))) == expected
    assert told(look(known_as(state, persistent=False))) == [f"stopped {state}->undefined cause=unknown"]


def test_what_was_shutoff_and_is_absent_is_undefined() -> None:
    assert told(look(known_as("shutoff"))) == ["undefined shutoff->undefined"]


@pytest.mark.parametrize("state", ACTIVE)
def test_an_active_ones_definition_comes_and_goes(state: str) -> None:
    gone, come = listed(state, persistent=False), listed(state, persistent=True)
    assert told(look(known_as(state), gone)) == path(f"undefined {state}->{state}")
    assert told(look(known_as(state, persistent=False), come)) == path(f"defined {state}->{state}")


@pytest.mark.parametrize("state", ["shutoff", *ACTIVE])
def test_where_only_what_runs_is_listed_an_absent_one_is_off(state: str) -> None:
    story = known_as(state)
    story.known.host("h1").driver = "VMware"
    assert told(look(story)) == ([] if state == "shutoff" else [f"stopped {state}->shutoff cause=unknown"])
    assert look(story) == []
    assert story.domain().state is State.SHUTOFF


def test_another_name_is_undefined_and_defined() -> None:
    story = known_as("shutoff")
    events = look(story, listed("shutoff", name="shop"))
    assert told(events) == path("undefined shutoff->undefined", "defined undefined->shutoff")
    assert [event.domain.name for event in events] == ["web", "shop"]  # type: ignore[attr-defined]
    story = known_as("running")
    look(story, listed("running", name="shop"))
    assert [story.known.counters["h1"][name].gone is None for name in ("web", "shop")] == [False, True]
    assert told(look(known_as("running"), listed("paused", name="shop"))) == path(
        "undefined running->running", "defined running->running", "suspended running->paused"
    )


@pytest.mark.parametrize("state", ["absent", "shutoff", *ACTIVE])
def test_nostate_and_a_start_under_way_say_nothing(state: str) -> None:
    assert look(known_as(state), *([] if state == "absent" else [listed("nostate", id=9)])) == []
    assert look(known_as(state), listed("paused", "starting-up")) == []


def test_a_start_under_way_under_another_id_proves_a_stop() -> None:
    story = known_as("running")
    assert told(look(story, listed("paused", "starting-up", id=9))) == ["stopped running->shutoff cause=unknown"]
    assert look(story, listed("paused", "starting-up", id=9)) == []
    assert shorts(story.say("RESUMED/UNPAUSED", id=9))[0] == "resumed shutoff->running part_of=boot"


def test_blocked_is_running() -> None:
    assert look(known_as("running"), listed("blocked")) == []


def test_a_guest_that_has_finished_is_not_paused_where_a_job_keeps_it() -> None:
    story = known_as("running")
    story.say("SUSPENDED/GUEST_SHUTDOWN")
    assert look(story, listed("paused", "user")) == []
    assert look(known_as("shutdown"), listed("paused", "shutting-down")) == []


def test_what_agrees_is_not_told() -> None:
    for state in ACTIVE:
        assert look(known_as(state), listed(state)) == []
    assert look(known_as("shutoff"), listed("shutoff", "destroyed")) == []


@pytest.mark.parametrize("state", ["shutoff", *ACTIVE])
def test_the_first_listing_of_a_host_only_discovers(state: str) -> None:
    story = Story(listed=False)
    (event,) = look(story, listed(state))
    assert event.type == "domain.discovered"
    assert (event.state, event.reason, event.persistent) == (state, "unknown", True)  # type: ignore[attr-defined]
    assert look(story, listed(state)) == []
    assert story.known.counters["h1"]["web"].last == {}


@pytest.mark.parametrize(("state", "up"), [("running", True), ("pmsuspended", True), ("paused", False)])
def test_a_stop_of_what_was_discovered_is_an_outage_where_it_must_have_run(state: str, up: bool) -> None:
    story = Story(listed=False)
    look(story, listed(state))
    story.say("STOPPED/FAILED", id=-1)
    assert (story.domain().outage is not None) == up


def test_a_start_under_way_at_the_first_listing_has_not_happened_yet() -> None:
    story = Story(listed=False)
    assert [event.type for event in look(story, listed("paused", "starting-up"))] == ["domain.discovered"]
    assert story.domain().state is State.SHUTOFF
    story = Story(listed=False)
    assert look(story, listed("paused", "starting-up", persistent=False)) == []


@pytest.mark.parametrize("state", ["shutoff", *ACTIVE])
def test_a_domain_whose_state_the_driver_does_not_know_at_first_is_discovered_once_and_when_it_does(state: str) -> None:
    story = Story(listed=False)
    assert look(story, listed("nostate")) == look(story, listed("nostate")) == []
    assert story.domain().state is State.UNKNOWN
    told_ = [*look(story, listed(state)), *look(story, listed(state))]
    assert [(event.type, event.state) for event in told_] == [  # type: ignore[attr-defined]
        ("domain.discovered", state)
    ]


def test_a_callback_about_a_domain_whose_state_the_driver_did_not_know_invents_none_before_it() -> None:
    story = Story(listed=False)
    look(story, listed("nostate"))
    story._listed = True
    assert shorts(story.say("SUSPENDED/PAUSED")) == ["suspended unknown->paused"]
    assert look(story, listed("paused")) == []


def test_a_domain_that_came_and_went_without_a_state_was_never_there() -> None:
    story = Story(listed=False)
    look(story, listed("nostate"))
    assert look(story) == []
    assert story.known.domain("h1", uuid_of("web")) is None


def test_a_new_domain_whose_state_the_driver_does_not_know_at_first_is_no_discovery() -> None:
    story = known_as("absent")
    assert look(story, listed("nostate")) == []
    assert told(look(story, listed("running"))) == path("defined undefined->shutoff", "started shutoff->running")


def test_what_callbacks_told_before_the_first_listing_is_not_discovered_again() -> None:
    story = Story(listed=False)
    story.say("RESUMED/UNPAUSED")
    assert told(look(story, listed("paused"))) == path("suspended running->paused")


def test_persistence_that_nobody_knew_is_set_silently() -> None:
    story = Story(listed=False)
    story.say("RESUMED/UNPAUSED")
    assert story.domain().persistent is None
    assert look(story, listed("running", persistent=False)) == []
    assert story.domain().persistent is False


def test_a_domain_with_a_callback_since_the_listing_began_is_left_alone() -> None:
    story = known_as("running")
    assert look(story, listed("paused"), skip={uuid_of("web")}) == []
    assert look(story, skip={uuid_of("web")}) == []


def test_it_says_when_the_domain_was_last_known_otherwise() -> None:
    story = known_as("running")
    at = story.time()
    (event,) = look(story, listed("paused"))
    assert event.not_before == at  # type: ignore[attr-defined]
    look(story, listed("paused"))
    at = story.time()
    (event,) = look(story, listed("running"))
    assert event.not_before == at  # type: ignore[attr-defined]


def test_what_is_inferred_is_never_dressed_up_as_observed() -> None:
    story = known_as("shutdown")
    stopped, *_ = look(story, listed("shutoff", "shutdown"))
    assert stopped.flush_seconds is None  # type: ignore[attr-defined]
    assert stopped.detail is None  # type: ignore[attr-defined]
    (_, outage) = look(story, listed("running", id=8))
    assert (outage.type, outage.seconds) == ("domain.outage", None)  # type: ignore[attr-defined]
    assert story.domain().started is None


def test_one_uuid_listed_twice_is_told_once() -> None:
    assert len(look(known_as("shutoff"), listed("running"), listed("paused"))) == 1


class TestConfirmation:
    """A callback that comes after a listing had told what it says."""

    def test_a_late_stop_is_a_duplicate_that_confirms(self) -> None:
        story = known_as("running")
        inferred = look(story, listed("shutoff"))[0]
        (event,) = story.say("STOPPED/DESTROYED", id=-1)
        assert shorts([event]) == ["stopped shutoff->shutoff cause=destroyed duplicate"]
        assert event.confirms == inferred.id  # type: ignore[attr-defined]

    def test_a_late_stop_of_a_transient_one_leaves_no_ghost(self) -> None:
        story = known_as("running", persistent=False)
        look(story)
        assert shorts(story.say("STOPPED/SHUTDOWN")) == ["stopped undefined->undefined cause=guest-shutdown duplicate"]

    def test_a_late_boot_is_not_counted_again(self) -> None:
        story = known_as("shutoff")
        look(story, listed("running"))
        assert shorts(story.say("RESUMED/UNPAUSED") + story.say("STARTED/BOOTED")) == [
            "resumed running->running part_of=boot duplicate",
            "started running->running duplicate",
        ]
        counted = story.known.counters["h1"]["web"].events
        assert counted["started "] == 1
        assert "started booted" not in counted
        assert "resumed unpaused" not in counted

    @pytest.mark.parametrize(
        ("state", "callback"),
        [
            ("paused", "SUSPENDED/IOERROR"),
            ("shutdown", "SHUTDOWN/GUEST"),
            ("crashed", "CRASHED/PANICKED"),
            ("pmsuspended", "PMSUSPENDED/MEMORY"),
        ],
    )
    def test_any_late_step_is_one(self, state: str, callback: str) -> None:
        story = known_as("running")
        look(story, listed(state))
        assert " duplicate" in shorts(story.say(callback))[0]
        assert story.domain().state == state

    def test_a_late_definition_is_one_and_a_change_of_it_is_news(self) -> None:
        story = known_as("absent")
        look(story, listed("shutoff"))
        assert shorts(story.say("DEFINED/UPDATED", id=-1)) == ["defined shutoff->shutoff"]
        story = known_as("absent")
        look(story, listed("shutoff"))
        assert shorts(story.say("DEFINED/ADDED", id=-1)) == ["defined shutoff->shutoff duplicate"]

    def test_what_happens_afterwards_is_news(self) -> None:
        story = known_as("shutoff")
        look(story, listed("running"))
        assert shorts(story.say("SUSPENDED/PAUSED")) == ["suspended running->paused"]
        assert shorts(story.say("RESUMED/UNPAUSED")) == ["resumed paused->running"]
        story.say("STOPPED/DESTROYED", id=-1)
        assert shorts(story.say("RESUMED/UNPAUSED", id=8))[0] == "resumed shutoff->running part_of=boot"
        assert shorts(story.say("STARTED/BOOTED", id=8)) == ["started running->running"]

    def test_a_wake_up_is_news_while_the_guest_sleeps(self) -> None:
        story = known_as("shutoff")
        look(story, listed("pmsuspended"))
        assert shorts(story.say("STARTED/WAKEUP")) == ["started pmsuspended->running part_of=wakeup"]
        story = known_as("pmsuspended")
        look(story, listed("running"))
        assert shorts(story.say("STARTED/WAKEUP")) == ["started running->running part_of=wakeup duplicate"]

    def test_only_what_the_last_listing_told_can_be_confirmed(self) -> None:
        story = known_as("absent")
        look(story, listed("shutoff"))
        look(story, listed("running"), after=10)
        assert list(story.domain().inferred) == ["domain.started"]

    def test_another_process_is_news(self) -> None:
        story = known_as("shutoff")
        look(story, listed("running", id=7))
        assert shorts(story.say("STARTED/BOOTED", id=8)) == ["started running->running"]

    def test_after_a_minute_nothing_is_confirmed_any_more(self) -> None:
        story = known_as("running")
        look(story, listed("paused"))
        assert shorts(story.say("SUSPENDED/PAUSED", after=61)) == ["suspended paused->paused"]


class TestReboot:
    """A local host whose boot id changed."""

    def connected(self, story: Story, boot_id: str | None) -> HostConnected:
        return HostConnected(time=story.time(), host="h1", origin=Origin.VMWATCH, boot_id=boot_id)

    @pytest.mark.parametrize("state", ACTIVE)
    def test_stopped_all_that_was_active_whatever_the_ids(self, state: str) -> None:
        story = known_as(state)
        story.connect("h1", boot_id="one")
        connected = self.connected(story, "two")
        drafts = stops_by_reboot(story.known, connected)
        told_ = story.publish(connected, *drafts)
        assert shorts(told_)[:2] == ["host.connected", f"stopped {state}->shutoff cause=host-rebooted"]
        assert told(look(story, listed("running"))) == path("started shutoff->running")

    def test_left_a_transient_domain_undefined_and_what_was_off_alone(self) -> None:
        story = known_as("running", persistent=False)
        story.say("DEFINED/ADDED", id=-1, name="idle")
        story.connect("h1", boot_id="one")
        (draft,) = stops_by_reboot(story.known, self.connected(story, "two"))
        assert shorts([draft]) == ["stopped running->undefined cause=host-rebooted"]

    @pytest.mark.parametrize("boot_id", ["one", None])
    def test_is_not_told_without_one(self, boot_id: str | None) -> None:
        story = known_as("running")
        assert stops_by_reboot(story.known, self.connected(story, boot_id)) == []
        story.connect("h1", boot_id="one")
        assert stops_by_reboot(story.known, self.connected(story, boot_id)) == []


def test_a_listing_forgets_what_only_a_failed_start_had_made_known() -> None:
    story = known_as("absent")
    story.say("CONTROL_ERROR", name="never")
    look(story)
    assert story.known.domain("h1", uuid_of("never")) is None
    assert story.known.counters["h1"]["never"].gone is not None
