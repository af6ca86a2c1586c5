"""What is about hosts' connections and vmwatch itself, through prometheus_client: no more than some hundred series."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

import vmwatch
from vmwatch.pipeline import Watch
from vmwatch_exporters.prometheus.text import Format, label_name

_FIGURES = {
    "vmwatch_host_connections_total": "Connections made to the host.",
    "vmwatch_host_callbacks_waiting": "Callbacks that wait to become events.",
    "vmwatch_host_connections_retired": "Connections in which a call hangs, kept until it has returned.",
}

Row = tuple[Sequence[str], float]


class Ourselves:
    """Writes everything that *watch* says of its own parts, with the user's *static* labels.

    Only families whose name *exported* wants are written.
    """

    def __init__(self, watch: Watch, static: Mapping[str, str], exported: Callable[[str], bool]) -> None:
        process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=process)
        self._registry = CollectorRegistry(auto_describe=False)
        self._labelled = _Labelled(_About(watch, process), static, exported)
        self._registry.register(self._labelled)

    def text(self, form: Format, hosts: Collection[str] = ()) -> str:
        """Return the series as they stand on the page, of *hosts* only where given; without OpenMetrics' end."""
        self._labelled.hosts = hosts
        if form is Format.OPENMETRICS:
            text: str = generate_openmetrics(self._registry).decode()  # type: ignore[no-untyped-call]
            return text.removesuffix("# EOF\n")
        return str(generate_latest(self._registry).decode())


class _Labelled(Collector):
    def __init__(self, about: "_About", static: Mapping[str, str], exported: Callable[[str], bool]) -> None:
        self._about = about
        self._static = dict(static)
        self._exported = exported
        self.hosts: Collection[str] = ()

    def collect(self) -> Iterator[Metric]:
        for family in self._about.collect():
            if not any(self._exported(name) for name in (family.name, *(one.name for one in family.samples))):
                continue
            family.samples = [
                Sample(one.name, {**one.labels, **self._static}, one.value)
                for one in family.samples
                if not self.hosts or one.labels.get("host") in (None, *self.hosts)
            ]
            yield family


class _About:
    def __init__(self, watch: Watch, process: CollectorRegistry) -> None:
        self._watch = watch
        self._process = process

    def collect(self) -> Iterator[Metric]:
        yield from self._hosts()
        yield from self._figures()
        yield from self._exporters()
        yield from self._journal()
        told = self._watch.told().items()
        yield _counter("vmwatch_events", "Events told in this run.", ["origin", "type"], told)
        yield _info("vmwatch_build", "Which vmwatch this is.", [{"version": vmwatch.__version__}])
        yield from self._process.collect()

    def _hosts(self) -> Iterator[Metric]:
        hosts = self._watch.hosts()
        up = [((one.host, one.uri), float(one.up)) for one in hosts]
        yield _gauge("libvirt_up", "Whether the host's libvirt is connected.", ["host", "uri"], up)
        since = [((one.host,), one.since / 1e9) for one in hosts]
        yield _gauge("vmwatch_host_since_timestamp_seconds", "Since when it is so with the host.", ["host"], since)
        versions = [
            {"host": one.host, **{label_name(name): text for name, text in one.versions.items()}}
            for one in hosts
            if one.versions
        ]
        yield _info("libvirt_versions", "The host's driver, and versions of what runs there.", versions)

    def _figures(self) -> Iterator[Metric]:
        rows: dict[str, list[Row]] = {}
        for host in self._watch.hosts():
            for name, value in host.figures.items():
                rows.setdefault(name, []).append(((host.host,), value))
        for name, values in sorted(rows.items()):
            text = _FIGURES.get(name, name.removeprefix("vmwatch_").replace("_", " ").capitalize() + ".")
            if name.endswith("_total"):
                yield _counter(name.removesuffix("_total"), text, ["host"], values)
            else:
                yield _gauge(name, text, ["host"], values)

    def _exporters(self) -> Iterator[Metric]:
        exporters = self._watch.exporters()

        def rows(value: Callable[[Any], float]) -> list[Row]:
            return [((one.exporter,), float(value(one))) for one in exporters]

        label = ["exporter"]
        yield _gauge("vmwatch_exporter_up", "Whether the exporter works.", label, rows(lambda one: one.up))
        yield _counter("vmwatch_exporter_events", "Events it has done.", label, rows(lambda one: one.events))
        yield _gauge("vmwatch_exporter_waiting_events", "Events waiting for it.", label, rows(lambda one: one.waiting))
        yield _counter("vmwatch_exporter_dropped_events", "Events it lost.", label, rows(lambda one: one.dropped))
        yield _counter(
            "vmwatch_exporter_refused_events", "Events its target did not take.", label, rows(lambda one: one.refused)
        )
        yield _counter("vmwatch_exporter_failures", "How often it failed.", label, rows(lambda one: one.failures))
        oldest = [((one.exporter,), one.oldest / 1e9) for one in exporters if one.oldest is not None]
        name = "vmwatch_exporter_oldest_event_timestamp_seconds"
        yield _gauge(name, "Time of the oldest event that it has not acknowledged.", label, oldest)

    def _journal(self) -> Iterator[Metric]:
        journal = self._watch.journal()
        for name, text, value in (
            ("size_bytes", "Size of the journal, with its log.", journal.size_bytes),
            ("events", "Events in the journal.", journal.events),
            ("waiting_events", "Events not written yet.", journal.waiting),
            ("waiting_bytes", "Size of the events not written yet.", journal.waiting_bytes),
            ("writable", "Whether the journal can be written.", journal.writable),
        ):
            yield _gauge(f"vmwatch_journal_{name}", text, [], [((), float(value))])


def _gauge(name: str, text: str, labels: Sequence[str], rows: Sequence[Row]) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), rows)


def _counter(name: str, text: str, labels: Sequence[str], rows: Any) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), rows)


def _filled(family: Any, rows: Sequence[Row]) -> Metric:
    for labels, value in rows:
        family.add_metric(labels, value)
    return family  # type: ignore[no-any-return]


def _info(name: str, text: str, rows: Sequence[Mapping[str, str]]) -> Metric:
    family = InfoMetricFamily(name, text)
    for labels in rows:
        family.samples.append(Sample(f"{name}_info", dict(labels), 1.0))
    return family
