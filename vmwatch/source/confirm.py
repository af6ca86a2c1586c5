"""Whether a lifecycle callback is news, or says late what a listing had already told; pure.

A callback that libvirt delivers more than a second after the listing that shows its effect is told too, as a duplicate
that confirms the inferred event; it changes no state.  In doubt it is news: the next listing puts that right.
"""

from typing import NamedTuple

from vmwatch.events import ACTIVE_STATES, State, Time
from vmwatch.state import KnownDomain

LATE_SECONDS = 60.0  # a callback this late can still be about what a listing showed


class Told(NamedTuple):
    """A lifecycle callback: its *kind* and *detail* in libvirt's words, *id* the hypervisor's number or None."""

    kind: str
    detail: str
    id: int | None
    at: Time


class Inference(NamedTuple):
    """An inferred event that a callback repeats."""

    type: str
    id: str


def repeated(domain: KnownDomain, told: Told, before: State) -> Inference | None:
    """Return the inferred event that a late callback repeats, None where the callback is news."""
    if not domain.inferred or domain.inferred_at is None or told.at.since(domain.inferred_at) > LATE_SECONDS:
        return None
    active = before in ACTIVE_STATES
    if active and None not in (told.id, domain.id) and told.id != domain.id:
        return None
    if (told.kind, told.detail) == ("defined", "updated") or (told.detail == "wakeup" and before is not State.RUNNING):
        return None  # a definition can be changed again, and a sleeper wake up: both are news
    types = _REPEATS_WHILE_ACTIVE.get((told.kind, before), ()) if active else _REPEATS_OF_INACTIVE.get(told.kind, ())
    return next((Inference(name, domain.inferred[name]) for name in types if name in domain.inferred), None)


_REPEATS_OF_INACTIVE: dict[str, tuple[str, ...]] = {
    "defined": ("domain.defined",),
    "undefined": ("domain.undefined",),
    "stopped": ("domain.stopped",),
    "shutdown": ("domain.stopped",),  # what had led to the stop is late too
    "crashed": ("domain.stopped",),
}
_REPEATS_WHILE_ACTIVE: dict[tuple[str, State], tuple[str, ...]] = {
    **{("started", state): ("domain.started",) for state in ACTIVE_STATES},
    **{("defined", state): ("domain.defined",) for state in ACTIVE_STATES},
    **{("undefined", state): ("domain.undefined",) for state in ACTIVE_STATES},
    ("resumed", State.RUNNING): ("domain.resumed", "domain.started"),
    ("suspended", State.PAUSED): ("domain.suspended",),
    ("shutdown", State.SHUTDOWN): ("domain.shutdown-finished",),
    ("pmsuspended", State.PMSUSPENDED): ("domain.pm-suspended",),
    ("crashed", State.CRASHED): ("domain.crashed",),
}
