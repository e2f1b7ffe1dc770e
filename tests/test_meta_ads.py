"""Meta Ads: the real client against an ad account on this machine."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import read
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, as_html, as_json
from servers.meta import NAMES, MetaServer, failure

from connectors import meta_ads
from connectors.contract import AdSpend, ClaimedConversions
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.patience import Patience
from connectors.source import Context, Cursor, Total, Window

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # still 23 November in New York
FIRST = date(2026, 11, 1)


def spend(day, campaign="10", ad_set="100", amount="12.34", leads=4.0):
    return AdSpend(
        day=day,
        timezone="America/New_York",
        campaign_id=campaign,
        campaign=f"Campaign {campaign}",
        ad_group_id=ad_set,
        ad_group=f"Ad set {ad_set}",
        network="meta",
        medium="paid_social",
        currency="USD",
        spend=Decimal(amount),
        impressions=1000,
        clicks=9,
        claimed_conversions=leads,
        claimed_value=Decimal("150.00"),
    )


@pytest.fixture
def pauses():
    """How long the connector slept between looks at a job."""
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch, pauses):
    patience = Patience(
        attempts=3, first_wait=0.001, jitter=0, socket_seconds=0.8, call_seconds=1.6,
        sleep=pauses.append,
    )  # fmt: skip
    monkeypatch.setattr(meta_ads, "PATIENCE", patience)


@pytest.fixture
def server():
    days = [FIRST + timedelta(days=n) for n in range(4)]
    with MetaServer([spend(day, ad_set=a) for day in days for a in ("100", "101")]) as running:
        yield running


def source(server, *, first_day=FIRST, keep=None, **options):
    given = {"ad_account": "act_1234", "endpoint": server.url, "access_token": server.token}
    context = Context("meta", "1234", given | options, NOW, first_day, keep or (lambda *_: None))
    return meta_ads.connect(context)


def rows(items):
    return [item for item in items if isinstance(item, AdSpend)]


def claims(items):
    return [item for item in items if isinstance(item, ClaimedConversions)]


def jobs(server):
    return [r.form() for r in server.asked("POST")]


def test_rows_arrive_as_they_are_at_meta(server):
    assert rows(read(source(server).slices({}))) == server.rows


def test_the_report_is_asked_for_as_agreed(server):
    read(source(server, attribution_windows=["28d_click"]).slices({}))
    (asked,) = jobs(server)
    assert asked["level"] == "adset"
    assert asked["time_increment"] == "1"
    assert json.loads(asked["time_range"]) == {"since": "2026-11-01", "until": "2026-11-22"}
    assert json.loads(asked["action_attribution_windows"]) == ["28d_click"]


def test_first_load_goes_by_months_and_leaves_the_last_settled_day(server):
    slices = list(source(server, first_day=date(2026, 9, 20)).slices({}))
    assert [s.window for s in slices] == [
        Window(date(2026, 9, 20), date(2026, 9, 30)),
        Window(date(2026, 10, 1), date(2026, 10, 31)),
        Window(date(2026, 11, 1), date(2026, 11, 22)),
    ]
    cursors = [item.value for item in read(slices) if isinstance(item, Cursor)]
    assert cursors == ["2026-09-30", "2026-10-25", "2026-10-25"]


def test_the_next_load_reads_the_days_that_may_be_restated(server):
    server.restate(spend(date(2026, 11, 2), amount="99.99"), spend(date(2026, 10, 1)))
    slices = list(source(server).slices({"ad_spend": "2026-10-25"}))
    assert [s.window for s in slices] == [Window(date(2026, 11, 1), date(2026, 11, 22))]
    assert sum(r.spend for r in rows(read(slices))) == Decimal("12.34") * 7 + Decimal("99.99")


def test_a_time_zone_that_this_machine_does_not_know_is_named(server):
    server.time_zone = "America/Atlantis"
    with pytest.raises(SourceChanged, match=r"Meta names a time zone .*America/Atlantis.*tzdata"):
        source(server).probe()


def test_history_begins_where_meta_s_does(server):
    first = next(source(server, first_day=date(2015, 1, 1)).slices({}))
    assert first.window.since == date(2023, 10, 26)


def test_the_account_s_own_sum_is_a_control_sum(server):
    items = read(source(server).slices({}))
    totals = {t.column: t.amount for t in items if isinstance(t, Total)}
    assert totals == {"spend": pytest.approx(98.72), "impressions": 8000, "clicks": 72}


def test_deleted_ad_sets_keep_their_spend(server):
    server.deleted = {"101"}
    assert len(rows(read(source(server).slices({})))) == 8


def test_only_the_agreed_actions_are_claimed(server):
    assert {r.claimed_conversions for r in rows(read(source(server).slices({})))} == {4.0}
    none = rows(read(source(server, claimed_actions=["purchase"]).slices({})))
    assert {(r.claimed_conversions, r.claimed_value) for r in none} == {(0.0, Decimal())}


def test_claims_come_apart_by_click_and_by_view(server):
    found = claims(read(source(server).slices({})))
    first = [claim for claim in found if (claim.day, claim.ad_group_id) == (FIRST, "100")]
    assert [(c.action, c.attribution_window, c.counted_by, c.conversions) for c in first] == [
        ("lead", "7d_click", "click", 3.0), ("lead", "1d_view", "view", 1.0),
    ]  # fmt: skip
    assert [c.value for c in first] == [Decimal("112.5"), Decimal("37.5")]
    assert {(c.network, c.medium, c.dated, c.currency) for c in found} == {
        ("meta", "paid_social", "conversion", "USD")
    }
    assert {job["action_report_time"] for job in jobs(server)} == {"mixed"}
    assert sum(c.conversions for c in found) == sum(r.claimed_conversions for r in server.rows)


def test_only_claims_of_what_was_done_on_meta_stand_on_the_day_of_the_ad(server):
    found = claims(read(source(server, claimed_actions=list(NAMES)).slices({})))
    assert {(claim.action.partition("_")[0], claim.dated) for claim in found} == {
        ("lead", "conversion"), ("offsite", "conversion"), ("onsite", "touch"),
    }  # fmt: skip


def test_claims_are_those_of_the_agreed_actions_and_windows(server):
    wanted = {"claimed_actions": ["lead", "offsite_conversion.fb_pixel_lead"],
              "attribution_windows": ["1d_click", "28d_click"]}  # fmt: skip
    found = claims(read(source(server, **wanted).slices({})))
    assert {(c.action, c.attribution_window, c.conversions) for c in found} == {
        (action, window, number)
        for action in wanted["claimed_actions"]
        for window, number in (("1d_click", 1.5), ("28d_click", 3.75))
    }
    assert claims(read(source(server, claimed_actions=["purchase"]).slices({}))) == []


def test_what_meta_does_not_split_is_claimed_by_either(server):
    server.windows_unknown = True
    found = claims(read(source(server).slices({})))
    assert {(c.attribution_window, c.counted_by, c.conversions) for c in found} == {
        ("", "either", 4.0)
    }


def test_a_day_without_a_claim_has_no_row(server):
    server.rows = [spend(FIRST, leads=0.0), spend(FIRST + timedelta(days=1))]
    assert {c.day for c in claims(read(source(server).slices({})))} == {FIRST + timedelta(days=1)}


def test_a_claim_of_another_shape_is_refused(server):
    row = server._insight(server.rows[0], ["7d_click"])
    row["actions"] = [{"action_type": "lead", "value": None, "7d_click": None}]
    server.fail(as_json({"data": [row]}), on="/700/insights")
    with pytest.raises(SourceChanged, match=r"(not as agreed|not a number)"):
        read(source(server).slices({}))


def test_pages_are_read_to_the_end_past_an_empty_one(server):
    server.empty_page_at = 4
    kept = {}
    items = read(source(server, page_rows=2, keep=kept.__setitem__).slices({}))
    assert rows(items) == server.rows
    pages = [json.loads(payload)["data"] for payload in kept.values()]
    assert [len(page) for page in pages] == [2, 2, 0, 2, 2]


def test_what_is_kept_has_no_token(server):
    kept = {}
    read(source(server, page_rows=2, keep=kept.__setitem__).slices({}))
    assert all(server.token not in name + payload.decode() for name, payload in kept.items())


def test_a_job_is_looked_at_until_its_word_changes(server, pauses):
    server.job_states = ("Job Not Started", "Job Running", "Job Running", "Job Completed")
    assert len(rows(read(source(server).slices({})))) == 8
    assert pauses == pytest.approx([0.2, 0.32, 0.512])


@pytest.mark.parametrize("outcome", ["Job Failed", "Job Skipped", "stuck"])
def test_a_job_that_comes_to_nothing_is_asked_for_in_halves(server, outcome):
    server.script_jobs(outcome)
    assert rows(read(source(server).slices({}))) == server.rows
    ranges = [json.loads(job["time_range"]) for job in jobs(server)]
    assert ranges == [
        {"since": "2026-11-01", "until": "2026-11-22"},
        {"since": "2026-11-01", "until": "2026-11-11"},
        {"since": "2026-11-12", "until": "2026-11-22"},
    ]


def test_a_stuck_job_is_given_up_after_half_an_hour(server, pauses):
    server.script_jobs("stuck")
    read(source(server).slices({}))
    assert 1800 <= sum(pauses) < 1850


def test_a_day_that_fails_thrice_ends_the_window(server):
    server.most_days = 0
    with pytest.raises(SourceUnreachable, match="failed 3 times to make the report for 2026-11-01"):
        read(source(server).slices({}))
    assert len(jobs(server)) == 5 + 3  # 22, 11, 6, 3 and 2 days, then one day thrice


def test_a_page_that_is_too_much_is_halved(server):
    server.most_rows = 130
    assert rows(read(source(server).slices({}))) == server.rows
    limits = [int(r.query["limit"]) for r in server.requests if "limit" in r.query]
    assert limits == [500, 250, 125]


def test_a_report_that_stays_too_much_is_asked_for_in_halves(server):
    server.most_rows = 0
    with pytest.raises(SourceUnreachable, match="found the report too large"):
        read(source(server).slices({}))
    assert json.loads(jobs(server)[-1]["time_range"]) == {
        "since": "2026-11-01",
        "until": "2026-11-01",
    }


@pytest.mark.parametrize("on", ["POST", "/700/insights", "/700", "/act_1234/insights"])
@pytest.mark.parametrize(
    "reply",
    [
        JSON_WITHOUT_ERROR,
        as_html(502),
        as_html(502, "<html>no success</html>"),
        as_html(200, "<html>an error</html>"),
        as_json([1], 200),
        RESET,
        CUT,
        failure(2, "Service temporarily unavailable", status=500),
        failure(2601, "job not complete"),
        failure(99, transient=True),
    ],
)
def test_broken_answers_are_failures_and_asked_again(server, reply, on):
    server.fail(reply, on=on)
    items = read(source(server).slices({}))
    assert rows(items) == server.rows
    assert next(t for t in items if isinstance(t, Total)).amount == pytest.approx(98.72)


@pytest.mark.parametrize("reply", [HANG, DRIP])
def test_no_answer_in_time_is_asked_again(server, reply):
    server.fail(reply, on="/700/insights")
    assert rows(read(source(server).slices({}))) == server.rows


def test_failures_that_stay_say_so_without_the_token(server):
    server.fail(None, *[RESET] * 3)
    with pytest.raises(SourceUnreachable, match="Meta did not answer") as caught:
        read(source(server).slices({}))
    assert server.token not in str(caught.value)
    assert caught.value.__context__ is None
    assert len(server.asked("POST")) == 3


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80000, 80004, 80008])
def test_throttles_are_waited_out(server, waits, code):
    server.fail(failure(code, minutes=5), on="/700/insights")
    assert len(rows(read(source(server).slices({})))) == 8
    assert waits == [300.0]


def test_a_throttle_without_a_time_is_waited_out_for_a_minute(server, waits):
    server.fail(failure(17), as_json({}, 429, {"Retry-After": "9"}), on="POST")
    assert len(rows(read(source(server).slices({})))) == 8
    assert waits == [60.0, 9.0]


def test_a_long_throttle_says_when_to_come_back(server, waits):
    server.fail(failure(80000, minutes=45), on="POST")
    with pytest.raises(SourceBusy, match=r"its rate limit, code 80000\); refresh again in 45 min"):
        read(source(server).slices({}))
    assert (waits, len(server.asked("POST"))) == ([], 1)


def test_near_its_limit_it_slows_down_by_itself(server, pauses):
    server.load_percent = 96
    read(source(server).slices({}))
    assert pauses.count(5.0) == 1


def test_a_token_that_expires_while_reading_is_not_hammered(server):
    found = source(server, first_day=date(2026, 10, 1)).slices({})
    assert read([next(found)])[-1] == Cursor("2026-10-25")
    before = len(server.requests)
    server.token = "another"
    with pytest.raises(SourceRefused, match="it has expired or was withdrawn") as caught:
        read(found)
    assert len(server.requests) - before == 1
    assert "loopback-meta-token" not in str(caught.value)


def test_a_malformed_token_is_not_repeated(server):
    server.fail(failure(190, f"Malformed access token {server.token}"))
    with pytest.raises(SourceRefused) as caught:
        list(source(server).slices({}))
    assert server.token not in str(caught.value)


@pytest.mark.parametrize("reply", [failure(200), failure(10), failure(100, subcode=33)])
def test_an_account_that_is_not_shared_says_what_to_grant(server, reply):
    server.fail(reply)
    with pytest.raises(SourceRefused, match="assign the ad account to the system user"):
        list(source(server).slices({}))
    assert len(server.requests) == 1


def test_a_request_that_is_not_understood_is_quoted_without_the_token(server):
    server.fail(failure(100, f"(#100) spendx is not valid for {server.token}"))
    with pytest.raises(SourceChanged, match=r"spendx is not valid for \*\*\*"):
        list(source(server).slices({}))


def test_requests_are_signed_with_the_app_s_secret(server):
    server.app_secret = "loopback-app-secret"
    with pytest.raises(SourceChanged, match="appsecret_proof"):
        list(source(server).slices({}))
    assert len(rows(read(source(server, app_secret="loopback-app-secret").slices({})))) == 8


def test_pages_that_lead_in_a_circle_are_noticed(server):
    server.circles = True
    with pytest.raises(SourceUnreachable, match="leads in a circle"):
        read(source(server, page_rows=2).slices({}))


def test_a_row_of_another_shape_is_refused(server):
    server.fail(as_json({"data": [{"date_start": "2026-11-01"}]}), on="/700/insights")
    with pytest.raises(SourceChanged, match="not as agreed"):
        read(source(server).slices({}))


def test_an_account_without_spend_moves_the_cursor(server):
    server.rows = []
    items = read(source(server).slices({}))
    assert (rows(items), items[-1]) == ([], Cursor("2026-10-25"))


def test_probe_says_what_was_spent(server):
    server.rows = [spend(date(2026, 11, 22))]
    assert source(server).probe() == (
        "Meta act_1234 (America/New_York) spent 12.34 USD on 2026-11-22."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ad_account": "my account"}, "is not a number"),
        ({"access_token": ""}, "has no access_token"),
        ({"attribution_windows": ["7d_view"]}, r"does not have \(7d_view\); choose from 1d_click"),
        ({"attribution_windows": "1d_click"}, "choose from"),
        ({"endpoint": "http://graph.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "facebook_business.api", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[meta\]'"):
        source(server)


def test_a_redirect_is_not_followed(server):
    server.fail(*[dataclasses.replace(as_html(302), headers={"location": f"{server.url}/x"})] * 3)
    with pytest.raises(SourceUnreachable, match="TooManyRedirects"):
        list(source(server).slices({}))
    assert server.asked("/x") == []


def test_nothing_is_installed_for_the_whole_process(server):
    from facebook_business.api import FacebookAdsApi

    source(server)
    assert FacebookAdsApi.get_default_api() is None
