"""The shortest path of ordinary events from what is known of a domain to what is listed of it; pure."""

from collections.abc import Iterator
from typing import NamedTuple

from vmwatch.events import ACTIVE_STATES, Cause, LifecycleEvent, State, lifecycle
from vmwatch.source.arguments import clean
from vmwatch.source.listed import Listed, reason_of
from vmwatch.state import KnownDomain

_TO_RUNNING: dict[State, type[LifecycleEvent]] = {
    State.UNDEFINED: lifecycle.Started,
    State.SHUTOFF: lifecycle.Started,
    State.PAUSED: lifecycle.Resumed,
    State.CRASHED: lifecycle.Resumed,
    State.SHUTDOWN: lifecycle.Resumed,
    State.PMSUSPENDED: lifecycle.Started,
}
_FROM_RUNNING: dict[State, type[LifecycleEvent]] = {
    State.PAUSED: lifecycle.Suspended,
    State.SHUTDOWN: lifecycle.ShutdownFinished,
    State.CRASHED: lifecycle.Crashed,
    State.PMSUSPENDED: lifecycle.PMSuspended,
}
_STOP_CAUSES: dict[str, Cause] = {
    "shutdown": Cause.GUEST_SHUTDOWN,
    "destroyed": Cause.DESTROYED,
    "crashed": Cause.PROCESS_DIED,
    "migrated": Cause.MIGRATED,
    "saved": Cause.SAVED,
    "from-snapshot": Cause.SNAPSHOT_REVERT,
}
"""Causes by libvirt's reason of a shutoff."""


class Step(NamedTuple):
    """One event of a path: what it is, the state it leads to, and the name that the domain then has."""

    event: type[LifecycleEvent]
    state: State
    name: str
    cause: Cause | None = None


def steps(domain: KnownDomain, one: Listed, after: State, *, replaced: bool) -> Iterator[Step]:
    """Yield the steps from what is known of *domain* to *one* in state *after*; *replaced*: its process is another."""
    state, persistent, name = domain.state, domain.persistent, clean(one.name)
    if name != domain.name and domain.exists:
        active = state in ACTIVE_STATES
        yield Step(lifecycle.Undefined, state if active else State.UNDEFINED, domain.name)
        state, persistent = state if active else State.SHUTOFF, True
        yield Step(lifecycle.Defined, state, name)
    if state in ACTIVE_STATES and (after is State.SHUTOFF or replaced):
        state = State.SHUTOFF if after is State.SHUTOFF else after_stop(persistent)
        yield Step(
            lifecycle.Stopped, state, name, _stop_cause(domain, one) if after is State.SHUTOFF else Cause.UNKNOWN
        )
    for step in _definition(state, persistent, one, after):
        yield step
        state = step.state
    yield from _activity(state, after, name)


def _definition(state: State, persistent: bool | None, one: Listed, after: State) -> Iterator[Step]:
    name = clean(one.name)
    if state in ACTIVE_STATES:
        if None not in (persistent, one.persistent) and persistent != one.persistent:
            yield Step(lifecycle.Defined if one.persistent else lifecycle.Undefined, state, name)
    elif state is State.UNDEFINED and (after is State.SHUTOFF or one.persistent):
        yield Step(lifecycle.Defined, State.SHUTOFF, name)
    elif state is State.SHUTOFF and after in ACTIVE_STATES and persistent and one.persistent is False:
        yield Step(lifecycle.Undefined, State.UNDEFINED, name)


def _activity(before: State, after: State, name: str) -> Iterator[Step]:
    if before is after or after is State.SHUTOFF:
        return
    if before is not State.RUNNING:
        yield Step(_TO_RUNNING[before], State.RUNNING, name)
    if after is not State.RUNNING:
        yield Step(_FROM_RUNNING[after], after, name)


def steps_to_absent(domain: KnownDomain, *, may_be_off: bool = False) -> Iterator[Step]:
    """Yield the steps to a domain that is not listed any more: it is gone, or (*may_be_off*) does not run at least."""
    stays = domain.persistent or (may_be_off and domain.persistent is None)
    if domain.state in ACTIVE_STATES:
        yield Step(lifecycle.Stopped, State.SHUTOFF if stays else State.UNDEFINED, domain.name, Cause.UNKNOWN)
    if not may_be_off and (domain.state is State.SHUTOFF or (domain.state in ACTIVE_STATES and domain.persistent)):
        yield Step(lifecycle.Undefined, State.UNDEFINED, domain.name)


def after_stop(persistent: bool | None) -> State:
    """Return the state that a stop leads to; where nobody knows, the domain is still there."""
    return State.UNDEFINED if persistent is False else State.SHUTOFF


def _stop_cause(domain: KnownDomain, one: Listed) -> Cause:
    cause = _STOP_CAUSES.get(reason_of(one), Cause.UNKNOWN)
    return Cause.GUEST_PANIC if cause is Cause.PROCESS_DIED and domain.evidence.panicked else cause


def stop_before_start(domain: KnownDomain, one: Listed) -> list[Step]:
    """Return the step that a start under way under another id proves; the start will be told when it is done."""
    if reason_of(one) != "starting-up":
        return []
    return [Step(lifecycle.Stopped, after_stop(domain.persistent), domain.name, Cause.UNKNOWN)]
