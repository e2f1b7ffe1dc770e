"""Salesforce's history of leads: when each reached which status, where that is tracked."""

import json

import pytest
from servers.salesforce import refusal
from servers.salesforce_objects import record
from test_salesforce import TODAY, days, of, queries, quick, rows, server, source

from connectors.contract import Contact

__all__ = ["quick", "server"]


def change(count, lead, back, old, new, field="Status", **more):
    values = {"LeadId": lead, "Field": field, "OldValue": old, "NewValue": new, "IsDeleted": False}
    return record("LeadHistory", count, days(back), **values | more)


@pytest.fixture
def lead(server):
    return next(iter(server.tables["Lead"]))


def dates(server, lead):
    (row,) = [row for row in of(Contact, rows(server, "leads")) if row.contact_id == lead]
    return {stage: at[:10] for stage, at in json.loads(row.lifecycle_dates).items()}


def test_a_lead_tells_when_it_reached_each_status_for_the_first_time(server, lead):
    server.put(
        "LeadHistory",
        change(1, lead, 15, "New", "Working"),
        change(2, lead, 12, "Working", "Qualified"),
        change(3, lead, 11, "Qualified", "Working"),
        change(4, lead, 19, "a@example.org", "b@example.org", field="Email"),
        change(5, lead, 18, "New", "Junk", IsDeleted=True),
    )
    day = {back: f"{days(back):%Y-%m-%d}" for back in (20, 15, 12, 10)}
    assert dates(server, lead) == {
        "lead": day[20], "New": day[20], "Working": day[15], "Qualified": day[12],
        "converted": day[10],
    }  # fmt: skip
    assert not any("Email" in query for query in queries(server) if "LeadHistory" in query)
    assert source(server, "leads").probe().endswith("It tells when leads reached each status.")


@pytest.mark.parametrize("tracked", ["hidden", "nothing yet"])
def test_where_it_is_not_tracked_the_leads_load_and_the_doctor_says_so(server, lead, tracked):
    if tracked == "hidden":
        server.hidden.add("LeadHistory")
    assert set(dates(server, lead)) == {"lead", "converted"}
    said = source(server, "leads").probe()
    why = "keeps no history of leads" if tracked == "hidden" else "tracked no change of Lead Status"
    assert why in said
    assert "Set History Tracking" in said


def test_a_history_that_loses_its_place_is_asked_again(server, lead):
    server.page = 1
    server.put("LeadHistory", *(change(n, lead, 15 - n, "New", f"s{n}") for n in range(3)))
    server.fail(refusal("INVALID_QUERY_LOCATOR"), on="/query/01g000000000002")
    assert {"s0", "s1", "s2"} <= set(dates(server, lead))


def test_the_days_of_the_sample_are_this_month_s():
    assert days(20).date() < TODAY
