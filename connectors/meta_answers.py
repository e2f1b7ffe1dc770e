"""What the answers of Meta's Graph API mean: its rows and its failures.

The client library takes a status of 500 for success when its JSON has no `error`, and stumbles
over HTML; `checked` looks at the status and the shape itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.contract import AdSpend, ClaimedConversions
from connectors.errors import SourceChanged, SourceError, SourceRefused, SourceUnreachable
from connectors.options import redacted
from connectors.patience import Passing, no_answer, retry_after, throttled

THROTTLED = frozenset({4, 17, 32, 613, *range(80_000, 80_007), 80_008})
BAD_TOKEN = frozenset({102, 190})
NOT_ALLOWED = frozenset({3, 10, 294, *range(200, 300)})
# 1 and 2 are "unknown" and "service"; 2601 says that a report is not ready after all.
PASSES = frozenset({1, 2, 2601})

_COUNTED_BY = {"click": "click", "view": "view"}

# What people do on Meta itself, as in its lead forms, is counted on the day of the ad; all else on
# the day that it happens.
_ON_META = ("onsite_", "leadgen")

# What to wait where Meta gives no time: its shortest rate window is about a minute.
THROTTLE_SECONDS = 60.0


class TooMuch(SourceUnreachable):
    """Meta will answer if it is asked for less at a time."""


def rows_of(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a page of insights."""
    rows = page.get("data")
    if not isinstance(rows, list):
        raise SourceChanged("Meta's report has no rows where they should be; update caretrace.")
    return rows


def ad_spend(
    said: Mapping[str, Any], account: Mapping[str, Any], claimed: frozenset[str]
) -> AdSpend:
    """One row of insights; of Meta's actions, those whose type is in `claimed` are counted."""
    try:
        return AdSpend(
            day=date.fromisoformat(said["date_start"]),
            timezone=account["timezone_name"],
            campaign_id=str(said["campaign_id"]),
            campaign=str(said.get("campaign_name", "")),
            ad_group_id=str(said["adset_id"]),
            ad_group=str(said.get("adset_name", "")),
            network="meta",
            medium="paid_social",
            currency=account["currency"],
            spend=amount(said["spend"], "spend"),
            impressions=int(said.get("impressions", 0)),
            clicks=int(said.get("clicks", 0)),
            claimed_conversions=float(_sum(said.get("actions"), claimed)),
            claimed_value=_sum(said.get("action_values"), claimed),
        )
    except (KeyError, ValueError, TypeError) as problem:
        what = type(problem).__name__
    raise SourceChanged(f"A row of Meta's report is not as agreed ({what}); update caretrace.")


def claims(
    said: Mapping[str, Any],
    account: Mapping[str, Any],
    claimed: frozenset[str],
    windows: Iterable[str],
) -> list[ClaimedConversions]:
    """What one row of insights claims: each action apart, by click and by view.

    Beside an action's `value` Meta gives a number for each window that was asked for. Where it
    gives none, nobody can tell clicks from views.
    """
    try:
        return list(_claims(said, account, claimed, tuple(windows)))
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        what = type(problem).__name__
    raise SourceChanged(f"A claim in Meta's report is not as agreed ({what}); update caretrace.")


def _claims(
    said: Mapping[str, Any],
    account: Mapping[str, Any],
    claimed: frozenset[str],
    windows: tuple[str, ...],
) -> Iterator[ClaimedConversions]:
    values = {each["action_type"]: each for each in said.get("action_values") or ()}
    for action in said.get("actions") or ():
        name = str(action["action_type"])
        if name not in claimed:
            continue
        worth = values.get(name, {})
        for window in [w for w in windows if w in action] or ["value"]:
            number = amount(action[window], "actions")
            if number == 0:
                continue
            yield ClaimedConversions(
                day=date.fromisoformat(said["date_start"]),
                timezone=account["timezone_name"],
                campaign_id=str(said["campaign_id"]),
                campaign=str(said.get("campaign_name", "")),
                ad_group_id=str(said["adset_id"]),
                network="meta",
                medium="paid_social",
                action=name,
                attribution_window="" if window == "value" else window,
                counted_by=_COUNTED_BY.get(window.rpartition("_")[2], "either"),
                dated="touch" if name.startswith(_ON_META) else "conversion",
                conversions=float(number),
                currency=account["currency"],
                value=amount(worth[window], "action_values") if window in worth else None,
            )


def amount(text: Any, name: str) -> Decimal:
    """A number, which Meta writes as text."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        raise SourceChanged(f"Meta gave a value of {name} that is not a number.") from None


def _sum(actions: list[dict[str, Any]] | None, types: frozenset[str]) -> Decimal:
    return sum(
        (amount(a["value"], "actions") for a in actions or () if a["action_type"] in types),
        Decimal(),
    )


class Failures:
    """What went wrong with one ad account, in words."""

    def __init__(self, source: str, ad_account: str, secrets: tuple[object, ...]) -> None:
        self._source = source
        self._ad_account = ad_account
        self._secrets = secrets

    def explain(self, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        from facebook_business.exceptions import FacebookError, FacebookRequestError
        from requests import RequestException

        if isinstance(failure, FacebookRequestError):
            return self._request(failure)
        if isinstance(failure, TimeoutError | ConnectionError | RequestException):
            return no_answer("Meta", failure)
        if isinstance(failure, FacebookError | TypeError | ValueError | AttributeError):
            return broken("not in the shape of the Graph API")
        return SourceChanged(
            f"Meta answered in a way that we do not know ({type(failure).__name__}); "
            "update caretrace."
        )

    def _request(self, failure: Any) -> SourceError | Passing:
        code = failure.api_error_code()
        words = str(failure.api_error_message() or "")
        headers = failure.http_headers()
        if "reduce the amount of data" in words.lower():
            return TooMuch("Meta found the report too large; refresh with a shorter history.")
        if code in THROTTLED or failure.http_status() == 429:
            asked = retry_after(headers)
            wait = regain_seconds(headers) or THROTTLE_SECONDS if asked is None else asked
            return throttled("Meta", wait, f"its rate limit, code {code}")
        if code in BAD_TOKEN:
            return SourceRefused(
                f"Meta refused the token of source '{self._source}' (code {code}): it has expired "
                "or was withdrawn. Make a new system user token with ads_read and set access_token."
            )
        if code in NOT_ALLOWED or (code == 100 and failure.api_error_subcode() == 33):
            return SourceRefused(
                f"Meta does not let the token read {self._ad_account} (code {code}); assign the "
                "ad account to the system user, with ads_read, and check the account's number."
            )
        status = failure.http_status() or 0
        if code in PASSES or failure.api_transient_error() or (code is None and status != 404):
            return broken(f"an error with status {status} and code {code}")
        return SourceChanged(
            f"Meta did not understand our request (code {code}): {redacted(words, self._secrets)}"
        )


def checked(response: Any) -> dict[str, Any]:
    """The JSON object of an answer that the library let through, if it really is one."""
    body = response.json()
    if response.status() != 200 or not isinstance(body, dict):
        raise broken(f"status {response.status()} without Meta's own error")
    return body


def broken(what: str) -> Passing:
    """An answer that is no answer."""
    return Passing(SourceUnreachable(f"Meta's answer was broken: {what}. Refresh again later."))


def regain_seconds(headers: Mapping[str, str]) -> float | None:
    """How long Meta's usage header says that the account stays throttled; it counts minutes."""
    usage = _header(headers, "x-business-use-case-usage")
    minutes = [
        float(entry.get("estimated_time_to_regain_access", 0))
        for entries in usage.values()
        if isinstance(entries, list)
        for entry in entries
    ]
    return 60 * max(minutes, default=0) or None


def insights_load(headers: Mapping[str, str]) -> float:
    """Percent of the insights budget that is used up, by the app or by the account."""
    throttle = _header(headers, "x-fb-ads-insights-throttle")
    return max(float(throttle.get(f"{who}_id_util_pct") or 0) for who in ("app", "acc"))


def _header(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    said = next((value for key, value in headers.items() if key.lower() == name), "{}")
    try:
        usage = json.loads(said)
    except ValueError:
        return {}
    return usage if isinstance(usage, dict) else {}
