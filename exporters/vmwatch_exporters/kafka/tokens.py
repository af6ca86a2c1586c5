"""Tokens for SASL OAUTHBEARER, by OAuth's client credentials from a token endpoint; for the Kafka exporter."""

import json
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from aiokafka.abc import AbstractTokenProvider

from vmwatch.errors import VmwatchError
from vmwatch.threads import Worker
from vmwatch_exporters.kafka.faults import TokenError, words

MOST_BYTES = 64 * 1024
FRESH_SECONDS = 10.0
"""A token that ends sooner is not used any more."""


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka asks for this class
    """Fetches tokens for *client_id* from *endpoint* and keeps each until shortly before its end.

    *secret* is called for every fetch; *context* is for an `https` endpoint.
    """

    def __init__(
        self,
        endpoint: str,
        client_id: str,
        secret: Callable[[], str],
        *,
        scope: str,
        timeout_seconds: float,
        context: ssl.SSLContext,
    ) -> None:
        self._endpoint = endpoint
        self._client_id = client_id
        self._secret = secret
        self._scope = scope
        self._timeout_seconds = timeout_seconds
        self._opener = build_opener(_NoRedirects, HTTPSHandler(context=context))
        self._token = ""
        self._until = 0.0

    async def token(self) -> str:
        """Return a token; TokenError says why there is none."""
        if not self._token or time.monotonic() > self._until - FRESH_SECONDS:
            worker = Worker("kafka token")
            try:
                self._token, seconds = await worker.call(self._fetch)
            finally:
                worker.end()
            self._until = time.monotonic() + seconds
        return self._token

    def _fetch(self) -> tuple[str, float]:
        try:
            with self._opener.open(self._request(), timeout=self._timeout_seconds) as answer:
                told = json.loads(answer.read(MOST_BYTES))
            return str(told["access_token"]), max(0.0, float(told.get("expires_in", 0)))
        except HTTPError as error:
            raise TokenError(f"token_endpoint: refused with status {error.code}{_error_code(error)}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, HTTPException):
            raise TokenError("token_endpoint: the answer is no token") from None
        except URLError as error:
            raise TokenError(f"token_endpoint: {_network_reason(error.reason)}") from None
        except OSError as error:
            raise TokenError(f"token_endpoint: {_network_reason(error)}") from None
        except VmwatchError as error:
            raise TokenError(str(error)) from error

    def _request(self) -> Request:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        credentials = b64encode(f"{quote_plus(self._client_id)}:{quote_plus(self._secret())}".encode()).decode()
        return Request(  # noqa: S310 - the configuration lets only http and https through
            self._endpoint, urlencode(form).encode(), {"Authorization": f"Basic {credentials}"}
        )


class _NoRedirects(HTTPRedirectHandler):
    """The secret goes to the endpoint that was configured, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Let a redirection be an error."""


def _network_reason(error: str | BaseException) -> str:
    return words(error).replace("the broker", "the server") if isinstance(error, BaseException) else error


def _error_code(error: HTTPError) -> str:
    try:
        with error:
            told: Any = json.loads(error.read(MOST_BYTES))
        return f" ({told['error']})"
    except (ValueError, KeyError, TypeError, RecursionError, HTTPException, OSError):
        return ""
