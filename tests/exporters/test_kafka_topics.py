from vmwatch_exporters.kafka import Kafka
from vmwatch_exporters.kafka.session import topics_of

KAFKA = Kafka(
    brokers=("kafka-1:9092", "kafka-2:9092"),
    samples_topic="vmwatch.samples",
    partitions=12,
    replication_factor=3,
    retention=86400.0,
)
CLOCK = {"message.timestamp.type": "LogAppendTime"}


def test_states_are_compacted_and_the_others_kept_for_the_retention() -> None:
    assert {topic.name: topic.settings for topic in topics_of(KAFKA).topics} == {
        "vmwatch.events": {"cleanup.policy": "delete", "retention.ms": "86400000"} | CLOCK,
        "vmwatch.state": {"cleanup.policy": "compact"} | CLOCK,
        "vmwatch.samples": {"cleanup.policy": "delete", "retention.ms": "86400000"} | CLOCK,
    }


def test_a_topic_that_is_not_wanted_is_not_asked_for() -> None:
    assert [topic.name for topic in topics_of(Kafka(brokers=("kafka-1:9092",), state_topic="")).topics] == [
        "vmwatch.events"
    ]


def test_the_command_for_brokers_that_want_to_know_us_says_where_that_stands() -> None:
    kafka = Kafka(brokers=("kafka-1:9093",), security_protocol="SSL")
    assert "--command-config client.properties`" in str(topics_of(kafka).missing("vmwatch.events"))


def test_a_missing_topic_is_told_with_the_command_that_makes_it() -> None:
    assert str(topics_of(KAFKA).missing("vmwatch.state")) == (
        "topic vmwatch.state: it does not exist, or we may not see it; make it with `kafka-topics.sh"
        " --bootstrap-server kafka-1:9092,kafka-2:9092 --create --topic vmwatch.state --config cleanup.policy=compact"
        " --config message.timestamp.type=LogAppendTime --partitions 12 --replication-factor 3`,"
        " or set create_topics = true"
    )
