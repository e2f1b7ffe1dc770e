"""Microsoft Ads: the real client against an API on this machine."""

import csv
import json
import stat
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import SHARED
from connector_fixtures import read
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, Reply, as_html, as_json
from servers.microsoft_ads import (
    CALL_RATE,
    CLIENT_SECRET,
    CONCURRENT,
    DEVELOPER_TOKEN,
    REFRESH_TOKEN,
    AdAccount,
    MicrosoftAdsServer,
    claim,
    fault,
    operation_fault,
    sample,
    spend,
)

from connectors import microsoft_ads
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
SECRETS = (DEVELOPER_TOKEN, REFRESH_TOKEN, CLIENT_SECRET, "loopback-access", "loopback-signature")
NORTH, SOUTH = "150175881", "150175882"
KEY = f"ad_spend {NORTH}"
SUBMIT, POLL = "GenerateReport/Submit", "GenerateReport/Poll"


@pytest.fixture
def pauses():
    """How long the connector slept between looks at a job."""
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch, pauses):
    patience = Patience(
        attempts=3, first_wait=0.001, jitter=0, socket_seconds=10, call_seconds=20,
        sleep=pauses.append,
    )  # fmt: skip
    monkeypatch.setattr(microsoft_ads, "PATIENCE", patience)


@pytest.fixture
def hasty(monkeypatch):
    """Wait for an answer for a moment only."""
    patience = replace(microsoft_ads.PATIENCE, socket_seconds=0.4, call_seconds=0.8)
    monkeypatch.setattr(microsoft_ads, "PATIENCE", patience)


@pytest.fixture
def server():
    with MicrosoftAdsServer(sample(TODAY)) as running:
        running.job_states = ("Success",)
        yield running


def source(server, *, first_day=FIRST, now=NOW, keep=None, **options):
    given = {"account_ids": [NORTH], **server.options, **options}
    context = Context("bing", "1", given, now, first_day, keep or (lambda *_: None))
    return microsoft_ads.connect(context)


def rows(items, kind=AdSpend):
    return [item for item in items if isinstance(item, kind)]


def by_key(found):
    return sorted(found, key=lambda row: (row.day, row.campaign_id, row.ad_group_id))


def totals(items):
    return {t.column: t.amount for t in items if isinstance(t, Total)}


def cursors(items):
    return [item.value for item in items if isinstance(item, Cursor)]


def reports(server):
    return [r.json()["ReportRequest"] for r in server.asked(SUBMIT)]


def test_rows_arrive_as_they_are_at_microsoft(server):
    items = read(source(server).slices({}))
    assert by_key(rows(items)) == by_key(server.accounts[NORTH].rows)
    assert rows(items, ClaimedConversions) == server.accounts[NORTH].claims


def test_the_account_s_own_sums_are_control_sums_and_nothing_is_counted_twice(server):
    items = read(source(server).slices({}))
    assert totals(items) == {
        "spend": pytest.approx(370.2),
        "impressions": 30_000,
        "clicks": 3 * sum(range(1, 11)),
        "claimed_conversions": pytest.approx(45.0),
        "claimed_value": pytest.approx(4507.5),
    }
    for column, amount in totals(items).items():
        assert float(sum(getattr(row, column) for row in rows(items))) == pytest.approx(amount)


@pytest.mark.parametrize(("level", "size"), [("campaign", 2630), ("ad_group", 229)])
def test_a_report_of_real_shape_adds_up(server, level, size):
    """Fivetran's samples: lines by device, network and match type."""
    path = SHARED / "ads_fivetran" / f"microsoft_ads_{level}_performance_daily_report_data.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == size
    days = [date.fromisoformat(line["date"]) for line in lines]
    ahead = (TODAY - timedelta(days=1)) - max(days)
    server.accounts[NORTH] = AdAccount(
        NORTH,
        [
            spend(
                day + ahead,
                line["campaign_id"],
                line.get("ad_group_id", ""),
                spend=Decimal(line["spend"]),
                impressions=int(line["impressions"]),
                clicks=int(line["clicks"]),
                claimed_conversions=float(line["conversions_qualified"] or 0),
                claimed_value=Decimal(line["revenue"] or 0),
            )
            for day, line in zip(days, lines, strict=True)
        ],
    )
    items = read(source(server, first_day=min(days) + ahead).slices({}))
    found = rows(items)
    active = {
        (day, line["campaign_id"], line.get("ad_group_id", ""))
        for day, line in zip(days, lines, strict=True)
        if float(line["spend"]) or int(line["impressions"]) or int(line["clicks"])
    }
    keys = {(row.day, row.campaign_id, row.ad_group_id) for row in found}
    assert len(keys) == len(found) >= len(active)
    assert sum(row.spend for row in found) == sum(Decimal(line["spend"]) for line in lines)
    for column in ("clicks", "impressions"):
        assert sum(getattr(row, column) for row in found) == sum(
            int(line[column]) for line in lines
        )


def test_the_reports_are_asked_for_as_agreed(server):
    read(source(server).slices({}))
    asked = {report["ReportName"]: report for report in reports(server)}
    assert len(asked) == 4
    for report in asked.values():
        assert report["Scope"]["AccountIds"] == [NORTH]
        assert report["Time"]["CustomDateRangeEnd"] == {"Year": 2026, "Month": 11, "Day": 22}
        assert "Conversions" not in report["Columns"]  # zero since 2022
    headers = server.asked(SUBMIT)[0].headers
    assert (headers["customerid"], headers["customeraccountid"]) == ("42", NORTH)


def test_no_token_goes_to_the_address_of_a_report(server):
    read(source(server).slices({}))
    for request in server.asked("/download/"):
        assert not {"authorization", "developertoken", "customerid"} & request.headers.keys()


def test_first_load_goes_by_months_and_leaves_the_last_settled_day(server):
    items = read(source(server, first_day=date(2026, 10, 20)).slices({}))
    orders, settled = cursors(items)[::2], cursors(items)[1::2]
    assert settled == ["2026-10-23", "2026-10-23"]
    said = [json.loads(order) for order in orders]
    assert [(order["settled"], order["since"], order["until"]) for order in said] == [
        (None, "2026-10-20", "2026-10-31"),
        ("2026-10-23", "2026-11-01", "2026-11-22"),
    ]


def test_asking_and_reading_are_slices_of_their_own(server):
    found = source(server).slices({})
    asking = next(found)
    assert (asking.rows, asking.window, asking.cursor_key, asking.account) == ((), None, KEY, NORTH)
    read([asking])
    reading = next(found)
    assert reading.window == Window(FIRST, date(2026, 11, 22))
    assert (reading.cursor_key, reading.account) == (KEY, NORTH)


def test_a_refresh_that_was_killed_reads_the_reports_it_had_asked_for(server):
    (asked,) = cursors(read([next(source(server).slices({}))]))
    assert len(server.asked(SUBMIT)) == 4
    found = source(server).slices({KEY: asked})
    assert len(rows(read([next(found)]))) == 30
    assert len(server.asked(SUBMIT)) == 4
    # Afterwards what may have been restated since is asked for as always.
    assert [json.loads(c)["since"] for c in cursors(read([next(found)]))] == ["2026-11-01"]


def test_reports_that_are_too_old_are_asked_for_again(server):
    (asked,) = cursors(read([next(source(server).slices({}))]))
    server.script_jobs("Success")
    opened = source(server, now=NOW + timedelta(days=2))
    (again,) = cursors(read([next(opened.slices({KEY: asked}))]))
    assert json.loads(again)["jobs"].keys() == json.loads(asked)["jobs"].keys()
    assert len(server.asked(SUBMIT)) == 8


def test_slow_reports_are_left_to_the_next_refresh(server, pauses):
    server.script_jobs("stuck")
    found = source(server).slices({})
    (asked,) = cursors(read([next(found)]))
    with pytest.raises(SourceBusy, match=r"still making a report .* goes on from there"):
        read([next(found)])
    assert 1200 <= sum(pauses) < 1240
    server._jobs["30000001"]["outcome"] = "Success"
    assert len(rows(read([next(source(server).slices({KEY: asked}))]))) == 30
    assert len(server.asked(SUBMIT)) == 4


def test_a_job_is_looked_at_until_it_is_made(server, pauses):
    server.job_states = ("Pending", "Pending", "Pending", "Success")
    assert len(rows(read(source(server).slices({})))) == 30
    assert pauses[:3] == [2.0, 3.0, 4.5]


@pytest.mark.parametrize("outcome", ["Error", "forgotten"])
def test_a_job_that_comes_to_nothing_is_asked_for_again(server, outcome):
    server.script_jobs("Success", outcome)
    assert len(rows(read(source(server).slices({})))) == 30
    assert len(server.asked(SUBMIT)) == 5


def test_a_job_that_fails_thrice_ends_the_window(server):
    server.script_jobs("Error", "Success", "Success", "Success", "Error", "Error")
    with pytest.raises(SourceUnreachable, match="failed 3 times to make a report for 2026-11-01"):
        read(source(server).slices({}))
    assert len(server.asked(SUBMIT)) == 6


def test_success_without_an_address_is_a_report_without_rows(server):
    server.accounts[NORTH] = AdAccount(NORTH)
    items = read(source(server).slices({}))
    assert (rows(items), cursors(items)[-1]) == ([], "2026-10-23")
    assert set(totals(items).values()) == {0.0}
    assert server.asked("/download/") == []


def test_the_next_load_reads_the_days_that_may_be_restated(server):
    changed = spend(date(2026, 11, 20), claimed_conversions=7.5)
    server.restate(NORTH, changed)
    found = list(source(server).slices({KEY: "2026-10-23"}))
    items = read(found)
    assert [s.window.since for s in found if s.window] == [date(2026, 11, 1)]
    assert changed in rows(items)
    assert by_key(rows(items)) == by_key(rows(read(source(server).slices({KEY: "2026-10-23"}))))


def test_days_that_are_not_complete_are_kept_with_that_note(server):
    server.complete = False
    kept = {}
    assert len(rows(read(source(server, keep=kept.__setitem__).slices({})))) == 30
    (payload,) = kept.values()
    assert {report["complete"] for report in json.loads(payload).values()} == {False}
    assert all(secret not in payload.decode() for secret in SECRETS)


def test_columns_that_were_added_are_ignored(server):
    server.added_columns = ("VideoViews",)
    assert by_key(rows(read(source(server).slices({})))) == by_key(server.accounts[NORTH].rows)


def test_a_column_that_is_missing_is_not_guessed(server):
    server.spoil = lambda text: text.replace('"Spend"', '"Cost"')
    with pytest.raises(SourceChanged, match="report has no Spend"):
        read(source(server).slices({}))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda text: text.replace('"12.34"', '"a lot"'), "value of Spend that is no number"),
        (lambda text: text.replace('"12.34"', '"NaN"'), "value of Spend that is no number"),
        (lambda text: text.replace('"2026-11-2', '"11/2'), "a row without a day"),
    ],
)
def test_a_value_of_another_shape_is_refused(server, spoil, sentence):
    server.spoil = spoil
    with pytest.raises(SourceChanged, match=sentence):
        read(source(server).slices({}))


def test_numbers_with_commas_and_dashes_are_read(server):
    server.spoil = lambda text: text.replace('"12.34"', '"1,012.34"').replace('"1.5"', '"--"')
    found = rows(read(source(server).slices({})))
    assert {row.spend for row in found if row.ad_group_id} == {Decimal("1012.34")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "\r\n".join(text.split("\r\n")[:12]),
        lambda text: text[: len(text) // 2],
        lambda _: "<html>an error</html>",
    ],
)
def test_a_report_with_fewer_rows_than_it_says_is_not_loaded(server, spoil):
    server.spoil = spoil
    with pytest.raises(SourceUnreachable, match="was broken"):
        read(source(server).slices({}))


@pytest.mark.parametrize(
    "reply",
    [
        RESET,
        as_html(200),
        as_html(403),
        Reply(200, b"PK\x03\x04 and then nothing"),
        Reply(body=b"PK" * 4000, manner="cut"),
        Reply(302, b"", {"location": "http://127.0.0.1:1/elsewhere"}),
    ],
)
def test_a_download_that_is_cut_or_no_zip_is_fetched_again_from_a_fresh_address(server, reply):
    server.fail(reply, on="/download/")
    assert len(rows(read(source(server).slices({})))) == 30
    assert len(server.asked(POLL)) == 4 + 4 + 1


BROKEN = [as_html(502), JSON_WITHOUT_ERROR, as_html(200), RESET, CUT, as_json([1])]


@pytest.mark.parametrize(
    ("reply", "on"),
    [
        *[(reply, on) for reply in BROKEN for on in (SUBMIT, "Account/Query")],
        *[(reply, on) for reply in (BROKEN[0], CUT) for on in (POLL, "oauth2")],
    ],
)
def test_broken_answers_are_failures_and_asked_again(server, reply, on):
    server.fail(reply, on=on)
    assert len(rows(read(source(server).slices({})))) == 30


@pytest.mark.parametrize(("reply", "on"), [(HANG, SUBMIT), (DRIP, SUBMIT), (HANG, "/download/")])
def test_no_answer_in_time_is_asked_again(server, hasty, reply, on):
    server.fail(reply, on=on)
    assert len(rows(read(source(server).slices({})))) == 30


def test_an_internal_error_of_microsoft_is_asked_again(server):
    server.fail(fault(0, "InternalError", status=500), on=SUBMIT)
    assert len(rows(read(source(server).slices({})))) == 30


def test_failures_that_stay_say_so_without_a_secret(server):
    server.fail(*[RESET] * 3, on="Account/Query")
    with pytest.raises(SourceUnreachable, match="did not answer") as caught:
        read(source(server).slices({}))
    assert all(secret not in str(caught.value) for secret in (*SECRETS, server.url))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (CALL_RATE, 60.0),
        (CONCURRENT, 60.0),
        (as_json({}, 429), 60.0),
        (as_json({}, 429, {"Retry-After": "9"}), 9.0),
    ],
)
def test_throttles_are_waited_out(server, waits, reply, seconds):
    server.fail(reply, on=SUBMIT)
    assert len(rows(read(source(server).slices({})))) == 30
    assert waits == [seconds]


def test_a_long_throttle_says_when_to_come_back(server, waits):
    server.fail(as_json({}, 429, {"Retry-After": "7200"}), on=SUBMIT)
    with pytest.raises(SourceBusy, match="refresh again in 2 hours"):
        read(source(server).slices({}))
    assert waits == []


def test_a_token_that_expires_while_reading_is_made_anew(server):
    found = source(server).slices({})
    read([next(found)])
    server.valid_tokens.clear()
    assert len(rows(read(found))) == 30
    assert len(server.asked("oauth2")) == 2


def test_a_consent_that_is_withdrawn_while_reading_is_not_hammered(server):
    found = source(server).slices({})
    read([next(found)])
    server.valid_tokens.clear()
    server.valid_refresh.clear()
    with pytest.raises(SourceRefused, match="Give the consent again") as caught:
        read(found)
    assert all(secret not in str(caught.value) for secret in SECRETS)
    assert len(server.asked("oauth2")) == 3  # the newest and the one of the settings


def test_the_newest_refresh_token_is_kept_for_us_alone(server, tmp_path):
    file = tmp_path / "microsoft.token"
    read([next(source(server, token_file=str(file)).slices({}))])
    assert file.read_text() == "loopback-refresh-1"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server.valid_refresh = {"loopback-refresh-1"}
    read([next(source(server, token_file=str(file)).slices({}))])
    assert file.read_text() == "loopback-refresh-2"


def test_a_new_consent_wins_over_an_old_file(server, tmp_path):
    file = tmp_path / "microsoft.token"
    file.write_text("stale")
    read([next(source(server, token_file=str(file)).slices({}))])
    assert file.read_text() == "loopback-refresh-1"


def test_a_token_file_that_cannot_be_written_is_named(server, tmp_path):
    opened = source(server, token_file=str(tmp_path / "nowhere" / "token"))
    with pytest.raises(SourceMisconfigured, match="token_file of source 'bing' cannot be written"):
        list(opened.slices({}))


def test_an_app_that_is_not_known_says_so_without_its_secret(server):
    with pytest.raises(SourceRefused, match=r"client_secret \(it may have expired\)") as caught:
        list(source(server, client_secret="another-secret").slices({}))
    assert "another-secret" not in str(caught.value)


def test_a_developer_token_that_is_wrong_says_so(server):
    with pytest.raises(SourceRefused, match=r"code 105\): the developer_token is wrong") as caught:
        list(source(server, developer_token="another-token").slices({}))
    assert "another-token" not in str(caught.value)


def test_an_account_that_is_refused_fails_alone(server):
    refused, *others = source(server, account_ids=[SOUTH, NORTH]).slices({})
    with pytest.raises(SourceRefused, match=f"read account {SOUTH} .code 106.; give that user a"):
        refused.read()
    assert len(rows(read(others))) == 30


def test_several_accounts_have_their_own_days_and_cursors(server):
    tokyo = AdAccount(SOUTH, [spend(TODAY)], currency="JPY", time_zone="OsakaSapporoTokyo")
    server.accounts[SOUTH] = tokyo
    found = list(source(server, account_ids=[NORTH, int(SOUTH)]).slices({}))
    items = read(found)
    assert {s.account for s in found} == {NORTH, SOUTH}
    assert found[-1].window == Window(FIRST, TODAY)
    assert rows(items)[-1] == replace(spend(TODAY), timezone="Asia/Tokyo", currency="JPY")


def test_a_request_that_is_not_understood_is_quoted_without_the_token(server):
    words = f"The column is wrong for {DEVELOPER_TOKEN}"
    server.fail(operation_fault(2010, "ReportingServiceInvalidColumn", words), on=SUBMIT)
    with pytest.raises(SourceChanged, match=r"column is wrong for \*\*\*"):
        read(source(server).slices({}))


def test_a_time_zone_that_is_not_known_can_be_set(server):
    server.accounts[NORTH].time_zone = "Arizona"
    assert "America/Phoenix" in source(server).probe()
    with pytest.raises(SourceMisconfigured, match="timezone of source 'bing' is not one"):
        list(source(server, timezone="Mars/Olympus").slices({}))


def test_an_address_without_tls_is_not_fetched(server):
    away = {"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": "http://x.test/r"}}
    server.fail(*[as_json(away)] * 8, on=POLL)
    with pytest.raises(SourceChanged, match="without TLS"):
        read(source(server).slices({}))


def test_probe_says_which_accounts_can_be_read(server):
    assert source(server).probe() == (
        "Microsoft Advertising lets us read 150175881 (North Clinic, America/New_York, USD)."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"account_ids": ["F120ABCD"]}, "account_ids of source 'bing' is not a number"),
        ({"account_ids": []}, "names no account"),
        ({"customer_id": "x"}, "customer_id of source 'bing' is not a number"),
        ({"refresh_token": "", "developer_token": ""}, "no developer_token and no refresh_token"),
        ({"restated_days": 0}, "from 1 to 90"),
        ({"endpoint": "http://ads.example.org"}, "does not begin with https"),
        ({"login_endpoint": "http://id.example.org"}, "login_endpoint of source 'bing' does not"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "openapi_client.api.reporting_service_api", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[microsoft\]'"):
        source(server)


def test_nothing_is_changed_for_the_whole_process(server):
    from pydantic import BaseModel

    before = BaseModel.__setattr__
    read(source(server).slices({}))
    assert BaseModel.__setattr__ is before


def test_claims_without_conversions_are_left_out(server):
    day = TODAY - timedelta(days=1)
    server.accounts[NORTH].claims = [
        claim(day, "61", "Call", 0.0, value=Decimal("0")),
        claim(day, "61", "Form", 1.0),
    ]
    found = rows(read(source(server).slices({})), ClaimedConversions)
    assert [row.action for row in found] == ["Form"]
