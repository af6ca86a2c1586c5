"""The Kafka exporter: every event to a topic, in order for each domain, at least once.

A run connects, sends batch after batch, and ends with an error when the brokers stay away: whoever runs it tells the
error, waits, and starts the next run with the batch that was not acknowledged.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from vmwatch.pipeline import Batches, Watch
from vmwatch.settings import Count, Interval
from vmwatch_exporters.kafka.checks import check
from vmwatch_exporters.kafka.session import deliver, find_topics


@dataclass(frozen=True, slots=True)
class Kafka:
    """Send every event to *topic*, present states to *state_topic*, samples to *samples_topic*; empty for none.

    *brokers* are host:port each.  Missing topics are made if *create_topics* says so, with *partitions*,
    *replication_factor* and *retention* (of all but states), or the brokers' own where these are not given.
    *delivery_timeout* is how long the brokers may take to start or to acknowledge before a run fails.  *password_file*,
    or the environment's *password_variable*, has the password of *username*; with OAUTHBEARER these are the client's
    at *token_endpoint*.  The rest is as in Kafka's own settings.

    Raises ValueError for settings that contradict each other.
    """

    durable: ClassVar[bool] = True

    brokers: tuple[str, ...]
    topic: str = "vmwatch.events"
    state_topic: str = "vmwatch.state"
    samples_topic: str = ""
    create_topics: bool = False
    partitions: Count | None = None
    replication_factor: Count | None = None
    retention: Interval | None = None
    content_mode: Literal["binary", "structured"] = "binary"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    client_id: str = "vmwatch"
    delivery_timeout: Interval = 10.0
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    username: str = ""
    password_file: Path | None = None
    password_variable: str = ""
    token_endpoint: str = ""
    token_scope: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        check(self)

    @property
    def wants_samples(self) -> bool:
        """Say whether samples belong into the batches."""
        return bool(self.samples_topic)

    @property
    def keeps_states(self) -> bool:
        """Say whether it is to be given what changes a domain's state, also where that is not told."""
        return bool(self.state_topic)

    async def run(self, batches: Batches, watch: Watch) -> None:
        """Send each batch and wait for the brokers' word before asking for the next."""
        await deliver(self, batches, watch)

    async def try_target(self) -> str:
        """Connect, and look for the topics; nothing is made or sent."""
        return await find_topics(self)
