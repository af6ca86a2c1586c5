import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiokafka.errors import NotEnoughReplicasError, NotLeaderForPartitionError

from vmwatch_exporters.kafka.troubles import Troubles, listening

client = logging.getLogger("aiokafka")
sender = logging.getLogger("aiokafka.producer.sender")


def told(troubles: Troubles) -> str:
    return str(troubles.unreachable(TimeoutError()))


class Heard(logging.Handler):
    """What reaches the log of the whole program."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_what_the_client_logs_is_the_reason_and_nobody_else_hears_it(heard: Heard) -> None:
    client.propagate = True
    with listening(["kafka-1:9092", "kafka-2:9092"]) as troubles:
        for _ in range(3):
            client.error('Unable connect to "%s:%s": %s', "kafka-1", 9092, ConnectionRefusedError(111, "refused"))
        sender.warning("Got error produce response on %s, retrying. Error: %s", "topic-0", NotEnoughReplicasError)
        client.error("Unable to update metadata from %s", [1])
    assert told(troubles) == (
        "brokers kafka-1:9092, kafka-2:9092: connection refused; fewer replicas are in sync than min.insync.replicas"
    )
    assert heard.lines == []


def test_without_a_line_the_error_itself_is_the_reason() -> None:
    with listening(["kafka-1:9092"]) as troubles:
        assert told(troubles) == "brokers kafka-1:9092: no answer"


def test_reasons_are_forgotten_once_the_client_works() -> None:
    with listening(["kafka-1:9092"]) as troubles:
        client.error("%s", ConnectionRefusedError())
        troubles.clear()
        assert told(troubles) == "brokers kafka-1:9092: no answer"


def test_how_an_outage_began_is_not_told_when_it_is_another_one_by_now() -> None:
    with listening(["kafka-1:9092"]) as troubles:
        for age_seconds, error in ((60, NotLeaderForPartitionError()), (0, ConnectionRefusedError())):
            record = client.makeRecord(client.name, logging.ERROR, "", 0, "%s", (error,), None)
            record.created -= age_seconds
            client.handle(record)
        assert told(troubles) == "brokers kafka-1:9092: connection refused"


async def test_two_exporters_do_not_hear_each_others_client() -> None:
    ready = asyncio.Barrier(2)

    async def run(error: Exception) -> str:
        with listening(["kafka-1:9092"]) as troubles:
            await ready.wait()
            await asyncio.create_task(log(error))
            await ready.wait()
            return told(troubles)

    async def log(error: Exception) -> None:
        client.error("%s", error)

    reasons = await asyncio.gather(run(ConnectionRefusedError()), run(OSError(113, "No route to host")))
    assert list(reasons) == ["brokers kafka-1:9092: connection refused", "brokers kafka-1:9092: No route to host"]


def test_what_is_sent_is_never_logged_as_it_may_be_a_password() -> None:
    client.setLevel(logging.DEBUG)
    with listening(["kafka-1:9092"]):
        assert not logging.getLogger("aiokafka.conn").isEnabledFor(logging.DEBUG)


def test_no_handler_is_left_behind() -> None:
    before = list(client.handlers)
    with listening(["kafka-1:9092"]):
        pass
    assert client.handlers == before
