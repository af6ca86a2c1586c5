"""The page: everything known, counted and measured, put together in slices that hold up nobody else."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from vmwatch.events import Domain
from vmwatch.pipeline import HostStatus, Watch
from vmwatch.sample import HostSample, Metric
from vmwatch.state import KnownDomain
from vmwatch_exporters.prometheus.known import counter_series, duration_series, state_series
from vmwatch_exporters.prometheus.naming import Naming
from vmwatch_exporters.prometheus.ourselves import Ourselves
from vmwatch_exporters.prometheus.request import Wanted, WrongRequestError, read_request
from vmwatch_exporters.prometheus.series import Piece, sample_series
from vmwatch_exporters.prometheus.text import Format, header, labels_text, static_labels

SLICE_SECONDS = 0.0007
"""After this long others have their turn."""

_STREAM_BYTES = 256 * 1024
_GZIP = 31  # zlib's largest window, in gzip's wrapping

T = TypeVar("T")

Sheet = dict[str, tuple[Metric, list[bytes]]]
"""Lines of text by the name of their metric."""


class Page:
    """Answers scrapes out of *watch*; what has not changed since the last one is not written again.

    *without* are the beginnings of the kinds of rows that are left out; counters of a domain that has gone are shown
    for *keep_gone_seconds*.
    """

    def __init__(self, watch: Watch, naming: Naming, without: Sequence[str], keep_gone_seconds: float) -> None:
        self._watch = watch
        self._naming = naming
        self._without = without
        self._keep_gone_seconds = keep_gone_seconds
        static = static_labels(watch.labels)
        self._static_text = "".join(f",{name}" for name in [labels_text(static.items())] if name)
        self._ourselves = Ourselves(watch, static, naming.exported)
        self._lock = asyncio.Lock()
        self._written: dict[str, tuple[object, Sheet]] = {}
        self._render_seconds = 0.0

    async def respond(self, request: Request) -> Response:
        """Answer one scrape."""
        query = {key: request.query_params.getlist(key) for key in request.query_params}
        try:
            wanted = read_request(request.headers, query, [status.host for status in self._watch.hosts()])
        except WrongRequestError as error:
            return PlainTextResponse(f"{error}\n", 400)
        pieces = await self.render(wanted)
        headers = {"content-type": wanted.form.value}
        if wanted.gzip:
            pieces = await asyncio.to_thread(_compressed, pieces)
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(sum(map(len, pieces)))
        return StreamingResponse(_stream(pieces), headers=headers)

    async def render(self, wanted: Wanted) -> list[bytes]:
        """Return the page in pieces, by the deadline of *wanted*."""
        deadline = asyncio.get_running_loop().time() + max(0.0, wanted.seconds - 2 * self._render_seconds)
        samples = {sample.host: sample for sample in await self._watch.sample(deadline, sorted(wanted.hosts))}
        began = time.perf_counter()
        async with self._lock:
            sheets = [
                await self._sheet(status, samples.get(status.host))
                for status in self._watch.hosts()
                if not wanted.hosts or status.host in wanted.hosts
            ]
        pieces = await self._assemble(list(chain.from_iterable(sheets)), wanted)
        self._render_seconds = time.perf_counter() - began
        return pieces

    async def _sheet(self, status: HostStatus, sample: HostSample | None) -> list[Sheet]:
        host, known = status.host, self._watch.known()
        version = (status.up, self._version(), await self._expired(host))
        domains = list(known.domains.get(host, {}).values())
        counters = {name: one for name, one in self._watch.counters().get(host, {}).items() if name not in version[2]}

        def told() -> Iterator[Piece]:
            yield from state_series(status, domains, self._static_text, self._naming)
            yield from counter_series(host, counters, self._static_text, self._naming)
            if host in known.hosts:
                yield from duration_series(known.hosts[host], self._static_text, self._naming)

        sheets = [await self._unless_written(f"told {host}", version, told)]
        if sample is not None and status.up:
            gone = await self._gone(sample)

            def measured() -> Iterator[Piece]:
                return sample_series(sample, self._naming, self._static_text, self._without, gone)

            sheets.append(await self._unless_written(f"measured {host}", (sample, gone), measured))
        return sheets

    def _version(self) -> tuple[object, ...]:
        journal = self._watch.journal()
        return (sum(self._watch.told().values()), journal.position, journal.writable)

    async def _expired(self, host: str) -> frozenset[str]:
        """Return the names whose counters have been kept for long enough after their domain went."""
        oldest = time.time_ns() - self._keep_gone_seconds * 1e9
        counters = self._watch.counters().get(host, {})
        return frozenset(
            [
                name
                async for name, one in _in_slices(list(counters.items()))
                if one.gone is not None and one.gone <= oldest
            ]
        )

    async def _gone(self, sample: HostSample) -> frozenset[str]:
        """Return the uuids of domains of *sample* that are not what they were."""
        known = self._watch.known()
        host = known.hosts.get(sample.host)
        listed = host is not None and host.listed
        domains = _in_slices((one.domain, known.domain(sample.host, one.domain.uuid)) for one in sample.domains)
        return frozenset([domain.uuid async for domain, now in domains if not _lives(domain, now, listed=listed)])

    async def _unless_written(self, name: str, key: object, series: Callable[[], Iterable[Piece]]) -> Sheet:
        written = self._written.get(name)
        if written is not None and written[0] == key:
            return written[1]
        sheet: Sheet = {}
        async for metric, text in _in_slices(series()):
            if text:
                sheet.setdefault(metric.name, (metric, []))[1].append(text.encode("utf-8", "replace"))
        self._written[name] = (key, sheet)
        return sheet

    async def _assemble(self, sheets: Iterable[Sheet], wanted: Wanted) -> list[bytes]:
        families: Sheet = {}
        async for name, (metric, texts) in _in_slices(item for sheet in sheets for item in sheet.items()):
            if wanted.includes(metric.group):
                families.setdefault(name, (metric, []))[1].extend(texts)
        pieces: list[bytes] = []
        async for name in _in_slices(sorted(families)):
            metric, texts = families[name]
            pieces += (header(metric, wanted.form).encode(), *texts)
        if wanted.includes("vmwatch"):
            pieces.append(self._ourselves.text(wanted.form, wanted.hosts).encode("utf-8", "replace"))
        if wanted.form is Format.OPENMETRICS:
            pieces.append(b"# EOF\n")
        return pieces


async def _in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield *items*, and let others have their turn after each slice; *items* must be nobody else's to change."""
    began = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - began > SLICE_SECONDS:
            await asyncio.sleep(0)
            began = time.perf_counter()


def _lives(domain: Domain, now: KnownDomain | None, *, listed: bool) -> bool:
    """Say whether what was measured of *domain* is still so; *now* is what is known of it."""
    if now is None:
        return not listed
    if domain.id is None:
        return now.exists and not now.state.active
    return now.state.active and now.id in (None, domain.id)


def _compressed(pieces: Sequence[bytes]) -> list[bytes]:
    compressor = zlib.compressobj(level=1, wbits=_GZIP)
    return [*(compressor.compress(piece) for piece in pieces), compressor.flush()]


async def _stream(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _STREAM_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)
