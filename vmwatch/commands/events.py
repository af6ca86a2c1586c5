"""`vmwatch events`: the stream in this terminal, from the journal of the vmwatch that runs here or by ourselves."""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from vmwatch.choose import chooser
from vmwatch.commands import options
from vmwatch.commands.serving import Undertaking, serve_until_stopped
from vmwatch.config import load
from vmwatch.config_place import Place
from vmwatch.config_table import convert
from vmwatch.encode import encode, parse_rfc3339
from vmwatch.errors import ConfigError, VmwatchError
from vmwatch.events import Event
from vmwatch.journal_reader import JournalReader
from vmwatch.logs import configure
from vmwatch.pipeline import Batches, Watch
from vmwatch.settings import ExporterSettings, Seconds, Settings, WebSettings
from vmwatch.source.roster import Roster
from vmwatch.terminal import event_line, wants_colours

SERVICE_DIRECTORY = Path("/var/lib/vmwatch")
LOOK_SECONDS = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--domain", action="append", default=[], metavar="GLOB", help="name or uuid; may be repeated")
    parser.add_argument("--type", action="append", default=[], metavar="GLOB", help="as in domain.*; may be repeated")
    parser.add_argument("--host", action="append", default=[], metavar="GLOB", help="may be repeated")
    parser.add_argument("--since", metavar="WHEN", help="first what the journal holds: 24h, 10m, 2026-01-31T08:00:00Z")
    parser.add_argument("--no-follow", action="store_true", help="end with what the journal holds")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one event to a line, for pipes"
    )
    options.add_settings(parser, web=False)


def run(arguments: argparse.Namespace) -> int:
    """Tell events until interrupted, or to the end of the journal."""
    flags = options.flags(arguments)
    settings = load(flags)
    configure(replace(settings.log, level=flags.log_level or "warning"))  # type: ignore[arg-type]  # argparse checked it
    terminal = Terminal(
        json=arguments.format == "json",
        colours=wants_colours(sys.stdout),
        chosen=chooser(arguments.type, arguments.host, arguments.domain),
    )
    since = _moment(arguments.since)
    try:
        return _tell(arguments, settings, terminal, since)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 0


def _tell(arguments: argparse.Namespace, settings: Settings, terminal: "Terminal", since: int | None) -> int:
    directory, given = settings.state_directory, arguments.state_directory is not None
    journal = None if arguments.uris else _journal(directory, given=given)
    looks_back = since is not None or arguments.no_follow
    if looks_back and journal is None:
        raise VmwatchError(f"there is no journal in {directory}; --state.directory names another place")
    running = journal is not None and _is_running(journal.parent)
    if journal is None or not (looks_back or running):
        return _watch(settings, terminal)
    with JournalReader(journal) as reader:
        if looks_back:
            reader.to_time(since or 0)
            terminal.tell_all(reader.rest())
        else:
            reader.to_end()
        if running and not arguments.no_follow:
            _follow(reader, terminal)
    return 0 if arguments.no_follow else _watch(settings, terminal)


def _follow(reader: JournalReader, terminal: "Terminal") -> None:
    """Tell what is committed from now on, until interrupted."""
    while True:
        terminal.tell_all(reader.rest())
        time.sleep(LOOK_SECONDS)
        reader.keep_up()


def _watch(settings: Settings, terminal: "Terminal") -> int:
    """Connect by ourselves and keep nothing."""
    exporter = ExporterSettings(name="terminal", type="terminal", exporter=terminal)
    settings = replace(settings, exporters=(exporter,), web=WebSettings(listen_addresses=()))
    return serve_until_stopped(Undertaking("watching", lambda: settings, Roster), keep_state=False)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Writes the *chosen* events to standard output, as text or with *json* as the stream's own lines."""

    durable: ClassVar[bool] = False
    wants_samples: ClassVar[bool] = False
    json: bool
    colours: bool
    chosen: Callable[[Event], bool]

    async def run(self, batches: Batches, _watch: Watch, /) -> None:
        """Write each batch."""
        async for batch in batches:
            self.tell_all(batch)

    def tell_all(self, events: Iterable[Event]) -> None:
        """Write those *events* that are chosen, and have them on the terminal."""
        for event in filter(self.chosen, events):
            if self.json:
                sys.stdout.buffer.write(encode(event) + b"\n")
            else:
                print(event_line(event, colours=self.colours))
        sys.stdout.flush()


def _journal(directory: Path, *, given: bool) -> Path | None:
    """Return the journal in *directory*, else (unless it was *given*) that of the service on this machine."""
    for candidate in (directory,) if given else (directory, SERVICE_DIRECTORY):
        with suppress(OSError):
            if (candidate / "journal.db").exists():
                return candidate / "journal.db"
    return None


def _is_running(directory: Path) -> bool:
    """Say whether a vmwatch holds the lock of *directory*."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _moment(text: str | None) -> int | None:
    """Return *text*, a duration before now or a point in time, in nanoseconds since 1970."""
    if text is None:
        return None
    with suppress(ValueError):
        return parse_rfc3339(text)
    try:
        seconds: float = convert(text, Seconds, Place(("--since",)))
    except ConfigError:
        raise ConfigError('--since: expected "24h", "10m" or a time such as 2026-01-31T08:00:00Z') from None
    return time.time_ns() - int(seconds * 1e9)
