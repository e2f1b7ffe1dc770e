"""CallRail: the connector against an account on this machine."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from connector_fixtures import impatient, of
from servers.callrail import CallRailServer, call, form, milestone

from connectors import callrail
from connectors.contract import Call, Touchpoint
from connectors.source import Context

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FIRST = date(2026, 11, 1)
AT = datetime(2026, 11, 10, 14, 30, 0, 236_000, tzinfo=UTC)


quick = impatient(callrail)


@pytest.fixture
def server():
    with CallRailServer([call(1)], [form(1)], today=NOW.date()) as running:
        yield running


def source(server, *, first_day=FIRST, now=NOW, **options):
    given = {"endpoint": server.url, "account_id": server.account, "api_key": server.key}
    return callrail.connect(Context("phones", "ACC1", given | options, now, first_day))


def read(opened, cursors=None):
    return [item for piece in opened.slices(cursors or {}) for item in piece.read()]


def only(server, *calls, **options):
    """The items of these calls alone."""
    server.calls = {said["id"]: said for said in calls}
    return read(source(server, forms=False, **options))


def test_a_call_is_a_call(server):
    server.calls["CAL1"] |= {"tags": ["new patient", "a|b"], "value": "120.50", "lead_status": "g"}
    (row,) = of(Call, read(source(server, locations={"COM1": "North"})))
    assert row == Call(
        call_id="CAL1",
        started_at=AT,
        seconds=125,
        answered=True,
        phone="+12125550001",
        client_id="PER1",
        first_time_caller=True,
        utm_source="Google Ads",
        utm_medium="PPC",
        utm_campaign="knee-pain-search",
        tags="a/b|new patient",
        currency="USD",
        value=Decimal("120.50"),
        location="North",
        tracking_number="+12125550100",
        outcome="answered",
        lead_status="g",
    )


def test_a_form_is_a_touchpoint_without_what_was_typed(server):
    (touch,) = of(Touchpoint, read(source(server, service_lines={"COM1": "orthopedics"})))
    assert touch == Touchpoint(
        touch_id="FRM1",
        at=datetime(2026, 11, 12, 1, 0, tzinfo=UTC),
        kind="form",
        email="person1@example.org",
        phone="+12125550001",
        client_id="PER1",
        utm_source="Newsletter",
        utm_medium="email",
        utm_campaign="recall",
        service_line="orthopedics",
    )


def test_names_notes_and_typed_text_go_no_further(server):
    milestones = {"first_touch": milestone("2026-11-02T10:00:00-05:00")}
    server.calls["CAL1"] |= {"milestones": milestones}
    items = read(source(server))
    assert "SECRET" not in f"{items}"
    assert "knee pain" not in f"{items}"
    assert "name=jane" not in f"{items}"
    asked = server.asked("/calls.json")[0].query["fields"].split(",")
    assert not {"customer_name", "note", "transcription", "keywords", "landing_page_url"} & {*asked}


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"answered": True}, "answered"),
        ({"answered": False, "duration": 15}, "missed"),
        ({"answered": False, "duration": 14}, "abandoned"),
        ({"answered": False, "duration": None}, "abandoned"),
        ({"answered": False, "voicemail": True, "duration": 40}, "voicemail"),
        ({"answered": True, "voicemail": True}, "voicemail"),
        ({"answered": True, "spam": True}, "spam"),
    ],
)
def test_what_became_of_a_call(server, said, outcome):
    (row,) = of(Call, only(server, call(1, **said)))
    assert (row.outcome, row.answered) == (outcome, outcome == "answered")


def test_spam_points_at_nobody_and_brings_no_touches(server):
    milestones = {"first_touch": milestone("2026-11-02T10:00:00-05:00")}
    items = only(server, call(1, spam=True, gclid="click", milestones=milestones))
    (row,) = of(Call, items)
    assert (row.phone, row.client_id) == (None, None)
    assert len(items) == 2


def test_calls_that_the_clinic_made_are_left_out(server):
    assert of(Call, only(server, call(1, direction="outbound"), call(2))) == of(
        Call, only(server, call(2))
    )


def test_the_tags_of_a_link_win_over_callrail_s_names(server):
    tagged = call(1, utm_source="fb", utm_medium="paid", utm_campaign=None)
    (row,) = of(Call, only(server, tagged))
    assert (row.utm_source, row.utm_medium, row.utm_campaign) == ("fb", "paid", None)


def test_a_call_has_the_click_that_it_was_dialled_from(server):
    (row,) = of(Call, only(server, call(1, gclid="EAIaIQ")))
    assert (row.click_id, row.phone) == ("EAIaIQ", "+12125550001")


def test_earlier_visits_of_a_caller_are_touches(server):
    milestones = {
        "first_touch": milestone(
            "2026-11-02T10:00:00-05:00", landing_page_url_params={"gclid": "click-7"}
        ),
        "lead_created": milestone("2026-11-10T09:30:00-05:00"),
        "qualified": milestone("2026-11-10T09:40:00-05:00"),
        "last_touch": milestone(
            "2026-11-09T10:00:00-05:00", url_utm_params={"utm_source": "fb", "utm_medium": "paid"}
        ),
    }
    first, last = of(Touchpoint, only(server, call(1, milestones=milestones)))
    assert first == Touchpoint(
        touch_id="callrail-visit-PER1-2026-11-02T15:00:00+00:00",
        at=datetime(2026, 11, 2, 15, 0, tzinfo=UTC),
        kind="session",
        phone="+12125550001",
        client_id="PER1",
        click_id="click-7",
        utm_source="Google Organic",
        utm_medium="organic",
    )
    assert (last.utm_source, last.utm_medium, last.utm_campaign) == ("fb", "paid", None)


@pytest.mark.parametrize(
    "visit",
    [
        "2026-11-10T09:30:00.236-05:00",  # the call itself
        "2026-11-10T09:00:01-05:00",  # the visit that the number was dialled from
        "2026-11-10T09:45:00-05:00",  # after it
        "2026-11-04T11:45:00-05:00",  # the visit of the first call or form
        "2026-11-04T12:00:00-05:00",  # the first call itself
        None,
    ],
)
def test_a_visit_that_a_call_tells_already_is_no_touch(server, visit):
    milestones = {
        "first_touch": milestone(visit),
        "last_touch": milestone(visit),
        "lead_created": milestone("2026-11-04T12:00:00-05:00"),
    }
    assert of(Touchpoint, only(server, call(1, milestones=milestones))) == []


def test_one_visit_told_by_several_calls_is_one_touch(server):
    seen = {"first_touch": milestone("2026-11-02T10:00:00-05:00")}
    calls = (call(1, milestones=seen), call(2, milestones=seen, person_id="PER1"))
    assert len({touch.touch_id for touch in of(Touchpoint, only(server, *calls))}) == 1


def test_visits_and_forms_can_be_left_out(server):
    server.calls["CAL1"]["milestones"] = {"first_touch": milestone("2026-11-02T10:00:00-05:00")}
    assert of(Touchpoint, read(source(server, milestones=False, forms=False))) == []
    assert not server.asked("form_submissions")
