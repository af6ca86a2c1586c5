"""What went wrong with Kafka, in words, and what to do about it; for the Kafka exporter.  Pure, and mostly tables.

aiokafka 0.14 raises one and the same error for all that keeps it from connecting; the true one stands in its log, from
where `vmwatch_exporters.kafka.troubles` brings it here.
"""

import socket
import ssl
from asyncio import IncompleteReadError
from enum import Enum

from aiokafka import errors


class TokenError(errors.KafkaError):  # type: ignore[misc]  # aiokafka has no types; it lets only its own errors through
    """No token for SASL OAUTHBEARER can be had; the text is a sentence for the user."""


class InvalidRecordError(errors.BrokerResponseError):  # type: ignore[misc]
    """The broker's word that a record is not valid, which aiokafka 0.14 takes for an unknown error."""

    errno = 87
    message = "INVALID_RECORD"
    description = "a record is not what the broker takes for valid"


class Remedy(Enum):
    """What to do about a batch that was not acknowledged."""

    SKIP = "it, or one record in it, is refused for what it is: find that, tell it, skip it"
    UNTIME = "its time is refused: send it without one"
    RENEW = "the producer is spent: send it with a new one"
    WAIT = "no record is to blame: tell, wait, try again"


_REMEDIES: dict[type[BaseException], Remedy] = {
    errors.MessageSizeTooLargeError: Remedy.SKIP,
    errors.RecordListTooLargeError: Remedy.SKIP,
    errors.CorruptRecordException: Remedy.SKIP,
    InvalidRecordError: Remedy.SKIP,
    errors.InvalidTimestampError: Remedy.UNTIME,
    errors.OutOfOrderSequenceNumber: Remedy.RENEW,
    errors.UnknownProducerId: Remedy.RENEW,
    errors.InvalidProducerEpoch: Remedy.RENEW,
    errors.InvalidProducerIdMapping: Remedy.RENEW,
    errors.ProducerFenced: Remedy.RENEW,
}


def remedy(error: BaseException) -> Remedy:
    """Return what to do about a batch that failed with *error*."""
    return _REMEDIES.get(type(error), Remedy.WAIT)


_WORDS: dict[type[BaseException], str] = {
    errors.SaslAuthenticationFailed: "the broker refuses the user name or the password",
    errors.UnsupportedSaslMechanismError: "the broker does not offer this sasl_mechanism",
    errors.IllegalSaslStateError: "the broker expects no SASL on this port (see security_protocol)",
    errors.TopicAuthorizationFailedError: "not allowed to write to the topic",
    errors.ClusterAuthorizationFailedError: (
        "not allowed to write to any topic (grant WRITE on the topic, or IDEMPOTENT_WRITE on the cluster)"
    ),
    errors.UnknownTopicOrPartitionError: "the topic does not exist",
    errors.InvalidTopicError: "this is no name for a topic",
    errors.PolicyViolationError: "the brokers' policy forbids it",
    errors.InvalidReplicationFactorError: "there are not enough brokers for replication_factor",
    errors.MessageSizeTooLargeError: "larger than the topic's max.message.bytes",
    InvalidRecordError: "the broker calls it invalid",
    errors.UnknownError: "the broker failed and does not say why (see its log)",
    errors.UnsupportedForMessageFormatError: "the topic's message format is too old to have headers",
    errors.InvalidTimestampError: "its time is not what the topic takes (message.timestamp.before.max.ms and after)",
    errors.NotEnoughReplicasError: "fewer replicas are in sync than min.insync.replicas",
    errors.NotEnoughReplicasAfterAppendError: "fewer replicas are in sync than min.insync.replicas",
    errors.LeaderNotAvailableError: "a partition has no leader",
    errors.NotLeaderForPartitionError: "a partition has no leader",
    errors.KafkaStorageError: "the broker cannot use its disk",
    errors.KafkaTimeoutError: "",
    errors.NodeNotReadyError: "",
    errors.StaleMetadata: "",
    errors.RequestTimedOutError: "no answer",
    TimeoutError: "no answer",
    socket.gaierror: "the name is not known",
    ConnectionRefusedError: "connection refused",
}
"""Empty for what only follows from something else."""

_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_TLS_ALERT = 0x1503  # how a TLS alert begins, which reads like the length of a huge answer


def words(error: BaseException) -> str:
    """Return what *error* means, in words that stay the same while the trouble does."""
    if isinstance(error, errors.KafkaConnectionError):
        return words(error.__cause__) if error.__cause__ else ""
    if isinstance(error, TokenError):
        return str(error.args[0])
    if isinstance(error, ssl.SSLError):
        return _tls_words(error)
    if isinstance(error, IncompleteReadError | ConnectionResetError | BrokenPipeError):
        return _closed_words(error)
    for kind, text in _WORDS.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return f"the broker's certificate is for another name: {error.verify_message}"
        return f"the broker's certificate is not trusted: {error.verify_message} (see ca_file)"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return f"the broker wants another certificate of ours: {reason} (see certificate_file)"
    return f"TLS does not work: {reason}"


def _closed_words(error: Exception) -> str:
    if isinstance(error, IncompleteReadError) and error.expected and error.expected >> 16 == _TLS_ALERT:
        return "the broker speaks TLS on this port (see security_protocol)"
    if isinstance(error, ConnectionResetError) and not error.args:  # so asyncio says it of a handshake
        return "the broker does not speak TLS on this port (see security_protocol)"
    return "the broker closed the connection"


_LINES = {
    "No broker metadata found": "the broker answers nonsense (with OAUTHBEARER: the token is refused, or has ended)",
    'Unable to request metadata from "': "the broker may ask for SASL (see security_protocol)",
}


def line_words(line: str) -> str:
    """Return what a *line* of aiokafka's log says beside its error, if it has one; empty for nothing."""
    return next((text for beginning, text in _LINES.items() if line.startswith(beginning)), "")
