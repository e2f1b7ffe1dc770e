"""The gate and sessions by themselves: what outlives a page, and what nobody meant to send."""

import asyncio
import sqlite3
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from streamlit.proto.BackMsg_pb2 import BackMsg

from attribution import audit
from attribution.errors import NotAllowed, StorageError
from attribution.paths import Home
from attribution.queries import Scope
from attribution.roles import OPERATE
from attribution.sessions import Sessions
from attribution.sign_in import SECRET_VARIABLE, sign_in
from attribution.ui import access, download, frame, gate, headers, left_open
from attribution.ui.freshness import freshness

CONFIG = """[sign_in]
issuer = "https://login.example.org"
client_id = "caretrace"
address = "https://caretrace.example.org"

[sign_in.roles]
viewer = ["marketing"]
admin = ["it"]
"""
COOKIE = "__Host-caretrace"
IDLE, ABSOLUTE = timedelta(minutes=15), timedelta(hours=12)


@pytest.fixture
def signing(home: Home, monkeypatch) -> Home:
    """A home folder whose readers sign in."""
    monkeypatch.setenv(SECRET_VARIABLE, "hush-hush")
    home.config.write_text(CONFIG, encoding="utf-8")
    return home


@pytest.fixture
def open_page(signing, monkeypatch) -> str:
    """The id of the session of an administrator who has a page open."""
    with Sessions(signing) as ledger:
        token = ledger.begin("1", "ann", ["it"])
    cookies = SimpleNamespace(context=SimpleNamespace(cookies={COOKIE: token}))
    monkeypatch.setattr(access, "st", cookies)
    return token


def button(home: Home):
    """What a download button of an open page runs later, on another thread."""
    scope = Scope(date(2026, 1, 5), date(2026, 3, 2), kind="lead")
    context = frame.Context(home, 1, scope, freshness(home), access.VISITOR)
    return download.audited(context, "csv", lambda: b"channel,spend")


def test_a_download_made_earlier_ends_with_the_role(signing, open_page):
    make = button(signing)
    assert make() == b"channel,spend"
    signing.config.write_text(CONFIG.replace('["it"]', '["others"]') + "# changed\n")
    with pytest.raises(NotAllowed):
        make()
    assert list(audit.entries(signing)["action"]) == [audit.EXPORTED]


def test_a_download_made_earlier_ends_with_the_session(signing, open_page):
    make = button(signing)
    with Sessions(signing) as ledger:
        ledger.end_all()
    with pytest.raises(NotAllowed):
        make()
    assert audit.entries(signing).empty


def test_a_page_that_refreshes_itself_keeps_no_session_alive(signing, open_page):
    with Sessions(signing) as ledger:
        soon = datetime.now(UTC) + timedelta(minutes=14)
        assert ledger.look(open_page, IDLE, ABSOLUTE, soon, alive=False)
        assert ledger.look(open_page, IDLE, ABSOLUTE, soon + timedelta(minutes=2)) is None
    assert not access.may(signing, OPERATE, alive=False)


class Inner:
    """What stands behind the gate; counts who got through."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.let_through = 0
        self.headers = list(headers)

    async def __call__(self, scope, receive, send):
        self.let_through += 1
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 302, "headers": self.headers})
            await send({"type": "http.response.body", "body": b""})


def ask(guard, path="/overview", cookie="", kind="http"):
    """What the gate answers."""
    said = []

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        said.append(message)

    headers = [(b"host", b"caretrace.example.org"), (b"cookie", cookie.encode())]
    scope = {"type": kind, "method": "GET", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(guard(scope, receive, send))
    return said


def test_a_configuration_that_is_gone_does_not_open_the_gate(signing):
    inner = Inner()
    guard = gate.Gate(inner, signing)
    signing.config.unlink()
    assert ask(guard)[0]["status"] == 503
    assert ask(guard, kind="websocket")[0]["code"] == 4403
    assert inner.let_through == 0


@pytest.mark.parametrize("path", ["/oauth2callback", "/auth/logout", "/sign-in", "/_stcore/stream"])
def test_a_socket_to_any_address_needs_a_session(signing, path):
    inner = Inner()
    said = ask(gate.Gate(inner, signing), path, kind="websocket")
    assert (said[0]["code"], inner.let_through) == (4401, 0)


@pytest.mark.parametrize(
    ("path", "kind", "through"),
    [
        ("/_stcore/health", "http", True),
        ("/_stcore/host-config", "http", True),
        ("/_stcore/stream", "websocket", True),
        ("/_stcore/upload_file/a/b", "http", False),
        ("/patient-journey", "http", False),
        ("/media/x.csv", "http", False),
    ],
)
def test_a_page_of_a_session_that_is_over_may_come_back_to_be_emptied(signing, path, kind, through):
    inner = Inner()
    guard = gate.Gate(inner, signing)
    with Sessions(signing) as ledger:
        token = ledger.begin("2", "bob", ["marketing"])
    left = ask(guard, gate.SIGN_OUT, f"{COOKIE}={token}")
    assert b"set-cookie" not in dict(left[0]["headers"])  # other pages may be open, or asleep
    ask(guard, path, f"{COOKIE}={token}", kind)
    assert inner.let_through == through
    ask(guard, path, f"{COOKIE}=made-up", kind)
    assert inner.let_through == through


class Heard:
    """What stands behind the gate; keeps what it hears from a socket until that is gone."""

    def __init__(self) -> None:
        self.messages: list[dict] = []

    async def __call__(self, scope, receive, send):
        while not self.messages or self.messages[-1]["type"] != "websocket.disconnect":
            self.messages.append(await receive())


def test_a_socket_of_a_session_that_is_over_runs_the_page_and_is_closed_soon(signing, monkeypatch):
    monkeypatch.setattr(left_open, "SECONDS", 0.2)
    run = BackMsg()
    run.rerun_script.page_name = "channels"
    asked = [BackMsg(clear_cache=True), run, BackMsg(stop_script=True)]
    frames = [b"\xff", *(each.SerializeToString() for each in asked)]
    with Sessions(signing) as ledger:
        stands, over = (ledger.begin("2", "bob", ["marketing"]) for _ in range(2))
        ledger.end(over, "expired")

    def through(token: str, *gone: dict) -> tuple[list[dict], list[dict]]:
        inner, said = Heard(), []
        coming = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "bytes": each} for each in frames),
            *gone,
        ]

        async def receive():
            while not coming:
                await asyncio.sleep(60)
            return coming.pop(0)

        async def send(message):
            said.append(message)

        headers = [(b"cookie", f"{COOKIE}={token}".encode())]
        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers}
        asyncio.run(asyncio.wait_for(gate.Gate(inner, signing)(scope, receive, send), 20))
        return inner.messages[1:-1], said

    ran = {"type": "websocket.receive", "bytes": run.SerializeToString()}
    assert through(over) == ([ran], [{"type": "websocket.close", "code": 4401}])
    gone = {"type": "websocket.disconnect", "code": 1001}
    assert through(over, gone) == ([ran], [])
    everything, _ = through(stands, gone)
    assert len(everything) == len(frames)


def test_the_link_to_a_report_is_for_those_who_may_take_it_away(signing):
    inner = Inner()
    guard = gate.Gate(inner, signing)
    with Sessions(signing) as ledger:
        viewer, admin = ledger.begin("2", "bob", ["marketing"]), ledger.begin("1", "ann", ["it"])
    for name in ("x.csv", "x.svg", "x"):
        assert ask(guard, f"/media/{name}", f"{COOKIE}={viewer}")[0]["status"] == 403
    assert inner.let_through == 0
    ask(guard, "/media/x.csv", f"{COOKIE}={admin}")
    ask(guard, "/channels", f"{COOKIE}={viewer}")
    assert inner.let_through == 2


def test_files_of_the_interface_keep_no_session_alive(signing):
    with Sessions(signing) as ledger:
        token = ledger.begin("2", "bob", ["marketing"])
        with sqlite3.connect(signing.ledger) as database:
            seen = (datetime.now(UTC) - timedelta(minutes=14)).isoformat()
            database.execute("update session set seen_at = ?", (seen,))
        database.close()
        ask(gate.Gate(Inner(), signing), "/static/x.js", f"{COOKIE}={token}")
        assert ledger.look(token, IDLE, ABSOLUTE, datetime.now(UTC) + timedelta(minutes=2)) is None


def test_what_the_gate_remembers_is_bounded(signing, monkeypatch):
    monkeypatch.setattr(gate, "_MOST_SEEN", 3)
    guard = gate.Gate(Inner(), signing)
    with Sessions(signing) as ledger:
        for _ in range(8):
            ask(guard, cookie=f"{COOKIE}={ledger.begin('2', 'bob', ['marketing'])}")
    assert len(guard._seen) <= 3


def test_over_tls_every_cookie_is_for_tls_alone(signing):
    login = Inner((b"set-cookie", b"_streamlit_session=x; path=/; httponly; samesite=lax"))
    said = ask(gate.Gate(login, signing), "/auth/login")
    assert dict(said[0]["headers"])[b"set-cookie"].endswith(b"; Secure")


def begun(home: Home, cookie: str, **claims: object):
    chosen = sign_in(home)
    assert chosen is not None
    headers = [(b"cookie", cookie.encode())]
    asked = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
    return gate.Gate(Inner(), home)._begun(chosen, asked, {"groups": ["it"], **claims})


def test_signing_in_anew_ends_the_session_before(signing):
    with Sessions(signing) as ledger:
        before = ledger.begin("1", "ann", ["it"])
        answer = begun(signing, f"{COOKIE}={before}", sub="1", email="ann@example.org")
        assert ledger.look(before, IDLE, ABSOLUTE) is None
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(COOKIE)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ann@example.org"}, "ann@example.org"),
        ({"email": "ann@example.org", "email_verified": True}, "ann@example.org"),
        ({"email": "boss@example.org", "email_verified": False}, "7"),
        ({"email": "\ud800a\x1b[31m\r\nnn"}, "a[31mnn"),
        ({"email": "a" * 5000}, "a" * 200),
        ({}, "7"),
    ],
)
def test_a_name_is_plain_and_not_anybodys(signing, claims, name):
    assert begun(signing, "", sub="7", **claims).status_code == 303
    assert list(audit.entries(signing)["actor"]) == [name]


def test_a_log_that_cannot_be_written_lets_nobody_in(signing, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    guard = gate.Gate(Inner(), signing)
    monkeypatch.setattr(gate.sessions(signing), "look", broken)
    said = ask(guard, cookie=f"{COOKIE}=x")
    assert said[0]["status"] == 503
    assert b"disk" not in said[1]["body"]


def test_an_id_older_than_eight_days_opens_nothing(signing):
    inner = Inner()
    guard = gate.Gate(inner, signing)
    with Sessions(signing) as ledger:
        token = ledger.begin("1", "ann", ["it"])
        ledger.end(token, "expired")
    for days, through in ((7, 1), (9, 1)):
        with sqlite3.connect(signing.ledger) as database:
            began = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
            database.execute("update session set began_at = ?", (began,))
        database.close()
        ask(guard, "/_stcore/stream", f"{COOKIE}={token}", "websocket")
        assert inner.let_through == through


def test_the_ledger_keeps_no_session_for_ever(signing):
    with Sessions(signing) as ledger:
        ledger.begin("1", "ann", ["it"])
        with sqlite3.connect(signing.ledger) as database:
            began = (datetime.now(UTC) - timedelta(days=9)).isoformat(timespec="milliseconds")
            database.execute("update session set began_at = ?", (began,))
        ledger.begin("2", "bob", ["it"])
        kept = database.execute("select name from session").fetchall()
        database.close()
    assert kept == [("bob",)]


@pytest.mark.parametrize("wished", ["//[evil", "//\u2100.example", "/channels?" + "a" * 5000])
def test_a_wish_that_cannot_be_read_is_none(wished):
    assert gate.safe_next(wished) == gate.FIRST_PAGE


@pytest.mark.parametrize("path", ["/sign-in", "/oauth2callback", "/overview", "/static/x.js"])
def test_nobody_keeps_the_way_to_the_sign_in(path):
    said = ask(headers.Headers(Inner((b"cache-control", b"public"))), path)
    values = [value for name, value in said[0]["headers"] if name == b"cache-control"]
    assert values == [b"no-store"]
