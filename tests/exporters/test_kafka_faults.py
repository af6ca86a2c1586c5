import asyncio
import socket
import ssl

import pytest
from aiokafka import errors

from vmwatch_exporters.kafka.faults import InvalidRecordError, Remedy, TokenError, line_words, remedy, words


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.MessageSizeTooLargeError, Remedy.SKIP),
        (InvalidRecordError, Remedy.SKIP),
        (errors.UnknownError, Remedy.WAIT),
        (errors.UnsupportedForMessageFormatError, Remedy.WAIT),
        (errors.InvalidTimestampError, Remedy.UNTIME),
        (errors.OutOfOrderSequenceNumber, Remedy.RENEW),
        (errors.ProducerFenced, Remedy.RENEW),
        (errors.TopicAuthorizationFailedError, Remedy.WAIT),
        (errors.UnknownTopicOrPartitionError, Remedy.WAIT),
        (errors.NotEnoughReplicasError, Remedy.WAIT),
        (errors.KafkaConnectionError, Remedy.WAIT),
        (TimeoutError, Remedy.WAIT),
    ],
)
def test_only_what_is_a_records_own_fault_is_skipped(error: type[Exception], expected: Remedy) -> None:
    assert remedy(error()) is expected


def closed(cause: Exception | None) -> errors.KafkaConnectionError:
    error = errors.KafkaConnectionError("Connection at 127.0.0.1:1234 closed")
    error.__cause__ = cause
    return error


def not_trusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, message
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9092)"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "the name is not known"),
        (TimeoutError(), "no answer"),
        (OSError(113, "No route to host"), "No route to host"),
        (closed(None), ""),
        (errors.NodeNotReadyError("node id 1"), ""),
        (closed(asyncio.IncompleteReadError(b"", 4)), "the broker closed the connection"),
        (ConnectionResetError(104, "Connection reset by peer"), "the broker closed the connection"),
        (
            closed(asyncio.IncompleteReadError(b"\x00\x02\x02", 0x15030300)),
            "the broker speaks TLS on this port (see security_protocol)",
        ),
        (ConnectionResetError(), "the broker does not speak TLS on this port (see security_protocol)"),
        (
            not_trusted(19, "self-signed certificate in certificate chain"),
            "the broker's certificate is not trusted: self-signed certificate in certificate chain (see ca_file)",
        ),
        (
            not_trusted(62, "Hostname mismatch, certificate is not valid for 'kafka'."),
            "the broker's certificate is for another name: Hostname mismatch, certificate is not valid for 'kafka'.",
        ),
        (
            closed(alert("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
            "the broker wants another certificate of ours: tlsv13 alert certificate required (see certificate_file)",
        ),
        (errors.SaslAuthenticationFailed("Invalid"), "the broker refuses the user name or the password"),
        (TokenError("token_endpoint: connection refused"), "token_endpoint: connection refused"),
        (errors.GroupIdNotFound(), "GroupIdNotFound: [Error 69] GroupIdNotFound"),
    ],
)
def test_each_trouble_has_its_own_words_which_stay_the_same_while_it_lasts(error: Exception, expected: str) -> None:
    assert words(error) == expected


def test_lines_without_an_error_are_told_where_they_are_the_only_sign() -> None:
    assert "token" in line_words("No broker metadata found in MetadataResponse -- ignoring.")
    assert line_words("Topic %s not found in cluster metadata") == ""
