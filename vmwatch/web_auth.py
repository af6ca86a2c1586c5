"""Who may ask the web server, and with which headers it answers: a layer around `vmwatch.web`'s application."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping

import bcrypt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vmwatch.threads import Worker
from vmwatch.web_config import WebConfig

_NOBODY = "$2b$10$" + "." * 53
"""Compared with where the user is unknown, so that the answer takes as long."""

_MOST_WAITING = 16


class Guarded:
    """Lets requests through to *app* as the latest *config* says.

    A comparison is slow on purpose: it runs in a thread, and a password that was right is remembered as a keyed hash.
    """

    def __init__(self, app: ASGIApp, config: WebConfig) -> None:
        self._app = app
        self._config = config
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._worker: Worker | None = None
        self._waiting = 0

    def change(self, config: WebConfig) -> None:
        """Go by *config* from the next request on."""
        self._config = config
        self._right.clear()

    def close(self) -> None:
        """Let the thread end."""
        if self._worker is not None:
            self._worker.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        users = self._config.basic_auth_users
        answer = self._with_headers(send)
        if not users or await self._may(Headers(scope=scope).get("authorization", ""), users):
            await self._app(scope, receive, answer)
            return
        refusal = PlainTextResponse("Unauthorized\n", 401, {"www-authenticate": 'Basic realm="vmwatch"'})
        await refusal(scope, receive, answer)

    def _with_headers(self, send: Send) -> Send:
        headers = self._config.http_server_config.headers
        if not headers:
            return send

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        return send_with_headers

    async def _may(self, authorization: str, users: Mapping[str, str]) -> bool:
        user, password = _credentials(authorization)
        if not user or self._waiting >= _MOST_WAITING:
            return False
        hashed = users.get(user, _NOBODY)
        proof = hashlib.blake2b(f"{user}\0{hashed}\0{password}".encode(), key=self._key).digest()
        if proof in self._right:
            return True
        right = await self._compare(password, hashed)
        if right:
            self._right.add(proof)
        return right

    async def _compare(self, password: str, hashed: str) -> bool:
        if self._worker is None:
            self._worker = Worker("passwords")
        self._waiting += 1
        try:
            return await asyncio.shield(self._worker.submit(lambda: _matches(password, hashed)))
        finally:
            self._waiting -= 1


def _matches(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode(), hashed.encode())
    except ValueError:  # longer than bcrypt's 72 bytes
        return False


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
