"""Hand-overs to a CRM whose answer nobody heard: in doubt, and taken off where they arrived."""

from dataclasses import replace

import pytest
from servers.hubspot import refusal
from servers.loopback import Reply, as_json
from ways_fixture import Others, fresh, sent

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.privacy import Door, load_key
from outreach import ways
from outreach.audience import Published
from outreach.outbox import Outbox, Stop
from outreach.taking_back import take_back

PEOPLE = 4
# Each flow, and how what it writes looks to the other side.
WRITES = {"listed": "PUT", "members": "POST", "calls": "PATCH"}
TRIES = ways.PATIENCE.attempts


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    with Others(tmp_path_factory.mktemp("others")) as others:
        yield others


@pytest.fixture(scope="module")
def home(everybody, tmp_path_factory) -> Home:
    return everybody.clinic(tmp_path_factory.mktemp("clinic") / "home", PEOPLE)


@pytest.fixture
def others(everybody, home, monkeypatch):
    everybody.empty()
    everybody.tell(home)
    fresh(home)
    soon = replace(ways.PATIENCE, first_wait=0.01, most_wait=0.01, jitter=0)
    for name in ("hubspot", "salesforce"):
        monkeypatch.setattr(f"outreach.{name}.PATIENCE", soon)
    return everybody


def silent(others: Others, name: str) -> None:
    """What a flow writes is done, and all answers are lost."""

    def cut(request) -> None:
        if request.method == WRITES[name] and "oauth2" not in request.path:
            raise ConnectionResetError

    others.of(name).after = cut


def heard(others: Others, name: str) -> None:
    others.of(name).after = lambda _request: None


def no(name: str) -> Reply:
    """The other side refuses us."""
    if name == "listed":
        return refusal(403, "MISSING_SCOPES", "no")
    return as_json([{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}], 403)


def refuse(home: Home) -> None:
    """The first of them refuses e-mail and calls."""
    door = Door(load_key(home))
    with Outbox(home) as outbox:
        outbox.stop([Stop(door.hash("email", "p0@example.org"), "email"),
                     Stop(door.hash("phone", "+13125551000"), "call")])  # fmt: skip


def there(others: Others, name: str) -> int:
    """How many are on the list or in the campaign, or have a task that is open."""
    tables = others.salesforce.tables
    return {
        "listed": lambda: len(others.hubspot.lists["38"]),
        "members": lambda: sum(not of["IsDeleted"] for of in tables["CampaignMember"].values()),
        "calls": lambda: sum(not of.get("IsClosed") for of in tables["Task"].values()),
    }[name]()


@pytest.mark.parametrize("name", WRITES)
def test_who_refuses_after_an_unanswered_hand_over_is_taken_off(home, others, name):
    silent(others, name)
    result = sent(home, name)
    assert "gave no whole answer" in result.stopped
    assert (result.states, there(others, name)) == ({"in_doubt": PEOPLE}, PEOPLE)
    heard(others, name)
    refuse(home)
    result = sent(home, name)
    assert (result.states, result.settled.gone) == ({"sent": PEOPLE}, PEOPLE)
    assert (result.taken.back, there(others, name)) == (1, PEOPLE - 1)


@pytest.mark.parametrize("name", WRITES)
def test_who_may_have_been_handed_over_is_taken_off_before_the_flow_is_sent_again(
    home, others, name
):
    silent(others, name)
    sent(home, name)
    heard(others, name)
    refuse(home)
    with Contacts(home) as contacts, Outbox(home) as outbox, Published(home) as ask:
        taken = take_back(home, outreach_settings(home), contacts, outbox, ask.driver())
    assert (taken.back, there(others, name)) == (1, PEOPLE - 1)


@pytest.mark.parametrize("name", WRITES)
def test_a_refusal_after_an_unanswered_try_leaves_the_doubt(home, others, name):
    """The first try was done and nobody heard of it; the next is refused."""
    tries = []

    def cut(request) -> None:
        if request.method == WRITES[name] and "oauth2" not in request.path and not tries:
            tries.append(request)
            others.of(name).fail(*[no(name)] * TRIES, on=WRITES[name])
            raise ConnectionResetError

    others.of(name).after = cut
    result = sent(home, name)
    assert "refuses [outreach." in result.stopped
    assert result.states == {"in_doubt": PEOPLE}


@pytest.mark.parametrize("name", WRITES)
def test_a_definite_refusal_leaves_nobody_in_doubt(home, others, name):
    path = {"listed": "memberships/add", "members": "composite/sobjects", "calls": "sobjects/Task"}
    others.of(name).fail(*[no(name)] * TRIES, on=path[name])
    result = sent(home, name)
    assert "refuses [outreach." in result.stopped
    assert (result.states, there(others, name)) == ({"approved": PEOPLE}, 0)
