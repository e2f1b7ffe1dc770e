"""A loopback Graph API: one ad account, its insights, and reports made as jobs.

    with MetaServer(rows) as server:         # rows: AdSpend
        options = {"ad_account": "act_1234", "endpoint": server.url, "access_token": server.token}

A job goes through `job_states`, one a look; `script_jobs("Job Failed", "stuck")` changes what the
next jobs come to. `deleted` ad sets are in a report only if it asks for them by status.
"""

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import AdSpend

LATEST = "v26.0"
# What Meta calls a lead, wherever it was left.
NAMES = ("lead", "onsite_conversion.lead_grouped", "offsite_conversion.fb_pixel_lead")


def failure(
    code: int,
    words: str = "An error.",
    *,
    subcode: int | None = None,
    status: int = 400,
    minutes: int | None = None,
    transient: bool = False,
) -> Reply:
    """Meta's error; `minutes` until it lets the account in again."""
    headers = {}
    if minutes is not None:
        usage = [{"type": "ads_insights", "estimated_time_to_regain_access": minutes}]
        headers = {"x-business-use-case-usage": json.dumps({"1234": usage})}
    error = {
        "message": words, "type": "OAuthException", "code": code, "error_subcode": subcode,
        "is_transient": transient,
    }  # fmt: skip
    return as_json({"error": error}, status, headers)


EXPIRED = failure(190, "Error validating access token: Session has expired.", subcode=463)
TOO_MUCH = failure(1, "Please reduce the amount of data you're asking for.", status=500)


class MetaServer(Loopback):
    """One ad account."""

    def __init__(
        self,
        rows: Iterable[AdSpend] = (),
        *,
        account: str = "1234",
        currency: str = "USD",
        time_zone: str = "America/New_York",
        app_secret: str | None = None,
    ) -> None:
        super().__init__()
        self.account = account
        self.currency = currency
        self.time_zone = time_zone
        self.token = "loopback-meta-token"
        self.app_secret = app_secret
        self.rows: list[AdSpend] = list(rows)
        self.deleted: set[str] = set()
        self.job_states: Sequence[str] = ("Job Running", "Job Completed")
        self.most_rows: int | None = None  # a larger page is "too much data"
        self.most_days: int | None = None  # a longer job fails
        self.empty_page_at: int | None = None  # row at which an empty page is put in
        self.circles = False  # every page leads to the second one
        self.load_percent = 1
        self.view_share = 0.25  # of what is claimed, by people who only saw an ad
        self.windows_unknown = False  # gives no number for any window
        self._outcomes: deque[str] = deque()
        self._jobs: dict[str, dict[str, Any]] = {}

    def restate(self, *rows: AdSpend) -> None:
        """Say something else from now on about the keys of these rows."""
        keys = {_key(row) for row in rows}
        self.rows = [row for row in self.rows if _key(row) not in keys] + list(rows)

    def script_jobs(self, *outcomes: str) -> None:
        """What the next jobs come to: "Job Failed", "Job Skipped" or "stuck"."""
        self._outcomes.extend(outcomes)

    def answer(self, request: Request) -> Reply:
        if request.query.get("access_token") != self.token:
            return EXPIRED
        if self.app_secret:
            proof = hmac.new(self.app_secret.encode(), self.token.encode(), hashlib.sha256)
            if request.query.get("appsecret_proof") != proof.hexdigest():
                return failure(100, "Invalid appsecret_proof provided in the API argument")
        version, _, path = request.path.strip("/").partition("/")
        node, _, edge = path.partition("/")
        if version != LATEST:
            return failure(2635, "You are calling a deprecated version of the Ads API.")
        if node == f"act_{self.account}":
            return self._account(request, edge)
        if node in self._jobs:
            job = self._jobs[node]
            return self._page(job, request.query) if edge == "insights" else self._look(node, job)
        return failure(100, "Object does not exist or cannot be loaded.", subcode=33)

    def _account(self, request: Request, edge: str) -> Reply:
        if not edge:
            return as_json(
                {
                    "id": f"act_{self.account}",
                    "currency": self.currency,
                    "timezone_name": self.time_zone,
                }
            )
        asked = request.form() if request.method == "POST" else request.query
        if request.method == "GET":
            return self._sums(asked)
        number = f"{700 + len(self._jobs)}"
        outcome = self._outcomes.popleft() if self._outcomes else "Job Completed"
        since, until = _days(asked)
        if self.most_days is not None and (until - since).days >= self.most_days:
            outcome = "Job Failed"
        self._jobs[number] = {"asked": asked, "looks": 0, "outcome": outcome}
        return as_json({"report_run_id": number})

    def _look(self, number: str, job: dict[str, Any]) -> Reply:
        step = min(job["looks"], len(self.job_states) - 1)
        job["looks"] += 1
        state = self.job_states[step]
        if state == "Job Completed":
            state = "Job Running" if job["outcome"] == "stuck" else job["outcome"]
        job["done"] = state == "Job Completed"
        # As the real one does, it says 100 percent a while before the word changes.
        percent = 0 if state == "Job Not Started" else 100
        return as_json({"id": number, "async_status": state, "async_percent_completion": percent})

    def _page(self, job: dict[str, Any], query: dict[str, str]) -> Reply:
        if not job.get("done"):
            return failure(2601, "Loading async reports failed: job not complete.")
        limit, start = int(query.get("limit", 25)), int(query.get("after", "0").split("-")[0])
        if self.most_rows is not None and limit > self.most_rows:
            return TOO_MUCH
        found = self._found(job["asked"])
        end = start + limit
        if self.circles:
            end = limit
        windows = json.loads(job["asked"].get("action_attribution_windows", "[]"))
        if self.empty_page_at == start:
            self.empty_page_at, end = None, start
        paging: dict[str, Any] = {"cursors": {"before": str(start), "after": str(end)}}
        if end < len(found):
            paging["cursors"]["after"] = f"{end}-{0 if self.circles else len(self.requests)}"
            paging["next"] = f"{self.url}/{LATEST}/x/insights?access_token={self.token}"
        load = {"app_id_util_pct": self.load_percent, "acc_id_util_pct": 1}
        return as_json(
            {"data": [self._insight(row, windows) for row in found[start:end]], "paging": paging},
            headers={"x-fb-ads-insights-throttle": json.dumps(load)},
        )

    def _found(self, asked: dict[str, str]) -> list[AdSpend]:
        since, until = _days(asked)
        with_deleted = "DELETED" in asked.get("filtering", "")
        return sorted(
            (
                row
                for row in self.rows
                if since <= row.day <= until
                and (with_deleted or row.ad_group_id not in self.deleted)
            ),
            key=_key,
        )

    def _sums(self, asked: dict[str, str]) -> Reply:
        since, until = _days(asked)
        rows = [row for row in self.rows if since <= row.day <= until]
        total = {
            "spend": str(sum(row.spend for row in rows)),
            "impressions": str(sum(row.impressions for row in rows)),
            "clicks": str(sum(row.clicks for row in rows)),
            "date_start": f"{since}",
            "date_stop": f"{until}",
        }
        return as_json({"data": [total] if rows else []})

    def _insight(self, row: AdSpend, windows: Sequence[str]) -> dict[str, Any]:
        said: dict[str, Any] = {
            "campaign_id": row.campaign_id,
            "campaign_name": row.campaign,
            "adset_id": row.ad_group_id,
            "adset_name": row.ad_group,
            "spend": str(row.spend),
            "impressions": str(row.impressions),
            "clicks": str(row.clicks),
            "date_start": f"{row.day}",
            "date_stop": f"{row.day}",
        }
        if row.claimed_conversions:
            # The same leads come under three names; whoever adds them all up counts them thrice.
            split = self._split(row.claimed_conversions, windows)
            said["actions"] = [{"action_type": n} | split for n in (*NAMES, "link_click")]
        if row.claimed_value:
            split = self._split(float(row.claimed_value), windows)
            said["action_values"] = [{"action_type": "lead"} | split]
        return said

    def _split(self, whole: float, windows: Sequence[str]) -> dict[str, str]:
        """A number under each window that was asked for: a longer one holds the shorter ones."""
        view = whole * self.view_share
        shares = {"1d_click": 0.5, "7d_click": 1.0, "28d_click": 1.25}
        split = {"1d_view": view} | {w: (whole - view) * s for w, s in shares.items()}
        asked = {w: f"{split[w]:g}" for w in windows if split.get(w)}
        return {"value": f"{whole:g}"} | ({} if self.windows_unknown else asked)


def _days(asked: dict[str, str]) -> tuple[date, date]:
    days = json.loads(asked["time_range"])
    return date.fromisoformat(days["since"]), date.fromisoformat(days["until"])


def _key(row: AdSpend) -> tuple[date, str, str]:
    return row.day, row.campaign_id, row.ad_group_id
