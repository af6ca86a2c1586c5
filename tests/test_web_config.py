"""The exporter-toolkit's file: TLS, users and headers work as it says, change with it, and never half."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest
import structlog

from tests.beds.certificates import Authority
from tests.fakes import FakeWatch
from tests.http import ask
from tests.waiting import until
from vmwatch.errors import ConfigError
from vmwatch.settings import WebSettings
from vmwatch.web import Web
from vmwatch.web_config import read_web_config


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")


@asynccontextmanager
async def served(path: Path, text: str) -> AsyncIterator[str]:
    replace(path, text)
    web = Web(WebSettings(listen_addresses=("127.0.0.1:0",), config_file=path), look_seconds=0.01)
    (url,) = web.bind()
    running = asyncio.create_task(web.run(FakeWatch()))
    try:
        yield url
    finally:
        running.cancel()
        await asyncio.wait({running})


def certify(folder: Path, name: str) -> Authority:
    """Have an authority of its own issue `<name>.pem` and `<name>.key`."""
    private = folder / f"of-{name}"
    private.mkdir()
    authority = Authority(private)
    issued = authority.issue(name)
    issued.certificate.replace(folder / f"{name}.pem")
    issued.key.replace(folder / f"{name}.key")
    return authority


def replace(path: Path, text: str) -> None:
    """Write anew, as an editor does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def test_only_known_users_are_answered(tmp_path: Path) -> None:
    users = f"basic_auth_users: {{alice: {hashed('secret')!r}}}\n"
    async with served(tmp_path / "web.yml", users) as url:
        refused = await ask(f"{url}/-/healthy")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Basic realm="vmwatch"')
        assert (await ask(f"{url}/-/healthy", user="alice:wrong")).status == 401
        assert (await ask(f"{url}/-/healthy", user="bob:secret")).status == 401
        assert (await ask(f"{url}/-/healthy", user="alice:" + "x" * 100)).status == 401
        assert (await ask(f"{url}/-/healthy", authorization="Basic ???")).status == 401
        assert [(await ask(f"{url}/-/healthy", user="alice:secret")).status for _ in range(2)] == [200, 200]


async def test_users_change_with_the_file_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    async with served(path, f"basic_auth_users: {{alice: {hashed('secret')!r}}}\n") as url:
        assert (await ask(url, user="alice:secret")).status == 200
        replace(path, f"basic_auth_users: {{bob: {hashed('other')!r}}}\n")
        await until(lambda: _is_let_in(url, "bob:other"))
        assert (await ask(url, user="alice:secret")).status == 401
        with structlog.testing.capture_logs() as logs:
            replace(path, "basic_auth_users: {bob: plain}\n")
            await until(lambda: any(entry["event"] == "web configuration not changed" for entry in logs))
        assert (await ask(url, user="bob:other")).status == 200


async def test_headers_are_added_to_every_answer(tmp_path: Path) -> None:
    text = "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    async with served(tmp_path / "web.yml", text) as url:
        assert (await ask(f"{url}/nowhere")).headers["x-frame-options"] == "deny"


async def test_a_certificate_is_served_and_renewed(tmp_path: Path) -> None:
    first = ssl.create_default_context(cafile=certify(tmp_path, "server").certificate)
    second = ssl.create_default_context(cafile=certify(tmp_path, "next").certificate)
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
    async with served(tmp_path / "web.yml", tls) as url:
        assert url.startswith("https://")
        assert (await ask(f"{url}/-/healthy", tls=first)).status == 200
        for part in ("key", "pem"):
            (tmp_path / f"next.{part}").replace(tmp_path / f"server.{part}")
        await until(lambda: _is_trusted(url, second))


async def test_a_client_has_to_show_its_certificate_where_that_is_required(tmp_path: Path) -> None:
    client = ssl.create_default_context(cafile=certify(tmp_path, "server").certificate)
    authority = certify(tmp_path, "client").certificate
    tls = (
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
        f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority}\n"
    )
    async with served(tmp_path / "web.yml", tls) as url:
        assert not await _is_trusted(url, client)
        client.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        assert await _is_trusted(url, client)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("basic_auth_user: {}\n", "basic_auth_user: unknown key; did you mean basic_auth_users?"),
        ("basic_auth_users: {alice: hunter2}\n", "basic_auth_users.alice: expected a bcrypt hash"),
        ("tls_server_config: {cert_file: a}\n", "tls_server_config: expected cert_file and key_file"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}\n",
            "tls_server_config.client_auth_type: not possible here; use RequireAndVerifyClientCert",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}\n",
            "tls_server_config: client_ca_file: missing",
        ),
        ("tls_server_config: [hunter2\n", "this is not YAML: line 2"),
        ("- a\n", "expected a table"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "web.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_web_config(path)
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "hunter2" not in str(caught.value)


def test_a_certificate_that_is_missing_is_told_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("tls_server_config: {cert_file: absent.pem, key_file: absent.key}\n")
    with pytest.raises(ConfigError, match="cannot be used"):
        Web(WebSettings(listen_addresses=("127.0.0.1:0",), config_file=path)).bind()


async def _is_let_in(url: str, user: str) -> bool:
    return (await ask(url, user=user)).status == 200


async def _is_trusted(url: str, tls: ssl.SSLContext) -> bool:
    try:
        return (await ask(f"{url}/-/healthy", tls=tls)).status == 200
    except (ssl.SSLError, ConnectionError, IndexError):
        return False
