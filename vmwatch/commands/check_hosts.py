"""What `vmwatch check` finds out about one hypervisor: what it gives, what is done instead, which right is missing."""

from collections.abc import Iterator

import msgspec

from vmwatch.errors import HostError
from vmwatch.settings import HostSettings
from vmwatch.source.drivers import Driver
from vmwatch.source.facts import is_local
from vmwatch.source.plan import Plan, plan
from vmwatch.source.probe import Found, probe
from vmwatch.source.rights import MissingRight, shut_out
from vmwatch.uris import without_credentials

_FAMILIES = {"network": "networks", "storage_pool": "storage pools", "node_device": "devices", "secret": "secrets"}


class Watching(msgspec.Struct, frozen=True):
    """How a host would be watched: by *callbacks*, which do not tell what is *untold*, and by listings."""

    callbacks: bool
    untold: str
    listed_every_seconds: float
    origin: str
    look: str


class Measuring(msgspec.Struct, frozen=True):
    """How its domains would be measured: groups of *bulk* statistics, *calls* for each domain; *wrong*: left out."""

    bulk: tuple[str, ...]
    calls: tuple[str, ...]
    wrong: dict[str, str]


class HostFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One host; what it gives is there only where it was opened; *perhaps_missing* does not make it bad."""

    kind: str = "host"
    name: str
    good: bool
    text: str
    uri: str
    driver: str | None = None
    libvirt: str | None = None
    domains: int | None = None
    watching: Watching | None = None
    measuring: Measuring | None = None
    away: dict[str, str] = {}
    missing_rights: tuple[MissingRight, ...] = ()
    perhaps_missing: tuple[MissingRight, ...] = ()

    @property
    def more(self) -> Iterator[str]:
        """Yield further lines for people."""
        where = "" if is_local(self.uri) else ", to be granted there"
        for right in self.missing_rights:
            yield f"missing right {right.right}, needed for {right.needed_for}{where}: {right.grant}"
        for right in self.perhaps_missing:
            needed = f"{right.needed_for} (none is listed)"
            yield f"perhaps missing right {right.right}, needed for {needed}{where}: {right.grant}"
        if self.watching is not None:
            yield from _watching_lines(self.watching)
        if self.measuring is not None:
            yield from _measuring_lines(self.measuring)
        for family, reason in self.away.items():
            yield f"no events of {_FAMILIES[family]}: {reason}"


def check_host(settings: HostSettings) -> HostFinding:
    """Ask the host that *settings* name; blocks, but not for ever."""
    uri = without_credentials(settings.uri)
    try:
        found = probe(settings)
    except HostError as error:
        missing = shut_out(error, settings.uri, read_only=settings.read_only)
        rights = (missing,) if missing else ()
        return HostFinding(name=settings.name, good=False, text=str(error), uri=uri, missing_rights=rights)
    return finding(settings, found)


def finding(settings: HostSettings, found: Found) -> HostFinding:
    """Return what it means that the host that *settings* name said what was *found*."""
    number = f"{found.domains} domain{'' if found.domains == 1 else 's'}"
    return HostFinding(
        name=settings.name,
        good=not found.missing_rights,
        text=f"{found.driver.name}, libvirt {found.libvirt_version}, {number}",
        uri=without_credentials(settings.uri),
        driver=found.driver.name,
        libvirt=found.libvirt_version,
        domains=found.domains,
        watching=_watching(found.driver, plan(found.driver, settings, takes_events=found.takes_events)),
        measuring=_measuring(found),
        away=dict(found.families),
        missing_rights=found.missing_rights,
        perhaps_missing=found.perhaps_missing,
    )


def _watching(driver: Driver, watched: Plan) -> Watching:
    return Watching(
        callbacks=watched.events,
        untold=driver.missing if watched.events else "",
        listed_every_seconds=watched.interval_seconds,
        origin=str(watched.origin),
        look=driver.look.value,
    )


def _measuring(found: Found) -> Measuring:
    driver = found.driver
    bulk = (driver.bulk or ("as the driver says",)) if found.has_bulk_statistics else ()
    calls = driver.calls if found.calls is None else tuple(call for call in driver.calls if call in found.calls)
    return Measuring(bulk, () if len(bulk) > 1 and "cpu" in bulk else calls, dict(driver.wrong))


def _watching_lines(watching: Watching) -> Iterator[str]:
    every = f"listed every {watching.listed_every_seconds:g} s"
    yield f"events: {'callbacks, ' if watching.callbacks else 'none, so '}{every} ({watching.look})"
    if watching.untold:
        yield f"not told by events, so found in listings: {watching.untold}"


def _measuring_lines(measuring: Measuring) -> Iterator[str]:
    ways = []
    if measuring.bulk:
        ways.append(f"in bulk ({', '.join(measuring.bulk)})")
    if measuring.calls:
        ways.append(f"by calls for each domain ({', '.join(measuring.calls)})")
    yield f"statistics: {', '.join(ways) or 'none'}"
    yield from (f"left out: {figure} ({why})" for figure, why in measuring.wrong.items())
