from tests.stories import Story, short, shorts
from vmwatch.events import Event, Flapping, Migration, Outage, Suspended


def outages(events: list[Event]) -> list[Outage]:
    return [event for event in events if isinstance(event, Outage)]


def migrations(story: Story) -> list[Migration]:
    return [event for event in story.events if isinstance(event, Migration)]


def running(*, host: str = "h1", driver: str | None = None) -> Story:
    story = Story(driver=driver)
    story.boot(host=host)
    return story


def test_an_outage_goes_from_the_guests_shutdown_to_its_next_run() -> None:
    story = running()
    first, second = story.say("SHUTDOWN/GUEST"), story.say("STOPPED/SHUTDOWN", id=-1)
    resumed, outage = story.say("RESUMED/UNPAUSED", after=8, id=8)
    assert isinstance(outage, Outage)
    assert (outage.began, outage.ended, outage.seconds) == (first[0].time, resumed.time, 10.0)
    assert outage.evidence == [first[0].id, second[0].id, resumed.id]
    assert (outage.host, outage.time, outage.cause) == ("h1", resumed.time, "guest-shutdown")
    assert outage.sequence == resumed.sequence + 1


def test_an_outage_ends_once() -> None:
    story = running()
    story.say("STOPPED/FAILED")
    story.say("RESUMED/UNPAUSED")
    story.say("STARTED/BOOTED")
    story.say("SUSPENDED/PAUSED")
    story.say("RESUMED/UNPAUSED")
    assert len(outages(story.events)) == 1


def test_an_outage_that_ended_in_nothing_has_no_seconds() -> None:
    story = running()
    story.say("STOPPED/FAILED")
    assert shorts(story.say("UNDEFINED/REMOVED", id=-1))[1:] == ["outage undefined cause=process-died"]


def test_a_pause_is_no_outage_and_a_paused_guest_that_stops_is() -> None:
    story = running()
    story.say("SUSPENDED/PAUSED")
    story.say("RESUMED/UNPAUSED")
    assert outages(story.events) == []
    story.say("SUSPENDED/PAUSED")
    story.say("STOPPED/DESTROYED")
    assert story.domain().outage is not None


def test_a_guest_that_never_ran_has_no_outage() -> None:
    story = Story()
    story.say("STARTED/RESTORED")
    story.say("SUSPENDED/RESTORED")
    story.say("STOPPED/DESTROYED")
    assert outages(story.events) == []


def test_a_start_into_paused_leaves_the_outage_open() -> None:
    story = running()
    story.say("STOPPED/SAVED")
    assert outages(story.say("STARTED/RESTORED")) == []
    assert outages(story.say("SUSPENDED/RESTORED")) == []
    (outage,) = outages(story.say("RESUMED/UNPAUSED"))
    assert (outage.cause, outage.seconds) == ("saved", 6.0)


def test_a_crash_kernel_that_is_loaded_is_no_outage() -> None:
    story = running()
    story.say("CRASHED/CRASHLOADED")
    assert story.domain().outage is None


def test_an_outage_that_began_with_a_panic_has_that_cause_however_it_went_on() -> None:
    story = running()
    story.say("CRASHED/PANICKED")
    story.say("STOPPED/DESTROYED")
    (outage,) = outages(story.say("RESUMED/UNPAUSED"))
    assert outage.cause == "guest-panic"


def test_no_outage_begins_where_the_guest_runs_on_or_starts_again_by_itself() -> None:
    for stop in ("STOPPED/MIGRATED", "STOPPED/FROM_SNAPSHOT", "STOPPED/RECREATED"):
        story = running()
        story.say(stop)
        story.say("RESUMED/UNPAUSED")
        assert outages(story.events) == [], stop


def test_a_stop_that_turns_out_to_be_a_revert_takes_its_outage_back() -> None:
    story = running()
    story.say("SHUTDOWN/HOST")
    story.say("STOPPED/FROM_SNAPSHOT")
    story.say("STARTED/FROM_SNAPSHOT")
    story.say("RESUMED/FROM_SNAPSHOT")
    assert outages(story.events) == []
    assert story.domain().outages_began == []


def test_a_guest_handed_to_another_host_is_not_down_when_its_old_process_is() -> None:
    story = running()
    story.say("SUSPENDED/MIGRATED")
    story.say("SUSPENDED/POSTCOPY")
    story.say("SUSPENDED/POSTCOPY_FAILED")
    story.say("SHUTDOWN/HOST")
    story.say("STOPPED/DESTROYED")
    assert story.domain().outage is None


def test_a_guest_that_came_back_from_a_failed_switch_over_is_up_again() -> None:
    story = running()
    story.say("SUSPENDED/MIGRATED")
    story.say("RESUMED/MIGRATED")
    story.say("STOPPED/FAILED")
    assert story.domain().outage is not None


def test_the_third_outage_within_ten_minutes_is_flapping_and_then_it_is_silent() -> None:
    story = running()
    told = []
    for _ in range(6):
        story.say("STOPPED/FAILED", after=200)
        told.append(any(isinstance(event, Flapping) for event in story.events[-2:]))
        story.say("RESUMED/UNPAUSED")
    assert told == [False, False, True, False, False, False]
    (flapping,) = (event for event in story.events if isinstance(event, Flapping))
    began = [event for event in story.events if short(event).startswith("stopped")][:3]
    assert flapping.evidence == [event.id for event in began]
    assert (flapping.outages, flapping.within_seconds, flapping.time) == (3, 600, began[2].time)


def test_flapping_is_told_anew_after_ten_minutes_without_an_outage() -> None:
    story = running()
    for pause in (10, 10, 10, 700, 10, 10):
        story.say("STOPPED/FAILED", after=pause)
        story.say("RESUMED/UNPAUSED")
    assert [event.type for event in story.events].count("domain.flapping") == 2


def test_three_outages_in_more_than_ten_minutes_are_no_flapping() -> None:
    story = running()
    for _ in range(4):
        story.say("STOPPED/FAILED", after=310)
        story.say("RESUMED/UNPAUSED")
    assert "domain.flapping" not in [event.type for event in story.events]


def test_a_transient_domain_flaps_too_though_it_is_gone_in_between() -> None:
    story = Story()
    for _ in range(3):
        story.boot(define=False)
        last = story.say("STOPPED/FAILED")
    assert [event.type for event in last] == ["domain.stopped", "domain.flapping", "domain.outage"]


JOB = {"operation": 5, "time_elapsed": 518, "downtime": 41}


def migrate_up_to_arrival(story: Story) -> None:
    story.boot(host="h1", id=146)
    story.say("STARTED/MIGRATED", host="h2", id=2)
    story.say("SUSPENDED/MIGRATED", host="h1", id=146)
    story.say("RESUMED/MIGRATED", host="h2", id=2)


def test_a_migration_is_completed_by_the_sources_job_and_told_by_the_destination() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    story.say("STOPPED/MIGRATED", host="h1", id=-1)
    assert migrations(story) == []
    job, migration = story.say("JOB_COMPLETED", JOB, host="h1", id=-1)
    assert short(migration) == "migration completed seen=both h1->h2 on=h2"
    assert isinstance(migration, Migration)
    assert (migration.duration_seconds, migration.downtime_seconds) == (0.518, 0.041)
    assert migration.evidence[-1] == job.id
    assert (migration.uri, migration.domain.id, migration.time) == ("test:h2", 2, job.time)
    assert migration.sequence == story.known.hosts["h2"].sequence
    assert [story.domain(host=host).migration for host in ("h1", "h2")] == [None, None]


def test_a_migration_by_post_copy_is_completed_like_any_other() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/MIGRATED", host="h1")
    story.say("SUSPENDED/POSTCOPY", host="h1")
    assert shorts(story.say("RESUMED/POSTCOPY", host="h2")) == ["resumed paused->running part_of=migration"]
    assert shorts(story.say("RESUMED/MIGRATED", host="h2")) == ["resumed running->running part_of=migration"]
    story.say("STOPPED/MIGRATED", host="h1", id=-1)
    assert short(story.say("JOB_COMPLETED", JOB, host="h1")[1]) == "migration completed seen=both h1->h2 on=h2"


def test_a_paused_guest_is_moved_without_a_suspension() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("SUSPENDED/PAUSED", host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    assert shorts(story.say("SUSPENDED/PAUSED", host="h2")) == ["suspended paused->paused part_of=migration"]
    story.say("STOPPED/MIGRATED", host="h1")
    assert short(story.say("JOB_COMPLETED", JOB, host="h1")[1]) == "migration completed seen=both h1->h2 on=h2"


def test_the_sources_word_may_come_before_the_destinations() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/MIGRATED", host="h1")
    story.say("STOPPED/MIGRATED", host="h1")
    story.say("JOB_COMPLETED", JOB, host="h1")
    story.say("RESUMED/MIGRATED", host="h2")
    assert shorts(migrations(story)) == ["migration completed seen=both h1->h2 on=h2"]


def test_a_paused_source_of_which_nothing_was_heard_before_its_migration_is_a_source() -> None:
    story = Story()
    story.say("STARTED/MIGRATED", host="h2")
    story.say("MIGRATION_ITERATION", 1, host="h1")
    assert shorts(story.say("SUSPENDED/PAUSED", host="h2")) == ["suspended paused->paused part_of=migration"]
    story.say("STOPPED/MIGRATED", host="h1", id=-1)
    story.say("JOB_COMPLETED", JOB, host="h1", id=-1)
    assert shorts(migrations(story)) == ["migration completed seen=both h1->h2 on=h2"]


def test_on_drivers_without_that_job_the_sources_stop_completes_it() -> None:
    story = Story(driver="Xen")
    migrate_up_to_arrival(story)
    assert shorts(story.say("STOPPED/MIGRATED", host="h1"))[1] == "migration completed seen=both h1->h2 on=h2"


def test_a_listing_that_shows_the_source_migrated_completes_it_where_it_was_under_way() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    told = story.stopped_by_a_listing(reason="migrated")
    assert short(story.events[-1]) == "migration completed seen=both h1->h2 on=h2"
    assert story.events[-2] == told
    story = running()
    story.stopped_by_a_listing(reason="migrated")
    assert migrations(story) == []


def test_a_paused_guest_whose_source_is_listed_as_migrated_has_moved_too() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("SUSPENDED/PAUSED", host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/PAUSED", host="h2")
    story.stopped_by_a_listing(reason="migrated")
    assert shorts(migrations(story)) == ["migration completed seen=both h1->h2 on=h2"]


def test_the_loss_of_the_source_completes_it_where_the_guest_is_resumed() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    assert shorts(story.lose("h1")) == ["host.disconnected", "migration completed seen=both h1->h2 on=h2"]
    story.connect("h1")
    story.say("STOPPED/MIGRATED", host="h1")
    assert len(migrations(story)) == 1


def lose_the_source_as_the_guest_arrives(story: Story, *, first: str) -> None:
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/MIGRATED", host="h1")
    for step in ("lost", "arrived") if first == "lost" else ("arrived", "lost"):
        story.say("RESUMED/MIGRATED", host="h2") if step == "arrived" else story.lose("h1")
    story.connect("h1")


def test_a_source_that_is_back_does_not_tell_again_of_a_migration_that_was_told() -> None:
    for driver in (None, "Xen"):
        for first in ("lost", "arrived"):
            story = Story(driver=driver)
            lose_the_source_as_the_guest_arrives(story, first=first)
            story.say("STOPPED/MIGRATED", host="h1", id=-1)
            story.say("JOB_COMPLETED", JOB, host="h1", id=-1)
            assert shorts(migrations(story)) == ["migration completed seen=both h1->h2 on=h2"]


def test_a_source_that_is_back_tells_of_its_next_migration() -> None:
    for back in ("RESUMED/UNPAUSED", "STARTED/BOOTED"):
        story = Story()
        lose_the_source_as_the_guest_arrives(story, first="arrived")
        story.say(back, host="h1")
        story.say("SUSPENDED/MIGRATED", host="h1")
        story.say("STOPPED/MIGRATED", host="h1", id=-1)
        story.say("JOB_COMPLETED", JOB, host="h1", id=-1)
        assert len(migrations(story)) == 2


def test_the_event_that_decides_a_migration_stands_in_its_evidence_once_and_last() -> None:
    story = Story()
    lose_the_source_as_the_guest_arrives(story, first="lost")
    (migration,) = migrations(story)
    assert migration.evidence == ["h2-1", "h1-4", "h2-2"]


def test_the_loss_of_a_source_that_was_paused_completes_it_too() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("SUSPENDED/PAUSED", host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/PAUSED", host="h2")
    assert "migration completed seen=both h1->h2 on=h2" in shorts(story.lose("h1"))


def test_the_loss_of_a_host_that_only_keeps_an_old_definition_completes_nothing() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("DEFINED/ADDED", host="h3", id=-1)
    story.say("STARTED/MIGRATED", host="h2")
    story.say("RESUMED/MIGRATED", host="h2")
    assert shorts(story.lose("h3")) == ["host.disconnected"]


def test_the_loss_of_the_source_before_that_completes_nothing() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("SUSPENDED/MIGRATED", host="h1")
    story.lose("h1")
    assert migrations(story) == []
    assert shorts(story.say("RESUMED/MIGRATED", host="h2"))[1] == "migration completed seen=both h1->h2 on=h2"


def test_the_loss_of_the_destination_completes_nothing() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    story.lose("h2")
    assert migrations(story) == []


def test_a_source_that_nobody_watches_leaves_the_destinations_half() -> None:
    for arrival in ("RESUMED/MIGRATED", "SUSPENDED/PAUSED", "SUSPENDED/MIGRATED"):
        story = Story()
        story.say("STARTED/MIGRATED", host="h2")
        assert shorts(story.say(arrival, host="h2"))[1] == "migration completed seen=destination None->h2 on=h2"
        story.say("SUSPENDED/PAUSED", host="h2")
        story.say("RESUMED/UNPAUSED", host="h2")
        assert len(migrations(story)) == 1


def test_a_host_that_only_keeps_an_old_definition_is_no_source() -> None:
    story = Story()
    story.say("DEFINED/ADDED", host="h1", id=-1)
    story.say("STARTED/MIGRATED", host="h2")
    assert shorts(story.say("RESUMED/MIGRATED", host="h2"))[1] == "migration completed seen=destination None->h2 on=h2"


def test_a_destination_that_nobody_watches_leaves_the_sources_half() -> None:
    story = running()
    story.say("SUSPENDED/MIGRATED")
    story.say("STOPPED/MIGRATED")
    assert short(story.say("JOB_COMPLETED", JOB)[1]) == "migration completed seen=source h1->None on=h1"


def test_a_destination_that_stops_before_the_guest_came_has_failed() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    assert shorts(story.say("STOPPED/FAILED", host="h2")) == [
        "stopped paused->undefined part_of=migration cause=migration-failed",
        "migration failed seen=both h1->h2 on=h2",
    ]
    assert story.domain(host="h1").outage is None


def test_it_has_failed_also_where_the_source_had_died_first_or_was_destroyed_there() -> None:
    story = Story()
    story.boot(host="h1")
    story.say("STARTED/MIGRATED", host="h2")
    story.say("STOPPED/FAILED", host="h1")
    assert shorts(story.say("STOPPED/DESTROYED", host="h2"))[1] == "migration failed seen=both h1->h2 on=h2"


def test_either_sides_stop_after_a_broken_post_copy_is_a_failure_told_once() -> None:
    for first, second in (("h1", "h2"), ("h2", "h1")):
        story = Story()
        migrate_up_to_arrival(story)
        story.say("RESUMED/POSTCOPY_FAILED", host="h2")
        story.say("SUSPENDED/POSTCOPY_FAILED", host="h1")
        assert "migration failed seen=both h1->h2 on=h2" in shorts(story.say("STOPPED/FAILED", host=first))
        story.say("STOPPED/DESTROYED", host=second)
        assert len(migrations(story)) == 1


def test_a_source_alone_knows_of_its_broken_post_copy() -> None:
    story = running()
    story.say("SUSPENDED/MIGRATED")
    story.say("SUSPENDED/POSTCOPY_FAILED")
    assert shorts(story.say("STOPPED/FAILED"))[1:] == ["migration failed seen=source h1->None on=h1"]


def test_a_pause_after_a_broken_post_copy_mends_nothing() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    story.say("RESUMED/POSTCOPY_FAILED", host="h2")
    story.say("SUSPENDED/PAUSED", host="h2")
    story.say("RESUMED/UNPAUSED", host="h2")
    assert "migration failed seen=both h1->h2 on=h2" in shorts(story.say("STOPPED/DESTROYED", host="h2"))


def test_a_post_copy_that_recovered_is_completed() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    story.say("RESUMED/POSTCOPY_FAILED", host="h2")
    story.say("SUSPENDED/POSTCOPY_FAILED", host="h1")
    story.say("STOPPED/MIGRATED", host="h1")
    story.say("JOB_COMPLETED", JOB, host="h1")
    assert shorts(migrations(story)) == ["migration completed seen=both h1->h2 on=h2"]


def test_a_guest_can_go_on_to_a_third_host() -> None:
    story = Story()
    migrate_up_to_arrival(story)
    story.say("STOPPED/MIGRATED", host="h1")
    story.say("JOB_COMPLETED", JOB, host="h1")
    story.say("STARTED/MIGRATED", host="h3")
    story.say("SUSPENDED/MIGRATED", host="h2")
    story.say("RESUMED/MIGRATED", host="h3")
    story.say("STOPPED/MIGRATED", host="h2")
    story.say("JOB_COMPLETED", JOB, host="h2")
    assert shorts(migrations(story))[1:] == ["migration completed seen=both h2->h3 on=h3"]


def test_a_job_that_did_not_succeed_is_a_failure() -> None:
    story = running()
    told = story.say("JOB_COMPLETED", JOB | {"success": False})
    assert short(told[1]) == "migration failed seen=source h1->None on=h1"
    told = story.say("JOB_COMPLETED", JOB | {"success": True})
    assert short(told[1]) == "migration completed seen=source h1->None on=h1"


def test_jobs_of_other_kinds_move_nobody() -> None:
    story = running()
    for operation in (2, 6, 8, 9):
        assert len(story.say("JOB_COMPLETED", JOB | {"operation": operation})) == 1


def test_a_job_without_times_leaves_them_out() -> None:
    story = running()
    (_, migration) = story.say("JOB_COMPLETED", {"operation": 5})
    assert isinstance(migration, Migration)
    assert (migration.duration_seconds, migration.downtime_seconds) == (None, None)


def test_a_late_word_that_the_guest_had_moved_takes_the_outage_back() -> None:
    story = running()
    story.stopped_by_a_listing()
    assert story.domain().outage is not None
    story.say("STOPPED/MIGRATED", id=-1)
    assert story.domain().outage is None


def test_nothing_is_derived_from_what_only_confirms() -> None:
    story = running()
    stopped = story.stopped_by_a_listing()
    late = story.say("SHUTDOWN/GUEST") + story.say("STOPPED/SHUTDOWN", id=-1)
    assert shorts(late) == [
        "shutdown-finished shutoff->shutoff duplicate",
        "stopped shutoff->shutoff cause=guest-shutdown duplicate",
    ]
    assert {event.confirms for event in late if not isinstance(event, Suspended)} == {stopped.id}  # type: ignore[attr-defined]
    (outage,) = outages(story.say("RESUMED/UNPAUSED"))
    assert (outage.cause, outage.seconds) == ("guest-shutdown", None)
