"""A small world for the tests of the Prometheus exporter: two hosts, one of them away, and guests of every kind."""

import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.fakes import FakeWatch
from vmwatch.counters import HISTOGRAM_BOUNDS_SECONDS, Histogram
from vmwatch.events import Domain, State, Time
from vmwatch.pipeline import ExporterStatus, HostStatus
from vmwatch.sample import Column, DomainSample, HostSample, Kind, Metric, Row, columns_of
from vmwatch.source.stats import convert
from vmwatch_exporters.prometheus import Prometheus

_RECORDS = Path(__file__).parent.parent / "source" / "data"
EVERY_FIELD: dict[str, Any] = json.loads((_RECORDS / "record-of-every-field.json").read_text())

SECOND = 1_000_000_000
NOW = 1_700_000_010
HOSTILE = 'quote" back\\slash\nnew line ünïcode \ud800'

_POOL = columns_of(
    "storage_pool",
    ("storage_pool",),
    (Column(Metric("libvirt_storage_pool_capacity_bytes", Kind.GAUGE, "Size of the pool.", "host")),),
)
_MEMORY = columns_of(
    "host", (), (Column(Metric("libvirt_host_memory_bytes", Kind.GAUGE, "Memory of the host.", "host")),)
)
_OS = columns_of(
    "domain_info",
    ("uuid", "os_type"),
    (Column(Metric("libvirt_domain_info", Kind.INFO, "What the domain is.", "info")),),
)


def scene() -> FakeWatch:
    """Return a watch of that world."""
    watch = FakeWatch()
    watch.statuses = [
        HostStatus(
            host="node-1",
            uri="qemu:///system",
            up=True,
            since=Time(1_600_000_000 * SECOND),
            versions={"driver": "QEMU", "libvirt": "9.0.0"},
            figures={"vmwatch_host_connections_total": 2, "vmwatch_host_callbacks_waiting": 0},
        ),
        HostStatus(host="node-2", uri="qemu+ssh://node-2/system", up=False, since=Time(1_650_000_000 * SECOND)),
    ]
    watch.exporter_statuses = [
        ExporterStatus(exporter="kafka", up=False, events=5, waiting=3, dropped=1, failures=2, oldest=Time(SECOND)),
        ExporterStatus(exporter="prometheus", up=True, events=5),
    ]
    watch.counted = {("libvirt", "domain.started"): 3, ("vmwatch", "host.connected"): 1}
    watch.labels = {"site": "berlin", "host": "clash", "data-center": 'a"b'}
    _know(watch)
    watch.samples = [_sample()]
    return watch


def _know(watch: FakeWatch) -> None:
    state = watch.state
    state.host("node-1").listed = True
    state.host("node-1").histograms["outage"] = _outages()
    for uuid, name, domain_state, number in (
        ("u-web", "web-1", State.RUNNING, 3),
        ("u-hostile", HOSTILE, State.SHUTDOWN, 4),
        ("u-hung", "hung", State.PAUSED, 5),
        ("u-off", "off", State.SHUTOFF, None),
        ("u-off-2", "off-2", State.SHUTOFF, None),
        ("u-gone", "gone", State.UNDEFINED, None),
    ):
        domain = state.change_domain("node-1", uuid, name)
        domain.state, domain.id, domain.since = domain_state, number, Time(1_600_000_100 * SECOND)
        domain.started = Time(1_600_000_050 * SECOND) if number else None
    state.change_domain("node-2", "u-far", "far").state = State.RUNNING
    for host, name in (("node-1", "web-1"), ("node-1", "gone"), ("node-2", "far")):
        counters = state.change_counters(host, name)
        counters.events = {"started booted": 3, "crashed panicked": 0, "rebooted ": 1}
        counters.stops = {"guest-shutdown": 2, "process-died": 0}
        counters.last = {"started": Time(1_600_000_050_500_000_000)}


def _outages() -> Histogram:
    return Histogram(buckets=[0, 2, *[0] * (len(HISTOGRAM_BOUNDS_SECONDS["outage"]) - 2), 1], sum_seconds=90003.5)


def _sample() -> HostSample:
    time = Time(NOW * SECOND)
    info, other = Row(_OS, ("u-web", "hvm"), (1,)), Row(_OS, ("u-off-2", "xen"), (1,))
    small = {"vcpu.current": 1, "block.0.name": "vda", "block.0.rd.reqs": 7, "vcpu.0.state": 1}
    domains = (
        _domain("u-web", "web-1", 3, time, (*convert(EVERY_FIELD, NOW)[0], info)),
        _domain("u-hostile", HOSTILE, 4, time, convert(small, NOW)[0]),
        DomainSample(domain=Domain("u-hung", "hung", 5), state=State.PAUSED, time=None, timed_out=True),
        _domain("u-off", "off", 6, time, convert(small, NOW)[0]),
        DomainSample(domain=Domain("u-off-2", "off-2"), state=State.SHUTOFF, time=None, rows=(other,)),
        _domain("u-never-told", "never-told", 7, time, convert(small, NOW)[0]),
    )
    rows = (Row(_MEMORY, (), (64 * 2**30,)), Row(_POOL, ("default",), (2**40,)))
    return HostSample(host="node-1", time=time, seconds=0.125, rows=rows, domains=domains)


def _domain(uuid: str, name: str, number: int, time: Time, rows: Any) -> DomainSample:
    return DomainSample(domain=Domain(uuid, name, number), state=State.RUNNING, time=time, rows=rows)


async def _no_batches() -> Any:
    for batch in list[Any]():
        yield batch


async def answer(
    watch: FakeWatch, exporter: Prometheus, *, query: str = "", headers: dict[str, str] | None = None
) -> tuple[Response, bytes]:
    """Return what *exporter* answers to a scrape, and the body of it."""
    if "/metrics" not in watch.mounted:
        await exporter.run(_no_batches(), watch)
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    request = Request({"type": "http", "method": "GET", "query_string": query.encode(), "headers": pairs})
    response = await watch.mounted["/metrics"](request)
    if not isinstance(response, StreamingResponse):
        return response, bytes(response.body)
    pieces = [piece async for piece in response.body_iterator]
    return response, b"".join(piece for piece in pieces if isinstance(piece, bytes))


async def scrape(watch: FakeWatch, exporter: Prometheus, query: str = "", **headers: str) -> str:
    """Return the text of a page that *exporter* serves."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await answer(watch, exporter, query=query, headers=named))[1].decode()
