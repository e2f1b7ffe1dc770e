"""Outreach: who is written to and who is not, what leaves, and what a kill leaves behind."""

import csv
import shutil
import time
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from outreach_fixture import (
    ADMIN,
    CONFIG,
    MAIL_ONLY,
    NOW,
    SMTP,
    add_flow,
    ago,
    contact,
    event,
    patient,
    publish,
    wish,
)
from servers.smtp import SmtpServer
from warehouse_fixtures import Warehouse

from attribution import audit, forgetting, whom_to_forget
from attribution import settings as configuration
from attribution.cli import main
from attribution.contacts import Address, Contacts, forget
from attribution.errors import BadInput, Busy, NotAllowed, SettingsError, StorageError
from attribution.holding import WENT_BACK, hold, hold_for_rollback, release, sends_held
from attribution.keys import Keyring, keyring
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.privacy import Door, load_key
from attribution.refresh import rollback
from attribution.roles import Reader
from connectors.contract import Appointment, Person
from outreach import handoff
from outreach.approval import approve, withdraw
from outreach.flow import flow
from outreach.forgetting import forget as forget_messages
from outreach.outbox import Change, Outbox, Stop
from outreach.planning import keep, plan
from outreach.sending import send
from outreach.stopping import stop
from outreach.templates import written
from outreach.told import tell


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> Home:
    """Nine people, each of whom may or may not be written to for a reason of their own."""
    rows = [
        *patient("asked", email="asked@example.org", phone="312-555-0101", zip3="606"),
        wish("asked", "email", allowed=True, days=30),
        wish("asked", "sms", allowed=True, days=30),
        contact("crm1", email="asked@example.org", preferred_channel="sms"),
        event("asked", "sent", days=4, email="asked@example.org"),
        *patient("silent", email="silent@example.org"),
        *patient("refused", email="r.said@example.org"),
        wish("refused", "email", allowed=True, days=30),
        wish("refused", "email", allowed=False, days=20),
        *patient("left", email="left@example.org"),
        wish("left", "email", allowed=True, days=30),
        event("left", "unsubscribed", email="left@example.org"),
        *patient("bounced", email="bounced@example.org"),
        wish("bounced", "email", allowed=True, days=30),
        event("bounced", "bounced", email="bounced@example.org"),
        *patient("dead", email="dead@example.org", deceased=True),
        wish("dead", "email", allowed=True, days=30),
        *patient("nowhere"),
        wish("nowhere", "email", allowed=True, days=30),
        *patient("mother", phone="312-555-0108"),
        *patient("child", phone="312-555-0108"),
        wish("mother", "sms", allowed=True, days=30),
        wish("child", "sms", allowed=True, days=30),
        # The family's number, which is nobody's own, answered STOP.
        wish("", "sms", allowed=False, days=5, phone="312-555-0108", patient_id=None,
             how="answered STOP (twilio)"),
        *patient("back", email="back@example.org"),
        wish("back", "email", allowed=False, days=30),
        wish("back", "email", allowed=True, days=3),
        Appointment(
            appointment_id="next", patient_id="silent", booked_at=ago(3), starts_at=ago(-2),
            status="booked", location="main",
        ),
    ]  # fmt: skip
    made = publish(Home(tmp_path_factory.mktemp("clinic") / "home"), rows)
    add_flow(made)
    return made


@pytest.fixture
def boxes(clinic):
    """The clinic's contacts and an outbox of its own."""
    clinic.outreach.unlink(missing_ok=True)
    for path in clinic.folder.glob("handed_over/*"):
        path.unlink()
    with Contacts(clinic) as contacts, Outbox(clinic) as outbox:
        yield outreach_settings(clinic), contacts, outbox


def planned(home: Home, boxes, name: str = "test", now=NOW):
    return plan(home, flow(home, name), *boxes, now=now)


def test_everybody_who_is_not_written_to_has_a_reason(clinic, boxes):
    made = planned(clinic, boxes)
    assert made.audience == 9 == made.planned + sum(made.dropped.values())
    assert made.dropped == {
        "opted_out": 2, "bounced": 1, "deceased": 1, "no_address": 1, "address_stopped": 2,
    }  # fmt: skip
    # "silent" has an appointment ahead, so only the preferred channel of one and mail to another.
    assert made.channels == {"sms": 1, "email": 1}


def test_treatment_needs_no_permission_but_listens_to_refusals(clinic, boxes):
    made = plan(clinic, flow(clinic, "appointment_reminder"), *boxes, now=NOW)
    assert (made.audience, made.planned, made.channels) == (1, 1, {"email": 1})


def test_what_is_planned_twice_is_there_once_and_what_was_had_lately_is_not_planned(clinic, boxes):
    *_rest, outbox = boxes
    assert keep(planned(clinic, boxes), outbox, clinic) == 2
    again = planned(clinic, boxes)
    assert (again.planned, keep(again, outbox, clinic)) == (2, 0)
    assert outbox.counts("test") == {"planned": 2}
    left(outbox, NOW)
    had = planned(clinic, boxes)
    assert (had.planned, had.dropped["already"]) == (0, 2)
    add_flow(clinic, "other")
    other = planned(clinic, boxes, "other")
    assert (other.planned, other.dropped["capped"]) == (0, 2)
    # Who was left out for the cap is remembered once a day, and forgotten with the person.
    for _ in range(2):
        keep(other, outbox, clinic)
    left_out = outbox.rows("select flow, day, person_id, owner from capped order by person_id")
    assert [(row["flow"], row["day"]) for row in left_out] == [("other", f"{NOW:%Y-%m-%d}")] * 2
    forget_messages(clinic, [left_out[0]["person_id"]], [])
    assert outbox.rows("select owner from capped") == [{"owner": left_out[1]["owner"]}]


def left(outbox: Outbox, at: datetime, state: str = "sent") -> None:
    """All that is in the outbox left, or may have, at an instant."""
    outbox._connection.execute("update message set state = ?, at = ?", (state, at.isoformat()))


@pytest.mark.parametrize("state", ["sent", "sending", "in_doubt"])
def test_caps_and_rest_days_count_from_when_a_message_left(clinic, boxes, state):
    """Planned in the evening it leaves a day later, and another flow is planned after that."""
    *_rest, outbox = boxes
    add_flow(clinic, "other")
    keep(planned(clinic, boxes), outbox, clinic)
    after = NOW + timedelta(days=1, minutes=10)
    # What waits counts from when it was planned.
    assert planned(clinic, boxes, "other", NOW + timedelta(hours=1)).dropped["capped"] == 2
    assert planned(clinic, boxes, "other", after).planned == 2
    left(outbox, NOW + timedelta(days=1), state)
    assert planned(clinic, boxes, "other", after).dropped["capped"] == 2
    assert planned(clinic, boxes, "other", after + timedelta(days=1)).planned == 2
    # So also where it was planned before all of the days that caps and rests look back.
    outbox._connection.execute("update message set occasion = 'another', planned_at = ?",
                               (ago(40).isoformat(),))  # fmt: skip
    assert planned(clinic, boxes, "other", after).dropped["capped"] == 2
    add_flow(clinic, more="rest_days = 30")
    try:
        assert planned(clinic, boxes, now=NOW + timedelta(days=30)).dropped["rested"] == 2
        assert planned(clinic, boxes, now=NOW + timedelta(days=32)).planned == 2
    finally:
        add_flow(clinic)


def test_what_waits_is_planned_anew_and_taken_back_where_it_is_meant_no_more(clinic, boxes):
    """A reminder that the server would not take is not sent for an appointment of another time."""
    *_rest, outbox = boxes
    one = flow(clinic, "appointment_reminder")
    keep(plan(clinic, one, *boxes, now=NOW), outbox, clinic)
    (told,) = outbox.rows("select key, fields, version from message")
    # As it was told yesterday, under another version of the flow, and deferred by the server.
    outbox._connection.execute(
        "update message set fields = '{}', version = 'older', state = 'approved', tries = 2"
    )
    assert keep(plan(clinic, one, *boxes, now=NOW), outbox, clinic) == 0
    assert outbox.rows("select key, fields, version from message") == [told]
    assert outbox.rows("select state, tries from message") == [{"state": "planned", "tries": 2}]
    # Another time is another occasion: who was told the old one is told the new one.
    (occasion,) = {row["occasion"] for row in outbox.rows("select occasion from message")}
    assert occasion.endswith(f" {ago(-2):%Y-%m-%d %H:%M:%S}")
    later = plan(clinic, one, *boxes, now=ago(-5))  # the appointment is over
    assert later.planned == 0
    keep(later, outbox, clinic)
    assert outbox.counts(one.name) == {}


def test_what_does_not_wait_any_more_does_not_leave(clinic, boxes):
    """Whoever is forgotten, or planned anew, while a batch is on its way is not written to."""
    settings, _contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    outbox.release(one.name, one.version)
    gone, stays = (row["key"] for row in outbox.rows("select key from message order by key"))
    outbox._connection.execute("delete from message where key = ?", (gone,))
    assert not outbox.begin([(gone, ""), (stays, "")], "smtp")
    begun = [outbox.begin([(key, "")], "smtp") for key in (gone, stays, stays)]
    assert begun == [False, True, False]


def test_messages_of_other_systems_and_ours_are_added_up(clinic, boxes):
    """One of ours and one of theirs this week are two, not the greater of the two."""
    settings, contacts, outbox = boxes
    keep(planned(clinic, boxes), outbox, clinic)
    outbox._connection.execute(
        "update message set state = 'sent', flow = 'other', at = ?", (ago(2).isoformat(),)
    )
    capped = {}
    for per_week in (1, 2, 3):
        made = plan(clinic, flow(clinic, "test"), replace(settings, per_week=per_week),
                    contacts, outbox, now=NOW)  # fmt: skip
        capped[per_week] = made.dropped.get("capped", 0)
    # Another system wrote to one of the two as well, on another day.
    assert capped == {1: 2, 2: 1, 3: 0}


def test_nothing_is_sent_before_its_own_version_is_approved(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    with pytest.raises(BadInput, match="not approved"):
        send(clinic, one, settings, contacts, outbox, now=NOW)
    with pytest.raises(NotAllowed):
        approve(clinic, Reader("V", frozenset({"viewer"})), one, settings, outbox, NOW.date())
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    assert audit.entries(clinic).iloc[-1]["action"] == audit.OUTREACH_APPROVED
    add_flow(clinic, more="rest_days = 1")
    with pytest.raises(BadInput, match="not approved"):
        send(clinic, flow(clinic, "test"), settings, contacts, outbox, now=NOW)
    add_flow(clinic)


def test_a_withdrawn_approval_stops_what_waits_even_in_the_midst_of_a_sending(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    with pytest.raises(BadInput, match="nothing to withdraw"):
        withdraw(clinic, ADMIN, one.name, outbox)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    with pytest.raises(NotAllowed):
        withdraw(clinic, Reader("V", frozenset({"viewer"})), one.name, outbox)
    assert outbox.release(one.name, one.version) == 2
    assert withdraw(clinic, ADMIN, one.name, outbox) == 2
    assert audit.entries(clinic).iloc[-1]["action"] == audit.OUTREACH_WITHDRAWN
    # A sender that is at work: it may release nothing, and what it takes back does not wait.
    assert outbox.release(one.name, one.version) == 0
    rows = outbox.rows("select key, zone from message")
    outbox.move([Change(row["key"], "approved") for row in rows])
    at = (NOW + timedelta(days=900)).isoformat()
    zones = [row["zone"] for row in rows]
    assert outbox.waiting(one.name, one.version, zones, at, 9) == []
    with pytest.raises(BadInput, match="not approved"):
        send(clinic, one, settings, contacts, outbox, now=NOW)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    assert send(clinic, one, settings, contacts, outbox, now=NOW).states == {"sent": 2}


def test_a_file_goes_to_the_record_under_record_numbers(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    result = send(clinic, one, settings, contacts, outbox, now=NOW)
    assert result.states == {"sent": 2}
    (path,) = handoff.folder(clinic).glob("*.csv")
    assert path.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert {row["record"]: row["channel"] for row in rows} == {"asked": "sms", "back": "email"}
    assert rows[0]["text"].endswith("Reply STOP to opt out.") or rows[1]["text"].endswith(
        "opt out."
    )
    # What was said is not kept once it is said.
    assert {row["fields"] for row in outbox.rows("select fields from message")} == {""}


def test_nothing_leaves_while_sends_are_held(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    hold(clinic, "ada", "A wrong price is in the template.")
    held = send(clinic, one, settings, contacts, outbox, now=NOW)
    assert held.stopped.startswith("Sends are held: A wrong price")
    assert held.states == {"approved": 2}
    assert not list(handoff.folder(clinic).glob("*.csv"))
    release(clinic, "ada")
    assert send(clinic, one, settings, contacts, outbox, now=NOW).states == {"sent": 2}


@pytest.fixture
def gone_back(tmp_path):
    """Somebody agreed in the first generation, and refused in the second; an outbox beside them."""
    yes = [*patient("ann", email="ann@example.org"), wish("ann", "email", allowed=True, days=30)]
    home = publish(Home(tmp_path / "home"), yes)
    add_flow(home)
    settings = outreach_settings(home)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        one = flow(home, "test")
        keep(plan(home, one, settings, contacts, outbox, now=NOW), outbox, home)
        approve(home, ADMIN, one, settings, outbox, NOW.date())
        publish(home, [*yes, wish("ann", "email", allowed=False, days=2)])
        yield home, lambda: send(home, one, settings, contacts, outbox, now=NOW)


def test_a_rollback_holds_sends_as_refusals_may_be_missing(gone_back):
    home, again = gone_back
    assert rollback(home) == 1
    held = again()
    assert held.states == {"approved": 1}
    assert held.stopped.startswith(f"Sends are held: {WENT_BACK}")
    release(home, "ada")
    with pytest.raises(StorageError, match="no earlier generation"):
        rollback(home)
    assert sends_held(home) is None
    hold(home, "ada", "Prices are checked.")
    hold_for_rollback(home, "ada")
    assert sends_held(home) == f"Prices are checked. {WENT_BACK}"


def test_a_rollback_amid_a_sending_lets_nothing_of_the_earlier_one_out(gone_back, monkeypatch):
    home, again = gone_back
    seen = []

    def then_goes_back(_home):
        seen.append(sends_held(home))
        if len(seen) == 1:
            rollback(home)
        return seen[-1]

    monkeypatch.setattr("outreach.sending.sends_held", then_goes_back)
    ended = again()
    assert ended.states == {"approved": 1}
    assert ended.stopped.startswith(f"Sends are held: {WENT_BACK}")


def test_who_refuses_between_plan_and_sending_is_refused(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    known = Door(load_key(clinic)).hash("email", "Back@Example.org")
    outbox.stop([Stop(known, "email")])
    assert send(clinic, one, settings, contacts, outbox, now=NOW).states == {
        "refused": 1, "sent": 1,
    }  # fmt: skip
    assert outbox.reasons("test") == [("refused", "address_stopped", 1)]


def test_who_is_forgotten_leaves_the_outbox_but_a_stop_stays(clinic, boxes):
    *_rest, outbox = boxes
    keep(planned(clinic, boxes), outbox, clinic)
    one, other = outbox.rows("select person_id, owner, identifier from message order by key")
    outbox.stop([Stop(one["identifier"], "email", person_id=one["person_id"])])
    assert forget_messages(clinic, [one["person_id"]], []) > 0
    assert forget_messages(clinic, [], [other["owner"]]) > 0
    assert outbox.counts("test") == {}
    assert outbox.rows("select * from assignment") == []
    assert outbox.stopped().select(["person_id", "identifier"]).to_pylist() == [
        {"person_id": None, "identifier": one["identifier"]}
    ]


def test_who_was_forgotten_is_planned_no_more_before_anything_is_built_anew(
    clinic, tmp_path, monkeypatch, capsys
):
    """Also by a plan that was made before, and where forgetting was killed once it was decided."""
    home = Home(tmp_path / "home")
    shutil.copytree(clinic.folder, home.folder)
    home.outreach.unlink(missing_ok=True)  # what another test stopped is not meant here
    told = configuration.load(home)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        boxes = outreach_settings(home), contacts, outbox
        before = planned(home, boxes)
        assert before.planned == 2
        with monkeypatch.context() as kill:
            kill.setattr(forgetting, "silence", killed)
            with pytest.raises(KeyboardInterrupt):
                forgetting.forget(told, whom_to_forget.asked(["asked@example.org"]), "request")
        with pytest.raises(Busy, match="forgotten meanwhile"):
            keep(before, outbox, home)
    assert outbox_rows(home) == 0
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    assert main(["outreach", "send", "test"]) == 0
    assert "1 would be written to" in capsys.readouterr().out
    forgetting.forget(told, whom_to_forget.asked(["back@example.org"]), "request")
    with Contacts(home) as contacts, Outbox(home) as outbox:
        left = planned(home, (outreach_settings(home), contacts, outbox))
        assert (left.planned, left.dropped["no_address"]) == (0, before.dropped["no_address"] + 2)
        assert keep(left, outbox, home) == 0


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def outbox_rows(home: Home) -> int:
    with Outbox(home) as outbox:
        return len(outbox.rows("select key from message"))


def test_what_failed_for_good_is_not_told_as_what_would_be_written(clinic, boxes):
    _settings, _contacts, outbox = boxes
    made = planned(clinic, boxes)
    keep(made, outbox, clinic)
    [failed, *_] = outbox.rows("select key from message order by key")
    outbox.move([Change(failed["key"], "failed", "SMTP 552")])
    again = planned(clinic, boxes)
    assert (again.planned, again.dropped["lost"]) == (made.planned - 1, 1)


def test_a_flow_comes_again_by_the_days_of_the_installation(clinic, boxes):
    """In the evening of the last day of a month it is that month still, though not in UTC."""
    add_flow(clinic, "monthly", text=MAIL_ONLY.replace("event", "month"))
    evening = NOW.replace(month=12, day=1, hour=2)  # 20:00 on 30 November in Chicago
    try:
        made = planned(clinic, boxes, "monthly", evening)
    finally:
        (clinic.folder / "flows" / "monthly.toml").unlink()
    assert set(made.rows["occasion"].to_pylist()) == {"2026-11"}


def test_it_is_quiet_where_it_is_night(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    night = NOW.replace(hour=4)  # 22:00 in Chicago
    result = send(clinic, one, settings, contacts, outbox, now=night)
    assert (result.quiet, result.states) == (2, {"approved": 2})


def test_it_becomes_quiet_while_a_sending_goes_on(clinic, boxes, monkeypatch):
    """Begun half a second before nine it stops at nine, in the middle of a batch."""
    settings, contacts, outbox = boxes
    with SmtpServer() as server:
        # A second goes by with the first message, however long the machine takes.
        clock = SimpleNamespace(monotonic=lambda: float(len(server.taken)), sleep=time.sleep)
        monkeypatch.setattr("outreach.sending.time", clock)
        text = SMTP.format(port=server.port, security="none", more="")
        clinic.config.write_text(CONFIG + text)
        add_flow(clinic, text=MAIL_ONLY)
        try:
            settings, one = outreach_settings(clinic), flow(clinic, "test")
            keep(plan(clinic, one, settings, contacts, outbox, now=NOW), outbox, clinic)
            approve(clinic, ADMIN, one, settings, outbox, NOW.date())
            nearly_nine = NOW.replace(hour=3) - timedelta(seconds=0.5)
            result = send(clinic, one, settings, contacts, outbox, now=nearly_nine)
        finally:
            clinic.config.write_text(CONFIG)
            add_flow(clinic)
    assert (result.states, result.quiet) == ({"approved": 1, "sent": 1}, 1)
    assert len(server.taken) == 1


def test_who_is_forgotten_leaves_the_files_that_were_handed_over(clinic, boxes):
    settings, contacts, outbox = boxes
    one = flow(clinic, "test")
    keep(planned(clinic, boxes), outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    send(clinic, one, settings, contacts, outbox, now=NOW)
    (path,) = handoff.folder(clinic).glob("*.csv")
    path.with_suffix(".tmp").write_text("asked")  # of a sender that was killed
    people = {row["key"]: row["person_id"] for row in outbox.rows("select * from message")}
    rows = {row["record"]: row["message_key"]
            for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())}  # fmt: skip
    forget_messages(clinic, [people[rows["asked"]]], [])
    assert handoff.handed_over(clinic, "test") == {rows["back"]}
    assert not any(b"asked" in left.read_bytes() for left in path.parent.iterdir())
    forget_messages(clinic, [people[rows["back"]]], [])
    assert list(path.parent.iterdir()) == []


def test_a_link_to_unsubscribe_may_say_which_message_it_was(clinic, boxes):
    settings, _contacts, outbox = boxes
    settings = replace(settings, unsubscribe="https://harbor.example/stop?m={message_key}")
    keep(planned(clinic, boxes), outbox, clinic)
    for row in outbox.rows("select key, channel from message"):
        _subject, text = written(flow(clinic, "test"), "email", {}, settings, row["key"])
        assert f"stop?m={row['key']}" in text
    keys = [row["key"].upper() for row in outbox.rows("select key from message")]
    assert stop(clinic, configuration.load(clinic), outbox, [*keys, "0" * 32]) == (2, 1)
    again = planned(clinic, boxes)
    assert again.dropped["address_stopped"] == 3
    assert again.channels == {"email": 1}  # whose number it was has an e-mail, and allowed that


def test_addresses_are_sealed_and_forgotten(clinic, tmp_path):
    log = clinic.contacts.with_name("contacts.sqlite-wal")
    content = clinic.contacts.read_bytes() + (log.read_bytes() if log.is_file() else b"")
    assert b"example.org" not in content
    assert b"3125550101" not in content
    owner = Door(load_key(clinic)).hash("patient_id", "asked")
    assert owner is not None
    copy = Home(tmp_path)
    for name in ("key", "keyring"):
        shutil.copyfile(clinic.folder / name, copy.folder / name)
    with Contacts(clinic) as contacts:
        at = Address(owner, "email", "emr")
        assert contacts.reveal([at]) == {at: "asked@example.org"}
        contacts._connection.execute(f"vacuum into '{copy.contacts}'")
    assert forget(copy, [owner]) == 3
    ring = keyring(copy)
    with Contacts(copy) as contacts:
        assert contacts.reveal([at]) == {}
        left = contacts.places(["email"])
    changed = Keyring((*ring.hashing, b"n" * 32), ring.payloads)
    with Contacts(copy, changed) as contacts:
        assert contacts.places(["email"]).num_rows == left.num_rows
        assert not {*left["owner"].to_pylist()} & {*contacts.places(["email"])["owner"].to_pylist()}
        other = Address(str(contacts.places(["email"])["owner"][0]), "email", "emr")
        assert contacts.reveal([other])


def test_a_record_that_lost_its_address_has_none(clinic):
    door = Door(load_key(clinic))
    owner = door.hash("patient_id", "P9")
    from connectors.columns import to_table

    with Contacts(clinic) as contacts:
        for given in ("p9@example.org", None):
            table = to_table(Person, [Person(patient_id="P9", email=given)])
            contacts.keep("emr", Person, table, door.pseudonymise(Person, table), "US")
            found = contacts.reveal([Address(str(owner), "email", "emr")])
            assert list(found.values()) == ([given] if given else [])
        forget(clinic, [str(owner)])


def test_what_we_sent_and_whom_we_held_out_is_told_to_the_warehouse(clinic, boxes):
    settings, contacts, outbox = boxes
    add_flow(clinic, "half", more="holdout = 0.5")
    one = flow(clinic, "half")
    made = planned(clinic, boxes, "half")
    keep(made, outbox, clinic)
    approve(clinic, ADMIN, one, settings, outbox, NOW.date())
    send(clinic, one, settings, contacts, outbox, now=NOW)
    opened = Warehouse(of=("stg_message",))
    opened.run("create or replace table identity (identifier varchar, person_id bigint)")
    said = "select purpose from message union all select purpose from assignment"
    assert {row["purpose"] for row in outbox.rows(said)} == {"marketing"}
    held = len(made.held_out)
    assert made.planned + held == 2
    for _twice in range(2):
        assert tell(opened.connection, clinic, "run").rows == 2 + made.planned
    opened.rebuild()
    assert opened.rows(
        "select arm, count(*), count(sent_at) from stg_message group by arm order by arm"
    ) == [
        (arm, count, sent)
        for arm, count, sent in (
            ("holdout", held, 0),
            ("treated", 2 * made.planned, made.planned),
        )
        if count
    ]
    # Whom the cap left out is told beside, anew each time.
    outbox.set_aside("half", NOW.isoformat(), [(1, "someone", "record", "email")])
    for _twice in range(2):
        tell(opened.connection, clinic, "run")
    assert opened.rows("select source, flow, identifier from raw_capped") == [
        ("caretrace_outreach", "half", "record")
    ]
    # Whom another system was told of has had no message of ours.
    with outbox.transaction() as connection:
        connection.execute("update message set way = 'sell_task'")
    tell(opened.connection, clinic, "run")
    assert opened.rows("select count(sent_at) from raw_message") == [(0,)]
    opened.engine.dispose()


def test_the_command_line_is_dry_until_told(clinic, boxes, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(clinic.folder))
    assert main(["outreach", "list"]) == 0
    assert "appointment_reminder" in capsys.readouterr().out
    assert main(["outreach", "send", "recall"]) == 0
    assert "dry run" in capsys.readouterr().out
    assert main(["outreach", "send", "recall", "--live"]) == 2
    assert "not approved" in capsys.readouterr().err
    assert main(["outreach", "preview", "recall"]) == 0
    shown = capsys.readouterr().out
    assert "Harbor Clinic" in shown
    assert "example.org" not in shown
    assert main(["outreach", "listen"]) == 0
    assert "0 refusals or bounces are new" in capsys.readouterr().out
    wanted = clinic.folder / "stop.txt"
    wanted.write_text("asked@example.org\n312-555-0101\nnobody\n")
    assert main(["outreach", "stop", str(wanted)]) == 1
    assert "2 addresses" in capsys.readouterr().out
    # As mail programs and tables write them; what is not understood is told, and stops nobody.
    wanted.write_text('<silent@example.org>,\n"left@example.org"\nmailto:back@example.org\n')
    assert main(["outreach", "stop", str(wanted)]) == 1
    shown = capsys.readouterr()
    assert "2 addresses" in shown.out
    assert "1 lines are no e-mail or phone" in shown.err
    door = Door(load_key(clinic))
    known = {door.hash("email", f"{name}@example.org") for name in ("silent", "left")}
    assert known <= set(boxes[2].stopped()["identifier"].to_pylist())
    wanted.write_bytes("asked@example.org\nrené@example.org\n".encode("latin-1"))
    assert main(["outreach", "stop", str(wanted)]) == 2
    assert "no text in UTF-8, so nobody was stopped" in capsys.readouterr().err
    assert main(["outreach", "results", "recal"]) == 2
    assert "Nobody was ever assigned to 'recal'" in capsys.readouterr().err
    assert main(["outreach", "results", "recall", "--level", "90"]) == 2
    assert "90 is no level" in capsys.readouterr().err


def test_what_could_not_be_written_is_told_and_leaves_a_sending_done_in_part(
    clinic, boxes, monkeypatch, capsys
):
    _settings, _contacts, outbox = boxes
    monkeypatch.setenv("CARETRACE_HOME", str(clinic.folder))
    elsewhere = '[outreach.locations.north]\nname = "North"\n'
    quiet = 'quiet_from = "00:00"\nquiet_until = "00:00"\n'
    text = MAIL_ONLY.replace("a while", "a while at {{ place }}").replace("365", "0")
    try:
        clinic.config.write_text("demo = true\n" + CONFIG + quiet + elsewhere)
        text = text.replace("marketing", "operations").replace("{more}", "")
        (clinic.folder / "flows" / "placed.toml").write_text(text, encoding="utf-8")
        assert main(["outreach", "approve", "placed"]) == 0
        assert main(["outreach", "send", "placed", "--live"]) == 1
    finally:
        clinic.config.write_text(CONFIG)
        (clinic.folder / "flows" / "placed.toml").unlink()
    shown = capsys.readouterr()
    (count,) = {row[2] for row in outbox.reasons("placed") if row[:2] == ("refused", "template")}
    assert f"{count:,} could not be written" in shown.err
    assert f"In the outbox of placed by now:\n{count:,} refused" in shown.out


def test_settings_that_cannot_be_are_all_told_at_once(home: Home):
    home.config.write_text(
        '[outreach]\nenabled = 1\nper_day = 0\nquiet_from = "25:00"\nstop_means = "all"\n'
        '[outreach.consent]\nmarketing = { email = "yes" }\n[outreach.delivery]\nsms = "smtp"\n'
        '[outreach.smtp]\npassword = "x"\n'
    )
    with pytest.raises(SettingsError) as told:
        outreach_settings(home)
    for part in ("enabled", "per_day", "quiet_from", "stop_means", "marketing.email", "sms",
                 "password", "host", "sender"):  # fmt: skip
        assert part in str(told.value), part


def test_pages_cannot_read_addresses():
    """Only the door, its loader, the sender and what takes out of it know the contact store."""
    from test_layering import reading

    assert reading("attribution.contacts") == {
        "attribution/forgetting.py",
        "attribution/loading.py", "attribution/rotation.py", "attribution/source_loads.py",
        "outreach/aging.py", "outreach/command.py", "outreach/doubts.py", "outreach/letters.py",
        "outreach/planning.py", "outreach/sending.py", "outreach/taking_back.py",
    }  # fmt: skip
