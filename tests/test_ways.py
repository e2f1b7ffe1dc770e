"""Ways out, each through its real client library against a server that behaves as the real one."""

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from servers.loopback import RESET, as_json
from servers.twilio import incoming
from servers.twilio import refusal as twilio_refusal
from servers.zendesk_sell import refusal as sell_refusal
from ways_fixture import (
    FLOWS,
    KEY_FIELD,
    LIST,
    Others,
    add_flow,
    fresh,
    killing,
    phone,
    planned,
    sent,
)

from attribution.cli import main
from attribution.contacts import Contacts
from attribution.errors import BadInput
from attribution.forgetting import forget
from attribution.outreach_settings import outreach_settings
from attribution.outreach_ways import WAYS
from attribution.paths import Home
from attribution.privacy import Door, load_key
from attribution.settings import load
from attribution.tombstones import forgotten
from attribution.vault import open_vault
from attribution.whom_to_forget import asked
from outreach.flow import flow
from outreach.opening import only_here
from outreach.outbox import Outbox, Stop
from outreach.probing import probes
from outreach.sending import Result, _Sending

PEOPLE = 12
TOO_MANY_NOW = as_json({"code": 20429, "message": "slow"}, 429, {"retry-after": "0"})
LISTENED = """
[sources.answers]
kind = "twilio"
account_sid = "{account}"
endpoint = "{url}"
flows = [{{ match = "*", flow = "any", purpose = "marketing", mailing = true }}]
[sources.events]
kind = "message_events"
folder = "{folder}/events"
flows = [{{ match = "*", flow = "any", purpose = "marketing", mailing = true }}]
[sources.log]
kind = "smtp_log"
folder = "{folder}/logs"
flows = [{{ match = "*", flow = "any", purpose = "marketing", mailing = true }}]
"""


def phone_hash(home: Home) -> str | None:
    """The number that the last two share."""
    return Door(load_key(home)).hash("phone", phone(PEOPLE - 2))


def main_at(home: Home, *words: str) -> int:
    """Run the command on a home."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CARETRACE_HOME", str(home.folder))
        return main(list(words))


def reset_first_post(request) -> None:
    """The first message is made and nobody hears of it."""
    if request.method == "POST" and not getattr(reset_first_post, "done", False):
        reset_first_post.done = True  # type: ignore[attr-defined]
        raise ConnectionResetError


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    with Others(tmp_path_factory.mktemp("others")) as others:
        yield others


@pytest.fixture(scope="module")
def home(everybody, tmp_path_factory) -> Home:
    return everybody.clinic(tmp_path_factory.mktemp("clinic") / "home", PEOPLE)


@pytest.fixture
def others(everybody, home):
    everybody.empty()
    everybody.tell(home)
    return everybody


def test_killed_senders_lose_nothing_and_double_nothing_on_any_way(home, others):
    """Killed at random moments: before it was heard, and after what it asked was done."""
    deaths = {"mail": 2, "texts": 3, "listed": 1, "members": 1, "calls": 1, "tasks": 2}
    moments = {"mail": 40, "texts": 24, "listed": 4, "members": 6, "calls": 6, "tasks": 24}
    killers = killing(home, others, deaths, moments, seed=11)
    for name in FLOWS:
        assert not killers[name].left, name
        assert len(killers[name].deaths) == deaths[name]
        wanted = {1: PEOPLE - 2, 2: 1} if name == "texts" else {1: PEOPLE}
        assert Counter(others.times(name).values()) == wanted, (name, killers[name].deaths)
        with Outbox(home) as outbox:
            assert outbox.counts(name) == {"sent": PEOPLE}, name


def refused(home: Home, name: str) -> list[tuple[str, str, int]]:
    with Outbox(home) as outbox:
        return outbox.reasons(name)


def stops(home: Home) -> Counter[bool]:
    with Outbox(home) as outbox:
        return Counter(outbox.stopped()["hard"].to_pylist())


def test_only_whom_a_crm_knows_is_handed_to_it(home, others):
    """The patients' own records are numbered otherwise: none of those numbers leaves."""
    fresh(home)
    for name in FLOWS:
        assert sent(home, name).states == {"sent": PEOPLE}
    assert set(others.hubspot.added) == set(others.hubspot.objects["contacts"])
    assert set(others.times("members")) == set(others.salesforce.tables["Contact"])
    assert set(others.times("tasks")) == set(others.sell.resources["contacts"])
    task = next(iter(others.salesforce.tables["Task"].values()))
    assert (task["Subject"], task["Description"]) == (
        "Hello", "Harbor Clinic: it has been a while, call 312-555-0100."
    )  # fmt: skip
    said = others.twilio.messages[0]
    assert said["body"].endswith("Reply STOP to opt out.")
    assert said["messaging_service_sid"] == others.twilio.service
    # What arrived once is not handed over again, whatever the outbox says.
    fresh(home)
    for name in ("listed", "members"):
        assert sent(home, name).states == {"sent": PEOPLE}
        assert "already" in refused(home, name)[0][1]
    assert sent(home, "calls").states == {"sent": PEOPLE}
    assert {*others.times("listed").values(), *others.times("calls").values()} == {1}


def test_what_twilio_refuses_for_good_is_not_tried_again(home, others):
    """One number answered STOP, one is none; two people share a third."""
    others.twilio.stopped, others.twilio.unknown = {phone(PEOPLE - 2)}, {phone(3)}
    others.twilio.fail(TOO_MANY_NOW, on="POST")  # asked again, which 429 allows
    fresh(home)
    assert sent(home, "texts").states == {"failed": 2, "refused": 1, "sent": PEOPLE - 3}
    assert refused(home, "texts") == [
        ("failed", "Twilio 21211", 1), ("failed", "Twilio 21610", 1),
        ("refused", "address_stopped", 1),
    ]  # fmt: skip
    assert stops(home) == {True: 1, False: 1}
    assert len(others.twilio.asked("POST")) == PEOPLE


def test_a_sender_that_is_refused_stops_and_loses_nothing(home, others):
    fresh(home)
    secrets = (others.twilio.token, others.hubspot.token, others.sell.token)
    others.twilio.fail(None, twilio_refusal(401, 20003, "Authenticate"), on="POST")
    others.hubspot.scopes = {"contacts"}
    others.salesforce.hidden = {"CampaignMember"}
    others.sell.fail(sell_refusal(403, "access_denied"), on="POST")
    for name in ("texts", "listed", "members", "tasks"):
        result = sent(home, name)
        assert "refuses [outreach." in result.stopped, name
        assert not any(secret in result.stopped for secret in secrets), name
        with Outbox(home) as outbox:
            left = outbox.rows(
                "select tries from message where flow = ? and state = 'approved'", (name,)
            )
        assert {row["tries"] for row in left} == {0}
        assert len(left) == PEOPLE - (name == "texts")
    others.hubspot.scopes, others.salesforce.hidden = {"list_members"}, set()
    for name in ("texts", "listed", "members", "tasks"):
        assert sent(home, name).states == {"sent": PEOPLE}


def test_an_answer_that_never_came_is_looked_up_before_anything_is_sent_again(home, others):
    """The third message was made and the fifth was not; nobody heard of either."""

    def unanswered(count: int, server) -> None:
        posts = iter(range(1, 99))

        def cut(request) -> None:
            if request.method == "POST" and next(posts) == count:
                raise ConnectionResetError

        server.after = cut

    fresh(home)
    for name, server in (("texts", others.twilio), ("tasks", others.sell)):
        unanswered(3, server)
        server.fail(None, None, None, None, RESET, on="POST")
        assert sent(home, name).states == {"sent": PEOPLE - 2, "in_doubt": 2}
        result = sent(home, name)
        assert result.states == {"sent": PEOPLE}
        assert (result.settled.gone, result.settled.back, result.settled.open) == (1, 1, 0)
        assert others.times(name).total() == PEOPLE
    others.tell(home)


def test_what_is_too_young_to_be_listed_and_what_was_blotted_out_stays_in_doubt(home, others):
    fresh(home)
    others.twilio.fail(RESET, on="POST")
    text = home.config.read_text()
    home.config.write_text(text.replace("settle_seconds = 0.01", "settle_seconds = 3600"))
    assert sent(home, "texts").states == {"sent": PEOPLE - 1, "in_doubt": 1}
    assert sent(home, "texts").settled.open == 1
    home.config.write_text(text)
    fresh(home)
    others.empty()
    others.twilio.after = reset_first_post
    sent(home, "texts")
    others.twilio.after = lambda _request: None
    for said in others.twilio.messages:
        said["body"] = ""
    assert sent(home, "texts").settled.open == 1
    assert others.times("texts").total() == PEOPLE


def test_text_messages_are_followed_until_they_arrive_or_are_lost(home, others):
    fresh(home)
    sent(home, "texts")
    others.twilio.become(0, "delivered")
    others.twilio.become(1, "undelivered", 30005)
    others.twilio.become(2, "undelivered", 30008)
    others.twilio.become(3, "failed", 21610)
    result = sent(home, "texts")
    assert result.states == {"sent": PEOPLE - 3, "failed": 3}
    assert result.heard == 2
    assert ("sent", "delivered", 1) in refused(home, "texts")
    assert stops(home) == {True: 1, False: 1}


def test_who_was_taken_out_of_a_campaign_is_not_put_back(home, others):
    fresh(home)
    sent(home, "members")
    for row in others.salesforce.tables["CampaignMember"].values():
        row["IsDeleted"] = True
    fresh(home)
    assert sent(home, "members").states == {"sent": PEOPLE}
    assert others.times("members").total() == PEOPLE


HANDED = ("listed", "members", "calls", "tasks")


def still_there(others: Others) -> dict[str, int]:
    """How many are on the list and in the campaign, and how many tasks wait for somebody."""
    tables = others.salesforce.tables
    members = tables["CampaignMember"].values()
    return {
        "listed": len(others.hubspot.lists[LIST]),
        "members": sum(not of["IsDeleted"] for of in members),
        "calls": sum(not of.get("IsClosed") for of in tables["Task"].values()),
        "tasks": sum(not of["completed"] for of in others.sell.resources["tasks"].values()),
    }


def handed_over(home: Home) -> None:
    """Everybody is on every list, in every campaign and a task everywhere."""
    fresh(home)
    for name in HANDED:
        assert sent(home, name).states == {"sent": PEOPLE}


def test_who_refuses_later_is_taken_off_lists_campaigns_and_tasks(home, others):
    """The last two share a number, and one of the others refuses e-mail."""
    handed_over(home)
    known = Door(load_key(home)).hash("email", "p3@example.org")
    with Outbox(home) as outbox:
        outbox.stop([Stop(known, "email"), Stop(phone_hash(home), "call")])
    wanted = {"listed": 1, "members": 1, "calls": 2, "tasks": 2}
    assert {name: sent(home, name).taken.back for name in HANDED} == wanted
    left = {name: PEOPLE - gone for name, gone in wanted.items()}
    assert still_there(others) == left
    # They were told all the same, and it is said once.
    for name in HANDED:
        with Outbox(home) as outbox:
            assert outbox.counts(name) == {"sent": PEOPLE}
            taken = outbox.reasons(name)
        assert taken == [("sent", "taken back: address_stopped", wanted[name])]
    asked = [len(server.requests) for server in (others.hubspot, others.salesforce, others.sell)]
    assert {sent(home, name).taken.back for name in HANDED} == {0}
    assert asked == [
        len(server.requests) for server in (others.hubspot, others.salesforce, others.sell)
    ]


def test_a_member_may_stay_in_a_campaign_under_a_status_of_those_who_refuse(home, others):
    handed_over(home)
    text = home.config.read_text()
    home.config.write_text(
        text.replace('domain = "clinic.my"', 'domain = "clinic.my"\nrefused_status = "Refused"')
    )
    with Outbox(home) as outbox:
        outbox.stop([Stop(Door(load_key(home)).hash("email", "p3@example.org"), "email")])
    assert sent(home, "members").taken.back == 1
    members = others.salesforce.tables["CampaignMember"].values()
    assert Counter(of.get("Status") for of in members) == {"Refused": 1, None: PEOPLE - 1}


def test_whom_a_crm_does_not_let_go_of_waits_for_the_next_time(home, others, capsys):
    handed_over(home)
    with Outbox(home) as outbox:
        outbox.stop([Stop(Door(load_key(home)).hash("email", "p3@example.org"), "email")])
    others.hubspot.scopes = {"contacts"}
    result = sent(home, "listed")
    assert (result.taken.back, result.taken.left) == (0, 1)
    assert "refuses [outreach.hubspot]" in result.taken.why
    assert still_there(others)["listed"] == PEOPLE
    others.hubspot.scopes = {"contacts", "list_members"}
    assert main_at(home, "outreach", "listen") == 0
    assert "2 who refuse by now were taken off" in capsys.readouterr().out
    assert still_there(others)["listed"] == still_there(others)["members"] == PEOPLE - 1


def decided(home: Home) -> int:
    """How many people it was decided of that they are forgotten."""
    with open_vault(home) as vault:
        return len(forgotten(vault).numbers)


def test_who_is_forgotten_is_taken_off_before_nobody_knows_who_it_was(home, others, tmp_path):
    # In a copy, since whoever was forgotten is written to no more.
    home = Home(shutil.copytree(home.folder, tmp_path / "home"))
    handed_over(home)
    whole = load(home)
    person = asked(["email p5@example.org"])
    others.sell.fail(sell_refusal(403, "access_denied"), on="PUT")
    with pytest.raises(BadInput, match=r"Nobody was forgotten.*Zendesk Sell refuses"):
        forget(whole, person, "request")
    assert not decided(home)
    assert still_there(others) == dict.fromkeys(HANDED, PEOPLE - 1) | {"tasks": PEOPLE}
    forget(whole, person, "request")
    assert decided(home) == 1
    assert still_there(others) == dict.fromkeys(HANDED, PEOPLE - 1)


def test_a_contact_that_a_crm_lost_fails_alone(home, others):
    lost = {
        "listed": others.hubspot.objects["contacts"],
        "tasks": others.sell.resources["contacts"],
        "members": others.salesforce.tables["Contact"],
    }
    fresh(home)
    for name, contacts in lost.items():
        kept = dict(contacts)
        del contacts[next(iter(contacts))]
        assert sent(home, name).states == {"sent": PEOPLE - 1, "failed": 1}
        contacts.update(kept)


@pytest.mark.parametrize("name", ["mail", "texts"])
def test_who_refuses_while_others_are_written_to_is_not(home, others, name):
    """The refusal is written by another process, between one message and the next."""
    fresh(home)
    with Outbox(home) as outbox:
        _first, *rest = outbox.rows(
            "select * from message where flow = ? order by next_at, key", (name,)
        )
    last = rest[-1]

    def refuse(*_: object) -> None:
        with Outbox(home) as other:
            other.stop([Stop(last["identifier"], last["channel"])])

    others.of(name).on_data = others.of(name).after = refuse
    # Two share a number; the first has left when it is refused.
    shared = sum(row["identifier"] == last["identifier"] for row in rest)
    assert sent(home, name).states == {"sent": PEOPLE - shared, "refused": shared}
    assert refused(home, name) == [("refused", "address_stopped", shared)]


def test_refusals_are_heard_before_anything_leaves(home, others, tmp_path):
    """An answer at Twilio, a line of a mail log and an event that a webhook dropped."""
    (tmp_path / "events").mkdir()
    (tmp_path / "logs").mkdir()
    at = datetime.now(UTC)
    complaint = {"sg_event_id": "e1", "sg_message_id": "m1", "event": "spamreport",
                 "timestamp": int(at.timestamp()), "email": "p1@example.org"}  # fmt: skip
    (tmp_path / "events" / "today.ndjson").write_text(json.dumps(complaint) + "\n")
    bounce = {"time": at.isoformat(), "message_id": "x", "sender": "care@harbor.example",
              "recipient": "p2@example.org", "status": "bounced", "dsn": "5.1.1"}  # fmt: skip
    (tmp_path / "logs" / "mail.ndjson").write_text(json.dumps(bounce) + "\n")
    others.tell(
        home,
        'listens = ["answers", "events", "log"]',
        LISTENED.format(account=others.twilio.account, url=others.twilio.url, folder=tmp_path),
    )
    with home.secrets.open("a") as file:
        file.write(f'\n[sources.answers]\nauth_token = "{others.twilio.token}"\n')
    others.twilio.messages.append(incoming(1, at, "STOP", person=phone(4)))
    fresh(home)
    result = sent(home, "mail")
    assert result.heard == 3
    assert result.states == {"sent": PEOPLE - 2, "refused": 2}
    assert refused(home, "mail") == [
        ("refused", "address_stopped", 1), ("refused", "bounced", 1)
    ]  # fmt: skip
    result = sent(home, "texts")
    assert (result.heard, result.states) == (0, {"sent": PEOPLE - 1, "refused": 1})
    others.twilio.fail(*[twilio_refusal(401, 20003, "no")] * 9, on="GET")
    fresh(home)
    assert "cannot be heard" in sent(home, "mail").stopped


def test_each_way_is_probed(home, others):
    told = {name: (fine, sentence) for name, fine, sentence in probes(load(home))}
    assert {name.removeprefix("outreach by ") for name in told} == {w for _, w in FLOWS.values()}
    assert all(fine for fine, _ in told.values()), told
    others.hubspot.dynamic = {LIST}
    others.salesforce.extra = {}
    tokens = others.twilio.token, others.sell.token
    others.twilio.token, others.sell.token = "other-token-a", "other-token-b"
    told = {name: (fine, sentence) for name, fine, sentence in probes(load(home))}
    others.twilio.token, others.sell.token = tokens
    wrong = {name: sentence for name, (fine, sentence) in told.items() if not fine}
    assert set(wrong) == {
        "outreach by hubspot_list", "outreach by salesforce_task", "outreach by twilio",
        "outreach by sell_task",
    }  # fmt: skip
    assert "filled by rules" in wrong["outreach by hubspot_list"]
    assert KEY_FIELD in wrong["outreach by salesforce_task"]


def test_a_flow_without_a_list_of_its_own_fills_none(home, others):
    home.config.write_text(home.config.read_text().replace("lists = { listed", "lists = { other"))
    with pytest.raises(BadInput, match="list of HubSpot: name it"):
        planned(home, "listed")


def test_a_simulated_clinic_reaches_nobody_outside(home, others):
    settings = outreach_settings(home)
    for way in WAYS:
        only_here(settings, way)
    home.config.write_text(home.config.read_text().replace(f'endpoint = "{others.sell.url}"', ""))
    with pytest.raises(BadInput, match=r"sell must be on 127\.0\.0\.1"):
        only_here(outreach_settings(home), "sell_task")


def sending(home: Home, name: str, instants: Iterator[datetime]) -> Result:
    """One sending on a clock that shows each of some instants once, and the last one for ever."""
    shown = [next(instants)]

    def clock() -> datetime:
        shown.append(next(instants, shown[-1]))
        return shown[-1]

    with Contacts(home) as contacts, Outbox(home) as outbox:
        settings, zone = outreach_settings(home), ZoneInfo("America/Chicago")
        one = flow(home, name)
        return _Sending(home, one, settings, contacts, outbox, clock, zone).run()


def test_what_has_not_begun_is_planned_and_not_sent(home, others):
    try:
        add_flow(home, "mail", "starts = 2026-11-26")
        assert planned(home, "mail")[0].planned == PEOPLE
        with pytest.raises(BadInput, match="begins on 2026-11-26"):
            sent(home, "mail")
        add_flow(home, "mail", "starts = 2026-11-25")
        planned(home, "mail")
        assert sent(home, "mail").states == {"sent": PEOPLE}
        add_flow(home, "mail", "starts = 2031-01-01")
        with pytest.raises(BadInput, match="before it begins"):
            planned(home, "mail")
    finally:
        add_flow(home, "mail")


def test_a_flow_that_ends_at_midnight_sends_no_more_after_it(home, others):
    """Midnight where the installation is: in UTC it is six hours later."""
    try:
        others.tell(home, 'quiet_from = "00:00"\nquiet_until = "00:00"')
        add_flow(home, "mail", ends="ends = 2026-11-25")
        planned(home, "mail")
        evening = datetime(2026, 11, 26, 5, 59, tzinfo=UTC)
        assert sending(home, "mail", iter([evening])).states == {"sent": PEOPLE}
        planned(home, "mail")
        result = sending(home, "mail", iter([evening + timedelta(minutes=1)]))
        assert "ended on 2026-11-25" in result.stopped
        assert result.states == {"approved": PEOPLE}
    finally:
        add_flow(home, "mail")


def test_it_falls_quiet_in_the_midst_of_a_batch(home, others):
    fresh(home)
    before = datetime(2026, 11, 26, 2, 59, tzinfo=UTC)  # 20:59 in Chicago
    clock = itertools.chain([before] * 8, itertools.repeat(before + timedelta(minutes=1)))
    result = sending(home, "texts", clock)
    assert 0 < result.states["sent"] < PEOPLE
    assert result.states["sent"] + result.states["approved"] == PEOPLE
    assert others.times("texts").total() == result.states["sent"]
