"""When a migration is complete or has failed, told from what its two ends say; pure.

Events of two hosts have no order between them.  A migration is told once, as soon as one event decides it, under the
destination's host where that is watched here.
"""

from collections.abc import Iterable

import msgspec

from vmwatch.events import (
    ACTIVE_STATES,
    Cause,
    Domain,
    Event,
    HostDisconnected,
    LifecycleEvent,
    Migration,
    Origin,
    State,
    lifecycle,
)
from vmwatch.events.device import JobCompleted
from vmwatch.state import KnownDomain, KnownState, is_qemu

_MAY_BE_ACTIVE = ACTIVE_STATES | {State.UNKNOWN}  # a guest of which only its migration was heard yet


def after_job(known: KnownState, event: JobCompleted) -> list[Event]:
    """Tell the migration that the source's JOB_COMPLETED completes."""
    if event.operation != "migration-out" or _has_moved(known, event):
        return []
    told = _sent(known, event.host, event.domain, event, "failed" if event.success is False else "completed")
    duration, downtime = _seconds(event, "time_elapsed"), _seconds(event, "downtime")
    return [msgspec.structs.replace(told, duration_seconds=duration, downtime_seconds=downtime)]


def after_lifecycle(known: KnownState, domain: KnownDomain, event: LifecycleEvent) -> Migration | None:
    """Tell the migration that a STOPPED of either end decides, or the arrival from a source that nobody watches."""
    half = domain.migration
    if isinstance(event, lifecycle.Stopped) and event.state not in ACTIVE_STATES:
        return _after_stop(known, domain, event)
    if half is None or not half.incoming or half.evidence[-1] != event.id or not half.arrived:
        return None
    source = _source(known, event.host, domain)
    if source is not None and known.hosts[source].connected is not False:
        return None  # it will say how long it took
    return _received(known, event.host, domain, event, "completed")


def after_disconnect(known: KnownState, event: HostDisconnected) -> list[Event]:
    """Tell the migrations away from a host that is lost, whose guests are already resumed elsewhere."""
    drafts: list[Event] = []
    for domain in known.domains.get(event.host, {}).values():
        away = domain.migration is not None and not domain.migration.incoming
        arrived = _destination(known, event.host, domain.uuid)
        if (away or domain.state in ACTIVE_STATES) and arrived is not None and _arrived(arrived[1]):
            subject = Domain(uuid=domain.uuid, name=domain.name)
            drafts.append(_sent(known, event.host, subject, event, "completed"))
    return drafts


def _after_stop(known: KnownState, domain: KnownDomain, event: lifecycle.Stopped) -> Migration | None:
    half = domain.migration
    if event.cause is Cause.MIGRATED:
        open_half = half is not None or _destination(known, event.host, domain.uuid) is not None
        if _job_will_tell(known, event) or not open_half or domain.moved:
            return None
        return _sent(known, event.host, event.domain, event, "completed")
    broken = any(end.postcopy_failed for _, end in known.everywhere(domain.uuid))
    if half is not None and half.incoming and (broken or not half.arrived):
        return _received(known, event.host, domain, event, "failed")
    return _sent(known, event.host, event.domain, event, "failed") if broken else None


def _has_moved(known: KnownState, event: JobCompleted) -> bool:
    source = known.domain(event.host, event.domain.uuid)
    return source is not None and source.moved


def _job_will_tell(known: KnownState, event: Event) -> bool:
    return event.origin is Origin.LIBVIRT and is_qemu(known.hosts[event.host].driver)


def _sent(known: KnownState, source: str, subject: Domain, event: Event, result: str) -> Migration:
    """Return the migration that an event of its *source* decides."""
    evidence = _outgoing(known.domain(source, subject.uuid))
    there = _destination(known, source, subject.uuid)
    if there is not None:
        evidence = [*_evidence(there[1]), *evidence]
    host = there[0] if there else source
    return Migration(
        time=event.time,
        host=host,
        uri=known.hosts[host].uri,
        origin=Origin.DERIVED,
        domain=_subject(there[1]) if there else subject,
        evidence=_ids(evidence, event),
        result=result,
        seen="both" if there else "source",
        from_host=source,
        to_host=there[0] if there else None,
    )


def _received(known: KnownState, host: str, domain: KnownDomain, event: Event, result: str) -> Migration:
    """Return the migration that an event of its destination *host* decides."""
    source = _source(known, host, domain)
    sent = _outgoing(known.domain(source, domain.uuid)) if source is not None else []
    watched = source is not None and (bool(sent) or known.hosts[source].connected is not False)
    return Migration(
        time=event.time,
        host=host,
        uri=event.uri,
        origin=Origin.DERIVED,
        domain=_subject(domain),
        evidence=[*_without(_evidence(domain), event), *sent, event.id],
        result=result,
        seen="both" if watched else "destination",
        from_host=source,
        to_host=host,
    )


def _evidence(end: KnownDomain | None) -> list[str]:
    return end.migration.evidence if end is not None and end.migration is not None else []


def _outgoing(end: KnownDomain | None) -> list[str]:
    return _evidence(end) if end is not None and end.migration is not None and not end.migration.incoming else []


def _without(evidence: list[str], event: Event) -> list[str]:
    return evidence[:-1] if evidence and evidence[-1] == event.id else evidence


def _subject(domain: KnownDomain) -> Domain:
    return Domain(uuid=domain.uuid, name=domain.name, id=domain.id)


def _ids(evidence: Iterable[str], event: Event) -> list[str]:
    return [*_without(list(evidence), event), event.id]


def _destination(known: KnownState, source: str, uuid: str) -> tuple[str, KnownDomain] | None:
    """Return the end that the guest comes to, where that is watched: the latest one open."""
    ends = [
        (host, end)
        for host, end in known.everywhere(uuid)
        if host != source and end.migration is not None and end.migration.incoming
    ]
    return max(ends, key=lambda end: end[1].migration.began if end[1].migration else 0, default=None)


def _source(known: KnownState, destination: str, domain: KnownDomain) -> str | None:
    """Return the host that the guest comes from, where that is watched."""
    others = [(host, end) for host, end in known.everywhere(domain.uuid) if host != destination]
    for host, end in others:
        if end.migration is not None and not end.migration.incoming:
            return host
    noted = domain.migration.source if domain.migration else None
    if noted is not None:
        return noted
    return next((host for host, end in others if end.state in _MAY_BE_ACTIVE), None)


def _arrived(domain: KnownDomain) -> bool:
    return domain.migration is not None and domain.migration.arrived


def _seconds(event: JobCompleted, key: str) -> float | None:
    milliseconds = event.statistics.get(key)
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None
