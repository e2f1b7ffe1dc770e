"""The gate and sessions by themselves: what outlives a page, and what nobody meant to send."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from attribution import audit
from attribution.errors import NotAllowed
from attribution.paths import Home
from attribution.queries import Scope
from attribution.roles import OPERATE
from attribution.sessions import Sessions
from attribution.sign_in import SECRET_VARIABLE
from attribution.ui import access, export, frame
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
    return export.audited(context, "csv", lambda: b"channel,spend")


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
