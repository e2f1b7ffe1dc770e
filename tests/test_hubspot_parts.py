"""HubSpot beyond contacts and deals: activities, marketing e-mails, lists, merges and opt-outs."""

import csv
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from connector_fixtures import impatient, of
from servers.hubspot import HubSpotServer, sample
from servers.hubspot_objects import activity, event, sent_by, stamp
from servers.loopback import CUT, as_json

from connectors import hubspot
from connectors.contract import Call, Contact, Deal, Link, MessageEvent, Preference, Touchpoint
from connectors.errors import SourceMisconfigured, SourceRefused, SourceUnreachable
from connectors.source import Context, Cursor, Rejected

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FIRST = date(2026, 11, 20)
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PARTS = list(hubspot.PARTS)
SEEDS = Path(__file__).parent / "data" / "hubspot"
BUSY = "9d9162e7-6cf3-4944-bf63-4dff82258764"


quick = impatient(hubspot)


def person(number="1", **changes):
    row = Contact(number, AT - timedelta(days=30), AT, email=f"person{number}@example.org")
    return replace(row, **changes)


@pytest.fixture
def server():
    with HubSpotServer([person()]) as running:
        yield sample(running, NOW.date())


def source(server, *, load=None, first_day=FIRST, now=NOW, **options):
    given = {"endpoint": server.url, "access_token": server.token, "load": load or PARTS}
    return hubspot.connect(Context("crm", "4242", given | options, now, first_day))


def read(server, cursors=None, **options):
    pieces = source(server, **options).slices(cursors or {})
    return [item for piece in pieces for item in piece.read()]


def test_an_inbound_call_is_a_call_of_its_contact(server):
    assert of(Call, read(server, load=["calls"])) == [
        Call(
            call_id="hubspot-call-901", started_at=AT, seconds=61, answered=True,
            phone="+12125550100", updated_at=AT, crm_id="1",
            outcome="answered",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"hs_call_direction": "OUTBOUND"}, []),
        ({"hs_call_direction": None}, []),
        ({"hs_call_status": "NO_ANSWER"}, [(61, False)]),
        ({"hs_call_disposition": BUSY}, [(61, False)]),
        ({"hs_call_duration": None, "hs_call_status": None}, [(0, True)]),
    ],
)
def test_calls_are_inbound_and_answered_or_not(server, changes, found):
    server.objects["calls"]["901"]["properties"].update(changes)
    calls = of(Call, read(server, load=["calls"]))
    assert [(call.seconds, call.answered) for call in calls] == found


def test_what_a_person_wrote_and_a_meeting_that_took_place_are_touches(server):
    touches = of(Touchpoint, read(server, load=["emails", "meetings"]))
    assert [(t.touch_id, t.kind, t.utm_medium, t.crm_id, t.at) for t in touches] == [
        ("hubspot-email-902", "chat", "email", "1", AT),
        ("hubspot-meeting-903", "event", "meeting", "1", AT),
    ]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("emails", {"hs_email_direction": "EMAIL"}),
        ("emails", {"hs_email_direction": "DRAFT_EMAIL"}),
        ("meetings", {"hs_meeting_outcome": "NO_SHOW"}),
        ("meetings", {"hs_meeting_outcome": None}),
    ],
)
def test_other_activities_are_none(server, kind, changes):
    (only,) = server.objects[kind].values()
    only["properties"].update(changes)
    assert of(Touchpoint, read(server, load=[kind])) == []


@pytest.mark.parametrize(
    ("kind", "changes", "row"),
    [
        ("calls", {"hs_call_direction": "OUTBOUND"}, Call),
        ("emails", {"hs_email_direction": "EMAIL"}, Touchpoint),
        ("meetings", {"hs_meeting_outcome": "CANCELED"}, Touchpoint),
    ],
)
@pytest.mark.parametrize("how", ["archived", "changed"])
def test_what_is_put_away_or_none_any_more_is_of_nobody(server, kind, changes, row, how):
    """It takes the place of what was loaded: the same key, changed later, and it counts nowhere."""
    (loaded,) = of(row, read(server, load=[kind]))
    later = AT + timedelta(hours=2)
    (only,) = server.objects[kind].values()
    if how == "archived":
        only |= {"archived": True, "archivedAt": later.isoformat()}
    else:
        only["properties"] |= changes | {"hs_lastmodifieddate": later.isoformat()}
    (gone,) = of(row, read(server, load=[kind]))
    name = row.spec.key[0]
    assert getattr(gone, name) == getattr(loaded, name)
    assert (gone.updated_at, gone.phone, gone.crm_id) == (later, None, None)
    assert (gone.outcome if kind == "calls" else gone.kind) in ("spam", "impression")


def test_no_words_of_anybody_are_asked_for(server):
    items = read(server, load=["calls", "emails", "meetings"])
    asked = {name for r in server.asked("/search") for name in r.json()["properties"]}
    words = ("body", "subject", "text", "title", "note", "summary", "recording")
    assert asked
    assert not [name for name in asked if any(word in name for word in words)]
    assert "knee" not in repr(items)


def test_a_marketing_email_s_life_is_told_by_its_events(server):
    items = read(server, load=["email_events"])
    rows = {row.event_id: row for row in of(MessageEvent, items)}
    assert {n: (r.event, r.message_id, r.at) for n, r in rows.items()} == {
        "ev-1": ("sent", "ev-1", AT),
        "ev-2": ("delivered", "ev-1", AT + MINUTE),
        "ev-3": ("opened", "ev-1", AT + 2 * MINUTE),
        "ev-4": ("clicked", "ev-1", AT + 3 * MINUTE),
    }
    assert {(r.flow, r.mailing, r.channel, r.email) for r in rows.values()} == {
        ("Spring letter", True, "email", "person1@example.org")
    }
    assert [(t.kind, t.utm_source, t.utm_campaign) for t in of(Touchpoint, items)] == [
        ("email_click", "hubspot", "Spring letter"),
        ("email_open", "hubspot", "Spring letter"),
    ]
    assert "knee" not in repr(items)


def test_a_click_whose_sending_is_older_still_tells_of_it(server):
    long_ago = AT - timedelta(days=40)
    server.events = [event("ev-9", "CLICK", AT, sentBy=sent_by("ev-0", long_ago))]
    rows = of(MessageEvent, read(server, load=["email_events"]))
    assert [(r.event_id, r.event, r.at) for r in rows] == [
        ("ev-0", "sent", long_ago),
        ("ev-9", "clicked", AT),
    ]


@pytest.mark.parametrize(
    ("kind", "more", "event_kind", "machine", "reason"),
    [
        ("BOUNCE", {"category": "UNKNOWN_USER", "response": "550 Jane"}, "bounced", False,
         "UNKNOWN_USER"),
        ("DROPPED", {"dropReason": "PREVIOUSLY_BOUNCED"}, "dropped", False, "PREVIOUSLY_BOUNCED"),
        ("OPEN", {"filteredEvent": True}, "opened", True, None),
        ("PRINT", {}, "opened", False, None),
        ("DEFERRED", {}, "deferred", False, None),
    ],
)  # fmt: skip
def test_every_word_for_what_happened(server, kind, more, event_kind, machine, reason):
    server.events = [event("ev-1", kind, AT, **more)]
    (row,) = of(MessageEvent, read(server, load=["email_events"]))
    assert (row.event, row.machine, row.reason) == (event_kind, machine, reason)


@pytest.mark.parametrize("kind", ["PROCESSED", "UNBOUNCE", "OF_TOMORROW"])
def test_other_events_are_passed_over(server, kind):
    server.events = [event("ev-1", kind, AT)]
    assert [type(i) for i in read(server, load=["email_events"])] == [Cursor]


@pytest.mark.parametrize(
    ("status", "allowed", "how"),
    [
        ("UNSUBSCRIBED", False, "unsubscribed (hubspot)"),
        ("SUBSCRIBED", True, "subscribed again (hubspot)"),
    ],
)
@pytest.mark.parametrize("sending", [{}, {"sentBy": sent_by("ev-0", AT - MINUTE)}])
def test_a_changed_wish_is_a_preference(server, status, allowed, how, sending):
    server.events = [event("ev-5", "STATUSCHANGE", AT, portalSubscriptionStatus=status, **sending)]
    items = read(server, load=["email_events"])
    (wish,) = of(Preference, items)
    assert (wish.allowed, wish.how, wish.since, wish.email) == (
        allowed, how, AT, "person1@example.org",
    )  # fmt: skip
    told = [row.event for row in of(MessageEvent, items)]
    assert told == (["unsubscribed"] if sending and not allowed else [])


def test_a_change_of_one_kind_of_mail_is_no_wish_about_all(server):
    server.events = [event("ev-5", "STATUSCHANGE", AT, subscriptions=[{"id": 3, "status": "x"}])]
    assert of(Preference, read(server, load=["email_events"])) == []


def test_a_complaint_is_an_opt_out(server):
    server.events = [event("ev-6", "SPAMREPORT", AT, sentBy=sent_by("ev-1", AT))]
    items = read(server, load=["email_events"])
    assert [w.how for w in of(Preference, items)] == ["complained of spam (hubspot)"]


def test_events_are_paged_to_the_end_past_an_empty_page(server):
    server.most = 3
    server.events = [event(f"ev-{n}", "SENT", AT) for n in range(8)]
    empty = as_json({"events": [], "hasMore": True, "offset": "o0"})
    server.fail(empty, on="v1/events")
    rows = of(MessageEvent, read(server, load=["email_events"]))
    assert sorted(row.event_id for row in rows) == [f"ev-{n}" for n in range(8)]


def test_a_page_of_events_that_comes_twice_is_noticed(server):
    page = as_json({"events": [], "hasMore": True, "offset": "o7"})
    server.fail(page, page, on="v1/events")
    with pytest.raises(SourceUnreachable, match="a page of e-mail events twice"):
        read(server, load=["email_events"])


def test_events_are_read_by_the_week_and_the_last_day_again(server):
    items = read(server, load=["email_events"], first_day=date(2026, 11, 10))
    assert [c.value[:10] for c in of(Cursor, items)] == ["2026-11-17", "2026-11-24", "2026-11-24"]
    server.requests.clear()
    read(server, {"email_events": "2026-11-24T02:55:00+00:00"}, load=["email_events"])
    (asked,) = server.asked("v1/events")
    assert asked.query["startTimestamp"] == "1795402500000"  # 02:55 on the 23rd


def test_a_campaign_is_asked_for_once_and_may_be_gone(server):
    server.events = [event(f"ev-{n}", "SENT", AT, emailCampaignId=7 + n // 3) for n in range(6)]
    server.campaigns = {"7": "Recall"}
    rows = of(MessageEvent, read(server, load=["email_events"], flows=[
        {"match": "recall", "flow": "recall", "mailing": False}
    ]))  # fmt: skip
    assert sorted({(row.flow, row.mailing) for row in rows}) == [
        ("hubspot-8", True),
        ("recall", False),
    ]
    assert len(server.asked("v1/campaigns")) == 2


def test_members_of_suppression_lists_are_not_to_get_mail(server):
    server.most = 2
    server.lists["38"] = [(str(n), AT + n * MINUTE) for n in range(1, 6)]
    wishes = of(Preference, read(server, load=["contacts"], suppression_lists=[38]))
    assert [(w.crm_id, w.allowed, w.since) for w in wishes] == [
        (str(n), False, AT + n * MINUTE) for n in range(1, 6)
    ]
    assert {w.how for w in wishes} == {"on list 38 (hubspot)"}


def test_merged_contacts_are_linked_to_the_one_that_stayed(server):
    server.objects["contacts"]["1"]["properties"].update(
        hs_merged_object_ids="7;8", hs_calculated_merged_vids="8:1795000000000"
    )
    links = of(Link, read(server, load=["contacts"]))
    assert [(k.kind, k.crm_id, k.other_crm_id, k.at) for k in links] == [
        ("merged", "1", "7", AT),
        ("merged", "1", "8", datetime.fromtimestamp(1795000000, UTC)),
    ]


@pytest.mark.parametrize(
    ("value", "past", "found"),
    [
        ("true", [("true", 0)], [(False, AT)]),
        ("true", [("true", 5), ("true", 3), ("false", 1)], [(False, AT + 3 * MINUTE)]),
        ("false", [("false", 9), ("true", 2)], [(True, AT + 9 * MINUTE)]),
        ("true", [], [(False, AT)]),
        ("", [], []),
        ("false", [("false", 1)], []),
    ],
)
def test_opt_outs_count_since_they_were_set(server, value, past, found):
    contact = server.objects["contacts"]["1"]
    contact["properties"]["hs_email_optout"] = value
    contact["history"]["hs_email_optout"] = [
        {"value": v, "timestamp": stamp(AT + minutes * MINUTE)} for v, minutes in past
    ]
    wishes = of(Preference, read(server, load=["contacts"]))
    assert [(w.allowed, w.since) for w in wishes] == found


def test_opt_outs_of_one_kind_of_mail_have_its_purpose(server):
    server.properties.add("hs_email_optout_9")
    server.objects["contacts"]["1"]["properties"]["hs_email_optout_9"] = "true"
    wishes = of(Preference, read(server, optouts={"hs_email_optout_9": "operations"}))
    assert [(w.purpose, w.allowed) for w in wishes] == [("operations", False)]
    with pytest.raises(SourceMisconfigured, match="no contact property 'hs_email_optout_8'"):
        read(server, optouts={"hs_email_optout_8": "operations"})


@pytest.mark.parametrize(
    ("part", "scope"),
    [
        ("calls", "crm.objects.contacts.read"),
        ("emails", "sales-email-read"),
        ("email_events", "content"),
    ],
)
def test_a_missing_scope_is_named_as_hubspot_names_it(server, part, scope):
    server.scopes -= {part}
    with pytest.raises(SourceRefused, match=rf"with the scopes {scope} and set"):
        read(server, load=[part])


def test_a_missing_scope_that_hubspot_does_not_name_is_named_too(server):
    server.fail(as_json({"status": "error"}, 403), on="/emails/search")
    with pytest.raises(SourceRefused, match=r"scopes crm\.objects\.contacts\.read, sales-email-r"):
        read(server, load=["emails"])


def test_probe_says_what_else_the_token_may_see(server):
    assert source(server, load=["contacts", "calls"], suppression_lists=["38"]).probe() == (
        "HubSpot account 4242 answers; contacts: 1, calls: 1, lists: they answer; "
        "load may also name deals, emails, meetings, email_events."
    )


def test_probe_refuses_what_is_to_be_loaded_and_may_not_be_seen(server):
    server.scopes -= {"email_events"}
    with pytest.raises(SourceRefused, match="content"):
        source(server).probe()


@pytest.mark.parametrize("on", ["/calls/search", "/calls/contacts/", "v1/events", "join-order"])
@pytest.mark.parametrize("reply", [as_json({"foo": 1}), CUT])
def test_broken_answers_are_asked_again(server, on, reply):
    server.fail(reply, on=on)
    items = read(server, load=["calls", "email_events"], suppression_lists=["38"])
    assert (len(of(Call, items)), len(of(Preference, items))) == (1, 1)
    assert len(of(MessageEvent, items)) == 7


@pytest.mark.parametrize(
    ("part", "spoil", "column", "table"),
    [
        ("calls", {"hs_timestamp": "soon"}, "hs_timestamp", "call"),
        ("calls", {"hs_call_duration": "long"}, "hs_call_duration", "call"),
        ("meetings", {"hs_meeting_start_time": "soon"}, "hs_meeting_start_time", "touchpoint"),
    ],
)
def test_a_broken_value_keeps_one_activity_out(server, part, spoil, column, table):
    (only,) = list(server.objects[part].values())
    server.objects[part]["950"] = {**only, "properties": only["properties"] | spoil}
    items = read(server, load=[part])
    (rejected,) = of(Rejected, items)
    assert (rejected.row_number, rejected.column, rejected.table) == (2, column, table)
    assert len(items) == 4  # with what was archived


def test_a_broken_event_is_kept_out_without_its_values(server):
    server.events[0] = event("ev-1", "SENT", AT) | {"id": None}
    (rejected,) = of(Rejected, read(server, load=["email_events"]))
    assert (rejected.column, rejected.table) == ("id", "message_event")
    assert "example.org" not in repr(rejected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"load": ["contacts", "tickets"]}, "load is no list of some of contacts, deals"),
        ({"load": "calls"}, "load is no list"),
        ({"suppression_lists": ["vip"]}, "no list of numbers of lists"),
        ({"optouts": {"x": "fun"}}, "optouts is no table"),
        ({"flows": [{"match": 1}]}, "match is missing"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)


def seeds(name):
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def when(text):
    return datetime.fromisoformat(_padded(text)).replace(tzinfo=UTC) if text else None


def _padded(text):
    day, _, clock = text.partition(" ")
    return f"{day} {clock if clock[1:2] != ':' else f'0{clock}'}"


def seeded(server):
    """The portal of the seeds; what an export calls a contact's list of the merged, it gives."""
    server.objects = {kind: {} for kind in server.objects}
    for row in seeds("contact_data"):
        made = when(row["property_createdate"])
        server.restate(Contact(row["id"], made, made, email=row["property_email"] or None))
        properties = server.objects["contacts"][row["id"]]["properties"]
        properties["hs_merged_object_ids"] = row["property_hs_merged_object_ids"]
    for row in seeds("deal_data"):
        made = when(row["property_createdate"]) or AT
        server.restate(Deal(row["deal_id"], made, made, pipeline=row["deal_pipeline_id"] or None))
    for row in seeds("engagement_meeting_data"):
        server.objects["meetings"][row["engagement_id"]] = activity(
            when(row["start_time"]), ("78971951",), hs_meeting_outcome="COMPLETED"
        )
    for row in seeds("engagement_call_data"):
        server.objects["calls"][row["engagement_id"]] = activity(
            when(row["property_hs_timestamp"]),
            hs_call_direction="INBOUND",
            hs_lastmodifieddate=stamp(when(row["property_hs_createdate"])),
        )
    changes = {row["id"]: row for row in seeds("email_event_status_change_data")}
    for row in seeds("email_event_data"):
        more = {"recipient": row["recipient"], "filteredEvent": row["filtered_event"] == "true"}
        if row["sent_by_id"]:
            more["sentBy"] = sent_by(row["sent_by_id"], when(row["sent_by_created"]))
        change = changes.get(row["id"], {})
        more["portalSubscriptionStatus"] = change.get("portal_subscription_status")
        server.events.append(event(row["id"], row["type"], when(row["created"]), **more))


def test_a_real_export_loads_without_a_reject(server):
    server.events = []
    seeded(server)
    objects = ["contacts", "deals", "calls", "meetings"]
    items = read(server, first_day=date(2019, 7, 1), now=when("2022-04-01 00:00:00"), load=objects)
    spring = {"first_day": date(2020, 1, 1), "now": when("2020-06-01 00:00:00")}
    items += read(server, load=["email_events"], **spring)
    assert of(Rejected, items) == []
    assert len(of(Contact, items)) == len(seeds("contact_data"))
    assert len(of(Deal, items)) == len(seeds("deal_data"))
    assert len(of(Call, items)) == 1
    assert {k.other_crm_id for k in of(Link, items)} == {
        number
        for row in seeds("contact_data")
        for number in row["property_hs_merged_object_ids"].split(";")
        if number
    }
    told = {row.event_id for row in of(MessageEvent, items)}
    known = {"SENT", "DELIVERED", "OPEN", "CLICK", "BOUNCE", "DROPPED", "DEFERRED", "SPAMREPORT",
             "PRINT", "FORWARD"}  # fmt: skip
    assert told >= {row["id"] for row in seeds("email_event_data") if row["type"] in known}
