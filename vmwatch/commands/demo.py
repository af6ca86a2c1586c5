"""`vmwatch demo`: the whole of vmwatch without a hypervisor, on libvirt's test driver and recorded guests."""

import argparse

from vmwatch.commands import options
from vmwatch.commands.serving import Undertaking, serve_until_stopped
from vmwatch.config import Flags, load
from vmwatch.fleet import fixed
from vmwatch.logs import configure
from vmwatch.pipeline import Sources
from vmwatch.settings import HostSettings, Settings
from vmwatch.source.host import Host
from vmwatch.source.recorded import recorded_hosts
from vmwatch.source.workload import TEST_DRIVER, BusyHost

LIVE = "demo-live"
RECORDED = {"h1": "demo-recorded", "h2": "demo-recorded-2"}
"""What the hosts of the traces are called here; the second one is the migrations' destination."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    options.add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it until stopped."""
    return watch(options.flags(arguments))


def watch(flags: Flags, why: str = "") -> int:
    """Show it until stopped; *why* nothing real is watched, for the first line.

    Nothing is kept, unless a state directory is asked for.
    """

    def settings() -> Settings:
        read = load(flags)
        configure(read.log)
        return read

    what = "demonstration: a test driver and recorded guests, nothing real"
    more = {"why": why} if why else {}
    return serve_until_stopped(
        Undertaking(what, settings, sources, **more), keep_state=flags.state_directory is not None
    )


def sources(settings: Settings) -> Sources:
    """Return the live host and the recorded ones."""
    live = Host(HostSettings(TEST_DRIVER, name=LIVE), settings.stats, settings.show)
    return fixed([BusyHost(live), *recorded_hosts(RECORDED, settings.show)])
