"""HubSpot: the real client against a portal on this machine."""

import dataclasses
import json
import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import impatient, of, read
from servers.hubspot import CHANNEL, LOCATION, PATIENT_ID, SERVICE_LINE, HubSpotServer, refusal
from servers.hubspot import too_many as throttle
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, as_html, as_json

from connectors import hubspot
from connectors.contract import Contact, Deal, Link, Preference, Touchpoint
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.hubspot_rows import utm
from connectors.source import Context, Cursor, Rejected

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FIRST = date(2026, 11, 1)
AT = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
CURSORS = {"contacts": "2026-11-09T00:00:00+00:00", "deals": "2026-11-09T00:00:00+00:00"}


def person(number=1, *, updated=AT, **changes):
    row = Contact(
        contact_id=str(number),
        created_at=AT - timedelta(days=3),
        updated_at=updated,
        email=f"person{number}@example.org",
        phone="+1 212 555 0100",
        patient_id=f"MRN-{number:05d}",
        original_source="PAID_SEARCH",
        utm_source="google",
        utm_medium="cpc",
        utm_campaign="knee-pain-search",
        first_touch_at=AT - timedelta(days=4),
        lifecycle_stage="customer",
        lifecycle_dates=json.dumps(
            {"lead": "2026-11-07T09:30:00+00:00", "customer": "2026-11-10T09:30:00+00:00"}
        ),
        lead_at=AT - timedelta(days=3),
        customer_at=AT,
        preferred_channel="sms",
        service_line="orthopedics",
        location="North",
    )
    return dataclasses.replace(row, **changes)


def case(number=1, *, updated=AT, **changes):
    row = Deal(
        deal_id=str(number),
        created_at=AT - timedelta(days=2),
        updated_at=updated,
        contact_id="1",
        pipeline="consults",
        stage="closedwon",
        stage_dates=json.dumps(
            {"consult": "2026-11-08T09:30:00+00:00", "closedwon": "2026-11-10T09:30:00+00:00"}
        ),
        won=True,
        closed_at=AT,
        currency="USD",
        amount=Decimal("1250.50"),
        service_line="orthopedics",
        location="North",
    )
    return dataclasses.replace(row, **changes)


quick = impatient(hubspot)


@pytest.fixture
def server():
    with HubSpotServer([person(1), person(2)], [case(1)]) as running:
        yield running


def source(server, *, first_day=FIRST, **options):
    given = {
        "endpoint": server.url,
        "access_token": server.token,
        "patient_id_property": PATIENT_ID,
        "service_line_property": SERVICE_LINE,
        "location_property": LOCATION,
        "preferred_channel_property": CHANNEL,
    }
    return hubspot.connect(Context("crm", "4242", given | options, NOW, first_day))


def searches(server, kind="contacts"):
    return [r.json() for r in server.asked(f"/{kind}/search")]


def filters(search):
    return {
        (f["propertyName"], f["operator"]): f["value"] for f in search["filterGroups"][0]["filters"]
    }


def test_contacts_and_deals_arrive_as_they_are_at_hubspot(server):
    items = read(source(server).slices({}))
    assert of(Contact, items) == [person(1), person(2)]
    assert of(Deal, items) == [case(1)]


def test_a_contact_s_first_touch_is_a_touchpoint(server):
    touch = of(Touchpoint, read(source(server).slices({})))[0]
    assert touch == Touchpoint(
        touch_id="hubspot-first-1",
        at=AT - timedelta(days=4),
        kind="session",
        email="person1@example.org",
        phone="+1 212 555 0100",
        crm_id="1",
        patient_id="MRN-00001",
        utm_source="google",
        utm_medium="cpc",
        utm_campaign="knee-pain-search",
        service_line="orthopedics",
        location="North",
        updated_at=AT,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {
            "original_source": "OFFLINE",
            "utm_source": None,
            "utm_medium": None,
            "utm_campaign": None,
        },
        {"original_source": None, "utm_source": None, "utm_medium": None, "utm_campaign": None},
        {"first_touch_at": None},
    ],
)
def test_no_touchpoint_without_a_visit(server, changes):
    server.restate(person(1, **changes), person(2, **changes))
    items = read(source(server).slices({}))
    assert of(Contact, items) == [person(1, **changes), person(2, **changes)]
    assert of(Touchpoint, items) == []


@pytest.mark.parametrize(
    ("word", "first", "second", "expected"),
    [
        ("PAID_SEARCH", "knee", "knee pain doctor", ("google", "cpc", "knee")),
        ("PAID_SOCIAL", "Facebook", "spring", ("facebook", "paid_social", "spring")),
        ("ORGANIC_SEARCH", "Unknown keywords (SSL)", "BING", ("bing", "organic", None)),
        ("ORGANIC_SEARCH", "my diagnosis", None, ("organic_search", "organic", None)),
        ("SOCIAL_MEDIA", "Instagram", "post 7", ("instagram", "social", None)),
        ("EMAIL_MARKETING", "recall", "mail 2", ("hubspot", "email", "recall")),
        ("REFERRALS", "healthgrades.com", "/dr-who?p=1", ("healthgrades.com", "referral", None)),
        ("AI_REFERRALS", "ChatGPT", None, ("chatgpt", "referral", None)),
        ("OTHER_CAMPAIGNS", "fair", "Radio / Offline", ("radio", "offline", "fair")),
        ("OTHER_CAMPAIGNS", "fair", None, (None, None, "fair")),
        ("DIRECT_TRAFFIC", "www.example.org/?name=jane", None, ("(direct)", "(none)", None)),
        ("OFFLINE", "IMPORT", "patients.csv", (None, None, None)),
        ("SOMETHING_NEW", "a", "b", (None, None, None)),
        (None, None, None, (None, None, None)),
    ],
)
def test_original_sources_become_utm_fields(word, first, second, expected):
    said = {
        "hs_analytics_source": word,
        "hs_analytics_source_data_1": first,
        "hs_analytics_source_data_2": second,
    }
    assert utm(said) == expected


def test_the_first_load_is_cut_and_ends_five_minutes_ago(server):
    slices = list(source(server, first_day=date(2026, 10, 1)).slices({}))
    keys = ["contacts", "contacts", "deals", "deals", "archived", "archived:deals"]
    assert [s.cursor_key for s in slices] == keys
    assert slices[0].rows == (Contact, Touchpoint, Link, Preference)
    cursors = [item.value for item in read(slices) if isinstance(item, Cursor)]
    assert cursors[:4] == ["2026-11-01T00:00:00+00:00", "2026-11-24T02:55:00+00:00"] * 2
    assert cursors[4:] == ["2026-11-24T02:55:00+00:00"] * 2


def test_the_next_load_begins_ten_minutes_before_the_cursor(server):
    server.restate(
        person(1, updated=datetime(2026, 11, 8, 23, 49, 59, tzinfo=UTC)),
        person(2, updated=datetime(2026, 11, 8, 23, 50, tzinfo=UTC)),
        person(3, updated=NOW - timedelta(minutes=5)),
        person(4, updated=NOW - timedelta(minutes=4)),
    )
    items = read(source(server).slices(CURSORS))
    assert [c.contact_id for c in of(Contact, items)] == ["2", "3"]
    asked = filters(searches(server)[0])
    assert asked["lastmodifieddate", "GTE"] == "1794181800000"  # 23:50 on the 8th
    assert searches(server)[0]["sorts"] == [
        {"propertyName": "hs_object_id", "direction": "ASCENDING"}
    ]
    assert ("hs_lastmodifieddate", "GTE") in filters(searches(server, "deals")[0])


def test_a_changed_contact_comes_again(server):
    read(source(server).slices({}))
    changed = person(2, updated=AT + timedelta(days=10), lifecycle_stage="lead")
    server.restate(changed)
    cursors = dict.fromkeys(("contacts", "deals"), (AT + timedelta(days=1)).isoformat())
    assert of(Contact, read(source(server).slices(cursors))) == [changed]


def test_more_than_ten_thousand_with_one_timestamp_all_come(server):
    server.restate(*(person(n, lifecycle_dates=None) for n in range(1, 10_451)))
    found = of(Contact, read(source(server).slices(CURSORS)))
    assert [int(c.contact_id) for c in found] == list(range(1, 10_451))
    # By where they begin: on a slow machine one may be asked again.
    assert len({filters(s)["hs_object_id", "GT"] for s in searches(server)}) == 53
    assert all("after" not in search for search in searches(server))


def test_a_full_last_page_is_followed_by_one_more_search(server):
    server.restate(*(person(n) for n in range(1, 401)))
    assert len(of(Contact, read(source(server).slices(CURSORS)))) == 400
    assert [filters(s)["hs_object_id", "GT"] for s in searches(server)] == ["0", "200", "400"]


def test_history_is_read_fifty_at_a_time(server):
    server.restate(*(person(n) for n in range(1, 121)))
    read(source(server).slices(CURSORS))
    batches = [len(r.json()["inputs"]) for r in server.asked("/contacts/batch/read")][:3]
    assert batches == [50, 50, 20]


def test_stages_are_dated_by_their_first_time(server):
    server.objects["deals"]["1"]["history"]["dealstage"] = [
        {"value": "consult", "timestamp": "2026-11-09T00:00:00Z"},
        {"value": "booked", "timestamp": "2026-11-08T00:00:00Z"},
        {"value": "consult", "timestamp": "2026-11-07T00:00:00Z"},
    ]
    (deal,) = of(Deal, read(source(server).slices({})))
    assert json.loads(deal.stage_dates) == {
        "consult": "2026-11-07T00:00:00+00:00",
        "booked": "2026-11-08T00:00:00+00:00",
    }


def test_lead_and_customer_dates_fall_back_to_the_history(server):
    for name in ("hs_lifecyclestage_lead_date", "hs_lifecyclestage_customer_date"):
        server.objects["contacts"]["1"]["properties"][name] = None
    first = of(Contact, read(source(server).slices({})))[0]
    assert (first.lead_at, first.customer_at) == (AT - timedelta(days=3), AT)


def test_open_and_lost_deals(server):
    still_open = case(2, won=None, closed_at=None, contact_id=None, stage_dates=None)
    server.restate(still_open, case(3, won=False), case(4, amount=None, currency=None))
    server.objects["deals"]["2"]["properties"]["closedate"] = "2027-01-31T00:00:00Z"
    deals = of(Deal, read(source(server).slices({})))
    assert deals[1:] == [still_open, case(3, won=False), case(4, amount=None, currency=None)]


def test_a_deal_without_currency_is_in_the_portal_s(server):
    server.currency = "EUR"
    server.objects["deals"]["1"]["properties"]["deal_currency_code"] = None
    assert of(Deal, read(source(server).slices({})))[0].currency == "EUR"


def test_a_deal_of_several_contacts_goes_to_the_oldest(server):
    server.objects["deals"]["1"]["contacts"] = ["90", "1000", "95"]
    assert of(Deal, read(source(server).slices({})))[0].contact_id == "90"


def test_an_archived_contact_is_told_as_deleted(server):
    gone = AT + timedelta(days=2)
    server.most = 1
    server.restate(person(3), person(4))
    for number, at in (("1", gone), ("3", gone), ("4", AT - timedelta(days=300))):
        server.objects["contacts"][number] |= {"archived": True, "archivedAt": at.isoformat()}
    found = of(Contact, read(source(server).slices({})))
    assert [(c.contact_id, c.deleted, c.updated_at) for c in found] == [
        ("2", False, AT),
        ("1", True, gone),
        ("3", True, gone),
    ]
    later = {"archived": (gone + timedelta(hours=1)).isoformat()} | CURSORS
    assert [c.contact_id for c in of(Contact, read(source(server).slices(later)))] == ["2"]


def test_an_archived_deal_is_told_as_deleted(server):
    gone = AT + timedelta(days=2)
    server.objects["deals"]["1"] |= {"archived": True, "archivedAt": gone.isoformat()}
    (found,) = of(Deal, read(source(server).slices({})))
    assert (found.stage, found.updated_at, found.won, found.amount) == ("deleted", gone, None, None)


def test_a_deal_of_nothing_has_a_currency(server):
    server.objects["deals"]["1"]["properties"]["amount"] = "0"
    (found,) = of(Deal, read(source(server).slices({})))
    assert (found.amount, found.currency) == (Decimal(0), "USD")


def test_a_record_that_vanishes_while_reading_has_no_history(server):
    found = source(server).slices({})
    contacts = next(found)
    server.fail(as_json({"results": [], "numErrors": 2}, 207), on="contacts/batch/read")
    assert {c.lifecycle_dates for c in of(Contact, contacts.read())} == {None}


@pytest.mark.parametrize(
    ("kind", "name", "value", "shape"),
    [
        ("contacts", "createdate", None, "empty"),
        (
            "contacts",
            "hs_analytics_first_timestamp",
            "last spring",
            "text of 11, letters and spaces",
        ),
        ("deals", "amount", "12,50", "text of 5, digits and signs"),
        ("deals", "amount", "NaN", "text of 3, letters"),
        ("deals", "amount", "1234567890123456", "text of 16, digits"),  # of something else
    ],
)
def test_a_broken_value_keeps_one_row_out(server, kind, name, value, shape):
    server.objects[kind]["1"]["properties"][name] = value
    items = read(source(server).slices({}))
    (rejected,) = of(Rejected, items)
    table = {"contacts": "contact", "deals": "deal"}[kind]
    assert (rejected.file, rejected.row_number) == (f"HubSpot {kind}", 1)
    assert (rejected.table, rejected.column, rejected.shape) == (table, name, shape)
    assert len(of(Contact, items)) == (1 if kind == "contacts" else 2)


@pytest.mark.parametrize("on", ["/contacts/search", "/contacts/batch/read", "associations"])
@pytest.mark.parametrize(
    "reply", [JSON_WITHOUT_ERROR, as_html(502), as_html(200), as_json({"foo": 1}), RESET, CUT]
)
def test_broken_answers_are_asked_again(server, reply, on):
    server.fail(reply, on=on)
    items = read(source(server).slices({}))
    assert (len(of(Contact, items)), of(Deal, items)) == (2, [case(1)])


@pytest.mark.parametrize("reply", [HANG, DRIP])
def test_no_answer_in_time_is_asked_again(server, reply):
    server.fail(reply, on="/contacts/search")
    assert len(of(Contact, read(source(server).slices({})))) == 2


def test_failures_that_stay_say_so_without_the_token(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(*[RESET] * 3, on="/contacts/search")
    with pytest.raises(SourceUnreachable, match="HubSpot did not answer") as caught:
        read(source(server).slices({}))
    assert len(searches(server)) == 3
    assert server.token not in f"{caught.value}{caplog.text}"
    assert "example.org" not in f"{caught.value}{caplog.text}"
    assert caught.value.__context__ is None


def test_a_short_page_that_hides_results_is_asked_again(server):
    page = {"total": 2, "results": [{"id": "1", "properties": {}}]}
    server.fail(as_json(page), as_json(page | {"results": []}), on="/contacts/search")
    assert len(of(Contact, read(source(server).slices({})))) == 2
    assert len(searches(server)) == 3


def test_a_page_that_comes_twice_is_noticed(server):
    full = [{"id": str(n), "properties": {}} for n in range(1, 201)]
    page = as_json({"total": 400, "results": full})
    server.restate(*(person(n) for n in range(1, 201)))
    server.fail(None, page, on="/contacts/search")
    with pytest.raises(SourceUnreachable, match="twice or out of order"):
        read(source(server).slices(CURSORS))


def test_throttles_are_waited_out_with_and_without_a_time(server, waits):
    server.fail(throttle("2"), throttle(), on="/contacts/search")
    assert len(of(Contact, read(source(server).slices({})))) == 2
    assert waits == [2.0, 10.0]


def test_the_daily_limit_says_when_to_come_back(server, waits):
    server.fail(throttle(policy="DAILY"), on="/contacts/search")
    with pytest.raises(SourceBusy, match="after midnight in the time zone of the account"):
        read(source(server).slices({}))
    assert (waits, len(searches(server))) == ([], 1)


def test_a_token_that_is_withdrawn_while_reading_names_the_scopes(server):
    found = source(server).slices({})
    assert isinstance(read([next(found)])[-1], Cursor)
    old, server.token = server.token, "another"
    before = len(server.requests)
    with pytest.raises(
        SourceRefused, match=r"crm\.objects\.contacts\.read, crm\.objects\.deals\.read"
    ) as caught:
        read(found)
    assert len(server.requests) - before == 1
    assert old not in str(caught.value)


def test_a_missing_scope_is_named(server):
    server.scopes = {"contacts"}
    with pytest.raises(SourceRefused, match=r"with the scopes crm\.objects\.deals\.read and set"):
        read(source(server).slices({}))


def test_a_request_that_is_not_understood_is_quoted_without_the_token(server):
    words = f"Invalid filter for {server.token}"
    server.fail(refusal(400, "VALIDATION_ERROR", words), on="/contacts/search")
    with pytest.raises(SourceChanged, match=r"Invalid filter for \*\*\*"):
        read(source(server).slices({}))


def test_a_redirect_is_not_followed(server):
    away = dataclasses.replace(as_html(302), headers={"location": f"{server.url}/x"})
    server.fail(*[away] * 3, on="/contacts/search")
    with pytest.raises(SourceUnreachable, match="status 302"):
        read(source(server).slices({}))
    assert server.asked("/x") == []


def test_probe_counts(server):
    assert source(server).probe() == "HubSpot account 4242 answers; contacts: 2, deals: 1."


def test_a_misspelt_property_is_named(server):
    with pytest.raises(SourceMisconfigured, match="HubSpot has no contact property 'mnr'"):
        list(source(server, patient_id_property="mnr").slices({}))


def test_another_version_of_the_api_is_a_setting(server):
    with pytest.raises(
        SourceMisconfigured, match=r"has nothing at /crm/objects/2027-03/contacts/search"
    ):
        source(server, api_version="2027-03", **NO_PROPERTIES).probe()


NO_PROPERTIES = dict.fromkeys(
    (
        "patient_id_property", "service_line_property", "location_property",
        "preferred_channel_property",
    ),
    "",
)  # fmt: skip


def test_the_portal_s_own_properties_are_optional(server):
    row = of(Contact, read(source(server, **NO_PROPERTIES).slices({})))[0]
    assert row == person(
        1, patient_id=None, service_line=None, location=None, preferred_channel=None
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"access_token": ""}, "has no access_token"),
        ({"api_version": "v3"}, "not a year and month"),
        ({"endpoint": "http://api.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hubspot_sdk", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[hubspot\]'"):
        source(server)
