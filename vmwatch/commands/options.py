"""The flags that commands share, named as Prometheus' exporters name theirs."""

import argparse
from pathlib import Path

from vmwatch.config import Flags

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "console", "json")


def add_settings(parser: argparse.ArgumentParser, *, web: bool = True) -> None:
    """Add the flags that say what is watched and kept; with *web* those of the web server too."""
    parser.add_argument("--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration (TOML)")
    parser.add_argument(
        "--libvirt.uri", dest="uris", action="append", default=[], metavar="URI", help="hypervisor; may be repeated"
    )
    parser.add_argument(
        "--state.directory", dest="state_directory", type=Path, metavar="DIR", help="where the journal lies"
    )
    parser.add_argument("--shard", type=int, metavar="N", help="which part of the hosts is ours, from 0; default: 0")
    parser.add_argument("--total-shards", type=int, metavar="N", help="how many vmwatch share the hosts; default: 1")
    if web:
        _add_web(parser)
    parser.add_argument("--log.level", dest="log_level", choices=LEVELS, help="default: info")
    parser.add_argument("--log.format", dest="log_format", choices=FORMATS, help="default: for people on a terminal")


def _add_web(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="default: :9177; may be repeated",
    )
    parser.add_argument("--web.telemetry-path", dest="telemetry_path", metavar="PATH", help="default: /metrics")
    parser.add_argument(
        "--web.config.file", dest="web_config_file", type=Path, metavar="FILE", help="TLS and users (exporter-toolkit)"
    )


def flags(arguments: argparse.Namespace) -> Flags:
    """Return what the command line said."""
    return Flags(
        config_file=arguments.config_file,
        uris=tuple(arguments.uris),
        listen_addresses=tuple(getattr(arguments, "listen_addresses", ())),
        telemetry_path=getattr(arguments, "telemetry_path", None),
        web_config_file=getattr(arguments, "web_config_file", None),
        log_level=arguments.log_level,
        log_format=arguments.log_format,
        state_directory=arguments.state_directory,
        shard=arguments.shard,
        total_shards=arguments.total_shards,
    )
