"""`vmwatch replay FILE...`: recorded callbacks as the events they become, one line of JSON for each."""

import argparse
import os
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

from vmwatch.encode import encode
from vmwatch.errors import VmwatchError
from vmwatch.logs import configure
from vmwatch.replay import replay
from vmwatch.settings import LogSettings, ShowSettings

_SENSITIVE = tuple(field.name for field in fields(ShowSettings))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded callbacks; - is standard input")
    for name in _SENSITIVE:
        parser.add_argument(f"--show.{name}", dest=f"show_{name}", action="store_true", help=f"tell {name} too")


def run(arguments: argparse.Namespace) -> int:
    """Print the stream of each file, which begins anew; VmwatchError where one cannot be read."""
    configure(LogSettings(level="warning"))
    show = ShowSettings(**{name: getattr(arguments, f"show_{name}") for name in _SENSITIVE})
    try:
        for path in arguments.files:
            _replay(path, show)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
    return 0


def _replay(path: Path, show: ShowSettings) -> None:
    try:
        with _open(path) as lines:
            _print(lines, show)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise VmwatchError(f"{path}: {error.strerror or error}") from None
    except VmwatchError as error:
        raise VmwatchError(f"{path}: {error}") from None


def _open(path: Path) -> BinaryIO:
    return sys.stdin.buffer if str(path) == "-" else path.open("rb")


def _print(lines: BinaryIO, show: ShowSettings) -> None:
    with closing(replay(lines, show)) as events:
        for event in events:
            sys.stdout.buffer.write(encode(event) + b"\n")
    sys.stdout.buffer.flush()
