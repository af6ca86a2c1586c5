"""`vmwatch top`: a live table of domains in this terminal; one table where standard output is no terminal."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from vmwatch.commands import options
from vmwatch.commands.serving import Undertaking, serve_until_stopped
from vmwatch.config import load
from vmwatch.events import State
from vmwatch.logs import configure
from vmwatch.pipeline import Batches, Watch
from vmwatch.rates import Rates, rates
from vmwatch.sample import HostSample
from vmwatch.settings import ExporterSettings, WebSettings
from vmwatch.source.roster import Roster
from vmwatch.state import KnownDomain
from vmwatch.terminal import printable

INTERVAL_SECONDS = 2.0
SAMPLE_SECONDS = 1.5

_ENTER, _LEAVE, _HOME = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H\x1b[J"
_HEAD = ("DOMAIN", "STATE", "CPU %", "MEMORY", "READ/S", "WRITE/S", "RX/S", "TX/S", "HOST")
_WIDTHS = (24, 11, 7, 9, 9, 9, 9, 9, 0)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--all", action="store_true", help="domains that are off, too")
    options.add_settings(parser, web=False)


def run(arguments: argparse.Namespace) -> int:
    """Show the table until interrupted."""
    flags = options.flags(arguments)
    settings = load(flags)
    configure(replace(settings.log, level=flags.log_level or "error"))  # type: ignore[arg-type]  # argparse checked it
    table = Table(live=sys.stdout.isatty(), all=arguments.all)
    exporter = ExporterSettings(name="top", type="top", exporter=table)
    settings = replace(settings, exporters=(exporter,), web=WebSettings(listen_addresses=()))
    return serve_until_stopped(Undertaking("watching", lambda: settings, Roster), keep_state=False)


@dataclass(frozen=True, slots=True)
class Table:
    """Draws what is known and measured: *live* again and again, else once; *all* domains, or the active ones."""

    durable: ClassVar[bool] = False
    wants_samples: ClassVar[bool] = False
    live: bool
    all: bool

    async def run(self, batches: Batches, watch: Watch, /) -> None:
        """Draw until the events end."""
        drawing = asyncio.create_task(self._draw(watch))
        try:
            async for _ in batches:
                pass
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})

    async def _draw(self, watch: Watch) -> None:
        before: Sequence[HostSample] = ()
        print(_ENTER if self.live else "", end="")
        try:
            while True:
                await asyncio.sleep(INTERVAL_SECONDS)
                now = await watch.sample(asyncio.get_running_loop().time() + SAMPLE_SECONDS)
                lines = list(self.lines(watch, rates(before, now)))
                if self.live:
                    print(_HOME + "\n".join(lines[: os.get_terminal_size().lines - 1]), flush=True)
                elif before or not now:
                    print("\n".join(lines), flush=True)
                    signal.raise_signal(signal.SIGTERM)
                before = now
        finally:
            print(_LEAVE if self.live else "", end="", flush=True)

    def lines(self, watch: Watch, measured: Mapping[tuple[str, str], Rates]) -> Iterator[str]:
        """Yield the table's lines, what needs most CPU first."""
        for status in watch.hosts():
            if not status.up:
                yield printable(
                    f"{status.host} is away: {status.reason}" + (f" ({status.cure})" if status.cure else "")
                )
        yield _row(_HEAD)
        shown = [
            (host, domain, measured.get((host, domain.uuid), Rates()))
            for host, domains in watch.known().domains.items()
            for domain in domains.values()
            if domain.state.active or (self.all and domain.state is not State.UNDEFINED)
        ]
        for host, domain, figures in sorted(shown, key=lambda one: (-(one[2].cpu or 0), one[1].name)):
            yield _row(_cells(host, domain, figures))


def _cells(host: str, domain: KnownDomain, figures: Rates) -> Sequence[str]:
    cpu = "-" if figures.cpu is None else f"{figures.cpu * 100:.1f}"
    sizes = [figures.memory_bytes, figures.read, figures.written, figures.received, figures.sent]
    return (printable(domain.name), domain.state, cpu, *map(_size, sizes), printable(host))


def _row(cells: Sequence[str]) -> str:
    columns = [
        cell[:width].ljust(width) if index < 2 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return "  ".join(columns).rstrip()


def _size(number: float | None) -> str:
    if number is None:
        return "-"
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.{0 if unit == 0 or number >= 100 else 1}f} {_UNITS[unit]}"
