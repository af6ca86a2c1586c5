"""What a listing says that known state does not, told as ordinary events: re-sync after gaps, and polling.  Pure.

One rule: the shortest path of ordinary events from the known state to the listed one.  They have no `detail`; the last
has the listed state's `reason`, each has `not_before`, when the domain was last known to be otherwise.

Who lists decides when a difference is believed: at once in the first listing after a connection, after a gap, and in
every poll; else only when two listings some seconds apart give the same events, by uuid and type.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import msgspec

from vmwatch import words
from vmwatch.events import (
    ACTIVE_STATES,
    Cause,
    Discovered,
    Domain,
    Event,
    HostConnected,
    LifecycleEvent,
    Origin,
    State,
    Time,
    lifecycle,
)
from vmwatch.source.arguments import clean
from vmwatch.source.drivers import driver_of_type
from vmwatch.state import KnownDomain, KnownHost, KnownState
from vmwatch.words import word


class Listed(msgspec.Struct, frozen=True):
    """A domain in a listing, in libvirt's numbers; *persistent* is None where the driver cannot tell."""

    uuid: str
    name: str
    id: int | None
    state: int
    reason: int
    persistent: bool | None


class Listing(msgspec.Struct, frozen=True):
    """All domains of a host, as they were at some moments between *began* and *returned*."""

    host: str
    uri: str | None
    began: Time
    returned: Time
    domains: Sequence[Listed]


class Step(NamedTuple):
    """One event of a path: what it is, the state it leads to, and the name that the domain then has."""

    event: type[LifecycleEvent]
    state: State
    name: str
    cause: Cause | None = None


def differences(
    known: KnownState,
    listing: Listing,
    *,
    now: Time,
    origin: Origin,
    skip: AbstractSet[str] = frozenset(),
    trust_ids: bool | None = None,
) -> list[Event]:
    """Return the drafts that tell how *listing* differs from *known*, in order; to be applied before anything else.

    *skip* has the uuids with a lifecycle callback since the listing began: it knows less of them than we do.
    *trust_ids* says whether another id is another process; by the host's driver where it is None.
    """
    host = known.hosts.get(listing.host) or KnownHost(name=listing.host)
    if trust_ids is None:
        trust_ids = host.driver is None or driver_of_type(host.driver).new_ids
    domains = known.domains.get(listing.host, {})
    listed = {one.uuid: one for one in reversed(listing.domains) if one.uuid not in skip}
    make = _Maker(host, listing.uri, now, origin)
    drafts: list[Event] = []
    for uuid, domain in domains.items():
        if uuid not in listed and uuid not in skip:
            drafts += make.events(domain, list(_steps_to_absent(domain)), None, None)
    for one in listing.domains:
        if listed.pop(one.uuid, None) is not None:
            drafts += _told_of(make, domains.get(one.uuid), one, trust_ids)
    return drafts


def stops_by_reboot(known: KnownState, connected: HostConnected) -> list[Event]:
    """Return the drafts that tell what a reboot of the host stopped; to be published right after *connected*.

    Call it before that one is published.  Nothing where the host has not been rebooted, or nobody can tell.
    """
    host = known.hosts.get(connected.host)
    if host is None or host.boot_id is None or connected.boot_id in (None, host.boot_id):
        return []
    make = _Maker(host, connected.uri, connected.time, Origin.RESYNC)
    drafts: list[Event] = []
    for domain in known.domains[connected.host].values():
        if domain.state in ACTIVE_STATES:
            step = Step(lifecycle.Stopped, _after_stop(domain.persistent), domain.name, Cause.HOST_REBOOTED)
            drafts += make.events(domain, [step], None, None)
    return drafts


def _told_of(make: "_Maker", domain: KnownDomain | None, one: Listed, trust_ids: bool) -> list[Event]:
    state = _listed_state(domain, one)
    if domain is None or domain.state is State.UNKNOWN:
        told_unknown = domain is not None and domain.last_told is not None
        if not make.host.listed or told_unknown:
            return make.discovered(one, state) if state is not None or not told_unknown else []
        domain = KnownDomain(uuid=one.uuid, name=clean(one.name), state=State.UNDEFINED)
    replaced = trust_ids and domain.state in ACTIVE_STATES and None not in (domain.id, one.id) and domain.id != one.id
    if state is None:
        return make.events(domain, _stop_before_start(domain, one) if replaced else [], None, None)
    return make.events(domain, list(_steps(domain, one, state, replaced=replaced)), one.id, _reason(one))


def _stop_before_start(domain: KnownDomain, one: Listed) -> list[Step]:
    """Return the step that a start under way under another id proves; the start will be told when it is done."""
    if _reason(one) != "starting-up":
        return []
    return [Step(lifecycle.Stopped, _after_stop(domain.persistent), domain.name, Cause.UNKNOWN)]


def _listed_state(domain: KnownDomain | None, one: Listed) -> State | None:
    """Return the state that *one* is listed in; None where that says nothing."""
    name, reason = word(words.STATES, one.state), _reason(one)
    if name == "paused" and reason == "starting-up":
        return None  # a big guest starts for many seconds, and may fail to
    if name == "paused" and domain is not None and domain.state is State.SHUTDOWN:
        # the guest has finished: libvirt pauses what is left where a job keeps it, or while it tears it down
        finished = domain.evidence.guest_shutdown or reason == "shutting-down"
        return State.SHUTDOWN if finished else State.PAUSED
    if name == "blocked":
        return State.RUNNING  # Xen: idle
    return None if name == "nostate" or name.startswith("unknown-") else State(name)


def _reason(one: Listed) -> str:
    return word(words.STATE_REASONS.get(word(words.STATES, one.state), ()), one.reason)


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


def _steps(domain: KnownDomain, one: Listed, after: State, *, replaced: bool) -> Iterator[Step]:
    state, persistent, name = domain.state, domain.persistent, clean(one.name)
    if name != domain.name and domain.exists:
        active = state in ACTIVE_STATES
        yield Step(lifecycle.Undefined, state if active else State.UNDEFINED, domain.name)
        state, persistent = state if active else State.SHUTOFF, True
        yield Step(lifecycle.Defined, state, name)
    if state in ACTIVE_STATES and (after is State.SHUTOFF or replaced):
        state = State.SHUTOFF if after is State.SHUTOFF else _after_stop(persistent)
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


def _steps_to_absent(domain: KnownDomain) -> Iterator[Step]:
    if domain.state in ACTIVE_STATES:
        state = State.SHUTOFF if domain.persistent else State.UNDEFINED
        yield Step(lifecycle.Stopped, state, domain.name, Cause.UNKNOWN)
    if domain.state is State.SHUTOFF or (domain.state in ACTIVE_STATES and domain.persistent):
        yield Step(lifecycle.Undefined, State.UNDEFINED, domain.name)


def _after_stop(persistent: bool | None) -> State:
    return State.UNDEFINED if persistent is False else State.SHUTOFF


def _stop_cause(domain: KnownDomain, one: Listed) -> Cause:
    cause = _STOP_CAUSES.get(_reason(one), Cause.UNKNOWN)
    return Cause.GUEST_PANIC if cause is Cause.PROCESS_DIED and domain.evidence.panicked else cause


class _Maker(NamedTuple):
    """What all drafts of one listing have in common."""

    host: KnownHost
    uri: str | None
    now: Time
    origin: Origin

    def events(self, domain: KnownDomain, steps: Sequence[Step], id: int | None, reason: str | None) -> list[Event]:  # noqa: A002
        """Return the drafts for *steps*, the last one with *reason*; *id* is the listed one."""
        previous = domain.state
        drafts: list[Event] = []
        for place, step in enumerate(steps, 1):
            fields: dict[str, Any] = {} if step.cause is None else {"cause": step.cause}
            number = id if step.state in ACTIVE_STATES else None
            draft = step.event(
                time=self.now,
                host=self.host.name,
                uri=self.uri,
                origin=self.origin,
                domain=Domain(uuid=domain.uuid, name=step.name, id=number),
                reason=reason if place == len(steps) else None,
                state=step.state,
                previous_state=previous,
                not_before=max(filter(None, (domain.last_told, self.host.listed_at)), default=None),
                **fields,
            )
            drafts.append(draft)
            previous = step.state
        return drafts

    def discovered(self, one: Listed, state: State | None) -> list[Event]:
        """Return the draft for a domain of which nothing is known; one that is being started has not run yet."""
        reason = _reason(one)
        starting = state is None and reason == "starting-up"
        if starting and one.persistent is False:
            return []  # it comes from nothing, which its callbacks will tell
        return [
            Discovered(
                time=self.now,
                host=self.host.name,
                uri=self.uri,
                origin=self.origin,
                domain=Domain(uuid=one.uuid, name=clean(one.name), id=one.id if state in ACTIVE_STATES else None),
                state=state or (State.SHUTOFF if starting else State.UNKNOWN),
                reason=reason,
                persistent=one.persistent,
            )
        ]
