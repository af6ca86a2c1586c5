"""What a listing says that known state does not, told as ordinary events: re-sync after gaps, and polling.  Pure.

One rule: the shortest path of ordinary events from the known state to the listed one.  They have no `detail`; the last
has the listed state's `reason`, each has `not_before`, when the domain was last known to be otherwise.

Who lists decides when a difference is believed: at once in the first listing after a connection, after a gap, and in
every poll; else only when two listings some seconds apart give the same events, by uuid and type.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from vmwatch.events import (
    ACTIVE_STATES,
    Cause,
    Discovered,
    Domain,
    Event,
    HostConnected,
    Origin,
    State,
    Time,
    lifecycle,
)
from vmwatch.source.arguments import clean
from vmwatch.source.drivers import driver_of_type
from vmwatch.source.listed import Listed, Listing, listed_state, reason_of
from vmwatch.source.path import Step, after_stop, steps, steps_to_absent, stop_before_start
from vmwatch.state import KnownDomain, KnownHost, KnownState


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
    driver = driver_of_type(host.driver)
    if trust_ids is None:
        trust_ids = host.driver is None or driver.new_ids
    domains = known.domains.get(listing.host, {})
    listed = {one.uuid: one for one in reversed(listing.domains) if one.uuid not in skip}
    make = _Maker(host, listing.uri, now, origin)
    drafts: list[Event] = []
    for uuid, domain in domains.items():
        if uuid not in listed and uuid not in skip:
            drafts += make.events(
                domain, list(steps_to_absent(domain, may_be_off=not driver.lists_stopped)), None, None
            )
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
            step = Step(lifecycle.Stopped, after_stop(domain.persistent), domain.name, Cause.HOST_REBOOTED)
            drafts += make.events(domain, [step], None, None)
    return drafts


def _told_of(make: "_Maker", domain: KnownDomain | None, one: Listed, trust_ids: bool) -> list[Event]:
    state = listed_state(domain, one)
    if domain is None or domain.state is State.UNKNOWN:
        if not make.host.listed or (domain is not None and domain.undiscovered):
            return make.discovered(one, state)
        domain = KnownDomain(uuid=one.uuid, name=clean(one.name), state=State.UNDEFINED)
    replaced = trust_ids and domain.state in ACTIVE_STATES and None not in (domain.id, one.id) and domain.id != one.id
    if state is None:
        return make.events(domain, stop_before_start(domain, one) if replaced else [], None, None)
    return make.events(domain, list(steps(domain, one, state, replaced=replaced)), one.id, reason_of(one))


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
        """Return the draft for a domain of which nothing is known; one that is being started has not run yet.

        Nothing where *state* is None: one that is being started and transient comes from nothing, which its callbacks
        will tell; one whose state the driver does not know is discovered when it does.
        """
        reason = reason_of(one)
        if state is None and reason == "starting-up" and one.persistent is not False:
            state = State.SHUTOFF
        if state is None:
            return []
        return [
            Discovered(
                time=self.now,
                host=self.host.name,
                uri=self.uri,
                origin=self.origin,
                domain=Domain(uuid=one.uuid, name=clean(one.name), id=one.id if state in ACTIVE_STATES else None),
                state=state,
                reason=reason,
                persistent=one.persistent,
            )
        ]
