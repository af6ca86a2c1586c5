"""An OAuth server that gives out tokens for client credentials, as far as a broker without keys can check them."""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs

CLIENT, SECRET = "vmwatch", "s&cret %"


class TokenEndpoint:
    """Serves `url` inside a context; *answer* replaces what it says, *lives_seconds* is how long tokens are good.

    When it has `moved_to` another place it says so.
    """

    def __init__(self, *, lives_seconds: float = 3600.0, answer: bytes | None = None) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.lives_seconds = lives_seconds
        self.answer = answer
        self.moved_to = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, bytes]:
        self.asked.append(form)
        if self.moved_to:
            return 302, b""
        if authorization != "Basic " + base64.b64encode(b"vmwatch:s%26cret+%25").decode():
            return 401, b'{"error": "invalid_client"}'
        return 200, self.answer or json.dumps({"access_token": self._token(), "expires_in": 3600}).encode()

    def _token(self) -> str:
        now = time.time()
        claims = {"sub": CLIENT, "iat": now - 7200, "exp": now + self.lives_seconds}
        return f"{_part({'alg': 'none'})}.{_part(claims)}."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked.append({"authorization": [self.headers["authorization"]]})
                self.send_error(404)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                status, body = endpoint.respond(self.headers["authorization"], form)
                self.send_response(status)
                if endpoint.moved_to:
                    self.send_header("location", endpoint.moved_to)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler


def _part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
