"""The command line: `vmwatch <command>`, one module for each command, and the exit status.

0 stopped as asked, 1 failed, 2 wrong usage or configuration.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

from vmwatch import __version__
from vmwatch.errors import ConfigError, VmwatchError
from vmwatch.uris import without_credentials

COMMANDS = {
    "run": "watch until stopped; SIGHUP re-reads the configuration",
    "demo": "the same without a hypervisor: a demonstration to look at",
    "events": "the stream in this terminal, live or from the journal",
    "top": "a live table of domains in this terminal",
    "check": "try the configuration, each connection and each exporter",
    "replay": "recorded callbacks as the events they become",
    "schema": "JSON Schema of every event, or AsyncAPI of the topics",
}

EPILOG = """\
examples:
  vmwatch run                                        watch qemu:///system
  vmwatch run --libvirt.uri=qemu+ssh://host/system   watch another machine
  vmwatch events --since 24h --domain web-1          what happened to web-1?

`vmwatch <command> --help` tells the rest.  Metrics: http://localhost:9177/metrics
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    _prepare_standard_streams()
    _silence_libvirt()
    words = sys.argv[1:] if argv is None else list(argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    arguments = _parser(chosen).parse_args(words)
    try:
        status: int = import_module(f"vmwatch.commands.{arguments.command}").run(arguments)
    except ConfigError as error:
        return _failed(error, 2)
    except VmwatchError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return 0
    return status


def _silence_libvirt() -> None:
    """Keep libvirt's library from writing to our log: what it has to say reaches us as exceptions.

    It looks at this once, when it is loaded.  Its ESX driver warns of each property it does not know, in each listing.
    """
    if "LIBVIRT_DEBUG" not in os.environ:
        os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null")


class _Parser(argparse.ArgumentParser):
    """A parser that repeats what is wrong, but no password in a URI: what it says may end in a log."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        super().error(" ".join(map(without_credentials, message.split(" "))))


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the *chosen* command's module is imported."""
    parser = _Parser(
        prog="vmwatch",
        description="Watch virtual machines: libvirt's events and figures, to Prometheus, Kafka and JSON logs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vmwatch {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="<command>", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        if name == chosen:
            import_module(f"vmwatch.commands.{name}").add_arguments(command)
    return parser


def _failed(error: VmwatchError, status: int) -> int:
    with suppress(OSError, ValueError):  # nobody reads it any more: the status remains
        print(f"vmwatch: {error}", file=sys.stderr, flush=True)
    return status


def _prepare_standard_streams() -> None:
    """Take the place of those that are closed, or the next file opened would get our output.

    Each is opened the wrong way round, so that using it still fails.  A letter that the terminal lacks is no failure.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
