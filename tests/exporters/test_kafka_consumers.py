"""The topics seen from the other side, by programs that know nothing of vmwatch."""

import asyncio
import json
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from tests.beds.kafka import Broker
from tests.beds.program import NotInstalledError, find
from tests.exporters.kafka_run import event, exporter, kept_running
from vmwatch.encode import encode, rfc3339
from vmwatch.events import Event

CONSUMER = Path(__file__).parent / "data" / "kafka_consumer.py"
README = (Path(__file__).parents[2] / "README.md").read_text()
KCAT = next(line.strip() for line in README.splitlines() if line.startswith("    kcat "))
EVENTS = [event(sequence) for sequence in range(1, 101)]


async def send(broker: Broker, *events: Event) -> None:
    async with kept_running(exporter(broker.bootstrap, "vmwatch", partitions=2)) as run:
        run.put(*events)
        await run.delivered()


def test_the_readme_shows_the_consumer_that_is_tested_here() -> None:
    assert f"```python\n{CONSUMER.read_text()}```\n" in README


@pytest.mark.real
async def test_a_consumer_of_twenty_lines_drops_repeats_by_their_id(fresh_broker: Broker) -> None:
    await send(fresh_broker, *EVENTS)
    await send(fresh_broker, *EVENTS[90:], event(101))
    program = await asyncio.create_subprocess_exec(sys.executable, CONSUMER, fresh_broker.bootstrap, stdout=PIPE)
    assert program.stdout is not None
    try:
        async with asyncio.timeout(60):
            lines = [(await program.stdout.readline()).decode() for _ in range(101)]
    finally:
        program.kill()
        await program.wait()
    assert sorted(lines) == sorted(
        f"{rfc3339(one.time)} host-a domain.started {one.domain.name}\n"  # type: ignore[attr-defined]
        for one in [*EVENTS, event(101)]
    )


@pytest.mark.real
async def test_the_readmes_kcat_shows_headers_keys_and_events(fresh_broker: Broker) -> None:
    try:
        kcat = find("kcat", package="kcat")
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    await send(fresh_broker, *EVENTS)
    arguments = shlex.split(KCAT.replace("localhost:9092", fresh_broker.bootstrap))[1:]
    program = await asyncio.create_subprocess_exec(kcat, "-e", *arguments, stdout=PIPE, stderr=DEVNULL)
    async with asyncio.timeout(60):
        output, _ = await program.communicate()
    told = {line.partition("\t")[0]: line.split("\t")[1:] for line in output.decode().splitlines()}
    assert len(told) == len(EVENTS)
    for headers, (key, value) in told.items():
        attributes = dict(header.split("=", 1) for header in headers.split(","))
        assert attributes["ce_type"] == "io.vmwatch.domain.started"
        assert attributes["ce_subject"] == key
        assert attributes["ce_id"] == json.loads(value)["id"]
    assert {value for _key, value in told.values()} == {encode(one).decode() for one in EVENTS}
