"""Google Ads: the real client, over gRPC and TLS, against an API on this machine."""

import dataclasses
import json
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import read
from servers.google_ads import (
    CLIENT_SECRET,
    DEVELOPER_TOKEN,
    REFRESH_TOKEN,
    Customer,
    Fault,
    GoogleAdsServer,
    claim,
    error,
    quota,
    sample,
    spend,
)
from servers.loopback import HANG, as_html, as_json

from connectors import google_ads
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
TODAY = date(2026, 11, 23)
FIRST = date(2026, 11, 1)
SECRETS = (DEVELOPER_TOKEN, REFRESH_TOKEN, CLIENT_SECRET, "loopback-access")
NORTH, SOUTH = "1234567890", "2234567890"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    patience = Patience(attempts=3, first_wait=0.001, jitter=0, socket_seconds=10, call_seconds=20)
    monkeypatch.setattr(google_ads, "PATIENCE", patience)


@pytest.fixture
def hasty(monkeypatch):
    """Wait for an answer for a moment only."""
    patience = dataclasses.replace(google_ads.PATIENCE, socket_seconds=0.4, call_seconds=0.8)
    monkeypatch.setattr(google_ads, "PATIENCE", patience)


@pytest.fixture
def server():
    with GoogleAdsServer(sample(TODAY)) as running:
        yield running


def source(server, *, first_day=FIRST, keep=None, **options):
    given = {"customer_ids": [NORTH], **server.options, **options}
    context = Context("ads", "1", given, NOW, first_day, keep or (lambda *_: None))
    return google_ads.connect(context)


def rows(items, kind=AdSpend):
    return [item for item in items if isinstance(item, kind)]


def by_key(found):
    return sorted(found, key=lambda row: (row.day, row.campaign_id, row.ad_group_id))


def totals(items):
    return {t.column: t.amount for t in items if isinstance(t, Total)}


def test_rows_arrive_as_they_are_at_google_over_many_batches(server):
    server.batch_rows = 2
    items = read(source(server).slices({}))
    assert by_key(rows(items)) == by_key(server.customers[NORTH].rows)


def test_the_account_s_own_sums_are_control_sums_and_nothing_is_counted_twice(server):
    items = read(source(server).slices({}))
    assert totals(items) == {
        "spend": pytest.approx(30 * 12.345678),
        "impressions": 30_000,
        "clicks": 3 * sum(range(1, 11)),
        "claimed_conversions": pytest.approx(45.0),
        "claimed_value": pytest.approx(30 * 150.25),
    }
    for column, amount in totals(items).items():
        assert float(sum(getattr(row, column) for row in rows(items))) == pytest.approx(amount)


def test_what_the_ad_groups_of_a_campaign_do_not_explain_is_kept_without_one(server):
    day = TODAY - timedelta(days=1)
    group = spend(day, "20", "201")
    server.customers[NORTH].rows = [group, spend(day, "20", "", clicks=2, spend=Decimal("0.5"))]
    assert by_key(rows(read(source(server).slices({})))) == by_key(server.customers[NORTH].rows)


@pytest.mark.parametrize(
    "medium", ["cpc", "display", "video", "demand_gen", "shopping", "performance_max", "app"]
)
def test_the_type_of_a_campaign_is_its_medium(server, medium):
    server.customers[NORTH].rows = [spend(FIRST, medium=medium)]
    assert [row.medium for row in rows(read(source(server).slices({})))] == [medium]


def test_a_type_that_google_adds_later_is_shown_as_unknown(server):
    server.customers[NORTH].new_type = True
    assert {row.medium for row in rows(read(source(server).slices({})))} == {"unknown"}


def test_removed_campaigns_are_not_filtered_out(server):
    read(source(server).slices({}))
    assert all("status" not in query.lower() for _, query in server.questions)


def test_claims_are_by_action_with_their_window_and_dated_by_the_click(server):
    day = TODAY - timedelta(days=1)
    server.customers[NORTH].claims = [
        claim(day, "11", "Booking form", 4.25),
        claim(day, "11", "Booking form", 1, counted_by="view", attribution_window="1d_view"),
        claim(day, "12", "Phone call", 2),
        claim(day, "12", "view_through_conversions", 3, counted_by="view"),
    ]
    found = rows(read(source(server).slices({})), ClaimedConversions)
    assert found == server.customers[NORTH].claims
    assert {row.dated for row in found} == {"touch"}


def test_claims_say_which_share_came_late(server):
    day = TODAY - timedelta(days=1)
    server.customers[NORTH].claims = [claim(day, "11", "Form", 8), claim(day, "12", "Call", 4)]
    server.customers[NORTH].lags = {
        "LESS_THAN_ONE_DAY": 0.25, "SIX_TO_SEVEN_DAYS": 0.25, "SEVEN_TO_EIGHT_DAYS": 0.125,
        "TWENTY_ONE_TO_THIRTY_DAYS": 0.125, "THIRTY_TO_FORTY_FIVE_DAYS": 0.25,
    }  # fmt: skip
    found = rows(read(source(server).slices({})), ClaimedConversions)
    late = {(row.share_after_7_days, row.share_after_30_days) for row in found}
    assert late == {(0.5, 0.25)}
    assert sum(row.conversions for row in found) == 12


def test_lags_that_google_does_not_know_say_nothing(server):
    server.customers[NORTH].lags = {"UNKNOWN": 1.0}
    found = rows(read(source(server).slices({})), ClaimedConversions)
    assert {row.share_after_7_days for row in found} == {None}


def test_two_actions_of_one_name_are_one_row(server):
    day = TODAY - timedelta(days=1)
    server.customers[NORTH].claims = [claim(day, "11", "Call", 1), claim(day, "11", "Call", 2)]
    (row,) = rows(read(source(server).slices({})), ClaimedConversions)
    assert (row.conversions, row.value) == (3.0, Decimal("901.50"))


def test_first_load_goes_by_months_and_leaves_the_last_settled_day(server):
    slices = list(source(server, first_day=date(2026, 9, 20)).slices({}))
    assert [s.window for s in slices] == [
        Window(date(2026, 9, 20), date(2026, 9, 30)),
        Window(date(2026, 10, 1), date(2026, 10, 31)),
        Window(date(2026, 11, 1), date(2026, 11, 22)),
    ]
    assert {s.cursor_key for s in slices} == {f"ad_spend {NORTH}"}
    cursors = [item.value for item in read(slices) if isinstance(item, Cursor)]
    assert cursors == ["2026-09-30", "2026-10-23", "2026-10-23"]


def test_history_begins_where_google_s_does(server):
    """A question about an earlier day is refused, and nothing after it would be loaded either."""
    first = next(source(server, first_day=date(2015, 1, 1)).slices({}))
    assert first.window.since == date(2023, 10, 26)


def test_the_next_load_reads_the_days_that_may_be_restated(server):
    changed = spend(date(2026, 11, 20), claimed_conversions=7.5)
    server.restate(NORTH, changed)
    slices = list(source(server).slices({f"ad_spend {NORTH}": "2026-10-23"}))
    assert [s.window.since for s in slices] == [date(2026, 11, 1)]
    again = rows(read(slices))
    assert changed in again
    assert by_key(again) == by_key(rows(read(slices)))


def test_the_days_read_again_can_be_ninety(server):
    found = source(server, restated_days=90, first_day=date(2026, 11, 20)).slices({})
    assert read(found)[-1] == Cursor("2026-08-24")


def test_several_customers_have_their_own_days_cursors_and_accounts(server):
    server.login_customer_id = "9234567890"
    south = Customer(SOUTH, [spend(TODAY, "50", "501")], time_zone="Asia/Tokyo", currency="JPY")
    server.customers[SOUTH] = south
    found = source(
        server, customer_ids=["123-456-7890", 2234567890], login_customer_id="923-456-7890"
    )
    slices = list(found.slices({f"ad_spend {NORTH}": "2026-11-20"}))
    assert [(s.account, s.cursor_key, s.window) for s in slices] == [
        (NORTH, f"ad_spend {NORTH}", Window(date(2026, 11, 21), date(2026, 11, 22))),
        (SOUTH, f"ad_spend {SOUTH}", Window(FIRST, TODAY)),
    ]
    (row,) = rows(slices[1].read())
    assert (row.timezone, row.currency, row.day) == ("Asia/Tokyo", "JPY", TODAY)
    assert {headers["login-customer-id"] for headers in server.metadata} == {"9234567890"}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("USER_PERMISSION_DENIED", "223-456-7890 .* give the user or service account read access"),
        ("CUSTOMER_NOT_ENABLED", "cancelled or its sign-up was never finished"),
    ],
)
def test_a_customer_that_is_refused_fails_alone(server, code, sentence):
    server.customers[SOUTH] = Customer(SOUTH)
    opened = source(server, customer_ids=[SOUTH, NORTH])
    server.fail_query(error("authorization_error", code, status="PERMISSION_DENIED"))
    refused, *others = opened.slices({})
    with pytest.raises(SourceRefused, match=sentence):
        list(refused.read())
    assert len(rows(read(others))) == 30


def test_a_manager_account_says_which_to_name(server):
    server.customers[NORTH].manager = True
    (piece,) = source(server).slices({})
    with pytest.raises(SourceRefused, match="is a manager account, which spends nothing itself"):
        piece.read()


@pytest.mark.parametrize("on", ["LIMIT 1", "FROM campaign", "FROM ad_group", "FROM customer WHERE"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("UNAVAILABLE"),
        Fault("INTERNAL", "internal_error", "INTERNAL_ERROR"),
        Fault("INTERNAL"),
        Fault("CANCELLED", batches=1),
        Fault("UNAVAILABLE", "internal_error", "TRANSIENT_ERROR", batches=1),
    ],
)
def test_broken_answers_are_asked_again_from_the_start(server, fault, on):
    server.fail_query(fault, on=on)
    items = read(source(server).slices({}))
    assert by_key(rows(items)) == by_key(server.customers[NORTH].rows)


def test_a_question_that_hangs_is_asked_again(server, hasty):
    opened = source(server)
    server.fail_query(Fault(hangs=True, batches=1), on="FROM ad_group")
    assert len(rows(read(opened.slices({})))) == 30


def test_failures_that_stay_say_so_without_a_secret(server):
    server.fail_query(*[Fault("UNAVAILABLE", words=f"at {REFRESH_TOKEN}")] * 3)
    with pytest.raises(SourceUnreachable, match="did not answer") as caught:
        read(source(server).slices({}))
    assert all(secret not in str(caught.value) for secret in SECRETS)
    assert caught.value.__context__ is None
    assert len(server.questions) == 3


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (quota("RESOURCE_EXHAUSTED", 240), 240.0),
        (quota("RESOURCE_TEMPORARILY_EXHAUSTED", 7), 7.0),
        (quota("RESOURCE_TEMPORARILY_EXHAUSTED"), 30.0),
        (quota("EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"), 30.0),
        (Fault("RESOURCE_EXHAUSTED"), 30.0),
    ],
)
def test_short_quotas_are_waited_out(server, waits, fault, seconds):
    server.fail_query(fault, on="FROM ad_group")
    assert len(rows(read(source(server).slices({})))) == 30
    assert waits == [seconds]


def test_a_long_quota_says_when_to_come_back(server, waits):
    server.fail_query(quota("RESOURCE_EXHAUSTED", 7200))
    with pytest.raises(SourceBusy, match=r"Requests per service per method\); refresh .* 2 hours"):
        list(source(server).slices({}))
    assert (waits, len(server.questions)) == ([], 1)


def test_the_day_s_operations_end_the_source_until_tomorrow(server):
    server.fail_query(quota("RESOURCE_EXHAUSTED"))
    with pytest.raises(SourceBusy, match=r"used up .* refresh again tomorrow"):
        list(source(server).slices({}))


def test_a_token_that_expires_while_reading_is_made_anew(server):
    found = source(server, first_day=date(2026, 10, 1)).slices({})
    assert read([next(found)])[-1] == Cursor("2026-10-23")
    server.valid_tokens.clear()
    assert len(rows(read(found))) == 30
    assert server.tokens_made == 2


def test_a_consent_that_is_withdrawn_while_reading_is_not_hammered(server):
    found = source(server, first_day=date(2026, 10, 1)).slices({})
    read([next(found)])
    server.valid_tokens.clear()
    server.refresh_token = "another"
    with pytest.raises(SourceRefused, match="Make a new refresh_token") as caught:
        read(found)
    assert all(secret not in str(caught.value) for secret in SECRETS)
    assert len(server.asked("/token")) == 2


def test_a_token_that_is_never_accepted_is_not_made_over_and_over(server):
    server.fail(as_json({"access_token": "strange", "expires_in": 3599}))
    with pytest.raises(SourceRefused, match="OAUTH_TOKEN_EXPIRED"):
        list(source(server).slices({}))
    assert (len(server.questions), len(server.asked("/token"))) == (1, 1)


@pytest.mark.parametrize("reply", [HANG, as_html(502)])
def test_a_token_endpoint_that_fails_is_asked_again(server, hasty, reply):
    server.fail(reply)
    assert len(rows(read(source(server).slices({})))) == 30


def test_a_service_account_signs_in_with_its_key(server):
    keyless = {"refresh_token": "", "client_secret": "", "client_id": ""}
    opened = source(server, credentials_json=server.key, **keyless)
    assert len(rows(read(opened.slices({})))) == 30
    assert "assertion" in server.asked("/token")[0].form()


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ("authorization_error", "DEVELOPER_TOKEN_NOT_APPROVED", "is for test accounts only; ask"),
        ("authorization_error", "DEVELOPER_TOKEN_PROHIBITED", "another Google Cloud project"),
        ("authentication_error", "NOT_ADS_USER", "has no Google Ads account"),
        ("authorization_error", "MISSING_TOS", r"refused source 'ads' \(MISSING_TOS\)"),
        ("quota_error", "ACCESS_PROHIBITED", "has shut out this developer token"),
    ],
)
def test_a_refusal_says_what_to_do_and_is_not_repeated(server, kind, code, sentence):
    server.fail_query(error(kind, code, status="PERMISSION_DENIED"))
    with pytest.raises(SourceRefused, match=sentence):
        list(source(server).slices({}))
    assert len(server.questions) == 1


def test_an_api_that_is_switched_off_says_so(server):
    server.fail_query(Fault("PERMISSION_DENIED"))
    with pytest.raises(SourceRefused, match="enable the Google Ads API"):
        list(source(server).slices({}))


def test_a_question_that_is_not_understood_is_quoted_without_the_token(server):
    words = f"Unrecognized field for {DEVELOPER_TOKEN}"
    server.fail_query(error("query_error", "UNRECOGNIZED_FIELD", words))
    with pytest.raises(SourceChanged, match=r"Unrecognized field for \*\*\*"):
        list(source(server).slices({}))


@pytest.mark.parametrize(
    "fault", [Fault("UNIMPLEMENTED"), error("request_error", "UNSUPPORTED_VERSION")]
)
def test_a_version_that_has_ended_says_what_to_do(server, fault):
    server.fail_query(fault)
    with pytest.raises(SourceChanged, match="no longer answers version v26"):
        list(source(server).slices({}))


def test_an_account_without_a_time_zone_we_know_is_named(server):
    server.customers[NORTH].time_zone = "Mars/Olympus"
    with pytest.raises(SourceChanged, match="does not know"):
        list(source(server).slices({}))
    server.customers[NORTH].time_zone = ""
    with pytest.raises(SourceChanged, match="no time zone"):
        list(source(server).slices({}))


def test_a_certificate_that_is_not_trusted_ends_it(server, monkeypatch):
    quick = dataclasses.replace(google_ads.PATIENCE, attempts=1)
    monkeypatch.setattr(google_ads, "PATIENCE", quick)
    with pytest.raises(SourceUnreachable):
        list(source(server, ca_file="").slices({}))
    assert server.questions == []


def test_an_account_without_spend_moves_the_cursor(server):
    server.customers[NORTH] = Customer(NORTH)
    items = read(source(server).slices({}))
    assert (rows(items), items[-1]) == ([], Cursor("2026-10-23"))
    assert set(totals(items).values()) == {0.0}


def test_what_is_kept_has_the_answers_and_no_secret(server):
    kept = {}
    read(source(server, keep=kept.__setitem__).slices({}))
    (payload,) = kept.values()
    assert len(json.loads(payload)["ad_groups"]) == 20
    assert all(secret not in payload.decode() for secret in SECRETS)


def test_probe_says_what_was_spent(server):
    assert source(server).probe() == (
        "Google Ads 123-456-7890 (North Clinic, America/New_York) spent 37.04 USD on 2026-11-22."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"customer_ids": ["12-34"]}, "customer_ids of source 'ads' is not the ten digits"),
        ({"customer_ids": []}, "names no account"),
        ({"login_customer_id": "x"}, "login_customer_id of source 'ads' is not the ten digits"),
        ({"developer_token": ""}, "has no developer_token"),
        ({"client_secret": ""}, "has a refresh_token but no client_secret"),
        ({"refresh_token": ""}, "neither credentials_file nor credentials_json"),
        ({"endpoint": "http://127.0.0.1:1"}, "must begin with https"),
        ({"endpoint": "http://ads.example.org"}, "does not begin with https"),
        ({"token_endpoint": "http://id.example.org"}, "token_endpoint of source 'ads' does not"),
        ({"restated_days": 91}, "from 1 to 90"),
        ({"api_version": "v1"}, "not one that the installed library has"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file of source 'ads' cannot be read"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.questions == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[google-ads\]'"):
        source(server)


def test_only_one_version_of_the_api_is_loaded(server):
    read(source(server).slices({}))
    loaded = defaultdict(int)
    for name in sys.modules:
        if name.startswith("google.ads.googleads.v"):
            loaded[name.split(".")[3]] += 1
    assert set(loaded) == {"v26"}
