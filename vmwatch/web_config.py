"""The file of `--web.config.file`: TLS, client certificates, users and headers, as Prometheus' exporters have it.

Format of the exporter-toolkit (YAML).  What Python's TLS cannot do is refused in words rather than passed over.
"""

import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from vmwatch.config_place import Place
from vmwatch.config_table import read_table
from vmwatch.errors import ConfigError

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_CLIENTS = {  # whoever only asks for a certificate does nothing with it
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_CIPHERS = {
    f"TLS_{exchange}_WITH_{cipher}": f"{exchange.replace('_', '-')}-{short}"
    for exchange in ("ECDHE_RSA", "ECDHE_ECDSA")
    for cipher, short in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305": "CHACHA20-POLY1305",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    }.items()
}


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """How connections are encrypted; certificate and key as files or as text."""

    cert_file: str = ""
    key_file: str = ""
    cert: str = ""
    key: str = ""
    client_auth_type: Literal[
        "NoClientCert",
        "RequestClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
        "RequireAnyClientCert",
    ] = "NoClientCert"
    client_ca_file: str = ""
    client_ca: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would be served less safely than it is written."""
        if bool(self.cert_file) == bool(self.cert) or bool(self.key_file) == bool(self.key):
            raise ValueError("expected cert_file and key_file (or cert and key)")
        if self.client_auth_type == "RequireAnyClientCert":
            raise ValueError("client_auth_type: not possible here; use RequireAndVerifyClientCert")
        if self.client_allowed_sans or self.curve_preferences:
            raise ValueError("client_allowed_sans and curve_preferences are not possible here")
        if _CLIENTS[self.client_auth_type] is not ssl.CERT_NONE and not (self.client_ca_file or self.client_ca):
            raise ValueError("client_ca_file: missing, needed to verify clients")
        for cipher in self.cipher_suites:
            if cipher not in _CIPHERS and _VERSIONS[self.max_version] < ssl.TLSVersion.TLSv1_3:
                raise ValueError(f"cipher_suites: expected some of {', '.join(_CIPHERS)}")


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """What is added to each answer; *http2* is accepted and not spoken."""

    http2: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The whole file; relative paths in it start at *directory*, where it lies."""

    tls_server_config: TLSConfig | None = None
    http_server_config: HTTPConfig = field(default_factory=HTTPConfig)
    basic_auth_users: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse passwords that are not hashed."""
        for user, hashed in self.basic_auth_users.items():
            if not _BCRYPT.fullmatch(hashed):
                raise ValueError(f"basic_auth_users.{user}: expected a bcrypt hash, as from htpasswd -nBC 10")


def read_web_config(path: Path) -> WebConfig:
    """Return what the file *path* says; ConfigError where it is wrong."""
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: this is not YAML: {_where(error)}") from error
    try:
        return read_table(WebConfig, {} if table is None else table, Place())
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def tls_context(config: TLSConfig, directory: Path) -> ssl.SSLContext:
    """Return a new context; ConfigError where certificate, key or authority cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_tls(context, config, directory)
    return context


def load_tls(context: ssl.SSLContext, config: TLSConfig, directory: Path) -> None:
    """Have *context* serve new connections as *config* says."""
    context.minimum_version, context.maximum_version = _VERSIONS[config.min_version], _VERSIONS[config.max_version]
    ciphers = [_CIPHERS[name] for name in config.cipher_suites if name in _CIPHERS]
    try:
        if ciphers:
            context.set_ciphers(":".join(ciphers))
        _load_certificate(context, config, directory)
        if config.client_ca_file or config.client_ca:
            authority = str(directory / config.client_ca_file) if config.client_ca_file else None
            context.load_verify_locations(cafile=authority, cadata=config.client_ca or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"tls_server_config: certificate, key or authority cannot be used: {error}") from error
    context.verify_mode = _CLIENTS[config.client_auth_type]


def _load_certificate(context: ssl.SSLContext, config: TLSConfig, directory: Path) -> None:
    with tempfile.TemporaryDirectory() as private:  # Python reads certificates from files only
        certificate = _as_file(config.cert, config.cert_file, directory, Path(private) / "certificate")
        context.load_cert_chain(certificate, _as_file(config.key, config.key_file, directory, Path(private) / "key"))


def _as_file(text: str, name: str, directory: Path, private: Path) -> Path:
    if name:
        return directory / name
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return private


def _where(error: Any) -> str:
    """Say where YAML stopped, without what stands there: it could be a secret."""
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "it cannot be decoded"
