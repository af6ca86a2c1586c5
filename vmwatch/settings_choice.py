"""Which events an exporter is given and which it tells, by the globs of its settings."""

from collections.abc import Callable

from vmwatch.choose import chooser, domain_chooser
from vmwatch.events import SAMPLES, Domain, DomainEvent, Event
from vmwatch.pipeline import KeepsStates
from vmwatch.settings import ExporterSettings, Globs


def given_to(one: ExporterSettings) -> Callable[[Event], bool]:
    """Return whether that exporter is given an event: to be told, or because the state that it keeps changes."""
    wanted, concerned = wanted_by(one), concerned_by(one)
    if not (isinstance(one.exporter, KeepsStates) and one.exporter.keeps_states):
        return wanted

    def given(event: Event) -> bool:
        if wanted(event):
            return True
        if isinstance(event, SAMPLES) or not isinstance(event, DomainEvent):
            return False
        return concerned(event.host, event.domain)

    return given


def wanted_by(one: ExporterSettings) -> Callable[[Event], bool]:
    """Return whether an event belongs to that exporter: matched by `include` (if any), not by `exclude`."""
    samples = one.exporter.wants_samples
    included, excluded = _matched(one.include), _matched(one.exclude)

    def wanted(event: Event) -> bool:
        if not samples and isinstance(event, SAMPLES):
            return False
        return (included is None or included(event)) and (excluded is None or not excluded(event))

    return wanted


def concerned_by(one: ExporterSettings) -> Callable[[str, Domain], bool]:
    """Return whether a domain on a host belongs to that exporter: some events of it do, whatever their types."""
    included = domain_chooser(one.include.host, one.include.domain)
    excluded = domain_chooser(one.exclude.host, one.exclude.domain)
    whole = bool(one.exclude.host or one.exclude.domain) and not one.exclude.type

    def concerned(host: str, domain: Domain) -> bool:
        return included(host, domain) and not (whole and excluded(host, domain))

    return concerned


def _matched(globs: Globs) -> Callable[[Event], bool] | None:
    return None if globs == Globs() else chooser(globs.type, globs.host, globs.domain)
