"""Every way to connect to a real broker, and every way in which that goes wrong, each with a sentence of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.beds.certificates import Authority, Certificate
from tests.beds.kafka import PASSWORD, USER, Broker, Listener
from tests.beds.program import NotInstalledError, free_port
from tests.exporters.kafka_run import assert_holds, event, exporter, kept_running, read
from tests.exporters.token_endpoint import CLIENT, SECRET, TokenEndpoint
from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka import Kafka

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Fortress:
    """A broker with a listener of every kind, and what one needs to get in."""

    broker: Broker
    authority: Path
    ours: Certificate
    strangers: Certificate
    other_authority: Path
    password: Path
    secret: Path
    wrong: Path

    def exporter(self, name: str, listener: Listener, **settings: Any) -> Kafka:
        return exporter(self.broker.address(listener), name, **settings)


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    folders = [tmp_path_factory.mktemp(name) for name in ("ours", "theirs", "secrets")]
    try:
        ours, theirs = Authority(folders[0]), Authority(folders[1], "other authority")
        elsewhere = ours.issue("elsewhere", hosts="DNS:elsewhere.example.org").chain
        broker = Broker(
            listeners=["TLS", "MTLS", "SASL", "SASL_TLS"],
            authority=ours,
            properties={"listener.name.sasl_tls.ssl.keystore.location": str(elsewhere)},
        )
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    secrets = [folders[2] / name for name in ("password", "secret", "wrong")]
    for path, text in zip(secrets, (PASSWORD, SECRET, "sesame"), strict=True):
        path.write_text(f"{text}\n")
    with broker:
        yield Fortress(
            broker, ours.certificate, ours.issue("vmwatch"), theirs.issue("vmwatch"), theirs.certificate, *secrets
        )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as endpoint:
        yield endpoint


def tls(fortress: Fortress, **settings: Any) -> dict[str, Any]:
    return {"security_protocol": "SSL", "ca_file": fortress.authority} | settings


def ours(fortress: Fortress) -> dict[str, Any]:
    return {"certificate_file": fortress.ours.certificate, "key_file": fortress.ours.key}


def sasl(fortress: Fortress, mechanism: str, **settings: Any) -> dict[str, Any]:
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "username": USER,
        "password_file": fortress.password,
    } | settings


def token(fortress: Fortress, url: str, **settings: Any) -> dict[str, Any]:
    given = {"username": CLIENT, "password_file": fortress.secret, "token_endpoint": url}
    return sasl(fortress, "OAUTHBEARER", **(given | settings))


async def test_tls(fortress: Fortress) -> None:
    await gets_in(fortress, "tls", "TLS", tls(fortress))


async def test_tls_with_a_certificate_of_ours(fortress: Fortress) -> None:
    await gets_in(fortress, "mtls", "MTLS", tls(fortress, **ours(fortress)))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_password(fortress: Fortress, mechanism: str) -> None:
    await gets_in(fortress, mechanism, "SASL", sasl(fortress, mechanism))


async def test_a_password_over_tls_to_a_broker_of_another_name(fortress: Fortress) -> None:
    settings = tls(fortress, **sasl(fortress, "SCRAM-SHA-512", security_protocol="SASL_SSL", check_hostname=False))
    await gets_in(fortress, "both", "SASL_TLS", settings)


async def test_a_token(fortress: Fortress, endpoint: TokenEndpoint) -> None:
    await gets_in(fortress, "token", "SASL", token(fortress, endpoint.url))


async def gets_in(fortress: Fortress, name: str, listener: Listener, settings: dict[str, Any]) -> None:
    """Deliver an event, and the states, which takes a producer, a consumer and an administrator."""
    kafka = fortress.exporter(name, listener, state_topic=f"{name}.state", **settings)
    async with kept_running(kafka) as run:
        run.put(event(1))
        await run.delivered()
    assert run.told == []
    assert_holds(await read(fortress.broker, f"{name}.events"), run.events)


async def refusal(kafka: Kafka) -> str:
    """Return why the exporter fails, without the brokers it names."""
    with pytest.raises(VmwatchError) as caught:
        await kafka.try_target()
    return str(caught.value).removeprefix(f"brokers {kafka.brokers[0]}: ")


async def test_an_authority_that_did_not_sign_the_broker(fortress: Fortress) -> None:
    kafka = fortress.exporter("wrong", "TLS", **tls(fortress, ca_file=fortress.other_authority))
    assert await refusal(kafka) == (
        "the broker's certificate is not trusted: self-signed certificate in certificate chain (see ca_file)"
    )


async def test_a_broker_of_another_name(fortress: Fortress) -> None:
    kafka = fortress.exporter("wrong", "SASL_TLS", **tls(fortress))
    assert (await refusal(kafka)).startswith("the broker's certificate is for another name: ")


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
async def test_a_certificate_that_the_broker_does_not_want(fortress: Fortress, who: str) -> None:
    theirs = {"certificate_file": fortress.strangers.certificate, "key_file": fortress.strangers.key}
    kafka = fortress.exporter("wrong", "MTLS", **tls(fortress, **(theirs if who == "a stranger" else {})))
    assert (await refusal(kafka)).startswith("the broker wants another certificate of ours: ")


async def test_plaintext_to_a_tls_port(fortress: Fortress) -> None:
    assert await refusal(fortress.exporter("wrong", "TLS")) == (
        "the broker speaks TLS on this port (see security_protocol)"
    )


async def test_tls_to_a_plaintext_port(fortress: Fortress) -> None:
    assert await refusal(fortress.exporter("wrong", "PLAINTEXT", **tls(fortress))) == (
        "the broker does not speak TLS on this port (see security_protocol)"
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password(fortress: Fortress, mechanism: str) -> None:
    kafka = fortress.exporter("wrong", "SASL", **sasl(fortress, mechanism, password_file=fortress.wrong))
    assert await refusal(kafka) == "the broker refuses the user name or the password"


async def test_no_sasl_to_a_sasl_port(fortress: Fortress) -> None:
    assert "SASL" in await refusal(fortress.exporter("wrong", "SASL"))


async def test_sasl_to_a_port_without(fortress: Fortress) -> None:
    assert await refusal(fortress.exporter("wrong", "PLAINTEXT", **sasl(fortress, "PLAIN"))) == (
        "the broker expects no SASL on this port (see security_protocol)"
    )


async def test_a_token_that_is_not_given(fortress: Fortress, endpoint: TokenEndpoint) -> None:
    kafka = fortress.exporter("wrong", "SASL", **token(fortress, endpoint.url, password_file=fortress.wrong))
    assert await refusal(kafka) == "token_endpoint: refused with status 401 (invalid_client)"


async def test_a_token_that_has_ended(fortress: Fortress) -> None:
    with TokenEndpoint(lives_seconds=-60) as endpoint:
        kafka = fortress.exporter("wrong", "SASL", **token(fortress, endpoint.url, delivery_timeout=0.5))
        assert "the token is refused, or has ended" in await refusal(kafka)


async def test_nobody_listens(fortress: Fortress) -> None:
    assert await refusal(exporter(f"127.0.0.1:{free_port()}", "wrong")) == "connection refused"


async def test_a_changed_password_is_used_after_the_next_failure(fortress: Fortress, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("sesame")
    kafka = fortress.exporter("changed", "SASL", **sasl(fortress, "SCRAM-SHA-512", password_file=file))
    async with kept_running(kafka) as run:
        run.put(event(1))
        assert "refuses the user name or the password" in await run.failed()
        file.write_text(PASSWORD)
        await run.recovered()
    assert_holds(await read(fortress.broker, "changed.events"), run.events)
