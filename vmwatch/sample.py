"""Figures of hosts and domains on their way from the sampler to exporters: one series table for all of them."""

from collections.abc import Sequence

import msgspec

from vmwatch.events import Domain, State, Time


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity: *kind* is counter, gauge or info; *labels* are those beside host and domain."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


class DomainSample(msgspec.Struct, frozen=True, kw_only=True):
    """One domain's figures: *series* are (metric, values of its labels, number).

    *time* is when libvirt was last heard about it; *timed_out* says that it could not be read now.
    """

    domain: Domain
    state: State
    time: Time | None
    timed_out: bool = False
    series: Sequence[tuple[Metric, tuple[str, ...], int | float]] = ()


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """One host's figures at *time*, and its domains'; *seconds* is how long they took."""

    host: str
    time: Time
    seconds: float
    series: Sequence[tuple[Metric, tuple[str, ...], int | float]] = ()
    domains: Sequence[DomainSample] = ()
