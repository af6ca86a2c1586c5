"""A small HTTP client on asyncio's streams, for the tests of what vmwatch serves."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    url: str, *, method: str = "GET", user: str = "", tls: ssl.SSLContext | None = None, **headers: str
) -> Answer:
    """Ask for *url*, as *user* ("name:password"), and return the whole answer."""
    async with asked(url, method=method, user=user, tls=tls, **headers) as (status, answered, reader):
        return Answer(status, answered, await reader.read())


@asynccontextmanager
async def asked(
    url: str, *, method: str = "GET", user: str = "", tls: ssl.SSLContext | None = None, **headers: str
) -> AsyncIterator[tuple[int, dict[str, str], asyncio.StreamReader]]:
    """Ask for *url* and give status, headers and the reader of the body, which ends with the connection."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    try:
        given = {"host": parts.netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if user:
            given["authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        lines = [f"{method} {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.0"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = int((await reader.readline()).split()[1])
        yield status, await _headers(reader), reader
    finally:
        writer.transport.abort()


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip().decode():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers
