"""Google Ads: what each ad group spent and got on each day, and what Google claims for it.

A source may read several customers below one manager account: each has its own time zone, its own
window and its own cursor, and one that cannot be read does not stop the others.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any

from connectors.ad_levels import by_ad_group
from connectors.contract import AdClick, AdSpend, ClaimedConversions
from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.google_ads_client import API_VERSION, Api, customer_number
from connectors.google_ads_failures import CustomerRefused, shown
from connectors.google_ads_questions import (
    ACCOUNT,
    LOOKBACKS,
    claims,
    clicks,
    lags,
    spend_by_ad_group,
    spend_by_campaign,
    sums,
)
from connectors.google_ads_rows import (
    Account,
    Got,
    ad_spend,
    claimed,
    money,
    of_account,
    of_claim,
    of_click,
    of_got,
    of_lag,
    of_lookback,
    of_spent,
)
from connectors.options import settings
from connectors.patience import Patience
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source, Total, Window
from connectors.windows import DAY, open_windows, settled_by, single_days
from connectors.zones import zone_named

OPTIONS = (
    Option("customer_ids", "Numbers of the accounts to read, as in ['123-456-7890']."),
    Option("login_customer_id", "Number of the manager account that access comes through.", False),
    Option("developer_token", "Developer token, from the manager's API Center.", secret=True),
    Option("client_id", "Id of the OAuth client that the refresh token was made with.", False),
    Option("client_secret", "Secret of that OAuth client.", False, secret=True),
    Option("refresh_token", "A user's consent; or give a service account.", False, secret=True),
    Option(
        "credentials_file", "Path of a service account's JSON key; or give the next.", False,
        path=True,
    ),
    Option("credentials_json", "The service account's JSON key itself.", False, secret=True),
    Option("restated_days", "Days read again at each refresh, 1 to 90.", False, default=30),
    Option("clicks", "Whether to load which campaign each click id was of.", False, default=False),
    Option("api_version", "Version of the Google Ads API.", False, default=API_VERSION),
    ENDPOINT,
    Option("token_endpoint", "Address that replaces Google's for access tokens.", False),
    Option("ca_file", "Certificates to trust instead of the usual ones.", False, path=True),
)  # fmt: skip

# A conversion is counted on the day of its click, up to 90 days later where a lookback is longer.
MOST_RESTATED_DAYS = 90
# Days are told for 37 months (since June 2026); a question about an earlier one is refused.
HISTORY_DAYS = 1123
# Google tells of single clicks for so long, and of late ones a few days after.
CLICK_DAYS, RESTATED_CLICK_DAYS = 89, 3
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the customers with the real client."""
    chosen = settings(context, OPTIONS)
    given = chosen["customer_ids"]
    numbers = [given] if isinstance(given, str | int) else list(given)
    customers = [customer_number(context.name, "customer_ids", number) for number in numbers]
    if not customers:
        raise SourceMisconfigured(f"The customer_ids of source '{context.name}' names no account.")
    days = chosen["restated_days"]
    if not isinstance(days, int) or not 1 <= days <= MOST_RESTATED_DAYS:
        raise SourceMisconfigured(
            f"The restated_days of source '{context.name}' must be a number from 1 to 90."
        )
    try:
        api = Api(context.name, chosen, PATIENCE)
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs Google's library: pip install 'caretrace[google-ads]'."
        ) from None
    opened = GoogleAds(context, api, list(dict.fromkeys(customers)), days)
    opened.with_clicks = chosen["clicks"] is True
    return opened


class GoogleAds:
    """Some customers, read with one set of credentials."""

    def __init__(self, context: Context, api: Api, customers: list[str], days: int) -> None:
        self._context = context
        self._api = api
        self._customers = customers
        self._restated_days = days
        self.with_clicks = False
        self._kept = count(1)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """For each customer months from the first day, then what is new and may be restated."""
        for customer in self._customers:
            key = f"ad_spend {customer}"
            try:
                account = self._account(customer)
            except CustomerRefused as refusal:
                yield Slice(key, (), key, partial(_refuse, refusal), account=customer)
                continue
            last_day = self._yesterday(account)
            first_day = max(self._context.first_day, last_day - timedelta(days=HISTORY_DAYS))
            for window in open_windows(first_day, last_day, cursors.get(key)):
                cursor = settled_by(window, last_day, self._restated_days)
                yield Slice(
                    name=f"{key} {window.since} to {window.until}",
                    rows=(AdSpend, ClaimedConversions),
                    cursor_key=key,
                    read=partial(self._read, account, window, cursor),
                    window=window,
                    account=customer,
                )
            if self.with_clicks:
                yield from self._clicks(customer, last_day, cursors)

    def _clicks(self, customer: str, last_day: date, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """The clicks of each day that Google still tells of, a day a question."""
        key = f"clicks {customer}"
        first = max(self._context.first_day, last_day + DAY - timedelta(days=CLICK_DAYS))
        for window in open_windows(first, last_day, cursors.get(key)):
            for day in single_days(window):
                yield Slice(
                    name=f"{key} {day.since}",
                    rows=(AdClick,),
                    cursor_key=key,
                    read=partial(
                        self._read_clicks,
                        customer,
                        day.since,
                        settled_by(day, last_day, RESTATED_CLICK_DAYS),
                    ),
                    window=day,
                    account=customer,
                )

    def _read_clicks(self, customer: str, day: date, cursor: Cursor) -> Iterator[Item]:
        # Not kept as fetched: a click is somebody's.
        for click in self._api.ask(customer, clicks(day), of_click):
            if click is not None:
                yield click
        yield cursor

    def probe(self) -> str:
        """What each customer spent yesterday."""
        return " ".join(self._probed(customer) for customer in self._customers)

    def _probed(self, customer: str) -> str:
        account = self._account(customer)
        day = self._yesterday(account)
        spent = self._sums(account, Window(day, day)).micros / 1_000_000
        return (
            f"Google Ads {shown(customer)} ({account.name}, {account.timezone}) spent "
            f"{spent:.2f} {account.currency} on {day}."
        )

    def _account(self, customer: str) -> Account:
        """The customer's currency, and the time zone that decides what a day is."""
        found = self._api.ask(customer, ACCOUNT, of_account)
        if not found or not found[0].currency or not found[0].timezone:
            raise SourceChanged(
                f"Google Ads names no currency or no time zone for customer {shown(customer)}."
            )
        if found[0].manager:
            raise CustomerRefused(
                f"Google Ads customer {shown(customer)} is a manager account, which spends "
                "nothing itself; name the accounts below it in customer_ids, and the manager in "
                "login_customer_id."
            )
        return found[0]

    def _yesterday(self, account: Account) -> date:
        zone = zone_named(account.timezone, "Google Ads")
        return self._context.now.astimezone(zone).date() - timedelta(days=1)

    def _read(self, account: Account, window: Window, cursor: Cursor) -> Iterator[Item]:
        ask = partial(self._api.ask, account.number)
        campaigns = ask(spend_by_campaign(window), of_spent)
        groups = ask(spend_by_ad_group(window), of_spent)
        found = ask(claims(window), of_claim)
        days = {action: (click, view) for action, click, view in ask(LOOKBACKS, of_lookback)}
        late = ask(lags(window), of_lag)
        answers = {"campaigns": campaigns, "ad_groups": groups, "claims": found, "lags": late}
        self._keep(account, window, answers)
        yield from by_ad_group(
            [ad_spend(spent, account) for spent in campaigns],
            [ad_spend(spent, account) for spent in groups],
        )
        yield from claimed(found, campaigns, days, late, account)
        total = self._sums(account, window)
        yield Total(AdSpend, "spend", total.micros / 1_000_000)
        yield Total(AdSpend, "impressions", total.impressions)
        yield Total(AdSpend, "clicks", total.clicks)
        yield Total(AdSpend, "claimed_conversions", total.conversions)
        yield Total(AdSpend, "claimed_value", float(money(total.value)))
        yield cursor

    def _sums(self, account: Account, window: Window) -> Got:
        found = self._api.ask(account.number, sums(window), of_got)
        return found[0] if found else Got(0, 0, 0, 0.0, 0.0)

    def _keep(self, account: Account, window: Window, answers: Mapping[str, Any]) -> None:
        """Keep what was asked for; campaigns and actions name nobody."""
        name = f"{next(self._kept):06d}-{account.number}-{window.since}-{window.until}.json"
        self._context.keep(name, json.dumps({"account": account, **answers}).encode())


def _refuse(refusal: CustomerRefused) -> Iterator[Item]:
    """A slice of a customer that cannot be read: it fails alone."""
    raise refusal
