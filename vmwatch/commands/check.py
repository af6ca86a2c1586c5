"""`vmwatch check`: try the configuration, each connection and each exporter's target, and say what would fail."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import msgspec

from vmwatch.commands import options
from vmwatch.commands.check_hosts import HostFinding, check_host
from vmwatch.config import load
from vmwatch.directory import lock_directory
from vmwatch.errors import VmwatchError
from vmwatch.host_lists import all_hosts
from vmwatch.logs import configure
from vmwatch.pipeline import Tried
from vmwatch.settings import ExporterSettings, Settings
from vmwatch.terminal import printable
from vmwatch.web import Web

TARGET_SECONDS = 20.0
HOSTS_AT_ONCE = 16


class Finding(msgspec.Struct, frozen=True):
    """What was found about one thing of a *kind*: it is *good*, or *text* says what would fail."""

    kind: str
    name: str
    good: bool
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: one document, for tools")
    options.add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 where something would fail."""
    settings = load(options.flags(arguments))
    configure(settings.log)
    configuration = Finding("configuration", "", True, str(arguments.config_file or "none, so defaults"))
    findings = list(chain([configuration], _findings(settings)))
    if arguments.format == "json":
        document = {"ok": all(one.good for one in findings), "findings": findings}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        print("\n".join(_table(findings)))
    return 0 if all(one.good for one in findings) else 1


def _findings(settings: Settings) -> Iterator[Finding | HostFinding]:
    hosts = all_hosts(settings.hosts, settings.host_lists, settings.shard)
    with ThreadPoolExecutor(HOSTS_AT_ONCE) as threads:  # each probe ends in time: what hangs in it has its own thread
        yield from threads.map(check_host, hosts)
    if not hosts:
        yield Finding("hosts", "", False, "none to watch: neither named nor listed, or all of other shards")
    for exporter in settings.exporters:
        yield asyncio.run(_exporter(exporter))
    yield from _places(settings)


async def _exporter(settings: ExporterSettings) -> Finding:
    def found(good: bool, text: str) -> Finding:
        return Finding("exporter", settings.name, good, text)

    if not isinstance(settings.exporter, Tried):
        return found(True, f"{settings.type}, nothing to try")
    try:
        async with asyncio.timeout(TARGET_SECONDS):
            return found(True, f"{settings.type}, {await settings.exporter.try_target()}")
    except VmwatchError as error:
        return found(False, str(error))
    except TimeoutError:
        return found(False, f"no answer within {TARGET_SECONDS:g} s")


def _places(settings: Settings) -> Iterator[Finding]:
    """Try state directory and listen addresses, unless a vmwatch runs here, which has them."""
    directory = str(settings.state_directory)
    try:
        os.close(lock_directory(settings.state_directory))
    except OSError as error:
        text = f"cannot be used ({error.strerror}): what happened is kept in memory only"
        yield Finding("state directory", directory, True, text)
    except VmwatchError:
        text = "a vmwatch runs with it; the listen addresses were not tried"
        yield Finding("state directory", directory, True, text)
        return
    else:
        yield Finding("state directory", directory, True, "can be used")
    web = Web(settings.web)
    try:
        urls = web.bind()
    except VmwatchError as error:
        yield Finding("web server", "", False, str(error))
    else:
        web.close()
        yield Finding("web server", "", True, ", ".join(urls) or "none")


def _table(findings: Sequence[Finding | HostFinding]) -> Iterator[str]:
    """Yield the lines of a table: whether it is good, what it is, what was found."""
    things = [printable(f"{one.kind} {one.name}".strip()) for one in findings]
    width = max(map(len, things))
    for thing, one in zip(things, findings, strict=True):
        lines = list(_lines(one))
        yield f"{'ok' if one.good else 'FAILED':<7} {thing:<{width}}  {lines[0]}"
        yield from (f"{'':<7} {'':<{width}}  {line}" for line in lines[1:])


def _lines(one: Finding | HostFinding) -> Iterable[str]:
    more = one.more if isinstance(one, HostFinding) else ()
    return map(printable, (one.text, *more))
