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
from vmwatch.source.probe import probe
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
        print(f"{'ok' if finding.good else 'FAILED':<7} {printable(f'{finding.thing}: {finding.text}')}", flush=True)
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
    polled = settings.events == "polling" or not found.events
    events = f"no events, so asked every {settings.poll_interval:g} s" if polled else "events"
    statistics = "bulk statistics" if found.bulk_statistics else "no bulk statistics, so single calls for each domain"
    return Finding(
        True,
        thing,
        f"{found.driver}, libvirt {found.libvirt_version}, {found.domains} domains; {events}; {statistics}",
    )


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
