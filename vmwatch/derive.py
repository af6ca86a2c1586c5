"""What earlier events add up to: outages, flapping, migrations, told when an event completes them; pure, no timer.

`vmwatch.fold` keeps what is open; the derived event, once told and folded, closes it.
"""

from vmwatch.derive_migration import after_disconnect, after_job, after_lifecycle
from vmwatch.events import Event, Flapping, HostDisconnected, LifecycleEvent, Origin, Outage, State
from vmwatch.events.device import JobCompleted
from vmwatch.fold_lifecycle import KEEP_OUTAGES_SECONDS
from vmwatch.state import KnownDomain, KnownState

FLAPPING_OUTAGES = 3


def derive(known: KnownState, event: Event) -> list[Event]:
    """Return the drafts that follow directly from *event*, which has been folded into *known*."""
    if isinstance(event, LifecycleEvent) and not event.duplicate:
        domain = known.domains[event.host][event.domain.uuid]
        drafts = [_flapping(domain, event), _outage(domain, event), after_lifecycle(known, domain, event)]
        return [draft for draft in drafts if draft is not None]
    if isinstance(event, JobCompleted):
        return after_job(known, event)
    if isinstance(event, HostDisconnected):
        return after_disconnect(known, event)
    return []


def _flapping(domain: KnownDomain, event: LifecycleEvent) -> Flapping | None:
    began_now = domain.outage is not None and domain.outage.evidence[0] == event.id
    if not began_now or domain.flapping or len(domain.outage_ids) < FLAPPING_OUTAGES:
        return None
    return Flapping(
        time=event.time,
        host=event.host,
        uri=event.uri,
        origin=Origin.DERIVED,
        domain=event.domain,
        evidence=list(domain.outage_ids),
        outages=len(domain.outage_ids),
        within_seconds=KEEP_OUTAGES_SECONDS,
    )


def _outage(domain: KnownDomain, event: LifecycleEvent) -> Outage | None:
    outage = domain.outage
    if outage is None or event.state not in (State.RUNNING, State.UNDEFINED):
        return None
    seen = event.state is State.RUNNING and event.origin is Origin.LIBVIRT and not outage.inferred
    return Outage(
        time=event.time,
        host=event.host,
        uri=event.uri,
        origin=Origin.DERIVED,
        domain=event.domain,
        evidence=[*outage.evidence, *(() if event.id in outage.evidence else (event.id,))],
        began=outage.began,
        ended=event.time,
        end=event.state,
        cause=outage.cause,
        seconds=event.time.since(outage.began) if seen else None,
    )
