"""`vmwatch schema`: what events look like, for readers in any language."""

import argparse
import json
import os
import sys

from vmwatch.asyncapi import asyncapi
from vmwatch.schema import json_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--asyncapi", action="store_true", help="the AsyncAPI 3 document of the Kafka topics")


def run(arguments: argparse.Namespace) -> int:
    """Print the schema, or the document."""
    text = json.dumps(asyncapi() if arguments.asyncapi else json_schema(), indent=2, ensure_ascii=False)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
    return 0
