"""`vmwatch check`: try the configuration, each connection and each exporter's target, and say what would fail."""

import argparse
import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

from vmwatch.commands import options
from vmwatch.config import load
from vmwatch.directory import lock_directory
from vmwatch.errors import VmwatchError
from vmwatch.logs import configure
from vmwatch.pipeline import Tried
from vmwatch.settings import ExporterSettings, HostSettings, Settings
from vmwatch.source.plan import plan
from vmwatch.source.probe import Found, probe
from vmwatch.terminal import printable
from vmwatch.web import Web

TARGET_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing: *good*, or what would fail."""

    good: bool
    thing: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    options.add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each thing that was tried; 1 where one would fail."""
    settings = load(options.flags(arguments))
    configure(settings.log)
    failed = False
    print(f"ok      configuration: {arguments.config_file or 'none, so defaults'}")
    for finding in _findings(settings):
        first, *more = (printable(line) for line in f"{finding.thing}: {finding.text}".splitlines())
        print(f"{'ok' if finding.good else 'FAILED':<7} {first}", *more, sep="\n", flush=True)
        failed = failed or not finding.good
    return 1 if failed else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    for host in settings.hosts:
        yield _host(host)
    for exporter in settings.exporters:
        yield asyncio.run(_exporter(exporter))
    yield from _places(settings)


def _host(settings: HostSettings) -> Finding:
    thing = f"host {settings.name}"
    try:
        found = probe(settings)
    except VmwatchError as error:
        return Finding(False, thing, str(error))
    number = f"{found.domains} domain{'' if found.domains == 1 else 's'}"
    return Finding(
        True, thing, f"{found.driver.name}, libvirt {found.libvirt_version}, {number}{_gives(settings, found)}"
    )


def _gives(settings: HostSettings, found: Found) -> str:
    """Say what the host's driver gives and does not give, a line for each."""
    driver = found.driver
    watched = plan(driver, settings, takes_events=found.takes_events)
    every = f"listed every {watched.interval_seconds:g} s"
    without = "none asked for" if found.takes_events else "none told by the driver"
    events = f"callbacks, {every}" if watched.events else f"{without}, so {every}"
    groups = f"in bulk ({', '.join(driver.bulk) or 'as the driver says'})"
    calls = f"by calls for each domain ({', '.join(driver.calls)})"
    lines = [f"events: {events}", f"statistics: {groups if found.has_bulk_statistics else calls}"]
    if watched.events and driver.missing:
        lines.append(f"without events: {driver.missing}")
    lines += [f"not told: {figure} ({why})" for figure, why in driver.wrong.items()]
    return "".join(f"\n          {line}" for line in lines)


async def _exporter(settings: ExporterSettings) -> Finding:
    thing = f"exporter {settings.name}"
    if not isinstance(settings.exporter, Tried):
        return Finding(True, thing, f"{settings.type}, nothing to try")
    try:
        async with asyncio.timeout(TARGET_SECONDS):
            return Finding(True, thing, f"{settings.type}, {await settings.exporter.try_target()}")
    except VmwatchError as error:
        return Finding(False, thing, str(error))
    except TimeoutError:
        return Finding(False, thing, f"no answer within {TARGET_SECONDS:g} s")


def _places(settings: Settings) -> Iterator[Finding]:
    """Try state directory and listen addresses, unless a vmwatch runs here, which has them."""
    thing = f"state directory {settings.state_directory}"
    try:
        os.close(lock_directory(settings.state_directory))
    except OSError as error:
        yield Finding(True, thing, f"cannot be used ({error.strerror}): what happened is kept in memory only")
    except VmwatchError:
        yield Finding(True, thing, "a vmwatch runs with it; the listen addresses were not tried")
        return
    else:
        yield Finding(True, thing, "can be used")
    web = Web(settings.web)
    try:
        urls = web.bind()
    except VmwatchError as error:
        yield Finding(False, "web server", str(error))
    else:
        web.close()
        yield Finding(True, "web server", ", ".join(urls) or "none")
