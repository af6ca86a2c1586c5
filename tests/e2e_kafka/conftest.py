"""Shows what the proofs counted, also where they hold."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.beds.kafka import Broker
from tests.e2e_kafka.proof import Counts

COUNTED = "counted"


@pytest.fixture
def mortal_broker(broker: Broker) -> Iterator[Broker]:
    """The shared broker, to be killed, stopped, paused: it is brought back afterwards."""
    yield broker
    if broker.process.running:
        broker.resume()
    else:
        broker.start()


@pytest.fixture
def counted(record_property: Callable[[str, Any], None]) -> Callable[[object], None]:
    """Keep a line for the summary of the run."""
    return lambda line: record_property(COUNTED, str(line))


@pytest.fixture
def holds(counted: Callable[[object], None]) -> Callable[[Counts], None]:
    """Keep counts for the summary, and fail if anything is wrong with them."""

    def check(counts: Counts) -> None:
        counted(counts)
        assert counts.committed > 0
        assert counts.good, str(counts)

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines that were kept."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {line}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, line in report.user_properties
        if name == COUNTED
    ]
    if lines:
        terminalreporter.section("Kafka beside the journal")
        for line in lines:
            terminalreporter.write_line(line)
