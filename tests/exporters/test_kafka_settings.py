"""The keys of a table [exporters.<name>] with type kafka: what goes together, and what is said where it does not."""

from pathlib import Path
from typing import Any

import pytest

from vmwatch_exporters.kafka import Kafka

SASL = {"security_protocol": "SASL_SSL", "username": "vmwatch", "password_variable": "KAFKA_PASSWORD"}
PLAIN = {**SASL, "sasl_mechanism": "PLAIN"}
TOKEN = {**SASL, "sasl_mechanism": "OAUTHBEARER", "token_endpoint": "https://id.example.org/token"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"brokers": ("kafka-1.example.org:9092", "10.0.0.1:9092", "[2001:db8::1]:9092")},
        {"state_topic": "", "samples_topic": "vmwatch.samples"},
        {"security_protocol": "SSL", "ca_file": Path("ca.pem"), "certificate_file": Path("vmwatch.pem")},
        PLAIN,
        {**PLAIN, "password_variable": "", "password_file": Path("password")},
        TOKEN,
    ],
)
def test_these_go_together(settings: dict[str, Any]) -> None:
    Kafka(**{"brokers": ("kafka-1:9092",), **settings})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"brokers": ()}, "brokers: expected at least one"),
        ({"brokers": ("kafka-1",)}, "brokers: expected host:port each"),
        ({"brokers": ("kafka-1:9092,kafka-2:9092",)}, "brokers: expected host:port each"),
        ({"brokers": ("https://kafka-1:9092",)}, "brokers: expected host:port each"),
        ({"brokers": ("2001:db8::1:9092",)}, "brokers: expected host:port each"),
        ({"topic": ""}, "topic: expected"),
        ({"topic": "vm events"}, "topic: expected"),
        ({"samples_topic": "a" * 250}, "samples_topic: expected"),
        ({"state_topic": "vmwatch.events"}, "state_topic: expected a topic of its own"),
        (SASL, "sasl_mechanism: expected with security_protocol SASL_SSL"),
        ({**PLAIN, "security_protocol": "SSL"}, "security_protocol: expected SASL_SSL or SASL_PLAINTEXT"),
        ({**PLAIN, "username": ""}, "username: expected"),
        ({**PLAIN, "password_variable": ""}, "password_file: expected"),
        ({**PLAIN, "password_file": Path("password")}, "password_file: expected"),
        ({**PLAIN, "token_endpoint": "https://id.example.org/token"}, "token_endpoint: expected"),
        ({**TOKEN, "token_endpoint": ""}, "token_endpoint: expected a URL"),
        ({**TOKEN, "token_endpoint": "file:///etc/passwd"}, "token_endpoint: expected a URL"),
        ({**TOKEN, "token_endpoint": "https://["}, "token_endpoint: expected a URL"),
        ({**TOKEN, "token_endpoint": "https://id.example.org:http/token"}, "token_endpoint: expected a URL"),
        ({**TOKEN, "token_endpoint": "https://id.example.org/a token"}, "token_endpoint: expected a URL"),
        ({"certificate_file": Path("vmwatch.pem")}, "certificate_file: expected with security_protocol SSL"),
        ({"security_protocol": "SSL", "key_file": Path("vmwatch.key")}, "certificate_file: expected with key_file"),
    ],
)
def test_what_does_not_go_together_is_told_by_the_key(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        Kafka(**{"brokers": ("kafka-1:9092",), **settings})
