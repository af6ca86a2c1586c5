"""What can happen: one frozen class for each event, the one vocabulary of sources, stream and exporters.

An event's wire form is its fields in this order with `type` first; `vmwatch.encode` writes and reads it.
"""

from vmwatch.events import derived, device, host, lifecycle, sample
from vmwatch.events.base import ACTIVE_STATES, Domain, DomainEvent, Event, Origin, State, Time
from vmwatch.events.derived import Discovered, Flapping, Migration, Outage, Responsive, Unresponsive
from vmwatch.events.host import (
    EventsDropped,
    ExporterFailed,
    ExporterRecovered,
    HostConnected,
    HostDisconnected,
    ObjectEvent,
)
from vmwatch.events.lifecycle import (
    Cause,
    Crashed,
    Defined,
    LifecycleEvent,
    PartOf,
    PMSuspended,
    Resumed,
    ShutdownFinished,
    Started,
    Stopped,
    Suspended,
    Undefined,
)
from vmwatch.events.sample import DomainSampled, HostSampled

EVENT_CLASSES: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for module in (lifecycle, device, host, derived, sample)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, Event)
    and kind.__module__ == module.__name__
    and "." in str(kind.__struct_config__.tag)
}
"""Every event class by its type."""

SAMPLES = (DomainSampled, HostSampled)
"""Samples, which have no sequence and are not in the journal."""  # a tuple, as each event is asked several times

__all__ = [
    "ACTIVE_STATES",
    "EVENT_CLASSES",
    "SAMPLES",
    "Cause",
    "Crashed",
    "Defined",
    "Discovered",
    "Domain",
    "DomainEvent",
    "DomainSampled",
    "Event",
    "EventsDropped",
    "ExporterFailed",
    "ExporterRecovered",
    "Flapping",
    "HostConnected",
    "HostDisconnected",
    "HostSampled",
    "LifecycleEvent",
    "Migration",
    "ObjectEvent",
    "Origin",
    "Outage",
    "PMSuspended",
    "PartOf",
    "Responsive",
    "Resumed",
    "ShutdownFinished",
    "Started",
    "State",
    "Stopped",
    "Suspended",
    "Time",
    "Undefined",
    "Unresponsive",
]
