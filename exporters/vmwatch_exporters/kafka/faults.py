"""What went wrong with Kafka, in words, and what to do about it; for the Kafka exporter.

aiokafka 0.14 raises one and the same error for all that keeps it from connecting; the true one stands in its log, from
where `vmwatch_exporters.kafka.troubles` brings it here.
"""

import asyncio
import socket
import ssl
from enum import Enum

from aiokafka import errors


class Remedy(Enum):
    """What to do about an error of a produce request."""

    SKIP = "this batch, or one record in it, is refused for what it is: find it, tell it, skip it"
    UNTIME = "its time is refused: send it without one"
    RENEW = "the producer is spent: send it with a new one"
    WAIT = "no record is to blame: tell, wait, try again"


_REMEDIES: dict[type[BaseException], Remedy] = {
    errors.MessageSizeTooLargeError: Remedy.SKIP,
    errors.RecordListTooLargeError: Remedy.SKIP,
    errors.CorruptRecordException: Remedy.SKIP,
    errors.InvalidRequestError: Remedy.SKIP,
    errors.UnsupportedForMessageFormatError: Remedy.SKIP,
    errors.UnknownError: Remedy.SKIP,  # among them INVALID_RECORD (87), which aiokafka 0.14 does not know
    errors.InvalidTimestampError: Remedy.UNTIME,
    errors.OutOfOrderSequenceNumber: Remedy.RENEW,
    errors.UnknownProducerId: Remedy.RENEW,
    errors.InvalidProducerEpoch: Remedy.RENEW,
    errors.InvalidProducerIdMapping: Remedy.RENEW,
    errors.ProducerFenced: Remedy.RENEW,
}


def remedy(error: BaseException) -> Remedy:
    """Return what to do about *error*."""
    return _REMEDIES.get(type(error), Remedy.WAIT)


_WORDS: dict[type[BaseException], str] = {
    errors.SaslAuthenticationFailed: "the broker refuses the user name or the password",
    errors.UnsupportedSaslMechanismError: "the broker does not offer this sasl_mechanism",
    errors.IllegalSaslStateError: "the broker expects no SASL here, or another kind: see security_protocol",
    errors.TopicAuthorizationFailedError: "not allowed to write to the topic",
    errors.ClusterAuthorizationFailedError: "not allowed to write idempotently (IDEMPOTENT_WRITE on the cluster)",
    errors.UnknownTopicOrPartitionError: "the topic does not exist",
    errors.InvalidTopicError: "the topic's name is not valid, or it is an internal one",
    errors.MessageSizeTooLargeError: "larger than the topic's max.message.bytes",
    errors.InvalidTimestampError: "its time is outside of what the topic takes (message.timestamp.*.max.ms)",
    errors.NotEnoughReplicasError: "fewer replicas are in sync than min.insync.replicas",
    errors.NotEnoughReplicasAfterAppendError: "fewer replicas are in sync than min.insync.replicas",
    errors.LeaderNotAvailableError: "a partition has no leader",
    errors.NotLeaderForPartitionError: "a partition has no leader",
    errors.KafkaStorageError: "the broker cannot use its disk",
    errors.RequestTimedOutError: "the broker does not answer",
    asyncio.TimeoutError: "the broker does not answer",
    socket.gaierror: "the name cannot be resolved",
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "the broker closed the connection",
}


def words(error: BaseException) -> str:
    """Return what *error* means, in words that stay the same while the trouble does."""
    for kind, text in _WORDS.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, ssl.SSLError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
