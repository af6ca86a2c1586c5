import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownError,
)
from structlog.testing import capture_logs

from tests.exporters.kafka_brokers import BATCH_RECORDS, Brokers, record, refusing, refusing_times, sequence
from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.faults import InvalidRecordError
from vmwatch_exporters.kafka.records import Record
from vmwatch_exporters.kafka.sending import EARLIEST_MS, NO_TIMESTAMP, SLICE

RECORDS = [record(number, domain=number % 7) for number in range(1, 101)]


async def test_each_domain_stays_in_order_and_partitions_do_not_wait_for_each_other() -> None:
    brokers = Brokers()
    sending = brokers.sending()
    await sending.start()
    assert await sending.send(RECORDS) == []
    for log in brokers.logs.values():
        by_domain: dict[bytes, list[bytes]] = {}
        for one in log:
            by_domain.setdefault(one.key, []).append(dict(one.headers)["ce_sequence"])
        assert all(told == sorted(told) for told in by_domain.values())
    assert sorted(brokers.ids()) == sorted(f"epoch-{number}" for number in range(1, 101))
    assert brokers.most_under_way == brokers.partitions


async def test_a_partition_has_one_batch_under_way_so_that_nothing_gets_ahead_of_a_refused_one() -> None:
    brokers = Brokers(partitions=1)
    sending = brokers.sending()
    await sending.start()
    await sending.send(RECORDS)
    assert brokers.most_under_way == 1


@pytest.mark.parametrize("error", [MessageSizeTooLargeError, InvalidRecordError])
async def test_refused_records_are_found_and_returned_and_all_others_stay_in_order(error: type[Exception]) -> None:
    refused = ["epoch-3", "epoch-4", "epoch-57"]
    brokers = Brokers(refusing(error, *refused), partitions=1)
    sending = brokers.sending()
    await sending.start()
    refusals = await sending.send(RECORDS)
    assert [f"epoch-{sequence(one.record)}" for one in refusals] == refused
    assert all(one.reason for one in refusals)
    assert brokers.ids() == [f"epoch-{number}" for number in range(1, 101) if f"epoch-{number}" not in refused]
    assert brokers.dropped == brokers.connections - 1


async def test_after_a_refused_record_whole_batches_are_sent_again() -> None:
    sizes: list[int] = []
    refuse = refusing(MessageSizeTooLargeError, "epoch-3")

    def answer(records: Sequence[Record]) -> BaseException | None:
        sizes.append(len(records))
        return refuse(records)

    brokers = Brokers(answer, partitions=1)
    sending = brokers.sending()
    await sending.start()
    await sending.send(RECORDS)
    assert sizes == [BATCH_RECORDS] + [1] * BATCH_RECORDS + [BATCH_RECORDS] * 9


async def test_however_many_are_refused_one_after_the_other_each_is_returned() -> None:
    refused = [f"epoch-{number}" for number in range(20, 60)]
    brokers = Brokers(refusing(MessageSizeTooLargeError, *refused), partitions=1)
    sending = brokers.sending()
    await sending.start()
    refusals = await sending.send(RECORDS)
    assert [f"epoch-{sequence(one.record)}" for one in refusals] == refused
    assert len(brokers.ids()) == 60


async def test_a_broker_that_fails_without_a_reason_is_told_and_nothing_is_skipped() -> None:
    brokers = Brokers(lambda _records: UnknownError())
    sending = brokers.sending()
    await sending.start()
    with pytest.raises(VmwatchError, match=r"^topic vmwatch\.events: the broker failed and does not say why"):
        await sending.send(RECORDS)


async def test_records_whose_time_is_refused_are_sent_without_one() -> None:
    brokers = Brokers(refusing_times(InvalidTimestampError))
    sending = brokers.sending()
    await sending.start()
    with capture_logs() as logs:
        assert await sending.send(RECORDS) == []
        assert await sending.send(RECORDS) == []
    assert len(brokers.ids()) == 200
    assert brokers.timestamps() == {NO_TIMESTAMP}
    assert [line["event"] for line in logs] == ["kafka refuses our times"]


async def test_times_that_several_partitions_refuse_at_once_cost_no_record() -> None:
    brokers = Brokers(refusing_times(InvalidTimestampError), partitions=100)
    sending = brokers.sending()
    await sending.start()
    assert await sending.send(RECORDS[:7]) == []
    assert len(brokers.logs) > 1
    assert len(brokers.ids()) == 7


async def test_records_of_a_time_before_vmwatch_have_none() -> None:
    brokers = Brokers()
    sending = brokers.sending()
    await sending.start()
    await sending.send([RECORDS[0]._replace(timestamp_ms=EARLIEST_MS - 1)])
    assert brokers.timestamps() == {NO_TIMESTAMP}
    await sending.send([RECORDS[0]._replace(timestamp_ms=EARLIEST_MS)])
    assert brokers.timestamps() == {NO_TIMESTAMP, EARLIEST_MS}


async def test_a_fault_of_the_topic_is_told_and_nothing_is_skipped() -> None:
    brokers = Brokers(lambda _records: TopicAuthorizationFailedError())
    sending = brokers.sending()
    await sending.start()
    with pytest.raises(VmwatchError, match=r"^topic vmwatch\.events: not allowed to write to the topic$"):
        await sending.send(RECORDS)


async def test_a_topic_that_has_gone_is_told_with_the_command_that_makes_it() -> None:
    brokers = Brokers(lambda _records: asyncio.CancelledError())
    sending = brokers.sending(timeout_seconds=0)
    await sending.start()
    lanes = asyncio.ensure_future(sending.send(RECORDS))
    await asyncio.sleep(0)
    brokers.partitions = 0
    with pytest.raises(VmwatchError, match=r"--create --topic vmwatch\.events"):
        await lanes


async def test_a_spoilt_producer_is_replaced_once_and_then_its_error_is_told() -> None:
    errors = [OutOfOrderSequenceNumber()]
    brokers = Brokers(lambda _records: errors.pop() if errors else None)
    sending = brokers.sending()
    await sending.start()
    assert await sending.send(RECORDS) == []
    assert (brokers.connections, len(brokers.ids())) == (2, 100)
    brokers.answer = lambda _records: OutOfOrderSequenceNumber()
    with pytest.raises(VmwatchError, match="OutOfOrderSequenceNumber"):
        await sending.send(RECORDS)


async def test_brokers_that_do_not_acknowledge_in_time_are_told() -> None:
    brokers = Brokers(lambda _records: asyncio.CancelledError())
    sending = brokers.sending(timeout_seconds=0)
    await sending.start()
    with pytest.raises(VmwatchError, match=r"^brokers kafka-1:9092: no answer$"):
        await sending.send(RECORDS)


async def test_the_loop_turns_while_many_records_are_made() -> None:
    turns, turns_before_the_first_batch = 0, []
    brokers = Brokers(lambda _records: turns_before_the_first_batch.append(turns))
    sending = brokers.sending()
    await sending.start()

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    await sending.send(record(number) for number in range(1, 1001))
    turning.cancel()
    assert turns_before_the_first_batch[0] >= 1000 / SLICE
