"""A real Apache Kafka broker (KRaft, one node), private to a test: killed, paused and started again where it was."""

import socket
import subprocess
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple, Self

from tests.beds.certificates import Authority
from tests.beds.kafka_jars import fetch_jars
from tests.beds.keeper import Keeper
from tests.beds.program import BedError, Program, clean_environment, find, free_port
from tests.beds.topics import Record, create_topic, read_all, read_until

Listener = Literal["PLAINTEXT", "TLS", "MTLS", "SASL", "SASL_TLS"]

_PROTOCOLS: dict[str, str] = {
    "PLAINTEXT": "PLAINTEXT",
    "TLS": "SSL",
    "MTLS": "SSL",
    "SASL": "SASL_PLAINTEXT",
    "SASL_TLS": "SASL_SSL",
    "CONTROLLER": "PLAINTEXT",
}
USER, PASSWORD = "alice", "wonderland"
_MECHANISMS = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
_LOGIN = "org.apache.kafka.common.security"

# Small, and quick after a kill: with its default session a broker takes 12 s until it lets itself come back.
_SMALL = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "auto.create.topics.enable": "false",
}

_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1} %m%n
"""

_VIRTUAL_MACHINE = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class Quorum(NamedTuple):
    """A broker's place in a cluster: the cluster's id, the broker's node, and the controllers' ports by node."""

    cluster: str
    node: int
    ports: Mapping[int, int]


class Broker:
    """A broker with its data, from `start` to `close`; topics are made by `create_topic`, not by sending to them.

    *listeners* says which it has besides a plain one; for TLS *authority* signs its certificate, for MTLS its clients'.
    Users of SASL are `USER` with `PASSWORD` (PLAIN, SCRAM), and anybody with an unsecured token (OAUTHBEARER).
    *properties* are the broker's own, and win.  With *quorum* it is one of several (see `kafka_cluster`).
    """

    def __init__(
        self,
        *,
        listeners: Collection[Listener] = (),
        authority: Authority | None = None,
        properties: Mapping[str, str] | None = None,
        quorum: Quorum | None = None,
    ) -> None:
        java, jars = find("java", package="default-jre-headless"), fetch_jars()
        self._keeper = Keeper("kafka-")
        self.folder = self._keeper.folder
        self._ports = {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", *listeners)}
        self._quorum = quorum
        if quorum is not None:
            self._ports["CONTROLLER"] = quorum.ports[quorum.node]
        settings = {
            **_SMALL,
            **self._addresses(),
            **_members(self._quorum, self._ports),
            **_sasl(self._ports),
            **_tls(authority),
            **(properties or {}),
        }
        self._properties = self.folder / "server.properties"
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        (self.folder / "log4j2.properties").write_text(_LOG4J)
        logging = f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties"
        temporary = f"-Djava.io.tmpdir={self.folder}"  # for codecs, which a killed broker leaves behind
        self._java = [java, *_VIRTUAL_MACHINE, logging, temporary, "-cp", f"{jars}/*"]
        self._environment = clean_environment(self.folder)
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        self.process = Program(command, self.folder / "broker.log", environment=self._environment)

    def _addresses(self) -> dict[str, str]:
        return {
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{_PROTOCOLS[name]}" for name in self._ports),
            "log.dir": str(self.folder / "data"),
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """Where plain clients find it, as host:port."""
        return self.address("PLAINTEXT")

    def address(self, listener: Listener) -> str:
        """Where clients of *listener* find it, as host:port."""
        return f"127.0.0.1:{self._ports[listener]}"

    def start(self) -> None:
        """Start the broker, and wait until it accepts connections; that is when it can be used."""
        if not (self.folder / "data").exists():
            self.format()
        self.process.start()
        self.wait()

    def wait(self) -> None:
        """Wait until it accepts connections."""
        self.process.until(self._accepts, "broker accepts connections")

    def format(self) -> None:
        """Prepare its folder for its first start."""
        users = [f"--add-scram={kind}=[name={USER},password={PASSWORD}]" for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
        cluster = ["-t", self._quorum.cluster] if self._quorum else ["-t", str(uuid.uuid4()), "--standalone"]
        options = [*cluster, "-c", str(self._properties), *users]
        command = [*self._java, "kafka.tools.StorageTool", "format", *options]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(f"the broker's folder cannot be formatted:\n{done.stdout}{done.stderr}")

    def _accepts(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._ports["PLAINTEXT"]), 1):
            return True
        return False

    def create_topic(self, name: str, *, partitions: int = 1, **settings: str) -> None:
        """Create a topic, as `topics.create_topic` does."""
        create_topic(self.bootstrap, name, partitions=partitions, **settings)

    def command(self, name: str, *arguments: str) -> str:
        """Run one of Kafka's commands by the *name* of its class, such as `TopicCommand`; return what it says."""
        words = [*self._java, f"org.apache.kafka.tools.{name}", *arguments]
        done = subprocess.run(words, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(f"{name} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def read_all(self, topic: str) -> list[Record]:
        """Return all that *topic* holds, as `topics.read_all` does."""
        return read_all(self.bootstrap, topic)

    def read_until(self, topic: str, enough: Callable[[Sequence[Record]], bool]) -> list[Record]:
        """Return the records of *topic* as soon as they are *enough*, as `topics.read_until` does."""
        return read_until(self.bootstrap, topic, enough)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()

    def stop(self) -> None:
        """Ask it to end in order, and wait for that."""
        self.process.stop()

    def pause(self) -> None:
        """Let it hang."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.process.resume()

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it; nothing of it is left."""
        self.process.kill()
        self._keeper.close()


def _members(quorum: Quorum | None, ports: Mapping[str, int]) -> dict[str, str]:
    if quorum is None:
        return {"controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}"}
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in quorum.ports.items())
    return {"node.id": str(quorum.node), "controller.quorum.voters": voters}


def _sasl(ports: Collection[str]) -> dict[str, str]:
    settings = {}
    for listener in {"SASL", "SASL_TLS"}.intersection(ports):
        prefix = f"listener.name.{listener.lower()}"
        settings[f"{prefix}.sasl.enabled.mechanisms"] = _MECHANISMS
        for mechanism, module in _LOGIN_MODULES.items():
            settings[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{_LOGIN}.{module};"
    return settings


_LOGIN_MODULES = {
    "plain": f'plain.PlainLoginModule required user_{USER}="{PASSWORD}"',
    "scram-sha-256": "scram.ScramLoginModule required",
    "scram-sha-512": "scram.ScramLoginModule required",
    "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}


def _tls(authority: Authority | None) -> dict[str, str]:
    if authority is None:
        return {}
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.issue("broker").chain),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "listener.name.mtls.ssl.client.auth": "required",
    }
