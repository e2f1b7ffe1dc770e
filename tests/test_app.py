"""The server: who is answered, with which headers, and what it refuses to start with."""

import asyncio
import gzip
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import marts_fixture as made_up
import page_server
import pytest
from starlette.requests import HTTPConnection, Request
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from attribution import log_lines
from attribution.errors import CaretraceError, SettingsError
from attribution.paths import Home
from attribution.ui import named, server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = made_up.make_home(tmp_path_factory.mktemp("home"))
    with page_server.serving(home) as at:
        yield at


def ask(address: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


def test_health_says_how_old_the_data_are_and_nothing_of_them(address):
    status, headers, body = ask(address, "/healthz")
    health = json.loads(body)
    assert status == 200
    assert set(health) == {"status", "generation", "age_seconds"}
    assert (health["status"], health["generation"]) == ("failed", 1)
    assert 0 <= health["age_seconds"] < 600
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/overview", "/healthz", "/media/x", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(address, path):
    _, headers, _ = ask(address, path)
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


def test_downloads_are_kept_by_nobody(address):
    assert ask(address, "/media/unknown.csv")[1]["cache-control"] == "no-store"


def test_the_interface_travels_compressed(address):
    page = ask(address, "/overview")[2].decode()
    script = page.split('src="./')[1].split('"')[0]
    plain = ask(address, f"/{script}")[2]
    _, headers, packed = ask(address, f"/{script}", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2


def test_the_bare_address_leads_to_the_first_page_with_its_choices(address):
    status, headers, _ = ask(address, "/?period=4w&model=last")
    assert status == 307
    assert headers["location"] == "/overview?period=4w&model=last"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]"]
)
def test_another_name_for_this_computer_is_refused(address, host):
    status, _, body = ask(address, "/overview", Host=host)
    assert status == 421
    assert b"<html" not in body


def test_a_page_of_another_origin_is_refused(address):
    port = urlsplit(address).port
    assert ask(address, "/healthz", Origin="http://evil.example")[0] == 421
    assert ask(address, "/healthz", Origin="http://127.0.0.1:1")[0] == 421
    assert ask(address, "/healthz", Origin=f"http://127.0.0.1:{port}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}],
    ids=["origin", "host", "no origin"],
)
def test_a_socket_from_elsewhere_is_refused(address, headers):
    socket = f"ws://{urlsplit(address).netloc}/_stcore/stream"
    origin = headers.get("Origin")
    others = {k: v for k, v in headers.items() if k != "Origin"}
    with pytest.raises(InvalidStatus) as refused:
        connect(socket, origin=origin, additional_headers=others, proxy=None).close()  # type: ignore[arg-type]
    assert refused.value.response.status_code in (400, 403)


UNSAFE = {
    "global.developmentMode": True,
    "server.baseUrlPath": "reports",
    "server.headless": False,
    "client.disableDataExport": False,
    "server.enableAgentApi": True,
    "server.enableStaticServing": True,
    "server.enableCORS": False,
    "server.enableXsrfProtection": False,
    "client.showErrorDetails": "full",
    "server.address": "0.0.0.0",
}
SAFE = {
    "global.developmentMode": False,
    "server.baseUrlPath": "",
    "server.headless": True,
    "client.disableDataExport": True,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "client.showErrorDetails": "none",
    "server.address": "127.0.0.1",
}


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_setting_is_named(name, home):
    server.refuse_unsafe_settings(home, SAFE.__getitem__)
    with pytest.raises(SettingsError, match=name):
        server.refuse_unsafe_settings(home, (SAFE | {name: UNSAFE[name]}).__getitem__)


def test_real_people_are_not_served_without_a_sign_in(home):
    home.config.write_text('currency = "USD"\n')
    with pytest.raises(SettingsError, match="nobody can sign in"):
        server.refuse_unsafe_settings(home, SAFE.__getitem__)
    home.config.write_text("demo = true\n")
    server.refuse_unsafe_settings(home, SAFE.__getitem__)


def test_the_server_does_not_start_with_unsafe_settings(tmp_path):
    """Whether they are said on the command line or, as docs/sign-in.md does, in the environment."""
    said = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}
    ended = subprocess.run(
        page_server.command(0, "--server.enableAgentApi", "true"),
        env=page_server.environment(Home(tmp_path)) | said,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "server.enableAgentApi must be off; server.address must be 127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST:8501", True),
        ("[::1]:80", True),
        ("127.0.0.1:8501", True),
        ("localhost.evil.example", False),
        ("evil@localhost:x:1", False),
        ("[::1", False),
    ],
)
def test_only_names_of_this_computer_are_loopback(host, here):
    scope = {"type": "http", "headers": [(b"host", host.encode())], "path": "/"}
    assert named.from_here(HTTPConnection(scope)) is here


def test_a_page_that_fails_says_nothing_of_the_cause(monkeypatch, caplog):
    said: list[str] = []
    monkeypatch.setattr(server.st, "error", lambda text, **_: said.append(text))
    assert server.say_error(RuntimeError("postgresql://app:hunter2@db"))
    assert "hunter2" not in said[0]
    assert caplog.records[0].exc_info
    lines = []
    log_lines._Lines(lines.append).emit(caplog.records[0])
    assert lines[0]["error"] == "RuntimeError"
    assert lines[0]["message"] == f"page error {said[0].split()[-1].rstrip('.')}"
    assert server.say_error(CaretraceError("Run it:\n`caretrace refresh`."))
    assert said[1] == "Run it:\n`caretrace refresh`."
    # A sentence for a person is one line of the log, and no trace.
    assert caplog.records[1].getMessage() == "page refused: Run it: `caretrace refresh`."
    assert caplog.records[1].exc_info is None


def test_small_messages_do_not_wait_for_each_other():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.send_at_once()
        with (
            socket.create_connection(listening.getsockname()),
            listening.accept()[0] as accepted,
        ):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_health_of_a_home_that_cannot_be_read_is_an_answer(monkeypatch, home, caplog):
    def fail(_home):
        raise PermissionError(13, "canary")

    monkeypatch.setattr(server, "freshness", fail)
    answer = asyncio.run(server.healthz(Request({"type": "http"})))
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {"status": "unreadable", "generation": None}
    assert "canary" not in caplog.text


def test_the_server_names_the_address_as_it_is_typed():
    said = server.command(9000)
    assert said[said.index("--browser.serverAddress") + 1] == "localhost"
    assert said[said.index("--server.port") + 1] == "9000"


def test_who_may_read_must_be_known(home):

    async def nothing(*_: object) -> None:
        raise AssertionError("let through")

    said: list[dict[str, object]] = []

    async def keep(message: dict[str, object]) -> None:
        said.append(message)

    asked = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    home.config.write_text("demo = \n")
    asyncio.run(named.Named(nothing, home)(asked, None, keep))
    assert said[0]["status"] == 503
    assert b"cannot be read" in said[1]["body"]
    assert str(home.folder).encode() not in said[1]["body"]
