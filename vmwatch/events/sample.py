"""What was measured: never in the journal, without a sequence, at most once."""

from vmwatch.events.base import DomainEvent, Event, State


class DomainSampled(DomainEvent, frozen=True, kw_only=True, tag="domain.sampled"):
    """One domain's figures at one moment: *values* under the metric's name, *devices* by kind, then by device.

    Units are seconds and bytes, as in the metrics of the same names.
    """

    state: State
    values: dict[str, int | float]
    devices: dict[str, dict[str, dict[str, int | float]]] | None = None


class HostSampled(Event, frozen=True, kw_only=True, tag="host.sampled"):
    """One host's figures at one moment, as in the metrics of the same names; *devices* are its pools, nodes, ..."""

    values: dict[str, int | float]
    devices: dict[str, dict[str, dict[str, int | float]]] | None = None
