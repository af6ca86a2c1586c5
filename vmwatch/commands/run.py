"""`vmwatch run`: watch what the configuration names until SIGTERM or SIGINT."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from vmwatch.commands import demo, options
from vmwatch.commands.serving import Undertaking, serve_until_stopped
from vmwatch.config import Flags, load
from vmwatch.logs import configure
from vmwatch.settings import Settings
from vmwatch.source.local import local_hypervisor
from vmwatch.source.openings import Openings
from vmwatch.source.roster import Roster

CHECKOUT_FILE = Path("vmwatch.toml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    options.add_settings(parser)
    parser.add_argument(
        "--or-demo",
        action="store_true",
        help="without configuration: ./vmwatch.toml, else the local hypervisor, else the demonstration",
    )


def run(arguments: argparse.Namespace) -> int:
    """Watch until stopped."""
    flags = options.flags(arguments)
    if not arguments.or_demo or flags.config_file or flags.uris:
        return watch(flags)
    if CHECKOUT_FILE.exists():
        return watch(replace(flags, config_file=CHECKOUT_FILE))
    uri = local_hypervisor()
    if uri is None:
        return demo.watch(flags, why="no hypervisor answers on this machine, and there is no vmwatch.toml")
    return watch(replace(flags, uris=(uri,)))


def watch(flags: Flags) -> int:
    """Watch what the configuration names until stopped."""

    def settings() -> Settings:
        read = load(flags)
        configure(read.log)
        return read

    more = {"configuration": str(flags.config_file)} if flags.config_file else {}
    openings = Openings()  # what hangs outlives a configuration
    roster = partial(Roster, openings=openings)
    return serve_until_stopped(Undertaking("watching", settings, roster, **more))
