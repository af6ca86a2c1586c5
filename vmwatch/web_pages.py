"""What vmwatch itself serves: the live page, health, and the API; `vmwatch.web` puts it on the network."""

import asyncio
import base64
import hashlib
import html
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from vmwatch.choose import chooser
from vmwatch.encode import encode, encode_time
from vmwatch.events import Event, State
from vmwatch.pipeline import Batches, Watch

HEARTBEAT_SECONDS = 15.0
COMMIT_SECONDS = 0.05
"""Later than this the journal has what was told before somebody began to follow."""

RECENT = 100
MOST_MISSED = 5000
MOST_READERS = 100

_encoder = msgspec.json.Encoder(enc_hook=encode_time)


class Pages:
    """Answers requests out of what *watch* knows; *metrics* is the path of the metrics.

    *reload* is called for a POST to `/-/reload`; None refuses it.
    """

    def __init__(self, watch: Watch, metrics: str, reload: Callable[[], None] | None) -> None:
        self._watch = watch
        self._reload = reload
        self._readers = 0
        self._ended = asyncio.Event()
        self._page, self._policy = _page(metrics)

    def routes(self) -> list[Route]:
        """Return the paths and who answers them."""
        routes = [
            Route("/", self._index),
            Route("/-/healthy", self._healthy),
            Route("/-/ready", self._ready),
            Route("/api/v1/domains", self._domains),
            Route("/api/v1/events", self._events),
        ]
        if self._reload is not None:
            routes.append(Route("/-/reload", self._do_reload, methods=["POST", "PUT"]))
        return routes

    def end(self) -> None:
        """Let everybody who follows the events come to an end."""
        self._ended.set()

    async def _index(self, _request: Request) -> Response:
        return Response(
            self._page,
            media_type="text/html",
            headers={
                "content-security-policy": self._policy,
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
                "cache-control": "no-cache",
            },
        )

    async def _healthy(self, _request: Request) -> Response:
        return PlainTextResponse("vmwatch is healthy.\n")

    async def _ready(self, _request: Request) -> Response:
        waiting = [status.host for status in self._watch.hosts() if not status.up and not status.reason]
        if waiting:
            return PlainTextResponse("vmwatch is not ready: some hosts were not tried yet.\n", 503)
        return PlainTextResponse("vmwatch is ready.\n")

    async def _do_reload(self, _request: Request) -> Response:
        if self._reload is not None:
            self._reload()
        return PlainTextResponse("asked to re-read the configuration; the log tells how that went.\n")

    async def _domains(self, request: Request) -> Response:
        only = request.query_params.get("host")
        hosts = [
            {"host": one.host, "uri": one.uri, "up": one.up, "reason": one.reason, "cure": one.cure, "since": one.since}
            for one in self._watch.hosts()
        ]
        body = _encoder.encode({"hosts": hosts, "domains": list(self._known_domains(only))})
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    def _known_domains(self, only: str | None) -> Iterator[dict[str, Any]]:
        for host, domains in self._watch.known().domains.items():
            for domain in domains.values() if only in (None, host) else ():
                if domain.state is not State.UNDEFINED:
                    yield {
                        "host": host,
                        "uuid": domain.uuid,
                        "name": domain.name,
                        "id": domain.id,
                        "state": domain.state,
                        "since": domain.since,
                        "started": domain.started,
                        "persistent": domain.persistent,
                    }

    async def _events(self, request: Request) -> Response:
        if self._readers >= MOST_READERS:
            return PlainTextResponse("too many follow the events already.\n", 503)
        return StreamingResponse(
            self._stream(request),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _stream(self, request: Request) -> AsyncIterator[bytes]:
        wanted = chooser(*(request.query_params.getlist(key) for key in ("type", "host", "domain")))
        self._readers += 1
        try:
            with self._watch.follow(wanted) as batches:
                yield b"retry: 2000\n\n"
                recent = await self._recent(request.headers.get("last-event-id"), wanted)
                yield b"".join(map(_told, recent))
                told = {event.id for event in recent}
                while (batch := await self._next(batches)) is not None:
                    yield b"".join(_told(event) for event in batch if event.id not in told) or b":\n\n"
        finally:
            self._readers -= 1

    async def _recent(self, after: str | None, wanted: Callable[[Event], bool]) -> Sequence[Event]:
        """Return the last events, or what came after the one with the id *after*, as far as the journal has them."""
        await asyncio.sleep(COMMIT_SECONDS)
        begin = max(0, self._watch.journal().position - (MOST_MISSED if after else RECENT))
        events = [event async for _position, event in self._watch.since(begin)]
        known = next((index for index, event in enumerate(events) if event.id == after), None)
        missed = events[-RECENT:] if known is None else events[known + 1 :]
        return [event for event in missed if wanted(event)]

    async def _next(self, batches: Batches) -> Sequence[Event] | None:
        """Return the next events; none after a while without any, None when the server stops."""
        coming = asyncio.ensure_future(anext(batches))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({coming, ending}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return None if ending.done() else coming.result() if coming.done() else ()
        finally:
            coming.cancel()
            ending.cancel()


def _told(event: Event) -> bytes:
    return b"id: %s\ndata: %s\n\n" % (event.id.encode(), encode(event))


def _page(metrics: str) -> tuple[str, str]:
    """Return the page and its policy, which allows what stands in it and nothing else."""
    page = files("vmwatch").joinpath("web_page.html").read_text("utf-8")
    hashes = {part: _hash(re.search(rf"<{part}>(.*?)</{part}>", page, re.DOTALL)) for part in ("style", "script")}
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; style-src '{hashes['style']}'; "
        f"script-src '{hashes['script']}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.replace("{metrics}", html.escape(metrics.lstrip("/"), quote=True)), policy


def _hash(found: re.Match[str] | None) -> str:
    text = found[1] if found else ""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
