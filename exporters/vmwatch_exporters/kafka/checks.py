"""Settings of the Kafka exporter that do not go together, each in a sentence that begins with the key."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from vmwatch_exporters.kafka import Kafka


def check(kafka: "Kafka") -> None:
    """Raise ValueError for the first thing that is wrong with *kafka*."""
    for complaint in (*_brokers(kafka), *_topics(kafka), *_security(kafka)):
        raise ValueError(complaint)


def _brokers(kafka: "Kafka") -> Iterator[str]:
    if not kafka.brokers:
        yield 'brokers: expected at least one, such as "kafka-1.example.org:9092"'
    for broker in kafka.brokers:
        if not re.fullmatch(r"([^\s:,/\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", broker):
            yield 'brokers: expected host:port each, such as "kafka-1.example.org:9092"'


def _topics(kafka: "Kafka") -> Iterator[str]:
    names = {"topic": kafka.topic, "state_topic": kafka.state_topic, "samples_topic": kafka.samples_topic}
    for key, name in names.items():
        if (name or key == "topic") and (not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in (".", "..")):
            yield f"{key}: expected up to 249 of letters, digits, dots, underscores and hyphens"
    if kafka.state_topic in (kafka.topic, kafka.samples_topic) and kafka.state_topic:
        yield "state_topic: expected a topic of its own, as it is compacted"


def _security(kafka: "Kafka") -> Iterator[str]:
    sasl = kafka.security_protocol.startswith("SASL_")
    if sasl and kafka.sasl_mechanism is None:
        yield f"sasl_mechanism: expected with security_protocol {kafka.security_protocol}"
    if not sasl and kafka.sasl_mechanism is not None:
        yield "security_protocol: expected SASL_SSL or SASL_PLAINTEXT with a sasl_mechanism"
    if sasl and not kafka.username:
        yield "username: expected with a sasl_mechanism"
    if sasl and (kafka.password_file is None) == (not kafka.password_variable):
        yield "password_file: expected with a sasl_mechanism, or else password_variable"
    yield from _tokens(kafka)
    if kafka.certificate_file is not None and not kafka.security_protocol.endswith("SSL"):
        yield "certificate_file: expected with security_protocol SSL or SASL_SSL only"
    if kafka.key_file is not None and kafka.certificate_file is None:
        yield "certificate_file: expected with key_file"


def _tokens(kafka: "Kafka") -> Iterator[str]:
    if kafka.sasl_mechanism != "OAUTHBEARER":
        if kafka.token_endpoint:
            yield "token_endpoint: expected with sasl_mechanism OAUTHBEARER only"
        return
    if not _is_url(kafka.token_endpoint):
        yield "token_endpoint: expected a URL with sasl_mechanism OAUTHBEARER"


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and not re.search(r"\s", text)
    except ValueError:
        return False
