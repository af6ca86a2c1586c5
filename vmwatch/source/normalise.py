"""A callback becomes exactly one event: decoded, and explained by what is known.  Pure but for the log; never raises.

What cannot be read is told too, as `domain.unknown` or `object.unknown`, and logged once for each kind of trouble.
"""

from vmwatch import words
from vmwatch.events import Domain, Event, LifecycleEvent, Origin, PartOf, lifecycle
from vmwatch.settings import ShowSettings
from vmwatch.source.arguments import Fields, clean, integer
from vmwatch.source.callbacks import Callback
from vmwatch.source.confirm import Told
from vmwatch.source.decode import decode_domain, decode_object
from vmwatch.source.lifecycle import SECOND, judge, judge_reboot
from vmwatch.source.unknown import complain, unknown_event
from vmwatch.state import KnownDomain, KnownState
from vmwatch.words import word

AGENT_CHANNEL = "org.qemu.guest_agent.0"

_LIFECYCLE_EVENTS: dict[str, type[LifecycleEvent]] = {
    "defined": lifecycle.Defined,
    "undefined": lifecycle.Undefined,
    "started": lifecycle.Started,
    "suspended": lifecycle.Suspended,
    "resumed": lifecycle.Resumed,
    "stopped": lifecycle.Stopped,
    "shutdown": lifecycle.ShutdownFinished,
    "pmsuspended": lifecycle.PMSuspended,
    "crashed": lifecycle.Crashed,
}


def normalise(known: KnownState, callback: Callback, show: ShowSettings) -> Event:
    """Return the event that *callback* is, yet without id and sequence; *show* says which sensitive values it has."""
    try:
        return _domain_event(known, callback, show) if callback.family == "domain" else _object_event(callback, show)
    except Exception as error:  # noqa: BLE001 - a fault in one decode costs that event its fields, nothing else
        complain(callback, error)
        return unknown_event(callback)


def _domain_event(known: KnownState, callback: Callback, show: ShowSettings) -> Event:
    domain = _known_domain(known, callback)
    if callback.name == "LIFECYCLE":
        return _lifecycle_event(known, domain, callback)
    event, fields = decode_domain(callback.name, callback.arguments, show)
    explain = _EXPLAIN.get(callback.name)
    if explain is not None:
        fields |= explain(domain, callback, fields)
    return event(
        time=callback.time,
        host=callback.host,
        uri=callback.uri,
        origin=Origin.LIBVIRT,
        domain=_domain(domain, callback),
        **fields,
    )


def _known_domain(known: KnownState, callback: Callback) -> KnownDomain:
    """Return what is known of the callback's domain; of one without a uuid, what is known under its name."""
    domains = known.domains.get(callback.host, {})
    uuid, name = callback.object_uuid, clean(callback.object_name)
    if uuid:
        return domains.get(uuid) or KnownDomain(uuid=clean(uuid), name=name)
    return next((one for one in domains.values() if one.name == name), KnownDomain(uuid="", name=name))


def _domain(domain: KnownDomain, callback: Callback, *, stopped: bool = False) -> Domain:
    number = callback.object_id
    active = type(number) is int and 0 <= number < 2**63 and not stopped
    return Domain(uuid=domain.uuid, name=clean(callback.object_name), id=number if active else None)


def _lifecycle_event(known: KnownState, domain: KnownDomain, callback: Callback) -> Event:
    number, detail_number = (integer(argument) for argument in callback.arguments)
    if not 0 <= number < len(words.LIFECYCLE):
        raise ValueError("no such kind")
    kind, details = words.LIFECYCLE[number]
    host = known.hosts.get(callback.host)
    subject = _domain(domain, callback, stopped=kind == "stopped")
    verdict = judge(
        domain,
        Told(kind, word(details, detail_number), subject.id, callback.time),
        driver=host.driver if host else None,
        listed=host.listed if host else False,
    )
    fields: Fields = {"cause": verdict.cause, "flush_seconds": verdict.flush_seconds} if kind == "stopped" else {}
    return _LIFECYCLE_EVENTS[verdict.kind](
        time=callback.time,
        host=callback.host,
        uri=callback.uri,
        origin=Origin.LIBVIRT,
        domain=subject,
        detail=word(details, detail_number),
        state=verdict.state,
        previous_state=verdict.previous_state,
        part_of=verdict.part_of,
        duplicate=verdict.confirms is not None,
        confirms=verdict.confirms,
        **fields,
    )


def _explain_reboot(domain: KnownDomain, callback: Callback, _fields: Fields) -> Fields:
    part_of, duplicate = judge_reboot(domain, callback.time)
    return {"part_of": part_of, "duplicate": duplicate}


def _explain_job(_domain: KnownDomain, _callback: Callback, fields: Fields) -> Fields:
    return {"part_of": PartOf.MIGRATION if fields["operation"] == "migration-out" else None}


def _explain_channel(domain: KnownDomain, _callback: Callback, fields: Fields) -> Fields:
    return {"duplicate": fields["channel"] == AGENT_CHANNEL and domain.evidence.agent == fields["status"]}


def _explain_threshold(domain: KnownDomain, callback: Callback, fields: Fields) -> Fields:
    plain, bracket, _ = fields["device"].partition("[")
    last = domain.evidence.threshold
    duplicate = (
        bool(bracket)
        and last is not None
        and callback.time.since(last.at) < SECOND
        and (last.device, last.threshold_bytes, last.excess_bytes)
        == (plain, fields["threshold_bytes"], fields["excess_bytes"])
    )
    return {"duplicate": duplicate}


_EXPLAIN = {
    "REBOOT": _explain_reboot,
    "JOB_COMPLETED": _explain_job,
    "CHANNEL_LIFECYCLE": _explain_channel,
    "BLOCK_THRESHOLD": _explain_threshold,
}
"""What else an event says by what is known."""


def _object_event(callback: Callback, show: ShowSettings) -> Event:
    event, fields = decode_object(callback.family, callback.name, callback.arguments, show)
    return event(
        time=callback.time,
        host=callback.host,
        uri=callback.uri,
        origin=Origin.LIBVIRT,
        name=clean(callback.object_name),
        uuid=clean(callback.object_uuid) if callback.object_uuid else None,
        **fields,
    )
