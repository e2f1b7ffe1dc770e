"""Sign-in and roles: a real server, a real browser, and a provider on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import marts_fixture as made_up
import page_server
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from servers.provider import Provider
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from test_browser import ARGUMENTS, CHROMIUM
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from attribution import audit, doctor
from attribution.errors import SettingsError
from attribution.paths import Home
from attribution.roles import EXPORT, OPERATE, PEOPLE, SEE, Reader, roles_of
from attribution.sessions import Sessions
from attribution.settings import load
from attribution.sign_in import SECRET_VARIABLE, sign_in
from attribution.ui.gate import FIRST_PAGE, safe_next
from connectors.patience import Patience

PATIENCE_MS = 30_000
CONFIG = """currency = "USD"

[sign_in]
issuer = "{issuer}"
client_id = "caretrace"
address = "{address}"
groups_claim = "realm_access.roles"

[sign_in.roles]
viewer = ["marketing"]
analyst = ["analysts"]
care = ["nurses", "doctors"]
admin = ["it"]
"""
ADDRESSES = (
    *("overview", "channels", "attribution", "journeys", "reconcile", "reactivation", "cohorts"),
    *("experience", "engagement", "education", "forecast", "lift", "budget"),
    *("patient-journey", "research", "data-health", "reports", "definitions"),
)
IDLE, ABSOLUTE = timedelta(minutes=15), timedelta(hours=12)


def person(*groups: str, sub: str = "1") -> dict[str, object]:
    name = "-".join(groups) or "nobody"
    return {"sub": sub, "email": f"{name}@example.org", "realm_access": {"roles": list(groups)}}


@dataclass(frozen=True)
class Served:
    """A server with real people's data, and its provider."""

    address: str
    home: Home
    provider: Provider

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = made_up.make_home(tmp_path_factory.mktemp("home"), demo=False)
    port = page_server.free_port()
    address = f"http://127.0.0.1:{port}"
    with Provider() as provider, pytest.MonkeyPatch.context() as patch:
        home.config.write_text(CONFIG.format(issuer=provider.url, address=address))
        patch.setenv(SECRET_VARIABLE, provider.client_secret)
        with page_server.serving(home, port):
            yield Served(address, home, provider)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser for all readers, so that the interface is loaded once."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@contextmanager
def visit(browser: BrowserContext, served: Served, who: dict[str, object] | None) -> Iterator[Page]:
    """A page of a person who has not signed in yet."""
    served.provider.person = who
    browser.clear_cookies()
    page = browser.new_page()
    yield page
    page.close()


def go_in(page: Page, served: Served, path: str) -> None:
    page.goto(f"{served.address}/{path}")
    page.get_by_role("link", name="Sign in").click()
    expect(page.locator("h1")).to_be_visible(timeout=PATIENCE_MS)


def ask(served: Served, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{page}" for page in ADDRESSES),
        "/",
        "/start",
        "/static/index.html",
        "/media/x.csv",
        "/component/x",
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/_stcore/upload_file/a/b",
        "/anything?period=4w",
    ],
)
def test_who_has_not_signed_in_gets_nothing(served, path):
    status, headers, body = ask(served, path)
    assert (status, body) == (401, "Sign in first.")
    assert headers["x-frame-options"] == "DENY"
    status, headers, body = ask(served, path, Accept="text/html")
    assert (status, body) == (303, "")
    assert headers["location"].startswith("/sign-in?next=%2F")
    status, _, body = ask(served, path, Cookie="caretrace_session=made-up")
    assert (status, body) == (401, "Sign in first.")


def test_health_is_open_and_says_nothing_of_the_data(served):
    assert ask(served, "/healthz")[0] == 200


@pytest.mark.parametrize("cookie", ["", "caretrace_session=made-up"])
def test_a_raw_websocket_is_refused(served, cookie):
    headers = {"Cookie": cookie} if cookie else {}
    address = f"ws://127.0.0.1:{served.port}/_stcore/stream"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, additional_headers=headers, proxy=None).close()
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example"])
def test_it_answers_under_its_own_address_alone(served, host):
    status, _, body = ask(served, "/sign-in", Host=f"{host}:{served.port}")
    assert (status, body) == (421, f"This server answers at {served.address}.")


def test_the_wished_for_page_comes_after_the_sign_in(browser, served):
    with visit(browser, served, person("marketing")) as page:
        go_in(page, served, "channels?period=4w&model=last")
        expect(page.locator("h1")).to_have_text("Channels")
        assert page.url.startswith(f"{served.address}/channels?")
        assert "period=4w" in page.url
        assert "model=last" in page.url
        expect(page.get_by_text("Signed in as marketing@example.org")).to_be_visible()
        kept = {cookie["name"]: cookie for cookie in page.context.cookies()}
        assert [name for name in kept if name.startswith("_streamlit_user")] == []
        assert kept["caretrace_session"]["httpOnly"]
        assert kept["caretrace_session"]["sameSite"] == "Lax"
        token = kept["caretrace_session"]["value"]
    stored = b"".join(path.read_bytes() for path in served.home.folder.glob("ledger.sqlite*"))
    assert token.encode() not in stored
    log = audit.entries(served.home)
    assert ("marketing@example.org", "sign_in") in set(
        zip(log["actor"], log["action"], strict=True)
    )


ROLES = {
    "marketing": {"health": False, "export": False, "people": False},
    "analysts": {"health": True, "export": False, "people": False},
    "nurses": {"health": False, "export": False, "people": True},
    "it": {"health": True, "export": True, "people": False},
}


@pytest.mark.parametrize("group", ROLES)
def test_each_role_sees_its_own(browser, served, group):
    with visit(browser, served, person(group)) as page:
        go_in(page, served, "channels")
        menu = page.get_by_test_id("stSidebarNav")
        expect(menu).to_contain_text("Reactivation", timeout=PATIENCE_MS)
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=PATIENCE_MS)
        assert (menu.get_by_text("Data health").count() == 1) == ROLES[group]["health"]
        assert (menu.get_by_text("Patient journey").count() == 1) == ROLES[group]["people"]
        export = page.get_by_role("button", name="Export")
        assert (export.count() == 1) == ROLES[group]["export"]
        if ROLES[group]["health"]:
            menu.get_by_text("Data health").click()
            expect(page.get_by_text("Refreshes", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        else:
            page.goto(f"{served.address}/data-health")
            refusal = page.get_by_text(
                "The page Data health is for readers who have the role admin or analyst"
            )
            expect(refusal).to_be_visible(timeout=PATIENCE_MS)
            expect(page.get_by_text("Refreshes", exact=True)).to_have_count(0)


def run(socket: ClientConnection, **asked: str) -> list[ForwardMsg]:
    """What the server says to a message that asks for a page, by whatever name."""
    message = BackMsg()
    for name, value in asked.items():
        setattr(message.rerun_script, name, value)
    socket.send(message.SerializeToString())
    said = []
    while not said or said[-1].WhichOneof("type") != "script_finished":
        said.append(ForwardMsg.FromString(socket.recv(timeout=PATIENCE_MS / 1000)))
    return said


def elements(said: list[ForwardMsg], kind: str) -> list[object]:
    found = (message.delta.new_element for message in said if message.HasField("delta"))
    return [getattr(each, kind) for each in found if each.WhichOneof("type") == kind]


def tells(said: list[ForwardMsg], words: str) -> bool:
    """Whether anything that was said has these words in it."""
    return any(words.encode() in message.SerializeToString() for message in said)


@pytest.mark.parametrize("group", ROLES)
def test_a_hand_made_message_shows_no_more_than_the_role(served, group):
    with Sessions(served.home) as ledger:
        cookie = f"caretrace_session={ledger.begin('5', 'eve', [group])}"
    address = f"ws://127.0.0.1:{served.port}/_stcore/stream"
    headers = {"Cookie": cookie}
    with connect(address, additional_headers=headers, proxy=None, max_size=None) as socket:
        said = run(socket, page_name="channels")
        downloads = elements(said, "download_button")
        assert bool(downloads) == ROLES[group]["export"]
        menu = next(each.navigation for each in said if each.HasField("navigation"))
        hashes = {page.url_pathname: page.page_script_hash for page in menu.app_pages}
        for address, right in (("data-health", "health"), ("patient-journey", "people")):
            for asked in ({"page_script_hash": hashes[address]}, {"page_name": address}):
                said = run(socket, **asked)
                refused = [each for each in elements(said, "alert") if "role" in each.body]
                assert bool(refused) != ROLES[group][right]
                if right == "people":
                    assert bool(elements(said, "text_input")) == ROLES[group][right]
        said = run(socket, page_script_hash=hashes["data-health"])
        assert tells(said, "**Refreshes**") == ROLES[group]["health"]
        said = run(
            socket,
            page_script_hash=hashes["attribution"],
            query_string="why_open=true&why=Email&why_model=Linear",
        )
        assert tells(said, "The commonest ways, from the largest share") == (group == "nurses")
        refused = tells(said, "Journeys of single people are not shown here")
        assert refused == (group != "nurses")
        # Research takes two roles, and each of these groups gives one.
        [refusal] = elements(run(socket, page_script_hash=hashes["research"]), "alert")
        assert "Research is for readers who have both roles, care and admin" in refusal.body
        # With a session that has ended the open socket is of no use either.
        with Sessions(served.home) as ledger:
            ledger.end_all("eve")
        [over] = elements(run(socket, page_name="channels"), "alert")
        assert "Your session is over" in over.body


@pytest.mark.parametrize("group", ROLES)
def test_a_link_to_a_file_is_for_those_who_may_take_it_away(served, group):
    with Sessions(served.home) as ledger:
        cookie = f"caretrace_session={ledger.begin('5', 'eve', [group])}"
    status = ask(served, "/media/x.csv", Cookie=cookie)[0]
    assert status == (404 if ROLES[group]["export"] else 403)


def test_people_who_were_shown_are_written_down(browser, served):
    before = len(audit.entries(served.home))
    with visit(browser, served, person("doctors")) as page:
        go_in(page, served, "attribution?why_open=true&why=Email&why_model=Linear")
        shown = page.get_by_text("The commonest ways, from the largest share")
        expect(shown).to_be_visible(timeout=PATIENCE_MS)
    log = audit.entries(served.home).iloc[before:]
    seen = log[log["action"] == audit.PEOPLE_SEEN]
    assert set(seen["actor"]) == {"doctors@example.org"}
    assert audit.verify(served.home).problems == ()


def test_a_session_that_was_ended_shows_nothing_more(browser, served):
    with visit(browser, served, person("marketing", sub="9")) as page:
        go_in(page, served, "overview")
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=PATIENCE_MS)
        with Sessions(served.home) as ledger:
            assert ledger.end_all("marketing@example.org") >= 1
        page.get_by_test_id("stSidebarNav").get_by_text("Journeys").click()
        expect(page.get_by_text("Your session is over")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
        page.wait_for_timeout(2300)  # as long as the gate may take what it has just seen for true
        page.goto(f"{served.address}/journeys")
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_signing_out_ends_the_session(browser, served):
    with visit(browser, served, person("marketing")) as page:
        go_in(page, served, "overview")
        token = next(c["value"] for c in page.context.cookies() if c["name"] == "caretrace_session")
        page.get_by_role("button", name="Sign out").click(timeout=PATIENCE_MS)
        expect(page.get_by_text("You have signed out here")).to_be_visible(timeout=PATIENCE_MS)
        with Sessions(served.home) as ledger:
            assert ledger.look(token, IDLE, ABSOLUTE) is None


def test_who_has_no_role_is_told_and_not_let_in(browser, served):
    with visit(browser, served, person("cooks")) as page:
        page.goto(f"{served.address}/overview")
        page.get_by_role("link", name="Sign in").click()
        expect(page.get_by_text("none of your groups has a role")).to_be_visible()
        assert [c for c in page.context.cookies() if c["name"] == "caretrace_session"] == []
        # It was the wrong account: the provider lets them choose, whoever is signed in there.
        served.provider.person = person("marketing")
        page.get_by_role("link", name="Use another account").click()
        expect(page.locator("h1")).to_have_text("Overview", timeout=PATIENCE_MS)
        assert served.provider.asked("/authorize")[-1].query["prompt"] == "select_account"


def test_who_refuses_at_the_provider_is_not_let_in(browser, served):
    with visit(browser, served, None) as page:
        page.goto(f"{served.address}/overview")
        page.get_by_role("link", name="Sign in").click()
        expect(page.get_by_text("That did not work")).to_be_visible()


def test_a_token_that_the_provider_did_not_sign_is_not_believed(browser, served):
    right = served.provider.signing
    served.provider.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    try:
        with visit(browser, served, person("it")) as page:
            page.goto(f"{served.address}/overview")
            page.get_by_role("link", name="Sign in").click()
            expect(page.get_by_text("That did not work")).to_be_visible()
    finally:
        served.provider.signing = right


def test_an_answer_that_nobody_asked_for_is_not_believed(served):
    status, headers, _ = ask(served, "/oauth2callback?code=x&state=y", Accept="text/html")
    assert (status, headers["location"]) == (303, "/sign-in?failed=1")


@pytest.mark.parametrize(
    ("wished", "goes"),
    [
        ("/channels?period=4w", "/channels?period=4w"),
        ("/data-health", "/data-health"),
        ("//evil.example", FIRST_PAGE),
        ("/\\evil.example", FIRST_PAGE),
        ("https://evil.example/", FIRST_PAGE),
        ("/channels\r\nset-cookie: a=b", FIRST_PAGE),
        ("/sign-in", FIRST_PAGE),
        ("javascript:alert(1)", FIRST_PAGE),
        ("", FIRST_PAGE),
    ],
)
def test_nobody_is_led_elsewhere(wished, goes):
    assert safe_next(wished) == goes


def test_sessions_end_by_themselves(home):
    began = datetime.now(UTC)
    with Sessions(home) as ledger:
        token = ledger.begin("1", "ann", ["marketing"])
        for minutes in range(14, 12 * 60, 14):
            assert ledger.look(token, IDLE, ABSOLUTE, began + timedelta(minutes=minutes))
        assert ledger.look(token, IDLE, ABSOLUTE, began + timedelta(hours=12, seconds=1)) is None
        idle = ledger.begin("1", "ann", [])
        assert ledger.look(idle, IDLE, ABSOLUTE, datetime.now(UTC) + timedelta(minutes=16)) is None
        assert ledger.look(idle, IDLE, ABSOLUTE) is None
        assert ledger.look("made-up", IDLE, ABSOLUTE) is None


def test_roles_are_what_they_are_for():
    may = {
        role: {what for what in (SEE, EXPORT, PEOPLE, OPERATE) if Reader("a", {role}).may(what)}
        for role in ("viewer", "analyst", "care", "admin")
    }
    assert may == {
        "viewer": {SEE},
        "analyst": {SEE, OPERATE},
        "care": {SEE, PEOPLE},
        "admin": {SEE, EXPORT, OPERATE},
    }
    assert not Reader("a", frozenset()).may(SEE)
    assert roles_of(["x", "it"], {"admin": ("it",), "care": ("nurses",)}) == {"admin"}


def configured(home: Home, text: str) -> None:
    home.config.write_text(text, encoding="utf-8")


def test_no_sign_in_is_configured_by_default(home: Home, monkeypatch):
    assert sign_in(home) is None
    configured(home, 'currency = "USD"\n')
    assert sign_in(home) is None


def test_everything_that_is_wrong_is_said_at_once(home, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    configured(
        home,
        '[sign_in]\nissuer = "http://login.example.org"\naddress = "https://a.example/x"\n'
        'idle_minutes = 0\ncolour = "red"\n[sign_in.roles]\nking = ["a"]\nviewer = "b"\n',
    )
    with pytest.raises(SettingsError) as told:
        sign_in(home)
    for words in (
        "colour is not a setting",
        "client_id is missing",
        "issuer must begin with https://",
        "address must end after the host",
        f"{SECRET_VARIABLE} is missing",
        "king is no role",
        "viewer must be a list of groups",
        "idle_minutes must be a whole number from 1 to 720",
    ):
        assert words in str(told.value)


def test_the_doctor_asks_the_provider(home, monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, "hush-hush")
    monkeypatch.setattr(doctor, "PATIENCE", Patience(attempts=1, socket_seconds=2, call_seconds=4))

    def found(issuer: str) -> tuple[bool, str]:
        configured(home, CONFIG.format(issuer=issuer, address="https://a.example"))
        [told] = [each for each in doctor.examine(load(home)) if each.subject == "sign-in"]
        return told.fine, told.sentence

    with Provider() as provider:
        assert found(provider.url) == (True, "the provider answers.")
        named = provider.url.replace("127.0.0.1", "localhost")
        assert found(named)[1].startswith("what answers at issuer calls itself by another name")
        assert found(f"{provider.url}/realms/x")[0] is False
        gone = provider.url
    fine, sentence = found(gone)
    assert not fine
    assert sentence.startswith("The identity provider did not answer")


def test_without_a_sign_in_the_doctor_says_so(home):
    configured(home, 'currency = "USD"\n')
    [told] = [each for each in doctor.examine(load(home)) if each.subject == "sign-in"]
    assert (told.fine, "nobody can sign in" in told.sentence) == (True, True)


def test_the_secret_is_shown_to_nobody(home, monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, "hush-hush")
    configured(home, CONFIG.format(issuer="https://i.example", address="https://a.example"))
    chosen = sign_in(home)
    assert chosen is not None
    assert "hush" not in repr(chosen)
    assert (chosen.secure, chosen.cookie) == (True, "__Host-caretrace")
