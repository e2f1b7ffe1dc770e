"""A loopback Microsoft Advertising API: tokens, accounts, and reports made as jobs.

    with MicrosoftAdsServer(AdAccount("150175881", rows)) as server:       # rows: AdSpend
        options = {"account_ids": ["150175881"], **server.options}

A job goes through `job_states`, one a look; `script_jobs("Error", "stuck", "forgotten")` changes
what the next jobs come to. As the real one it sums up by the columns it is asked for, gives no
address where there is nothing to report, and hands out a new refresh token at each use.
"""

import csv
import io
import zipfile
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import AdSpend, ClaimedConversions

DEVELOPER_TOKEN = "loopback-developer-token"
CLIENT_SECRET = "loopback-client-secret"
REFRESH_TOKEN = "loopback-refresh-token"
TYPES = {
    "cpc": "Search & content", "shopping": "Shopping", "performance_max": "Performance max",
    "audience": "Audience", "app": "App",
}  # fmt: skip
NUMBERS = (
    "Impressions", "Clicks", "Spend", "ConversionsQualified", "Revenue",
    "ViewThroughConversionsQualified", "ViewThroughRevenue",
)  # fmt: skip


def fault(code: int, name: str, words: str = "An error.", status: int = 400) -> Reply:
    """Microsoft's error."""
    error = {"Code": code, "ErrorCode": name, "Message": words, "Detail": None}
    return as_json({"TrackingId": "t-1", "Type": "AdApiFaultDetail", "Errors": [error]}, status)


def operation_fault(code: int, name: str, words: str = "An error.") -> Reply:
    """The same, as the reporting service words it."""
    error = {"Code": code, "ErrorCode": name, "Message": words, "Details": None}
    body = {"TrackingId": "t-1", "Type": "ApiFaultDetail", "BatchErrors": []}
    return as_json(body | {"OperationErrors": [error]}, 400)


EXPIRED = fault(109, "AuthenticationTokenExpired", status=401)
CALL_RATE = fault(117, "CallRateExceeded")
CONCURRENT = operation_fault(207, "ConcurrentRequestOverLimit")


@dataclass(slots=True)
class AdAccount:
    """An account; rows with an empty `ad_group_id` are of campaigns that have no ad groups."""

    number: str = "150175881"
    rows: list[AdSpend] = field(default_factory=list)
    claims: list[ClaimedConversions] = field(default_factory=list)
    name: str = "North Clinic"
    currency: str = "USD"
    time_zone: str = "EasternTimeUSCanada"


class MicrosoftAdsServer(Loopback):
    """Some accounts of one customer."""

    def __init__(self, *accounts: AdAccount) -> None:
        super().__init__()
        self.accounts = {account.number: account for account in accounts}
        self.valid_tokens: set[str] = set()
        self.valid_refresh = {REFRESH_TOKEN}
        self.job_states: tuple[str, ...] = ("Pending", "Success")
        self.complete = True
        self.added_columns: tuple[str, ...] = ()
        self.spoil: Callable[[str], str] = lambda text: text  # what becomes of a report's text
        self._outcomes: deque[str] = deque()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._tokens = 0

    @property
    def options(self) -> dict[str, Any]:
        """What a source is told to reach this server."""
        return {
            "endpoint": self.url,
            "login_endpoint": self.url,
            "customer_id": "42",
            "developer_token": DEVELOPER_TOKEN,
            "client_id": "loopback-client",
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
        }

    def restate(self, number: str, *rows: AdSpend) -> None:
        """Say something else from now on about the keys of these rows."""
        keys = {_key(row) for row in rows}
        account = self.accounts[number]
        account.rows = [row for row in account.rows if _key(row) not in keys] + list(rows)

    def script_jobs(self, *outcomes: str) -> None:
        """What the next jobs come to: "Error", "stuck" or "forgotten"."""
        self._outcomes.extend(outcomes)

    def answer(self, request: Request) -> Reply:
        if request.path == "/common/oauth2/v2.0/token":
            return self._sign_in(request.form())
        if request.path.startswith("/download/"):
            number = request.path.split("/")[2]
            if request.query.get("sig") != self._jobs[number]["signature"]:
                return Reply(403, b"<Error><Code>AuthenticationFailed</Code></Error>")
            return self._download(number)
        if refused := self._refusal(request):
            return refused
        asked = request.json()
        match request.path:
            case "/CustomerManagement/v13/Account/Query":
                return self._account(self.accounts[asked["AccountId"]])
            case "/Reporting/v13/GenerateReport/Submit":
                return self._submit(asked["ReportRequest"])
            case "/Reporting/v13/GenerateReport/Poll":
                return self._poll(asked["ReportRequestId"])
        return as_json({}, 404)

    def _sign_in(self, asked: dict[str, str]) -> Reply:
        if asked.get("client_secret") != CLIENT_SECRET:
            words = f"AADSTS7000215: Invalid client secret {asked.get('client_secret')}."
            return as_json({"error": "invalid_client", "error_description": words}, 401)
        if asked["refresh_token"] not in self.valid_refresh:
            words = f"AADSTS700082: {asked['refresh_token']} has expired due to inactivity."
            return as_json({"error": "invalid_grant", "error_description": words}, 400)
        self._tokens += 1
        access, refresh = f"loopback-access-{self._tokens}", f"loopback-refresh-{self._tokens}"
        self.valid_tokens.add(access)
        self.valid_refresh.add(refresh)
        return as_json(
            {
                "token_type": "Bearer", "access_token": access, "expires_in": 3600,
                "refresh_token": refresh, "scope": asked["scope"],
            }
        )  # fmt: skip

    def _refusal(self, request: Request) -> Reply | None:
        headers = request.headers
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.valid_tokens:
            return EXPIRED
        if headers.get("developertoken") != DEVELOPER_TOKEN:
            return fault(105, "InvalidCredentials", status=401)
        if headers.get("customeraccountid") not in self.accounts or headers["customerid"] != "42":
            return fault(106, "UserIsNotAuthorized", status=403)
        return None

    def _account(self, account: AdAccount) -> Reply:
        said = {
            "Id": account.number, "Name": account.name, "CurrencyCode": account.currency,
            "TimeZone": account.time_zone, "AccountLifeCycleStatus": "Active",
        }  # fmt: skip
        return as_json({"Account": said})

    def _submit(self, asked: dict[str, Any]) -> Reply:
        assert (asked["Format"], asked["FormatVersion"], asked["Aggregation"]) == (
            "Csv",
            "2.0",
            "Daily",
        )
        number = f"{30_000_001 + len(self._jobs)}"
        outcome = self._outcomes.popleft() if self._outcomes else "Success"
        self._jobs[number] = {"asked": asked, "looks": 0, "outcome": outcome}
        return as_json({"ReportRequestId": number})

    def _poll(self, number: str) -> Reply:
        job = self._jobs.get(number)
        if job is None or job["outcome"] == "forgotten":
            return operation_fault(2100, "ReportingServiceInvalidReportId")
        state = self.job_states[min(job["looks"], len(self.job_states) - 1)]
        job["looks"] += 1
        if state == "Success":
            state = "Pending" if job["outcome"] == "stuck" else job["outcome"]
        address = None
        if state == "Success" and self._lines(job["asked"]):
            job["signature"] = f"loopback-signature-{job['looks']}"  # the last address is good
            address = f"{self.url}/download/{number}?sig={job['signature']}"
        return as_json({"ReportRequestStatus": {"ReportDownloadUrl": address, "Status": state}})

    def _download(self, number: str) -> Reply:
        asked = self._jobs[number]["asked"]
        lines = self._lines(asked)
        since, until = _days(asked)
        text = io.StringIO()
        out = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        for words in (
            f"Report Name: {asked['ReportName']}",
            f"Report Time: {since:%m/%d/%Y},{until:%m/%d/%Y}",
            "Time Zone: (GMT-05:00) Eastern Time (US & Canada)",
            f"Last Completed Available Day: {until:%m/%d/%Y} 11:59:00 PM (GMT)",
            "Report Aggregation: Daily",
            "Report Filter: ",
            f"Potential Incomplete Data: {'false' if self.complete else 'true'}",
            f"Rows: {len(lines)}",
        ):
            out.writerow([words])
        text.write("\r\n")
        out.writerow([*asked["Columns"], *self.added_columns])
        out.writerows([[*line, *("new" for _ in self.added_columns)] for line in lines])
        text.write('\r\n"©2026 Microsoft Corporation. All rights reserved. "\r\n')
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{number}.csv", "\ufeff" + self.spoil(text.getvalue()))
        return Reply(200, packed.getvalue(), {"content-type": "application/x-zip-compressed"})

    def _lines(self, asked: dict[str, Any]) -> list[list[str]]:
        """The rows of a report: numbers are summed up over the same other columns."""
        columns: list[str] = asked["Columns"]
        sums: dict[tuple[str, ...], dict[str, Decimal]] = {}
        labels = [name for name in columns if name not in NUMBERS]
        numbers = [name for name in columns if name in NUMBERS]
        for record in self._records(asked):
            key = tuple(record[name] for name in labels)
            line = sums.setdefault(key, dict.fromkeys(numbers, Decimal()))
            for name in numbers:
                line[name] += Decimal(str(record.get(name, 0)))
        return [
            [dict(zip(labels, key, strict=True)).get(name, str(line.get(name))) for name in columns]
            for key, line in sorted(sums.items())
            if any(line.values())
        ]

    def _records(self, asked: dict[str, Any]) -> Iterable[dict[str, Any]]:
        (number,) = asked["Scope"]["AccountIds"]
        account = self.accounts[number]
        since, until = _days(asked)
        goals = "Goal" in asked["Columns"]
        rows: list[Any] = account.claims if goals else account.rows
        for row in rows:
            if not since <= row.day <= until:
                continue
            if asked["Type"] == "AdGroupPerformanceReportRequest" and not row.ad_group_id:
                continue
            record = {
                "TimePeriod": row.day.isoformat(),
                "AccountId": number,
                "CampaignId": row.campaign_id,
                "CampaignName": row.campaign,
                "CampaignType": TYPES[row.medium],
            }
            yield record | (_claim(row) if goals else _spend(row))


def _spend(row: AdSpend) -> dict[str, Any]:
    return {
        "AdGroupId": row.ad_group_id,
        "AdGroupName": row.ad_group,
        "Impressions": row.impressions,
        "Clicks": row.clicks,
        "Spend": row.spend,
        "ConversionsQualified": row.claimed_conversions or 0,
        "Revenue": row.claimed_value or 0,
    }


def _claim(row: ClaimedConversions) -> dict[str, Any]:
    view = "ViewThrough" if row.counted_by == "view" else ""
    return {
        "Goal": row.action,
        f"{view}ConversionsQualified": row.conversions,
        f"{view}Revenue": row.value or 0,
    }


def _days(asked: dict[str, Any]) -> tuple[date, date]:
    parts = (asked["Time"][f"CustomDateRange{end}"] for end in ("Start", "End"))
    since, until = (date(part["Year"], part["Month"], part["Day"]) for part in parts)
    return since, until


def sample(today: date, days: int = 10, number: str = "150175881") -> AdAccount:
    """Ten days of a search campaign with two ad groups and of a Performance Max campaign."""
    rows, claims = [], []
    for back in range(days, 0, -1):
        day = today - timedelta(days=back)
        for campaign, group, medium in (
            ("61", "611", "cpc"),
            ("61", "612", "cpc"),
            ("62", "", "performance_max"),
        ):
            rows.append(spend(day, campaign, group, medium, clicks=back))
        claims.append(claim(day, "61", "Booking form", 4.5))
        claims.append(claim(day, "61", "Booking form", 2.0, counted_by="view"))
    return AdAccount(number, rows, claims)


def spend(
    day: date, campaign: str = "61", group: str = "611", medium: str = "cpc", **more: Any
) -> AdSpend:
    """One ad group's day."""
    fields: dict[str, Any] = {
        "day": day,
        "timezone": "America/New_York",
        "campaign_id": campaign,
        "campaign": f"Campaign, {campaign}",
        "ad_group_id": group,
        "ad_group": f'Group "{group}"' if group else "",
        "network": "microsoft",
        "medium": medium,
        "currency": "USD",
        "spend": Decimal("12.34"),
        "impressions": 1000,
        "clicks": 9,
        "claimed_conversions": 1.5,
        "claimed_value": Decimal("150.25"),
    }
    return AdSpend(**{**fields, **more})


def claim(
    day: date, campaign: str, action: str, conversions: float, **more: Any
) -> ClaimedConversions:
    """What is claimed for one goal on one campaign's day."""
    fields: dict[str, Any] = {
        "day": day,
        "timezone": "America/New_York",
        "campaign_id": campaign,
        "campaign": f"Campaign, {campaign}",
        "ad_group_id": "",
        "network": "microsoft",
        "medium": "cpc",
        "action": action,
        "attribution_window": "",
        "counted_by": "click",
        "dated": "touch",
        "conversions": conversions,
        "currency": "USD",
        "value": Decimal("450.75"),
    }
    return ClaimedConversions(**{**fields, **more})


def _key(row: AdSpend) -> tuple[date, str, str]:
    return row.day, row.campaign_id, row.ad_group_id
