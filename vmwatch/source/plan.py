"""How one host is watched: from what its driver gives and what its user wants; pure, for `host` and `vmwatch check`."""

from typing import NamedTuple

from vmwatch.events import Origin
from vmwatch.settings import HostSettings
from vmwatch.source.drivers import Driver, Events

RACE_SECONDS = 1.0  # how long a listing waits for callbacks that were under way while it was made


class Plan(NamedTuple):
    """Listed every *interval_seconds*, beside callbacks where there are *events*.

    *at_once*: a listing is the truth, its differences are told without a second one that agrees, and the interval is
    that within which a change is told.  *origin* is what they carry, *race_seconds* how long callbacks under way may
    take.
    """

    events: bool
    at_once: bool
    interval_seconds: float
    origin: Origin
    race_seconds: float


def plan(driver: Driver, settings: HostSettings, *, takes_events: bool) -> Plan:
    """Return how to watch a host of *driver*, which does or does not take the registration of callbacks."""
    polled = settings.poll_interval or driver.poll_seconds
    if settings.events == "polling" or not takes_events:
        return Plan(False, True, polled, Origin.POLLING, 0.0)
    if settings.events == "callbacks" or driver.events is Events.COMPLETE:
        return Plan(True, False, settings.resync_interval, Origin.RESYNC, RACE_SECONDS)
    return Plan(True, True, min(polled, settings.resync_interval), Origin.RESYNC, RACE_SECONDS)
