"""A vendor's web API asked through `connectors.rest`, against a server that misbehaves."""

import pytest
from connector_fixtures import QUICK
from servers.loopback import (
    CUT,
    DRIP,
    HANG,
    JSON_WITHOUT_ERROR,
    RESET,
    Loopback,
    Reply,
    Request,
    as_html,
    as_json,
)

from connectors.errors import SourceBusy, SourceChanged, SourceRefused, SourceUnreachable
from connectors.patience import Passing
from connectors.rest import Answer, Rest

TOKEN = "loopback-secret-token"


class Echo(Loopback):
    """Says back what it was asked, to those who know the token."""

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json({"message": "no"}, 401)
        return as_json({"path": request.path, "query": request.query, "body": request.json()})


@pytest.fixture
def server():
    with Echo() as running:
        yield running


def rest(server, **changes):
    given = {
        "patience": QUICK,
        "grant": "make a new token.",
        "auth": lambda: {"authorization": f"Bearer {TOKEN}"},
        "secrets": (TOKEN,),
    }
    return Rest("calls", "Acme", server.url, **given | changes)


def test_a_question_is_answered(server):
    api = rest(server)
    assert api.get("/v1/calls", {"page": 2})["query"] == {"page": "2"}
    assert api.post("v1/calls", {"a": 1})["body"] == {"a": 1}
    assert api.get(f"{server.url}/next")["path"] == "/next"


@pytest.mark.parametrize(
    "failure",
    [CUT, RESET, HANG, DRIP, JSON_WITHOUT_ERROR, as_html(502), as_json([1]), as_html(200)],
)
def test_what_may_pass_is_asked_again(server, failure):
    server.fail(failure)
    assert rest(server).get("/calls")["path"] == "/calls"
    assert len(server.requests) == 2


@pytest.mark.parametrize("failure", [CUT, HANG, as_html(503), as_json([1])])
def test_what_does_not_pass_is_told(server, failure):
    server.fail(*[failure] * 3)
    with pytest.raises(SourceUnreachable, match=r"^Acme.*again"):
        rest(server).get("/calls")
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_told(server):
    server.__exit__()
    with pytest.raises(SourceUnreachable, match="Acme did not answer"):
        rest(server).get("/calls")


def test_throttling_waits_as_long_as_asked(server):
    server.fail(as_json({}, 429, {"retry-after": "0.01"}))
    assert rest(server).get("/calls")["path"] == "/calls"
    server.fail(as_json({}, 429, {"retry-after": "7200"}))
    with pytest.raises(SourceBusy, match="in 2 hours"):
        rest(server).get("/calls")


@pytest.mark.parametrize(("stops", "asked"), [(True, 3), (False, 6)])
def test_an_api_that_stayed_busy_is_not_asked_for_the_next_slice(server, stops, asked):
    api = rest(server, stops_when_busy=stops)
    server.fail(*[as_json({}, 429)] * 6)
    for _ in range(2):
        with pytest.raises(SourceBusy, match="Acme is busy"):
            api.get("/calls")
    assert len(server.requests) == asked


def test_a_refusal_says_what_to_do(server):
    with pytest.raises(SourceRefused, match=r"refused source 'calls' .*make a new token"):
        rest(server, auth=dict).get("/calls")
    assert len(server.requests) == 1


def test_a_mistake_of_ours_is_told_in_the_vendors_words_without_the_token(server):
    server.fail(as_json({"errors": [{"message": f"bad field for {TOKEN}"}]}, 400))
    with pytest.raises(SourceChanged, match=r"bad field for \*\*\*"):
        rest(server).get("/calls")


def test_the_vendors_own_signs_come_first(server):
    def reading(answer: Answer):
        return Passing(SourceBusy("later"), 0.0) if b"soon" in answer.body else None

    server.fail(as_json({"say": "soon"}, 400))
    assert rest(server, reading=reading).get("/calls")["path"] == "/calls"


def test_no_other_address_gets_the_token(server):
    with pytest.raises(SourceChanged, match="another address"):
        rest(server).get("http://127.0.0.1:1/next")
    with Echo() as elsewhere:
        moved = Reply(302, headers={"location": f"{elsewhere.url}/moved"})
        server.fail(moved, moved, moved, on="GET /moved")
        with pytest.raises(SourceUnreachable, match="status 302"):
            rest(server).get("/moved")
        assert elsewhere.requests == []


def whole(file):
    """A file of lines, each of them whole."""
    if not file.read().endswith(b"\n"):
        raise ValueError


def test_a_file_is_fetched_whole(server):
    half, lines = Reply(200, b"one\ntw"), Reply(200, b"one\ntwo\n")
    server.fail(CUT, half, lines)
    with rest(server).download("/file", whole=whole) as file:
        assert file.read() == lines.body
    server.fail(*[half] * 3)
    with pytest.raises(SourceUnreachable, match="not whole"):
        rest(server).download("/file", whole=whole)
    with pytest.raises(SourceRefused, match="make a new token"):
        rest(server, auth=dict).download("/file", whole=whole)


def test_a_file_elsewhere_is_asked_for_without_the_token(server):
    with Echo() as elsewhere:
        elsewhere.fail(Reply(200, b"one\n"))
        address = f"{elsewhere.url}/file?signed=1"
        with rest(server).download(address, whole=whole, public=True) as file:
            assert file.read() == b"one\n"
        assert "authorization" not in elsewhere.requests[0].headers
        with pytest.raises(SourceChanged, match="another address"):
            rest(server).download(address, whole=whole)
    with pytest.raises(SourceChanged, match="open line"):
        rest(server).download("http://files.example/file", whole=whole, public=True)


def test_a_form_may_be_made_anew_for_each_try(server):
    server.fail(as_html(502), as_json({}))
    numbers = iter("12")
    rest(server).ask(
        "POST", "/token", form=lambda: {"n": next(numbers)}, read=lambda answer: answer.status
    )
    assert [request.form() for request in server.requests] == [{"n": "1"}, {"n": "2"}]
