"""How the end-to-end tests set vmwatch up, and how they read what it told: in lines that look like a table."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import libvirt

from tests.beds.guest import Guest, define, press_power_button
from tests.beds.kafka import Broker
from tests.beds.process import Line, Vmwatch, run_to_its_end
from tests.beds.topics import Record

ALL_EXPORTERS = """
[exporters.json_log]

[exporters.prometheus]

[exporters.kafka]
brokers = ["{bootstrap}"]
topic = "{name}.events"
state_topic = "{name}.state"
create_topics = true
partitions = 3
start = "earliest"
"""
_WORTH_TELLING = ("part_of", "cause", "action", "operation", "result", "end", "reason")
_PAUSE_SECONDS = 0.01
_AT_TIMES = ("control-error", "rebooted part_of=wakeup", "unresponsive", "responsive")
_PAUSE = "suspended/paused running->paused"
_PANIC_IN_A_PAUSE = "crashed/panicked paused->crashed"
_PANIC = "crashed/panicked running->crashed"

BOOTED = (
    "defined/added undefined->shutoff",
    "resumed/unpaused shutoff->running part_of=boot",
    "started/booted running->running",
)
POWERED_OFF = (
    "shutdown-finished/guest running->shutdown",
    "stopped/shutdown shutdown->shutoff cause=guest-shutdown flushed",
    "undefined/removed shutoff->undefined",
    "outage cause=guest-shutdown end=undefined",
)
DESTROYED = (
    "shutdown-finished/host running->shutdown",
    "stopped/destroyed shutdown->shutoff cause=destroyed",
    "undefined/removed shutoff->undefined",
    "outage cause=destroyed end=undefined",
)


def hosts(**uris: str) -> str:
    """Return the part of a configuration that watches *uris* under those names."""
    return "".join(f"[[libvirt]]\nname = {json.dumps(name)}\nuri = {json.dumps(uri)}\n" for name, uri in uris.items())


def all_exporters(broker: Broker, name: str) -> str:
    """Return the part of a configuration that feeds the three exporters; Kafka's topics begin with *name*."""
    return ALL_EXPORTERS.format(bootstrap=broker.bootstrap, name=name)


@contextmanager
def flow(connection: libvirt.virConnect, *names: str) -> Iterator[None]:
    """Suspend and resume the guests called *names* again and again in this context."""
    domains = [connection.lookupByName(name) for name in names]
    over = threading.Event()

    def toggle() -> None:
        while not over.wait(_PAUSE_SECONDS):
            for domain in domains:
                domain.suspend()
                domain.resume()

    with ThreadPoolExecutor(1) as pool:
        toggling = pool.submit(toggle)
        try:
            yield
        finally:
            over.set()
            toggling.result()


def short(line: Line) -> str:
    """Return what matters of *line*: `stopped/failed running->shutoff cause=process-died`."""
    kind = line["event"].removeprefix("domain.")
    parts = [f"{kind}/{line['detail']}" if "detail" in line else kind]
    if "previous_state" in line:
        parts.append(f"{line['previous_state']}->{line['state']}")
    parts += [f"{name}={line[name]}" for name in _WORTH_TELLING if line.get(name)]
    parts += ["flushed"] if "flush_seconds" in line else []
    parts += ["duplicate"] if line.get("duplicate") else []
    return " ".join(parts)


def story(events: Sequence[Line], name: str, **wanted: str) -> list[str]:
    """Return what *events* tell of the domain called *name*, in short; *wanted* fields choose among them."""
    return [
        short(line)
        for line in events
        if line.get("domain") == name and all(line.get(field) == value for field, value in wanted.items())
    ]


def settled(lines: Sequence[str]) -> list[str]:
    """Return *lines* without what libvirt tells only at times, as its threads happen to run.

    That is trouble with the monitor of a QEMU that is being ended, the pause in which a guest panics, and the reset by
    which a guest wakes.  Whether a QEMU answers depends on when it is asked.
    """
    kept: list[str] = []
    for line in lines:
        if line == _PANIC_IN_A_PAUSE and kept[-1] == _PAUSE:
            kept[-1] = _PANIC
        elif line not in _AT_TIMES:
            kept.append(line)
    return kept


def assert_told(vmwatch: Vmwatch, name: str, *expected: str, **wanted: str) -> None:
    """Wait until as much was told of the domain called *name* as *expected*, and compare."""
    found = vmwatch.wait_until(lambda events: enough(settled(story(events, name, **wanted)), len(expected)))
    assert found == [*expected], "\n".join(["told was:", *found])


def enough(lines: list[str], count: int) -> list[str] | None:
    """Return *lines* if there are *count* of them."""
    return lines if len(lines) >= count else None


def as_line(record: Record) -> Line:
    """Return the event in *record* as the log has it, but for the level."""
    assert record.value is not None
    event: Line = json.loads(record.value)
    line = {"timestamp": event.pop("time"), "event": event.pop("type"), "event_id": event.pop("id"), **event}
    if "domain" in event:
        domain = line.pop("domain")
        line |= {"domain": domain["name"], "domain_uuid": domain["uuid"], "domain_id": domain["id"]}
    return line


def without_level(line: Line) -> Line:
    """Return *line* without what is only in the log."""
    return {name: value for name, value in line.items() if name != "level"}


def told_in(broker: Broker, topic: str, expected: Sequence[Line]) -> list[Line]:
    """Wait until *topic* has the events of all *expected* lines; return its events, of repeated ones only the first."""
    ids = {line["event_id"] for line in expected}
    records = broker.read_until(topic, lambda records: ids <= {as_line(record)["event_id"] for record in records})
    first: dict[str, Line] = {}
    for line in map(as_line, records):
        assert first.setdefault(line["event_id"], line) == line
    return list(first.values())


def by_key(lines: Sequence[Line]) -> dict[tuple[str, str], list[Line]]:
    """Return *lines* by what their order is promised for: host and domain; without their level."""
    sorted_lines: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        sorted_lines.setdefault((line["host"], line.get("domain_uuid", "")), []).append(without_level(line))
    return sorted_lines


def listed(vmwatch: Vmwatch, *, host: str = "kvm-1", domain: str = "there-before") -> None:
    """Wait until *vmwatch* knows what *host* has, of which *domain* is one."""
    vmwatch.wait_for(
        lambda line: line["event"] == "domain.discovered" and (line["host"], line["domain"]) == (host, domain)
    )


def assert_gapless(events: Sequence[Line]) -> None:
    """Fail unless each host's sequence has no gap and its time never goes back."""
    last: dict[str, Line] = {}
    for line in events:
        before = last.get(line["host"])
        if before is not None:
            assert line["sequence"] == before["sequence"] + 1
            assert time_of(line) >= time_of(before)
        last[line["host"]] = line


def time_of(line: Line) -> str:
    """Return when it was, of a line of the log or an event of the journal."""
    return str(line.get("timestamp") or line["time"])


def find(events: Sequence[Line], event: str, name: str) -> Line:
    """Return the first line of that type about the domain called *name*."""
    return next(line for line in events if line["event"] == event and line["domain"] == name)


def boot(vmwatch: Vmwatch, connection: libvirt.virConnect, guest: Guest) -> libvirt.virDomain:
    """Define and start *guest*, and wait until that was told."""
    domain = define(connection, guest)
    domain.create()
    assert_told(vmwatch, guest.name, *BOOTED)
    return domain


def wait_for(vmwatch: Vmwatch, name: str, event: str, *, times: int = 1) -> None:
    """Wait until *event* was told so often of the domain called *name*."""
    vmwatch.wait_until(
        lambda events: sum(line["event"] == event and line.get("domain") == name for line in events) >= times
    )


def power_off(vmwatch: Vmwatch, domain: libvirt.virDomain) -> None:
    """Let *domain* end itself, and remove it.

    A guest destroyed shortly after a reset is told with or without a shutdown; this one always with it.
    """
    press_power_button(domain)
    wait_for(vmwatch, domain.name(), "domain.stopped")
    domain.undefine()


def end(domain: libvirt.virDomain) -> None:
    """Destroy *domain*, and remove it."""
    domain.destroy()
    domain.undefine()


def wait_for_more(vmwatch: Vmwatch, count: int) -> None:
    """Wait until *vmwatch* has told *count* more events."""
    wanted = len(vmwatch.events) + count
    vmwatch.wait_until(lambda events: len(events) >= wanted)


def journal(vmwatch: Vmwatch, state_directory: Path | None = None) -> list[Line]:
    """Return all events that the journal of *vmwatch* holds, wherever it is, as `vmwatch events` tells them."""
    place = f"--state.directory={state_directory or vmwatch.state_directory}"
    command = ("events", place, "--since=1h", "--no-follow", "--format=json")
    done = run_to_its_end(vmwatch.folder, *command)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]
