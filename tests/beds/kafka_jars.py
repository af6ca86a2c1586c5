"""Apache Kafka's jars, fetched once by Maven and kept in the repository's cache folder."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.beds.program import BedError, find

_POM = Path(__file__).parent / "kafka/pom.xml"
_CACHE = Path(__file__).parents[2] / ".cache/kafka"


def fetch_jars() -> Path:
    """Return the folder with the jars that `kafka/pom.xml` asks for; only the first call for a pom needs a network."""
    folder = _CACHE / hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as fetched:
            _copy_dependencies(Path(fetched) / "jars")
            (Path(fetched) / "jars").replace(folder)  # whole or not at all, whoever else fetches
    return folder


def _copy_dependencies(folder: Path) -> None:
    maven = [find("mvn", package="maven"), "--batch-mode", "--quiet", "-Dstyle.color=never"]
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run([*maven, "--file", _POM, *copy], capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise BedError(f"Maven did not fetch Kafka:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
