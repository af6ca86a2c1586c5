"""Prometheus and its Alertmanager, private to a test: they scrape what they are told to, and answer queries."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.beds.fetch import answers, fetch, fetch_json
from tests.beds.keeper import Keeper
from tests.beds.program import BedError, Program, clean_environment, find, free_port

_SCRAPE_SECONDS = 0.25


@dataclass(frozen=True)
class Series:
    """A series that a query found: its labels, and its values, oldest first."""

    labels: dict[str, str]
    values: list[float]


class Prometheus:
    """A Prometheus server with its data, from `start` to `close`; `scrape` tells it what to do."""

    def __init__(self) -> None:
        prometheus = find("prometheus", package="prometheus")
        self._keeper = Keeper("prometheus-")
        self.folder = self._keeper.folder
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._configure([], [], None)
        command = [
            prometheus,
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--web.enable-lifecycle",
            f"--rules.alert.resend-delay={_SCRAPE_SECONDS * 1000:.0f}ms",
        ]
        environment = clean_environment(self.folder)
        self.program = Program(command, self.folder / "log", environment=environment, folder=self.folder)

    @property
    def _configuration(self) -> Path:
        return self.folder / "prometheus.yml"

    def _configure(self, targets: Sequence[str], rules: Sequence[Path], alertmanager: str | None) -> None:
        interval = f"{_SCRAPE_SECONDS * 1000:.0f}ms"
        settings: dict[str, Any] = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "vmwatch", "static_configs": [{"targets": [*targets]}]}],
        }
        if alertmanager is not None:
            settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        self._configuration.write_text(json.dumps(settings))  # JSON is YAML

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.program.start()
        self.program.until(lambda: answers(f"{self.url}/-/ready"), "Prometheus is ready")

    def scrape(self, *targets: str, rules: Sequence[Path] = (), alertmanager: str | None = None) -> None:
        """Scrape *targets* (host:port) four times a second, and evaluate *rules*; alerts go to *alertmanager*.

        Prometheus (2.42) looks for new targets only every 5 s from its start on: start it before what takes time, too.
        """
        self._configure(targets, rules, alertmanager)
        fetch(f"{self.url}/-/reload", data=b"")

    def query(self, expression: str) -> list[Series]:
        """Return what *expression* finds now, each with one value; raise `BedError` if it is wrong."""
        result = self._ask("query", query=expression)["result"]
        return [Series(series["metric"], [float(series["value"][1])]) for series in result]

    def query_range(self, expression: str, *, seconds: float = 60, step_seconds: float = 1) -> list[Series]:
        """Return what *expression* finds in the last *seconds*, as a dashboard's panel asks."""
        now = time.time()
        result = self._ask("query_range", query=expression, start=now - seconds, end=now, step=step_seconds)["result"]
        return [Series(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def wait_for(self, expression: str) -> list[Series]:
        """Return what *expression* finds as soon as it finds anything."""
        return self.program.until(lambda: self.query(expression), f"Prometheus finds {expression}")

    def firing_alerts(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"}

    def _ask(self, what: str, **parameters: str | float) -> Any:
        return fetch_json(f"{self.url}/api/v1/{what}?{urlencode(parameters)}")["data"]

    def close(self) -> None:
        """End it; nothing of it is left."""
        self.program.kill()
        self._keeper.close()


class Alertmanager:
    """An Alertmanager that keeps all alerts to itself, from `start` to `close`."""

    def __init__(self) -> None:
        alertmanager = find("prometheus-alertmanager", package="prometheus-alertmanager")
        self._keeper = Keeper("alertmanager-")
        self.folder = self._keeper.folder
        self.address = f"127.0.0.1:{free_port()}"
        configuration = {"route": {"receiver": "nobody", "group_wait": "0s"}, "receivers": [{"name": "nobody"}]}
        (self.folder / "alertmanager.yml").write_text(json.dumps(configuration))
        command = [
            alertmanager,
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]
        environment = clean_environment(self.folder)
        self.program = Program(command, self.folder / "log", environment=environment, folder=self.folder)

    def __enter__(self) -> Self:
        try:
            self.program.start()
            self.program.until(lambda: answers(f"http://{self.address}/-/ready"), "Alertmanager is ready")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alerts(self) -> set[str]:
        """Return the names of the alerts that it has."""
        return {alert["labels"]["alertname"] for alert in fetch_json(f"http://{self.address}/api/v2/alerts")}

    def wait_for(self, alert: str) -> None:
        """Wait until it has *alert*."""
        self.program.until(lambda: alert in self.alerts(), f"Alertmanager has {alert}")

    def close(self) -> None:
        """End it; nothing of it is left."""
        self.program.kill()
        self._keeper.close()


def promtool(*arguments: str | Path) -> str:
    """Run `promtool` and return what it says; raise `BedError` with that if it fails."""
    command = [find("promtool", package="prometheus"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BedError(done.stdout + done.stderr)
    return done.stdout + done.stderr
