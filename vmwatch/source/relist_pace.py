"""When a host is listed again: a polled one so early that a change is told within its interval; pure, for `relist`."""

from collections import deque

from vmwatch.source.plan import Plan

_ROUNDS = 20  # the next listing is expected to take as long as the longest of so many: among samples it takes longer
_MOST = 0.25  # of the interval: what a listing may take, and is expected to before the first ones have shown it
_IN_HAND = 0.1  # of the interval, for a round that takes longer than that and a process that wakes up late


class Pace:
    """The rounds of one host that is watched as *plan* says: what listing it took, and how long to leave it alone.

    A change that comes right after a listing has looked is told when the next one is done.  So where listings are the
    truth a round begins early enough to be done an interval after the one before began.  That holds while a listing
    takes less than a quarter of the interval: the host is left alone for at least as long as listing it took, so that
    a slow one is busy with us half of the time at most, and its changes are told within three times what it takes.
    Where listings only check what callbacks tell, they begin an interval apart.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._listed_seconds = deque([_MOST * plan.interval_seconds], maxlen=_ROUNDS)

    def rest_seconds(self, interval_seconds: float, *, listed_seconds: float, round_seconds: float) -> float:
        """Return how long to wait after a round that took *round_seconds*, of which *listed_seconds* by the host."""
        self._listed_seconds.append(listed_seconds)
        rest = interval_seconds - round_seconds
        if self._plan.at_once:
            rest -= max(self._listed_seconds) + self._plan.race_seconds + _IN_HAND * interval_seconds
        return max(listed_seconds, rest)
