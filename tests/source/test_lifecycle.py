"""The scenarios of real hypervisors, callback by callback: what each becomes, in state, part and cause."""

import pytest

from tests.stories import Story, shorts

SCENARIOS: dict[str, list[tuple[str, list[str]]]] = {
    "a guest that powers itself off": [
        ("SHUTDOWN/GUEST", ["shutdown-finished running->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=2"]),
    ],
    "a power-off whose SHUTDOWN fell into a gap": [
        ("STOPPED/SHUTDOWN", ["stopped running->shutoff cause=guest-shutdown"]),
    ],
    "a power-off by an old QEMU": [
        ("SHUTDOWN/FINISHED", ["shutdown-finished running->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=2"]),
    ],
    "a power-off while a backup keeps the process": [
        ("SUSPENDED/GUEST_SHUTDOWN", ["suspended running->shutdown"]),
        ("SUSPENDED/PAUSED", ["suspended shutdown->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown"]),
    ],
    "a guest whose QEMU stops its vCPUs after the shutdown": [
        ("SHUTDOWN/GUEST", ["shutdown-finished running->shutdown"]),
        ("SUSPENDED/PAUSED", ["suspended shutdown->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=4"]),
    ],
    "what comes after the process has gone": [
        ("SHUTDOWN/GUEST", ["shutdown-finished running->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=2"]),
        ("STOPPED/SHUTDOWN", ["stopped shutoff->shutoff cause=guest-shutdown"]),
        ("SUSPENDED/PAUSED", ["suspended shutoff->paused"]),
    ],
    "a forced stop": [
        ("SHUTDOWN/HOST", ["shutdown-finished running->shutdown"]),
        ("STOPPED/DESTROYED", ["stopped shutdown->shutoff cause=destroyed"]),
    ],
    "a QEMU told to quit": [
        ("SHUTDOWN/HOST", ["shutdown-finished running->shutdown"]),
        ("CONTROL_ERROR", ["control-error"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=hypervisor-quit flush_seconds=4"]),
    ],
    "a QEMU that dies": [("STOPPED/FAILED", ["stopped running->shutoff cause=process-died"])],
    "a watchdog that powers off": [
        ("WATCHDOG 3", ["watchdog-fired"]),
        ("STOPPED/FAILED", ["stopped running->shutoff cause=watchdog"]),
    ],
    "a watchdog that pauses, and a process that dies": [
        ("WATCHDOG 1", ["watchdog-fired"]),
        ("SUSPENDED/WATCHDOG", ["suspended running->paused"]),
        ("STOPPED/FAILED", ["stopped paused->shutoff cause=process-died"]),
    ],
    "a panic, destroyed": [
        ("CRASHED/PANICKED", ["crashed running->crashed"]),
        ("STOPPED/CRASHED", ["stopped crashed->shutoff cause=guest-panic"]),
    ],
    "a panic, preserved and destroyed by hand": [
        ("CRASHED/PANICKED", ["crashed running->crashed"]),
        ("SHUTDOWN/HOST", ["shutdown-finished crashed->shutdown"]),
        ("STOPPED/DESTROYED", ["stopped shutdown->shutoff cause=destroyed"]),
    ],
    "a panic, restarted": [
        ("CRASHED/PANICKED", ["crashed running->crashed"]),
        ("REBOOT", ["rebooted part_of=crash-restart"]),
        (
            "RESUMED/UNPAUSED",
            ["resumed crashed->running part_of=crash-restart", "outage running cause=guest-panic seconds=4"],
        ),
        ("REBOOT +0.2", ["rebooted part_of=crash-restart"]),
        ("REBOOT +2", ["rebooted"]),
    ],
    "a reset of a crashed guest that is paused at once": [
        ("CRASHED/PANICKED", ["crashed running->crashed"]),
        ("REBOOT", ["rebooted part_of=crash-restart"]),
        ("SUSPENDED/PAUSED +0.1", ["suspended crashed->paused"]),
        ("REBOOT +0.1", ["rebooted part_of=crash-restart duplicate"]),
    ],
    "a crash kernel that is loaded": [("CRASHED/CRASHLOADED", ["crashed running->running"])],
    "a core dump with a crash": [
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("STOPPED/CRASHED", ["stopped paused->shutoff cause=unknown"]),
    ],
    "a suspend to disk": [
        ("PMSUSPENDED/DISK", ["pm-suspended running->pmsuspended"]),
        ("SHUTDOWN/GUEST", ["shutdown-finished pmsuspended->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=hibernated flush_seconds=2"]),
    ],
    "a suspend to memory, a wake-up, a power-off": [
        ("PMSUSPENDED/MEMORY", ["pm-suspended running->pmsuspended"]),
        ("STARTED/WAKEUP", ["started pmsuspended->running part_of=wakeup"]),
        ("REBOOT +0.2", ["rebooted part_of=wakeup"]),
        ("REBOOT +1.5", ["rebooted"]),
        ("SHUTDOWN/GUEST", ["shutdown-finished running->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=2"]),
    ],
    "a suspend to disk that was not one": [
        ("PMSUSPENDED/DISK", ["pm-suspended running->pmsuspended"]),
        ("STARTED/WAKEUP", ["started pmsuspended->running part_of=wakeup"]),
        ("STOPPED/SHUTDOWN", ["stopped running->shutoff cause=guest-shutdown"]),
    ],
    "a managed save and a start from it": [
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("STOPPED/SAVED", ["stopped paused->shutoff cause=saved"]),
        ("STARTED/RESTORED", ["started shutoff->paused part_of=restore"]),
        ("RESUMED/FROM_SNAPSHOT", ["resumed paused->running part_of=restore", "outage running cause=saved seconds=4"]),
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("RESUMED/UNPAUSED", ["resumed paused->running"]),
    ],
    "a restore of a paused image, resumed later": [
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("STOPPED/SAVED", ["stopped paused->shutoff cause=saved"]),
        ("STARTED/RESTORED", ["started shutoff->paused part_of=restore"]),
        ("SUSPENDED/RESTORED", ["suspended paused->paused part_of=restore"]),
        ("RESUMED/UNPAUSED", ["resumed paused->running", "outage running cause=saved seconds=6"]),
    ],
    "a revert to a running snapshot": [
        ("STOPPED/FROM_SNAPSHOT", ["stopped running->shutoff part_of=revert cause=snapshot-revert"]),
        ("STARTED/FROM_SNAPSHOT", ["started shutoff->paused part_of=revert"]),
        ("RESUMED/FROM_SNAPSHOT", ["resumed paused->running part_of=revert"]),
        ("DEFINED/FROM_SNAPSHOT", ["defined running->running part_of=revert"]),
    ],
    "a revert to a paused snapshot": [
        ("STOPPED/FROM_SNAPSHOT", ["stopped running->shutoff part_of=revert cause=snapshot-revert"]),
        ("STARTED/FROM_SNAPSHOT", ["started shutoff->paused part_of=revert"]),
        ("SUSPENDED/FROM_SNAPSHOT", ["suspended paused->paused part_of=revert"]),
        ("DEFINED/FROM_SNAPSHOT", ["defined paused->paused part_of=revert"]),
    ],
    "a revert to an offline snapshot": [
        ("STOPPED/FROM_SNAPSHOT", ["stopped running->shutoff part_of=revert cause=snapshot-revert"]),
        ("DEFINED/FROM_SNAPSHOT", ["defined shutoff->shutoff part_of=revert"]),
    ],
    "a confidential guest that reboots": [
        ("STOPPED/RECREATED", ["stopped running->shutoff cause=recreated"]),
        ("STARTED/RECREATED", ["started shutoff->running"]),
    ],
    "a guest that resets, on x86": [
        ("REBOOT", ["rebooted"]),
        ("REBOOT +0.3", ["rebooted duplicate"]),
        ("REBOOT +0.9", ["rebooted"]),
        ("REBOOT +0.3", ["rebooted duplicate"]),
    ],
    "a triple-fault loop": [
        ("REBOOT", ["rebooted"]),
        ("REBOOT +0.4", ["rebooted duplicate"]),
        ("REBOOT +0.4", ["rebooted duplicate"]),
        ("REBOOT +0.4", ["rebooted"]),
    ],
    "an undefine while running": [
        ("UNDEFINED/REMOVED", ["undefined running->running"]),
        ("STOPPED/FAILED", ["stopped running->undefined cause=process-died", "outage undefined cause=process-died"]),
    ],
    "a redefinition while running": [("DEFINED/UPDATED", ["defined running->running"])],
    "a pause behind libvirt's back": [
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("RESUMED/UNPAUSED", ["resumed paused->running"]),
    ],
    "an API that could not resume": [("SUSPENDED/API_ERROR", ["suspended running->paused"])],
    "what went before the last start": [
        ("WATCHDOG 3", ["watchdog-fired"]),
        ("STOPPED/FAILED", ["stopped running->shutoff cause=watchdog"]),
        ("RESUMED/UNPAUSED", ["resumed shutoff->running part_of=boot", "outage running cause=watchdog seconds=2"]),
        ("STARTED/BOOTED", ["started running->running"]),
        ("STOPPED/FAILED", ["stopped running->shutoff cause=process-died"]),
    ],
    "a reset after the guest had finished": [
        ("SHUTDOWN/HOST", ["shutdown-finished running->shutdown"]),
        ("RESUMED/UNPAUSED", ["resumed shutdown->running", "outage running cause=None seconds=2"]),
        ("SUSPENDED/PAUSED", ["suspended running->paused"]),
        ("SHUTDOWN/GUEST", ["shutdown-finished paused->shutdown"]),
        ("STOPPED/SHUTDOWN", ["stopped shutdown->shutoff cause=guest-shutdown flush_seconds=2"]),
    ],
}


def play(story: Story, callbacks: list[tuple[str, list[str]]]) -> None:
    for text, expected in callbacks:
        what, *more = text.split()
        after = next((float(word) for word in more if word.startswith("+")), 2.0)
        arguments = [int(word) for word in more if not word.startswith("+")]
        told = story.say(what, *arguments, after=after, id=-1 if what.startswith("STOPPED") else 7)
        assert shorts(told) == expected, text


@pytest.mark.parametrize("name", SCENARIOS)
def test_on_qemu_it_is_told_what_happens_to(name: str) -> None:
    story = Story(driver="QEMU")
    story.boot()
    play(story, SCENARIOS[name])


def test_a_boot_is_a_resume_that_is_part_of_it_and_a_start() -> None:
    story = Story()
    assert shorts(story.say("DEFINED/ADDED", id=-1)) == ["defined undefined->shutoff"]
    assert shorts(story.say("RESUMED/UNPAUSED")) == ["resumed shutoff->running part_of=boot"]
    assert shorts(story.say("STARTED/BOOTED")) == ["started running->running"]


def test_a_paused_start_is_running_until_it_is_suspended() -> None:
    story = Story()
    story.say("DEFINED/ADDED", id=-1)
    assert shorts(story.say("STARTED/BOOTED")) == ["started shutoff->running"]
    assert shorts(story.say("SUSPENDED/PAUSED")) == ["suspended running->paused"]


def test_a_transient_domain_comes_from_nothing_and_leaves_nothing() -> None:
    story = Story()
    assert shorts(story.say("RESUMED/UNPAUSED")) == ["resumed undefined->running part_of=boot"]
    story.say("STARTED/BOOTED")
    assert story.domain().persistent is False
    assert shorts(story.say("STOPPED/DESTROYED"))[0] == "stopped running->undefined cause=destroyed"


def test_a_transient_domain_whose_disk_is_missing_is_transient_too() -> None:
    story = Story()
    story.say("DISK_CHANGE", "/old", None, "ide0", 0)
    assert shorts(story.say("RESUMED/UNPAUSED")) == ["resumed undefined->running part_of=boot"]
    assert shorts(story.say("STOPPED/FAILED"))[0] == "stopped running->undefined cause=process-died"


def test_a_transient_domain_that_is_defined_stops_into_shutoff() -> None:
    story = Story()
    story.boot(define=False)
    assert shorts(story.say("DEFINED/ADDED")) == ["defined running->running"]
    assert shorts(story.say("STOPPED/DESTROYED")) == ["stopped running->shutoff cause=destroyed"]


def test_a_destination_is_one_until_its_first_resume() -> None:
    story = Story()
    told = [
        story.say(what)
        for what in ("STARTED/MIGRATED", "DEFINED/ADDED", "RESUMED/MIGRATED", "DEFINED/UPDATED", "STOPPED/FAILED")
    ]
    assert [shorts(events)[0] for events in told] == [
        "started undefined->paused part_of=migration",
        "defined paused->paused part_of=migration",
        "resumed paused->running part_of=migration",
        "defined running->running",
        "stopped running->shutoff cause=process-died",
    ]


def test_a_destination_that_is_kept_paused_has_not_failed_when_it_stops() -> None:
    story = Story()
    told = [story.say(what) for what in ("STARTED/MIGRATED", "SUSPENDED/PAUSED", "STOPPED/FAILED")]
    assert shorts(told[2]) == ["stopped paused->undefined cause=process-died"]


def test_a_start_that_fails_changes_nothing() -> None:
    story = Story()
    story.say("DEFINED/ADDED", id=-1)
    assert shorts(story.say("CONTROL_ERROR")) == ["control-error"]
    assert shorts(story.say("UNDEFINED/REMOVED", id=-1)) == ["undefined shutoff->undefined"]


def test_a_rename_passes_through_nothing_and_keeps_the_domain() -> None:
    story = Story()
    story.say("DEFINED/ADDED", id=-1)
    assert shorts(story.say("UNDEFINED/RENAMED", id=-1)) == ["undefined shutoff->undefined"]
    assert shorts(story.say("DEFINED/RENAMED", id=-1, name="shop", of="web")) == ["defined undefined->shutoff"]
    assert story.domain("web").name == "shop"


@pytest.mark.parametrize(
    ("callback", "id", "expected"),
    [
        ("RESUMED/UNPAUSED", 7, "resumed unknown->running"),
        ("STARTED/BOOTED", 7, "started unknown->running"),
        ("SUSPENDED/PAUSED", 7, "suspended unknown->paused"),
        ("STOPPED/DESTROYED", -1, "stopped unknown->shutoff cause=destroyed"),
        ("DEFINED/ADDED", -1, "defined unknown->shutoff"),
        ("DEFINED/ADDED", 7, "defined unknown->unknown"),
        ("UNDEFINED/REMOVED", -1, "undefined unknown->undefined"),
        ("UNDEFINED/REMOVED", 7, "undefined unknown->unknown"),
        ("CRASHED/CRASHLOADED", 7, "crashed unknown->unknown"),
    ],
)
def test_before_the_first_listing_a_state_is_unknown(callback: str, id: int, expected: str) -> None:  # noqa: A002
    assert shorts(Story(listed=False).say(callback, id=id)) == [expected]


def test_before_the_first_listing_nobody_is_taken_for_transient() -> None:
    story = Story(listed=False)
    story.boot(define=False)
    assert story.domain().persistent is None
    assert shorts(story.say("STOPPED/DESTROYED")) == ["stopped running->shutoff cause=destroyed"]


@pytest.mark.parametrize("driver", ["Xen", "LXC", "Test", "vz", "bhyve"])
def test_elsewhere_a_restored_domain_runs_at_once(driver: str) -> None:
    story = Story(driver=driver)
    story.say("DEFINED/ADDED", id=-1)
    assert shorts(story.say("STARTED/RESTORED")) == ["started shutoff->running part_of=restore"]
    assert shorts(story.say("SUSPENDED/PAUSED")) == ["suspended running->paused"]


def test_the_test_driver_suspends_what_it_restores_paused() -> None:
    story = Story(driver="Test")
    story.say("DEFINED/ADDED", id=-1)
    story.say("STARTED/RESTORED")
    assert shorts(story.say("SUSPENDED/RESTORED")) == ["suspended running->paused part_of=restore"]


@pytest.mark.parametrize("driver", ["Xen", "LXC", "Test"])
def test_a_driver_without_crashed_says_guest_panic_by_stopped_crashed(driver: str) -> None:
    story = Story(driver=driver)
    story.boot()
    assert shorts(story.say("STOPPED/CRASHED")) == ["stopped running->shutoff cause=guest-panic"]


@pytest.mark.parametrize("driver", ["Xen", None])
def test_xen_starts_the_new_process_of_a_reboot_before_it_stops_the_old_one(driver: str | None) -> None:
    story = Story(driver=driver)
    story.say("DEFINED/ADDED", id=-1)
    story.say("STARTED/BOOTED", id=1)
    assert shorts(story.say("STARTED/BOOTED", id=2)) == ["started running->running"]
    assert shorts(story.say("STOPPED/SHUTDOWN", id=1, after=0.003)) == ["stopped running->running cause=guest-shutdown"]
    assert story.domain().id == 2
    assert shorts(story.say("STOPPED/SHUTDOWN", id=2)) == ["stopped running->shutoff cause=guest-shutdown"]
    assert story.domain().outage is not None


def test_on_qemu_a_stop_is_one_also_where_another_was_missed() -> None:
    story = Story(driver="QEMU")
    story.boot(id=1)
    story.say("STARTED/BOOTED", id=2)
    assert shorts(story.say("STOPPED/SHUTDOWN", id=2)) == ["stopped running->shutoff cause=guest-shutdown"]


def test_xen_pauses_moves_and_wakes_up_without_a_step_more() -> None:
    story = Story(driver="Xen")
    story.say("DEFINED/ADDED", id=-1)
    story.say("STARTED/BOOTED")
    assert shorts(story.say("PMSUSPENDED/MEMORY")) == ["pm-suspended running->pmsuspended"]
    assert shorts(story.say("STARTED/WAKEUP")) == ["started pmsuspended->running part_of=wakeup"]
    assert shorts(story.say("SUSPENDED/PAUSED")) == ["suspended running->paused"]
    assert shorts(story.say("STOPPED/MIGRATED"))[0] == "stopped paused->shutoff part_of=migration cause=migrated"


def test_vz_says_started_where_it_resumes_and_shutdown_at_every_stop() -> None:
    story = Story(driver="vz")
    story.say("DEFINED/ADDED", id=-1)
    story.say("STARTED/BOOTED")
    story.say("SUSPENDED/PAUSED")
    (event,) = story.say("STARTED/BOOTED")
    assert shorts([event]) == ["resumed paused->running"]
    assert event.detail == "booted"  # type: ignore[attr-defined]
    assert shorts(story.say("STOPPED/SHUTDOWN")) == ["stopped running->shutoff cause=unknown"]


def test_a_started_of_a_paused_domain_is_a_start_on_any_other_driver() -> None:
    story = Story(driver="QEMU")
    story.boot()
    story.say("SUSPENDED/PAUSED")
    assert shorts(story.say("STARTED/BOOTED")) == ["started paused->running"]


def test_lxc_reboots_by_reboot_and_dies_by_failed() -> None:
    story = Story(driver="LXC")
    story.say("DEFINED/ADDED", id=-1)
    story.say("STARTED/BOOTED")
    assert shorts(story.say("REBOOT")) == ["rebooted"]
    assert shorts(story.say("STOPPED/FAILED")) == ["stopped running->shutoff cause=process-died"]


def test_a_domain_that_stopped_has_no_id_whatever_libvirt_says() -> None:
    story = Story()
    story.boot()
    (event,) = story.say("STOPPED/SHUTDOWN", id=7)
    assert event.domain.id is None  # type: ignore[attr-defined]


def test_an_unknown_detail_passes_through() -> None:
    story = Story()
    story.boot()
    (event,) = story.say("LIFECYCLE", 5, 99)
    assert (event.detail, event.cause) == ("unknown-99", "unknown")  # type: ignore[attr-defined]
    assert shorts([event]) == ["stopped running->shutoff cause=unknown"]
