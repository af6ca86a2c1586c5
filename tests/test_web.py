"""The web server: what it answers, to whom, and that it neither blocks a stop nor hides a port in use."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.fakes import FakeWatch, started
from tests.http import ask, asked
from vmwatch.errors import VmwatchError
from vmwatch.events import Event, State, Time
from vmwatch.pipeline import HostStatus
from vmwatch.settings import WebSettings
from vmwatch.web import Web


@asynccontextmanager
async def served(
    watch: FakeWatch | None = None, reload: Callable[[], None] | None = None, **settings: Any
) -> AsyncIterator[tuple[str, Web, "asyncio.Task[None]"]]:
    """Serve on a free port; end when left, if that was not done before."""
    web = Web(WebSettings(listen_addresses=("127.0.0.1:0",), **settings), reload=reload)
    (url,) = web.bind()
    running = asyncio.create_task(web.run(watch or FakeWatch()))
    try:
        yield url, web, running
    finally:
        running.cancel()
        await asyncio.wait({running})


async def next_events(reader: asyncio.StreamReader, count: int) -> list[dict[str, Any]]:
    """Read *count* server-sent events, whatever stands between them."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            line = await reader.readline()
            assert line, "the answer ended"
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
    return found


async def test_it_is_healthy_as_soon_as_it_answers() -> None:
    async with served() as (url, _, _):
        assert (await ask(f"{url}/-/healthy")).status == 200
        assert (await ask(f"{url}/nowhere")).status == 404


async def test_it_is_ready_when_each_host_was_tried() -> None:
    watch = FakeWatch()
    waiting = HostStatus(host="a", uri="test:///default", up=False, since=Time(0))
    away = HostStatus(host="a", uri="test:///default", up=False, since=Time(0), reason="connection refused")
    async with served(watch) as (url, _, _):
        watch.statuses = [waiting]
        assert (await ask(f"{url}/-/ready")).status == 503
        watch.statuses = [away]
        assert (await ask(f"{url}/-/ready")).status == 200


async def test_domains_are_told_with_their_state_and_hosts_with_what_is_wrong() -> None:
    watch = FakeWatch()
    watch.statuses = [HostStatus(host="a", uri="u", up=False, since=Time(0), reason="refused", cure="join the group")]
    for host, name, state in (("a", "web", State.SHUTDOWN), ("a", "gone", State.UNDEFINED), ("b", "db", State.RUNNING)):
        domain = watch.state.change_domain(host, f"uuid-of-{name}", name)
        domain.state, domain.since = state, Time(1_700_000_000_000_000_000)
    async with served(watch) as (url, _, _):
        told = json.loads((await ask(f"{url}/api/v1/domains")).body)
        only = json.loads((await ask(f"{url}/api/v1/domains?host=b")).body)
    assert [(one["host"], one["name"], one["state"]) for one in told["domains"]] == [
        ("a", "web", "shutdown"),
        ("b", "db", "running"),
    ]
    assert told["domains"][0]["since"] == "2023-11-14T22:13:20.000000000Z"
    assert (told["hosts"][0]["reason"], told["hosts"][0]["cure"]) == ("refused", "join the group")
    assert [one["name"] for one in only["domains"]] == ["db"]


async def test_the_page_runs_its_own_script_only() -> None:
    async with served(telemetry_path="/my<metrics") as (url, _, _):
        page = await ask(url)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "innerHTML" not in page.text
    assert 'href="my&lt;metrics"' in page.text


async def test_what_is_mounted_answers_under_its_path_and_can_be_replaced() -> None:
    def says(text: str) -> Callable[[Request], Any]:
        async def handler(_request: Request) -> Response:
            return PlainTextResponse(text)

        return handler

    async with served(telemetry_path="/figures") as (url, web, _):
        assert (await ask(f"{url}/figures")).status == 404
        web.mount("/metrics", says("first"))
        assert (await ask(f"{url}/figures")).text == "first"
        web.mount("/metrics", says("second"))
        assert (await ask(f"{url}/figures")).text == "second"
        assert (await ask(f"{url}/metrics")).status == 404


async def test_a_handler_that_fails_harms_its_answer_only(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_request: Request) -> Response:
        raise RuntimeError("a bug")

    async with served() as (url, web, _):
        web.mount("/metrics", fails)
        assert (await ask(f"{url}/metrics")).status == 500
        assert (await ask(f"{url}/-/healthy")).status == 200


async def test_events_are_followed_from_the_last_ones_on() -> None:
    watch = FakeWatch()
    for number in range(1, 4):
        watch.tell(started(number))
    async with served(watch) as (url, _, _), asked(f"{url}/api/v1/events") as (status, headers, reader):
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/event-stream")
        assert [event["sequence"] for event in await next_events(reader, 3)] == [1, 2, 3]
        watch.tell(started(4, name="<b>two\nlines"))
        (event,) = await next_events(reader, 1)
        assert event["domain"]["name"] == "<b>two\nlines"


async def test_who_comes_back_gets_what_he_missed() -> None:
    watch = FakeWatch()
    for number in range(1, 400):
        watch.tell(started(number))
    async with served(watch) as (url, _, _), asked(f"{url}/api/v1/events", last_event_id="epoch-200") as (_, _, reader):
        assert [event["sequence"] for event in await next_events(reader, 199)] == list(range(201, 400))


async def test_events_are_chosen_by_the_query() -> None:
    watch = FakeWatch()
    async with (
        served(watch) as (url, _, _),
        asked(f"{url}/api/v1/events?domain=db-*&type=domain.*&host=host-b") as (_, _, reader),
    ):
        await watch.followed.wait()
        chosen: list[Event] = [started(4, name="db-1", host="host-b")]
        for event in [started(1), started(2, name="db-1"), started(3, host="host-b"), *chosen]:
            watch.tell(event)
        assert [event["sequence"] for event in await next_events(reader, 1)] == [4]


async def test_it_stops_in_time_while_events_are_followed() -> None:
    watch = FakeWatch()
    async with served(watch) as (url, _, running), asked(f"{url}/api/v1/events") as (_, _, reader):
        await watch.followed.wait()
        running.cancel()
        async with asyncio.timeout(3):
            await asyncio.wait({running})
            while await reader.readline():
                pass
        assert running.cancelled()


async def test_a_port_in_use_is_told_with_the_flag_that_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        web = Web(WebSettings(listen_addresses=("127.0.0.1:0", f"127.0.0.1:{port}")))
        with pytest.raises(VmwatchError, match=rf"127\.0\.0\.1:{port}: cannot listen: .*--web\.listen-address"):
            web.bind()


async def test_an_address_without_a_host_is_every_address() -> None:
    web = Web(WebSettings(listen_addresses=(":0",)))
    (url,) = web.bind()
    running = asyncio.create_task(web.run(FakeWatch()))
    port = url.rpartition(":")[2]
    hosts = ["127.0.0.1", *(["[::1]"] if socket.has_dualstack_ipv6() else [])]
    assert [(await ask(f"http://{host}:{port}/-/healthy")).status for host in hosts] == [200] * len(hosts)
    running.cancel()
    await asyncio.wait({running})


async def test_a_reload_is_asked_for_only_where_that_is_switched_on() -> None:
    asked_for = []
    async with served(reload=lambda: asked_for.append(1), enable_reload=True) as (url, _, _):
        assert (await ask(f"{url}/-/reload")).status == 404
        assert (await ask(f"{url}/-/reload", method="POST")).status == 200
    assert asked_for == [1]
    async with served(reload=lambda: asked_for.append(2)) as (url, _, _):
        assert (await ask(f"{url}/-/reload", method="POST")).status in (404, 405)
    assert asked_for == [1]
