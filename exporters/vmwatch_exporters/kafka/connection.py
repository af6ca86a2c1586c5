"""What the Kafka exporter connects with: how it proves who it is, checks who the brokers are, and finds its secrets.

Secrets stand in files or in the environment.  They are read whenever a producer is made, so that a changed one is used
after the next failure, and neither logged nor shown.
"""

import os
import ssl
from typing import TYPE_CHECKING, Any

from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.tokens import Tokens

if TYPE_CHECKING:
    from vmwatch_exporters.kafka import Kafka


def connection(kafka: "Kafka") -> dict[str, Any]:
    """Return what any client of aiokafka connects with, the files and secrets as they are now; VmwatchError."""
    settings: dict[str, Any] = {
        "bootstrap_servers": list(kafka.brokers),
        "client_id": kafka.client_id,
        "request_timeout_ms": int(kafka.delivery_timeout * 1000),
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        settings["ssl_context"] = tls_context(kafka)
    if kafka.sasl_mechanism is not None:
        settings["sasl_mechanism"] = kafka.sasl_mechanism
    if kafka.sasl_mechanism == "OAUTHBEARER":
        settings["sasl_oauth_token_provider"] = _tokens(kafka)
    elif kafka.sasl_mechanism is not None:
        settings |= {"sasl_plain_username": kafka.username, "sasl_plain_password": read_secret(kafka)}
    return settings


def tls_context(kafka: "Kafka") -> ssl.SSLContext:
    """Return what brokers and the token endpoint are checked by, and what we show them; VmwatchError for a bad file.

    Without *ca_file* the system's authorities are trusted; *key_file* is not needed where the certificate's file has
    the key too.
    """
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file)
    except OSError as error:
        raise VmwatchError(f"ca_file {kafka.ca_file}: {_reason(error)}") from error
    context.check_hostname = kafka.check_hostname
    if kafka.certificate_file is not None:
        try:
            context.load_cert_chain(kafka.certificate_file, kafka.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            files = f"certificate_file {kafka.certificate_file}, key_file {kafka.key_file}"
            raise VmwatchError(f"{files}: {_reason(error)}") from error
    return context


def read_secret(kafka: "Kafka") -> str:
    """Return the secret that stands in the file, without the line's end, or else in the environment's variable."""
    if kafka.password_file is None:
        secret = os.environ.get(kafka.password_variable)
        if secret is None:
            raise VmwatchError(f"password_variable {kafka.password_variable}: not set in the environment")
        return secret
    try:
        return kafka.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise VmwatchError(f"password_file {kafka.password_file}: {_reason(error)}") from error


def _tokens(kafka: "Kafka") -> Tokens:
    return Tokens(
        kafka.token_endpoint,
        kafka.username,
        lambda: read_secret(kafka),
        scope=kafka.token_scope,
        timeout_seconds=kafka.delivery_timeout,
        context=tls_context(kafka),
    )


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # OpenSSL would ask for its password on the terminal


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM file").lower().replace("_", " ")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
