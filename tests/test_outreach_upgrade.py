"""Outreach on what an earlier version published: after an upgrade, or a rollback."""

import duckdb
import pytest
from outreach_fixture import ADMIN, MAIL_ONLY, NOW, add_flow, patient, publish, wish

from attribution import warehouse
from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from connectors.contract import Withdrawn
from outreach.approval import approve
from outreach.audience import Published
from outreach.flow import flow
from outreach.outbox import Outbox, Stop
from outreach.planning import keep, plan
from outreach.sending import send
from outreach.taking_back import take_back


@pytest.fixture(params=["columns", "columns and table"])
def before(tmp_path, request) -> Home:
    """A generation without the columns, and the table, that consent is asked of by now."""
    rows = [Withdrawn("preference", "none", NOW, "a test")]
    for n in range(3):
        rows += [*patient(f"P{n}", email=f"p{n}@example.org"),
                 wish(f"P{n}", "email", allowed=True, days=30)]  # fmt: skip
    home = publish(Home(tmp_path / "home"), [*rows, wish("P2", "email", allowed=False, days=5)])
    add_flow(home, text=MAIL_ONLY)
    store = home.generation(warehouse.current_generation(home)) / "private.duckdb"
    with duckdb.connect(str(store)) as opened:
        for column in ("updated_at", "starts_at", "ends_at"):
            opened.execute(f"alter table raw_preference drop column {column}")
        if request.param == "columns and table":
            opened.execute("drop table raw_withdrawn")
    return home


def test_who_refused_is_left_alone_and_taken_back_in_a_generation_of_before_an_upgrade(before):
    one, settings = flow(before, "test"), outreach_settings(before)
    with Contacts(before) as contacts, Outbox(before) as outbox:
        made = plan(before, one, settings, contacts, outbox, now=NOW)
        assert (made.planned, made.dropped) == (2, {"opted_out": 1})
        keep(made, outbox, before)
        approve(before, ADMIN, one, settings, outbox, NOW.date())
        assert send(before, one, settings, contacts, outbox, now=NOW).states == {"sent": 2}
        outbox._connection.execute("update message set way = 'hubspot_list'")
        (refuses, _) = outbox.rows("select identifier from message")
        outbox.stop([Stop(refuses["identifier"], "email")])
        with Published(before) as ask:
            # There is no HubSpot here: who is to be taken off is still there.
            assert take_back(before, settings, contacts, outbox, ask.driver()).left == 1
