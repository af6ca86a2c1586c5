"""A certificate authority for one test, made with openssl: for brokers and web servers that speak TLS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.beds.program import BedError, find

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = 2


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, both PEM; *chain* is one file with key, certificate and authority."""

    certificate: Path
    key: Path
    chain: Path


class Authority:
    """Signs certificates; *certificate* is what clients have to trust."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._openssl = find("openssl", package="openssl")
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._run("req", "-x509", *_KEY, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def issue(self, name: str, *, hosts: str = "DNS:localhost,IP:127.0.0.1") -> Certificate:
        """Return a new certificate for *name*, good for *hosts*, as server and as client."""
        paths = [self._folder / f"{name}.{ending}" for ending in ("pem", "key", "chain.pem")]
        made = Certificate(*paths)
        signed_by = ("-CA", self.certificate, "-CAkey", self._key)
        subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}", "-addext", "basicConstraints=CA:FALSE")
        self._run("req", "-x509", *_KEY, *signed_by, *subject, "-keyout", made.key, "-out", made.certificate)
        made.chain.write_text("".join(path.read_text() for path in (made.key, made.certificate, self.certificate)))
        return made

    def _run(self, *arguments: str | Path) -> None:
        command = [self._openssl, *arguments, "-days", str(_DAYS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(done.stderr)
