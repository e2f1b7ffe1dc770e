"""Frequency caps are asked again when a message leaves: it and others may have waited for long."""

from datetime import datetime, timedelta

import pytest
from outreach_fixture import ADMIN, CONFIG, MAIL_ONLY, NOW, add_flow, event, patient, publish, wish

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from connectors.contract import Link, Row
from outreach import handoff
from outreach.approval import approve
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.planning import keep, plan
from outreach.sending import Result, send

PEOPLE = 3
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Home:
    """Another system wrote to the last of them three days ago."""
    rows = [event("P2", "sent", days=3, email="p2@example.org")]
    for n in range(PEOPLE):
        rows += [*patient(f"P{n}", email=f"p{n}@example.org"),
                 wish(f"P{n}", "email", allowed=True, days=30)]  # fmt: skip
    made = publish(Home(tmp_path_factory.mktemp("caps") / "home"), rows)
    for name in ("first", "second"):
        add_flow(made, name, text=MAIL_ONLY)
    return made


@pytest.fixture
def clinic(published) -> Home:
    """Two flows wait for everybody, the first for so long that the second did not see it."""
    published.outreach.unlink(missing_ok=True)
    published.config.write_text(CONFIG, encoding="utf-8")
    for name, at in (("first", NOW - 1.5 * DAY), ("second", NOW)):
        assert planned(published, name, at) == PEOPLE
    return published


def planned(home: Home, name: str, at: datetime) -> int:
    """How many messages of a flow are new, approved."""
    one, settings = flow(home, name), outreach_settings(home)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        new = keep(plan(home, one, settings, contacts, outbox, now=at), outbox, home)
        approve(home, ADMIN, one, settings, outbox, NOW.date())
    return new


def sent(home: Home, name: str, at: datetime) -> Result:
    """One sending at an instant; what left did so then."""
    with Contacts(home) as contacts, Outbox(home) as outbox:
        result = send(home, flow(home, name), outreach_settings(home), contacts, outbox, now=at)
        outbox._connection.execute(
            "update message set at = ? where flow = ? and state = 'sent'", (at.isoformat(), name)
        )
    return result


def test_what_would_be_one_too_many_does_not_leave(clinic):
    assert sent(clinic, "first", NOW).states == {"sent": PEOPLE}
    assert sent(clinic, "second", NOW + DAY / 144).states == {"refused": PEOPLE}
    assert not list(handoff.folder(clinic).glob("second-*"))
    with Outbox(clinic) as outbox:
        assert outbox.reasons("second") == [("refused", "capped", PEOPLE)]
        assert outbox.rows("select flow, count(*) as people from capped group by flow") == [
            {"flow": "second", "people": PEOPLE}
        ]
    # It is planned anew when they may be written to again, and then leaves.
    later = NOW + 1.1 * DAY
    assert planned(clinic, "second", later) == 0
    assert sent(clinic, "second", later).states == {"sent": PEOPLE}


@pytest.mark.parametrize(("per_week", "left"), [(1, 0), (2, 2), (3, 3)])
def test_a_week_counts_other_systems_too(clinic, per_week, left):
    clinic.config.write_text(CONFIG + f"per_week = {per_week}\n", encoding="utf-8")
    with Outbox(clinic) as outbox:
        outbox._connection.execute(
            "update message set state = 'in_doubt', at = ? where flow = 'first'",
            ((NOW - 2 * DAY).isoformat(),),
        )
    assert sent(clinic, "second", NOW).states.get("sent", 0) == left


def test_of_several_to_one_person_as_many_leave_as_are_allowed(clinic):
    """Two occasions of one flow wait: the day takes one of them."""
    with Outbox(clinic) as outbox:
        outbox._connection.execute(
            "insert into message select 'x' || key, flow, version, person_id, identifier, owner, "
            "source, 'other', channel, zone, fields, state, reason, planned_at, next_at, tries, "
            "at, way, mark, receipt, purpose from message where flow = 'second'"
        )
    assert sent(clinic, "second", NOW).states == {"sent": PEOPLE, "refused": PEOPLE}


BOTH = [row for name in "AB" for row in patient(name, email=f"{name.lower()}@example.org")]
NO_NEED_TO_ASK = CONFIG + '[outreach.consent]\nmarketing = { email = "opt_out" }\n'


@pytest.fixture
def two(tmp_path) -> Home:
    """Two records that nobody knows to be one person's; two flows wait for both."""
    home = publish(Home(tmp_path / "home"), BOTH, NO_NEED_TO_ASK)
    for name, at in (("first", NOW - 1.5 * DAY), ("second", NOW)):
        add_flow(home, name, text=MAIL_ONLY)
        assert planned(home, name, at) == 2
    return home


def join(home: Home, *more: Row) -> None:
    """A refresh that learns that both are one."""
    link = Link("l", NOW, "merged", patient_id="A", other_patient_id="B")
    publish(home, [*BOTH, link, *more], NO_NEED_TO_ASK)


def test_whoever_was_joined_to_another_since_is_counted_as_who_they_are_by_now(two):
    assert sent(two, "first", NOW).states == {"sent": 2}
    join(two)
    assert sent(two, "second", NOW + DAY / 144).states == {"refused": 2}
    with Outbox(two) as outbox:
        assert outbox.reasons("second") == [("refused", "capped", 2)]


@pytest.mark.parametrize("who", ["A", "B"])
def test_whoever_was_joined_since_to_somebody_who_refused_is_not_written_to(two, who):
    join(two, wish(who, "email", allowed=False, days=1))
    assert sent(two, "second", NOW).states == {"refused": 2}
    with Outbox(two) as outbox:
        assert outbox.reasons("second") == [("refused", "opted_out", 2)]
