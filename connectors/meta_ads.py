"""Meta Ads: what each ad set spent and got on each day, and what Meta claims it brought.

Meta makes the report as a job: asked for, looked at until it says "Job Completed", then read page
by page. Pages are followed by hand, because the library's own cursor ends silently at an empty
page that has a next one. A job that fails or gets stuck is asked for again in two halves.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property, partial
from itertools import count
from typing import Any

from connectors.contract import AdSpend, ClaimedConversions
from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.meta_answers import (
    Failures,
    TooMuch,
    ad_spend,
    amount,
    checked,
    claims,
    insights_load,
    rows_of,
)
from connectors.options import settings
from connectors.patience import Patience, patiently
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source, Total, Window
from connectors.windows import halves, open_windows, settled_by
from connectors.zones import zone_named

OPTIONS = (
    Option("ad_account", "Number of the ad account, with or without 'act_'."),
    Option("access_token", "System user token with ads_read.", secret=True),
    Option("app_secret", "The app's secret, to sign each request.", False, secret=True),
    Option(
        "claimed_actions", "Action types that count as Meta's claimed conversions.", False,
        default=("lead",),
    ),
    Option(
        "attribution_windows", "Windows in which Meta claims a conversion.", False,
        default=("7d_click", "1d_view"),
    ),
    Option("page_rows", "Rows asked for at once.", False, default=500),
    Option("api_version", "Version of the Graph API, as 'v26.0'; the library's if empty.", False),
    ENDPOINT,
)  # fmt: skip

# Meta credits a click with what happens in the 28 days after it, then freezes the day.
RESTATED_DAYS = 28

# Insights reach back 37 months; a report that begins earlier is refused.
HISTORY_DAYS = 1123

# The longer view windows ended on 2026-01-12, though the library still offers them.
ATTRIBUTION_WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")

FIELDS = (
    "date_start", "campaign_id", "campaign_name", "adset_id", "adset_name", "spend",
    "impressions", "clicks", "actions", "action_values",
)  # fmt: skip

# Without this filter the spend of deleted and archived ad sets is missing from the report.
EVERY_STATUS = (
    "ACTIVE", "ARCHIVED", "CAMPAIGN_PAUSED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES",
)  # fmt: skip

JOB_SECONDS = 1800.0
JOB_TRIES = 3
FEWEST_ROWS = 25
FULL_LOAD = 95.0  # percent of the insights budget
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the ad account with the real client."""
    chosen = settings(context, OPTIONS)
    number = str(chosen["ad_account"]).removeprefix("act_").strip()
    if not (number.isascii() and number.isdigit()):
        raise SourceMisconfigured(
            f"The ad_account of source '{context.name}' is not a number; it is shown in Ads "
            "Manager beside the account's name."
        )
    _check_windows(context.name, chosen["attribution_windows"])
    try:
        from facebook_business.api import FacebookAdsApi
        from facebook_business.session import FacebookSession
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs Meta's library: pip install 'caretrace[meta]'."
        ) from None
    session = FacebookSession(
        app_secret=chosen["app_secret"],
        access_token=chosen["access_token"],
        timeout=PATIENCE.socket_seconds,
    )
    if chosen["endpoint"]:
        session.GRAPH = chosen["endpoint"]
    session.requests.max_redirects = 0  # the token is in the address
    # Not FacebookAdsApi.init(): that installs a crash reporter and a global default.
    api = FacebookAdsApi(session, api_version=chosen["api_version"])
    return MetaAds(context, api, f"act_{number}", chosen, PATIENCE)


class MetaAds:
    """One ad account."""

    def __init__(
        self,
        context: Context,
        api: Any,
        ad_account: str,
        chosen: Mapping[str, Any],
        patience: Patience,
    ) -> None:
        self._context = context
        self._api = api
        self._ad_account = ad_account
        self._chosen = chosen
        self._patience = patience
        secrets = (chosen["access_token"], chosen["app_secret"])
        self._failures = Failures(context.name, ad_account, secrets)
        self._kept = count(1)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Months from the first day, then what is new and the last `RESTATED_DAYS` days."""
        last_day = self._yesterday()
        first_day = max(self._context.first_day, last_day - timedelta(days=HISTORY_DAYS))
        for window in open_windows(first_day, last_day, cursors.get("ad_spend")):
            yield Slice(
                name=f"ad_spend {window.since} to {window.until}",
                rows=(AdSpend, ClaimedConversions),
                cursor_key="ad_spend",
                read=partial(self._read, window, settled_by(window, last_day, RESTATED_DAYS)),
                window=window,
            )

    def probe(self) -> str:
        """What the account spent yesterday."""
        day = self._yesterday()
        spent = self._totals(Window(day, day)).get("spend", "0")
        return (
            f"Meta {self._ad_account} ({self._account['timezone_name']}) spent {spent} "
            f"{self._account['currency']} on {day}."
        )

    @cached_property
    def _account(self) -> dict[str, Any]:
        """The account's currency, and the time zone that decides what a day is."""
        node = self._call("GET", (self._ad_account,), {"fields": "currency,timezone_name"})
        if not node.get("currency") or not node.get("timezone_name"):
            raise SourceChanged("Meta's ad account names no currency or no time zone.")
        return node

    def _yesterday(self) -> date:
        zone = zone_named(str(self._account["timezone_name"]), "Meta")
        return self._context.now.astimezone(zone).date() - timedelta(days=1)

    def _read(self, window: Window, cursor: Cursor) -> Iterator[Item]:
        rows: dict[tuple[object, ...], AdSpend] = {}
        claimed: dict[tuple[object, ...], ClaimedConversions] = {}
        actions = frozenset(self._chosen["claimed_actions"])
        for said in self._report(window):
            row = ad_spend(said, self._account, actions)
            for claim in claims(said, self._account, actions, self._chosen["attribution_windows"]):
                claimed[tuple(getattr(claim, name) for name in claim.spec.key)] = claim
            if row != rows.setdefault((row.day, row.campaign_id, row.ad_group_id), row):
                raise SourceUnreachable(
                    f"Meta changed its report for {row.day} while it was read; refresh again."
                )
        yield from rows.values()
        yield from claimed.values()
        totals = self._totals(window)
        for column in ("spend", "impressions", "clicks"):
            yield Total(AdSpend, column, float(amount(totals.get(column, "0"), column)))
        yield cursor

    def _report(self, window: Window) -> list[dict[str, Any]]:
        """All rows of a window, in halves where Meta cannot make it whole."""
        alone = window.since == window.until
        for _ in range(JOB_TRIES if alone else 1):
            try:
                job = self._job(window)
                if job is not None:
                    return self._pages(job, window)
            except TooMuch:
                if alone:
                    raise
        if alone:
            raise SourceUnreachable(
                f"Meta failed {JOB_TRIES} times to make the report for {window.since}; "
                "refresh again later."
            )
        first, second = halves(window)
        return self._report(first) + self._report(second)

    def _job(self, window: Window) -> str | None:
        """The id of a finished report, or None where Meta gave it up or it got stuck."""
        started = self._call("POST", (self._ad_account, "insights"), self._asked(window))
        job = str(started.get("report_run_id") or "")
        if not job:
            raise SourceChanged("Meta took a report but gave no number for it; update caretrace.")
        waited, pause = 0.0, 0.2
        while waited < JOB_SECONDS:
            # Only the word counts: 100 percent with "Job Running" is not finished.
            state = self._call("GET", (job,), {"fields": "async_status"}).get("async_status")
            if state == "Job Completed":
                return job
            if state in ("Job Failed", "Job Skipped"):
                return None
            self._patience.sleep(pause)
            waited, pause = waited + pause, min(1.6 * pause, 20.0)
        return None

    def _asked(self, window: Window) -> dict[str, Any]:
        return {
            "level": "adset",
            "time_increment": 1,
            "time_range": {"since": f"{window.since}", "until": f"{window.until}"},
            "fields": ",".join(FIELDS),
            "filtering": [
                {"field": "adset.effective_status", "operator": "IN", "value": EVERY_STATUS}
            ],
            "action_attribution_windows": list(self._chosen["attribution_windows"]),
            # Since June 2025 Meta does as if these were asked for, whatever is.
            "action_report_time": "mixed",
            "use_unified_attribution_setting": True,
        }

    def _pages(self, job: str, window: Window) -> list[dict[str, Any]]:
        """All rows of a finished report; pages shrink while Meta finds them too large."""
        limit = int(self._chosen["page_rows"])
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        after: str | None = None
        while True:
            asked = {"limit": limit} | ({"after": after} if after else {})
            try:
                page = self._call("GET", (job, "insights"), asked)
            except TooMuch:
                if limit <= FEWEST_ROWS:
                    raise
                limit = max(FEWEST_ROWS, limit // 2)
                continue
            self._keep(window, page)
            rows += rows_of(page)
            paging = page.get("paging") or {}
            if not paging.get("next"):
                return rows
            after = str((paging.get("cursors") or {}).get("after") or "")
            if not after or after in seen:
                raise SourceUnreachable(
                    f"Meta's report for {window.since} to {window.until} leads in a circle; "
                    "refresh again later."
                )
            seen.add(after)

    def _totals(self, window: Window) -> dict[str, Any]:
        """What the whole account spent and got in the window, by Meta's own sum."""
        asked = {
            "level": "account",
            "time_range": {"since": f"{window.since}", "until": f"{window.until}"},
            "fields": "spend,impressions,clicks",
        }
        rows = rows_of(self._call("GET", (self._ad_account, "insights"), asked))
        return rows[0] if rows else {}

    def _call(self, method: str, path: tuple[str, ...], params: dict[str, Any]) -> dict[str, Any]:
        def ask() -> tuple[dict[str, Any], Mapping[str, str]]:
            response = self._api.call(method, path, params=params)
            return checked(response), response.headers()

        body, headers = patiently(ask, self._failures.explain, self._patience)
        if insights_load(headers) >= FULL_LOAD:
            self._patience.sleep(5.0)
        return body

    def _keep(self, window: Window, page: dict[str, Any]) -> None:
        name = f"{next(self._kept):06d}-ad_spend-{window.since}-{window.until}.json"
        # Meta's address of the next page carries the token.
        kept = {"data": page["data"], "account": self._account}
        self._context.keep(name, json.dumps(kept).encode())


def _check_windows(source: str, windows: Any) -> None:
    wrong = [str(w) for w in windows if w not in ATTRIBUTION_WINDOWS]
    if wrong or isinstance(windows, str):
        raise SourceMisconfigured(
            f"Source '{source}' asks for attribution windows that Meta does not have "
            f"({', '.join(wrong)}); choose from {', '.join(ATTRIBUTION_WINDOWS)}."
        )
