"""The one web server: health, API, live page, and what exporters mount on it.

Nothing here can hold up the stream: readers that are too slow lose events, and stopping takes a bounded time.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from vmwatch.errors import ConfigError, VmwatchError
from vmwatch.pipeline import Handler, Watch
from vmwatch.settings import WebSettings
from vmwatch.web_auth import Guarded
from vmwatch.web_config import WebConfig, load_tls, read_web_config, tls_context
from vmwatch.web_pages import Pages

METRICS = "/metrics"
"""Where exporters mount metrics; users see it under their own telemetry path."""

STOP_SECONDS = 1
LOOK_SECONDS = 1.0
MOST_CONNECTIONS = 512

log = structlog.get_logger(__name__)


class Web:
    """Serves on the addresses of *settings*; *reload* is what a POST to `/-/reload` asks for.

    Every *look_seconds* it looks whether the web configuration has changed.
    """

    def __init__(
        self,
        settings: WebSettings,
        *,
        reload: Callable[[], None] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._settings = settings
        self._look_seconds = look_seconds
        self._reload = reload if settings.enable_reload else None
        self._mounted: dict[str, Handler] = {}
        self._sockets: list[socket.socket] = []
        self._config = WebConfig()
        self._tls: ssl.SSLContext | None = None

    def bind(self) -> list[str]:
        """Take the addresses and return them as URLs; VmwatchError where one cannot be had."""
        if self._settings.config_file is not None:
            self._config = read_web_config(self._settings.config_file)
            if self._config.tls_server_config is not None:
                self._tls = tls_context(self._config.tls_server_config, self._settings.config_file.parent)
        try:
            for host, port in self._settings.endpoints:
                self._sockets += _listen(host, port)
        except VmwatchError:
            self.close()
            raise
        return [_url(one, "https" if self._tls else "http") for one in self._sockets]

    def close(self) -> None:
        """Give the addresses back, where `run` did not get to it."""
        for one in self._sockets:
            one.close()
        self._sockets = []

    def mount(self, path: str, handler: Handler) -> None:
        """Have *handler* answer GET requests of *path*; it replaces an earlier one."""
        self._mounted[self._settings.telemetry_path if path == METRICS else path] = handler

    async def run(self, watch: Watch) -> None:
        """Serve until cancelled; then end all answers within about two seconds."""
        pages = Pages(watch, self._settings.telemetry_path, self._reload)
        guarded = Guarded(self._application(pages), self._config)
        server = self._server(guarded)
        serving = asyncio.create_task(server.serve(sockets=self._sockets))
        looking = asyncio.create_task(self._look(guarded))
        try:
            await asyncio.shield(serving)
        finally:
            looking.cancel()
            pages.end()
            server.should_exit = True
            await asyncio.gather(serving, looking, return_exceptions=True)
            guarded.close()
            self.close()

    def _application(self, pages: Pages) -> Starlette:
        return Starlette(routes=[*pages.routes(), Route("/{path:path}", self._answer_mounted)])

    async def _answer_mounted(self, request: Request) -> Response:
        handler = self._mounted.get(request.url.path)
        if handler is None:
            return PlainTextResponse("Not Found\n", 404)
        return await handler(request)

    def _server(self, app: ASGIApp) -> uvicorn.Server:
        tls = self._tls
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        config.load()
        config.ssl = tls
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[assignment]  # signals belong to the service
        return server

    async def _look(self, guarded: Guarded) -> None:
        """Re-read the web configuration, and its certificates, when one of the files changes."""
        path = self._settings.config_file
        if path is None:
            return
        seen = _stamps(self._files(path))
        while True:
            await asyncio.sleep(self._look_seconds)
            stamps = _stamps(self._files(path))
            if stamps != seen:
                seen = stamps
                self._change(path, guarded)

    def _files(self, path: Path) -> list[Path]:
        tls = self._config.tls_server_config
        names = [tls.cert_file, tls.key_file, tls.client_ca_file] if tls else []
        return [path, *(path.parent / name for name in names if name)]

    def _change(self, path: Path, guarded: Guarded) -> None:
        try:
            config = read_web_config(path)
            if (config.tls_server_config is None) != (self._tls is None):
                raise ConfigError(f"{path}: TLS can be switched on or off by a restart only")
            if self._tls is not None and config.tls_server_config is not None:
                tls_context(config.tls_server_config, path.parent)
                load_tls(self._tls, config.tls_server_config, path.parent)
        except ConfigError as error:
            log.error("web configuration not changed", reason=str(error))
            return
        self._config = config
        guarded.change(config)
        log.info("web configuration changed", file=str(path))


def _stamps(paths: list[Path]) -> list[tuple[int, int, int] | None]:
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for *host* (empty: every address, of both families where the machine has both)."""
    if not host:
        if socket.has_dualstack_ipv6():
            with suppress(OSError):  # without IPv6 after all, or taken: the next one tells
                return [socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)]
        return [_one(socket.AF_INET, ("", port))]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise VmwatchError(f"{host}:{port}: cannot listen: {error.strerror}") from error
    return [_one(family, address) for family, _, _, _, address in dict.fromkeys(found)]


def _one(family: int, address: tuple[object, ...]) -> socket.socket:
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        cure = "; --web.listen-address chooses another" if error.errno == errno.EADDRINUSE else ""
        host = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
        raise VmwatchError(f"{host}:{address[1]}: cannot listen: {os.strerror(error.errno or 0)}{cure}") from error


def _url(one: socket.socket, scheme: str) -> str:
    host, port = one.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 - what the socket says, for people to click
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
