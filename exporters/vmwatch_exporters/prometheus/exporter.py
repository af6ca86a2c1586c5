"""The Prometheus exporter: a page on the web server, made anew for each scrape."""

from dataclasses import dataclass
from typing import ClassVar

from vmwatch.pipeline import Batches, Watch
from vmwatch_exporters.prometheus.aliases import Compatibility
from vmwatch_exporters.prometheus.naming import Naming
from vmwatch_exporters.prometheus.page import Page
from vmwatch_exporters.prometheus.text import static_labels

METRICS = "/metrics"
"""Where the page is mounted; the web server's telemetry path is what users see."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Serve what is known, counted and measured, as text and as OpenMetrics.

    *compatibility* adds the names of other exporters.  *per_vcpu* and *per_device* (disks, interfaces) series can be
    left out, and metrics chosen by globs on their names: those that match *allow* (all where it is empty) and not
    *deny*.  The counters of a domain that has gone are served for *keep_gone_seconds* more.
    """

    durable: ClassVar[bool] = False

    compatibility: tuple[Compatibility, ...] = ()
    per_vcpu: bool = True
    per_device: bool = True
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    keep_gone_seconds: float = 300.0

    @property
    def wants_samples(self) -> bool:
        """Say no: each scrape asks for its own."""
        return False

    async def run(self, batches: Batches, watch: Watch) -> None:
        """Mount the page; the events themselves are counted by the fold."""
        without = (() if self.per_vcpu else ("vcpu",)) + (() if self.per_device else ("block", "interface"))
        naming = Naming(self.compatibility, self.allow, self.deny, static_labels(watch.labels))
        watch.mount(METRICS, Page(watch, naming, without, self.keep_gone_seconds).respond)
        async for _ in batches:
            pass
