import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.helpers import create_ssl_context

from tests.beds.certificates import Authority, Certificate
from tests.beds.kafka import PASSWORD, USER, Broker
from tests.beds.program import BedError
from tests.beds.topics import Record

pytestmark = pytest.mark.real


def send(address: str, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], **options: Any) -> None:
    async def send_all() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=address, **options)
        try:
            await producer.start()
            for key, value in records:
                await producer.send_and_wait(topic, value, key=key, headers=[("about", b"test")])
        finally:
            await producer.stop()

    asyncio.run(send_all())


def test_a_topic_is_read_whole(broker: Broker) -> None:
    broker.create_topic("whole", partitions=2)
    sent = [(b"%d" % number, b"value") for number in range(20)] + [(b"tombstone", None)]
    send(broker.bootstrap, "whole", sent)
    records = broker.read_all("whole")
    assert sorted((record.key, record.value) for record in records if record.value) == sorted(sent[:-1])
    assert [record.key for record in records if record.value is None] == [b"tombstone"]
    assert {record.headers for record in records} == {(("about", b"test"),)}
    assert [record.offset for record in records if record.partition == 1] == [*range(_in_partition(records, 1))]


def _in_partition(records: Sequence[Record], partition: int) -> int:
    return sum(record.partition == partition for record in records)


def test_a_topic_that_is_not_there_has_no_records(broker: Broker) -> None:
    assert broker.read_all("nowhere") == []


def test_a_topic_that_exists_cannot_be_created(broker: Broker) -> None:
    broker.create_topic("twice", cleanup_policy="compact")
    with pytest.raises(BedError, match="twice"):
        broker.create_topic("twice")


def test_reading_ends_when_there_is_enough(broker: Broker) -> None:
    broker.create_topic("enough")
    send(broker.bootstrap, "enough", [(None, b"1"), (None, b"2"), (None, b"3")])
    records = broker.read_until("enough", lambda so_far: any(record.value == b"2" for record in so_far))
    assert [record.value for record in records][:2] == [b"1", b"2"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure_broker(authority: Authority) -> Iterator[Broker]:
    with Broker(listeners=["TLS", "MTLS", "SASL", "SASL_TLS"], authority=authority) as broker:
        yield broker


def test_a_killed_broker_comes_back_with_its_records(secure_broker: Broker) -> None:
    secure_broker.create_topic("kept")
    send(secure_broker.bootstrap, "kept", [(None, b"before")], acks="all")
    secure_broker.kill()
    secure_broker.start()
    send(secure_broker.bootstrap, "kept", [(None, b"after")], acks="all")
    assert [record.value for record in secure_broker.read_all("kept")] == [b"before", b"after"]


def _tls(authority: Authority, mine: Certificate | None = None) -> dict[str, Any]:
    files = {"certfile": mine.certificate, "keyfile": mine.key} if mine else {}
    return {"security_protocol": "SSL", "ssl_context": create_ssl_context(cafile=authority.certificate, **files)}


def _sasl(mechanism: str, password: str = PASSWORD) -> dict[str, Any]:
    names = {"sasl_plain_username": USER, "sasl_plain_password": password}
    return {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, **names}


def test_each_listener_takes_who_it_is_for(secure_broker: Broker, authority: Authority) -> None:
    both = {**_sasl("PLAIN"), **_tls(authority), "security_protocol": "SASL_SSL"}
    secure_broker.create_topic("secure")
    send(secure_broker.address("TLS"), "secure", [(None, b"TLS")], **_tls(authority))
    send(secure_broker.address("MTLS"), "secure", [(None, b"MTLS")], **_tls(authority, authority.issue("client")))
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        send(secure_broker.address("SASL"), "secure", [(None, mechanism.encode())], **_sasl(mechanism))
    send(secure_broker.address("SASL_TLS"), "secure", [(None, b"both")], **both)
    values = [record.value for record in secure_broker.read_all("secure")]
    assert values == [b"TLS", b"MTLS", b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512", b"both"]


def test_listeners_refuse_others(secure_broker: Broker, authority: Authority) -> None:
    with pytest.raises(KafkaConnectionError):
        send(secure_broker.address("MTLS"), "secure", [], **_tls(authority))
    with pytest.raises(KafkaConnectionError):
        send(secure_broker.address("SASL"), "secure", [], **_sasl("PLAIN", password="wrong"))


def test_a_broker_that_cannot_start_says_why() -> None:
    broker = Broker(properties={"node.id": "none"})
    with pytest.raises(BedError, match="Not a number"):
        broker.start()
    broker.close()
