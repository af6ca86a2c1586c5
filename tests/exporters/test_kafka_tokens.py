import asyncio
import ssl
from collections.abc import Iterator

import pytest

from tests.beds.program import free_port
from tests.exporters.token_endpoint import CLIENT, SECRET, TokenEndpoint
from vmwatch.errors import VmwatchError
from vmwatch_exporters.kafka.faults import TokenError
from vmwatch_exporters.kafka.tokens import Tokens


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as endpoint:
        yield endpoint


def tokens(url: str, secret: str = SECRET, scope: str = "") -> Tokens:
    context = ssl.create_default_context()
    return Tokens(url, CLIENT, lambda: secret, scope=scope, timeout_seconds=5.0, context=context)


async def test_a_token_is_fetched_once_while_it_is_good(endpoint: TokenEndpoint) -> None:
    ours = tokens(endpoint.url, scope="kafka")
    assert await ours.token() == await ours.token()
    assert endpoint.asked == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}]


@pytest.mark.parametrize("seconds", ["5", "NaN"])
async def test_a_token_that_ends_soon_or_nobody_knows_when_is_not_used_twice(
    endpoint: TokenEndpoint, seconds: str
) -> None:
    endpoint.answer = b'{"access_token": "short", "expires_in": %s}' % seconds.encode()
    ours = tokens(endpoint.url)
    await ours.token()
    await ours.token()
    assert len(endpoint.asked) == 2


async def test_a_wrong_secret_is_told_in_the_servers_words_and_without_the_secret(endpoint: TokenEndpoint) -> None:
    with pytest.raises(TokenError) as caught:
        await tokens(endpoint.url, "wrong").token()
    assert caught.value.args == ("token_endpoint: refused with status 401 (invalid_client)",)


async def test_the_secret_is_not_taken_to_another_place(endpoint: TokenEndpoint) -> None:
    with TokenEndpoint() as other:
        endpoint.moved_to = other.url
        with pytest.raises(TokenError, match="token_endpoint: refused with status 302"):
            await tokens(endpoint.url).token()
    assert other.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"token": "x"}',
        b'{"access_token": "x", "expires_in": "soon"}',
        b"[" * 50_000,
        b"x" * 200_000,
    ],
)
async def test_an_answer_that_is_no_token_is_told(endpoint: TokenEndpoint, answer: bytes) -> None:
    endpoint.answer = answer
    with pytest.raises(TokenError, match="token_endpoint: the answer is no token"):
        await tokens(endpoint.url).token()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"])
async def test_an_endpoint_that_speaks_something_else_is_told(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"client_credentials")  # the end: who leaves before resets the connection
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TokenError, match="token_endpoint: the answer is no token"):
            await tokens(f"http://127.0.0.1:{port}/").token()


async def test_an_endpoint_that_is_not_there_is_told() -> None:
    with pytest.raises(TokenError, match="token_endpoint: connection refused"):
        await tokens(f"http://127.0.0.1:{free_port()}/").token()


async def test_a_secret_that_cannot_be_read_is_told_in_an_error_that_the_client_lets_through() -> None:
    def unreadable() -> str:
        raise VmwatchError("password_file /nowhere: No such file or directory")

    context = ssl.create_default_context()
    ours = Tokens("http://127.0.0.1:1/", CLIENT, unreadable, scope="", timeout_seconds=5.0, context=context)
    with pytest.raises(TokenError, match="password_file /nowhere"):
        await ours.token()
