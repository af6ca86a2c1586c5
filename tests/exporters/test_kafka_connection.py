"""Files and secrets, as they are when a producer is made."""

import ssl
from pathlib import Path

import pytest

from tests.beds.certificates import Authority
from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka import Kafka
from vmwatch_exporters.kafka.connection import connection


def kafka(**settings: object) -> Kafka:
    return Kafka(brokers=("kafka-1:9092",), **settings)  # type: ignore[arg-type]


def plain(**settings: object) -> Kafka:
    return kafka(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", username="alice", **settings)


def test_a_password_is_read_anew_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    exporter = plain(password_file=file)
    assert connection(exporter)["sasl_plain_password"] == "old"
    file.write_text(" new ")
    assert connection(exporter)["sasl_plain_password"] == " new "


def test_a_password_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "secret")
    assert connection(plain(password_variable="KAFKA_PASSWORD"))["sasl_plain_password"] == "secret"
    monkeypatch.delenv("KAFKA_PASSWORD")
    with pytest.raises(VmwatchError, match=r"^password_variable KAFKA_PASSWORD: not set in the environment$"):
        connection(plain(password_variable="KAFKA_PASSWORD"))


def test_the_exporter_itself_knows_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush")
    exporter = plain(password_file=file)
    connection(exporter)
    assert "hush" not in repr(exporter)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff\xfe", "not UTF-8")], ids=["missing", "binary"]
)
def test_a_password_that_cannot_be_read_is_told_by_its_file(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(VmwatchError, match=f"^password_file {file}: {reason}$"):
        connection(plain(password_file=file))


def test_tls_checks_certificate_and_name_of_the_broker(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = connection(kafka(security_protocol="SSL", ca_file=authority.certificate))["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    trusting = kafka(security_protocol="SSL", ca_file=authority.certificate, check_hostname=False)
    context = connection(trusting)["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert not context.check_hostname


@pytest.mark.parametrize(("name", "reason"), [("missing.pem", "No such file"), ("empty.pem", "no certificate")])
def test_an_authority_that_cannot_be_read_is_told_by_its_file(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(VmwatchError, match=f"^ca_file {tmp_path / name}: {reason}"):
        connection(kafka(security_protocol="SSL", ca_file=tmp_path / name))


def test_a_certificate_and_a_key_that_do_not_fit_are_told_by_their_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("vmwatch"), authority.issue("somebody")
    with pytest.raises(VmwatchError, match=r"^certificate_file .*vmwatch\.pem, key_file .*somebody\.key: key values"):
        connection(kafka(security_protocol="SSL", certificate_file=ours.certificate, key_file=theirs.key))
    connection(kafka(security_protocol="SSL", certificate_file=ours.chain))
