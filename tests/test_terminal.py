"""Text for terminals: names of guests stay text, colours only where they are wanted."""

from datetime import datetime

from tests.fakes import started
from vmwatch.events import Cause, Origin, State, Stopped, Time
from vmwatch.terminal import event_line, printable

NOW = datetime.fromtimestamp(1_700_000_000).astimezone()


def test_nothing_in_a_name_moves_the_cursor() -> None:
    assert printable("a\nb\x1b[2J\x9b\u202e\ud800\u2028") == "a\\x0ab\\x1b[2J\\x9b\\u202e?\\u2028"
    assert printable("ümläut 🎉") == "ümläut 🎉"


def test_a_line_says_when_where_who_and_what() -> None:
    event = Stopped(
        time=Time(1_700_000_000_123_000_000),
        host="node-1",
        origin=Origin.RESYNC,
        domain=started().domain,
        state=State.SHUTOFF,
        previous_state=State.RUNNING,
        reason="crashed",
        cause=Cause.PROCESS_DIED,
    )
    words = event_line(event, colours=False, now=NOW).split()
    assert words[0] == f"{NOW:%H:%M:%S}.123"
    assert words[1:] == [
        *("node-1", "web-1", "domain.stopped", "running", "→", "shutoff"),
        *("reason=crashed", "cause=process-died", "origin=resync"),
    ]


def test_an_older_event_has_its_date() -> None:
    later = datetime.fromtimestamp(1_700_200_000).astimezone()
    assert event_line(started(), colours=False, now=later).startswith(f"{NOW:%Y-%m-%d %H:%M:%S}")


def test_colours_are_switched_off_where_they_are_not_wanted() -> None:
    assert "\x1b[" in event_line(started(), colours=True)
    assert "\x1b[" not in event_line(started(), colours=False)
