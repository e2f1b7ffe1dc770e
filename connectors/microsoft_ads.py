"""Microsoft Ads: what each ad group spent and got on each day, and what Microsoft claims for it.

Microsoft makes reports as jobs: asked for, looked at until they are made, then fetched as a zipped
CSV. Asking for the reports of a window and reading them are slices of their own, so that the
numbers of the jobs are committed before they are waited for: see `connectors/microsoft_ads_orders`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from connectors.ad_levels import by_ad_group
from connectors.contract import AdSpend, ClaimedConversions
from connectors.errors import SourceBusy, SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.microsoft_ads_client import Api
from connectors.microsoft_ads_failures import AccountRefused, Gone
from connectors.microsoft_ads_orders import Order, State, cursor, state
from connectors.microsoft_ads_reports import BY_NAME, KINDS, Kind, Report, days
from connectors.microsoft_ads_rows import Account, claimed, spend, total
from connectors.microsoft_ads_zones import IANA
from connectors.options import settings
from connectors.patience import Patience
from connectors.source import ENDPOINT, Context, Item, Option, Slice, Source, Total, Window
from connectors.windows import open_windows, settled_by

OPTIONS = (
    Option("account_ids", "Numbers of the ad accounts to read (aid= in the address)."),
    Option("customer_id", "Number of the customer that owns them (cid= in the address)."),
    Option("developer_token", "Developer token, from the Developer Portal.", secret=True),
    Option("client_id", "Application id of the app that the consent was given to."),
    Option("client_secret", "Secret of that app, if it has one.", False, secret=True),
    Option("refresh_token", "A user's consent with msads.manage.", secret=True),
    Option(
        "token_file", "File in which the newest refresh token is kept; lasts on its own.", False,
        path=True,
    ),
    Option("tenant", "Directory of the app, if it is not for all.", False, default="common"),
    Option("timezone", "Time zone of the accounts, if Microsoft's is unknown to us.", False),
    Option("restated_days", "Days read again at each refresh, 1 to 90.", False, default=30),
    ENDPOINT,
    Option("login_endpoint", "Address that replaces Microsoft's for access tokens.", False),
)  # fmt: skip

# A conversion is counted on the day of its click, up to 90 days later where a goal allows it.
MOST_RESTATED_DAYS = 90
# Days are kept for three years.
HISTORY_DAYS = 1094

JOB_SECONDS = 1200.0
JOB_TRIES = 3
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the accounts with the real client."""
    chosen = settings(context, OPTIONS)
    given = chosen["account_ids"]
    numbers = [given] if isinstance(given, str | int) else list(given)
    accounts = [_number(context.name, "account_ids", number) for number in numbers]
    if not accounts:
        raise SourceMisconfigured(f"The account_ids of source '{context.name}' names no account.")
    _number(context.name, "customer_id", chosen["customer_id"])
    restated = chosen["restated_days"]
    if not isinstance(restated, int) or not 1 <= restated <= MOST_RESTATED_DAYS:
        raise SourceMisconfigured(
            f"The restated_days of source '{context.name}' must be a number from 1 to 90."
        )
    api = Api(context.name, chosen, PATIENCE)
    return MicrosoftAds(context, api, list(dict.fromkeys(accounts)), chosen, PATIENCE)


class MicrosoftAds:
    """Some accounts of one customer."""

    def __init__(
        self,
        context: Context,
        api: Api,
        accounts: list[str],
        chosen: Mapping[str, Any],
        patience: Patience,
    ) -> None:
        self._context = context
        self._api = api
        self._accounts = accounts
        self._zone = chosen["timezone"]
        self._restated_days: int = chosen["restated_days"]
        self._patience = patience
        self._orders: dict[str, Order] = {}  # reports that this refresh asked for, by account
        self._kept = count(1)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """For each account what an earlier refresh asked for, then months, asked for and read."""
        for number in self._accounts:
            key = f"ad_spend {number}"
            try:
                account = self._account(number)
            except AccountRefused as refusal:
                yield Slice(key, (), key, partial(_refuse, refusal), account=number)
                continue
            yield from self._of(account, key, state(cursors.get(key)))

    def probe(self) -> str:
        """Which accounts can be read; a report would take minutes."""
        found = [self._account(number) for number in self._accounts]
        said = ", ".join(f"{a.number} ({a.name}, {a.timezone}, {a.currency})" for a in found)
        return f"Microsoft Advertising lets us read {said}."

    def _of(self, account: Account, key: str, before: State) -> Iterator[Slice]:
        settled, order = before.settled, before.order
        if order is not None and order.fresh(self._context.now):
            self._orders[account.number] = order
            yield self._reading(account, key, order.window, order.last_day)
            settled = settled_by(order.window, order.last_day, self._restated_days).value
        last_day = self._yesterday(account)
        first_day = max(self._context.first_day, last_day - timedelta(days=HISTORY_DAYS))
        for window in open_windows(first_day, last_day, settled):
            yield Slice(
                name=f"{key} {days(window)}: ask for the reports",
                rows=(),
                cursor_key=key,
                read=partial(self._order, account, window, last_day, settled),
                account=account.number,
            )
            yield self._reading(account, key, window, last_day)
            settled = settled_by(window, last_day, self._restated_days).value

    def _reading(self, account: Account, key: str, window: Window, last_day: date) -> Slice:
        return Slice(
            name=f"{key} {days(window)}",
            rows=(AdSpend, ClaimedConversions),
            cursor_key=key,
            read=partial(self._read, account, window, last_day),
            window=window,
            account=account.number,
        )

    def _account(self, number: str) -> Account:
        """The account's currency, and the time zone that decides what a day is."""
        said = self._api.account(number)
        zone = self._zone or IANA.get(str(said.get("TimeZone")), "")
        if not said.get("CurrencyCode") or not zone:
            raise SourceChanged(
                f"Microsoft Advertising names no currency for account {number}, or a time zone "
                "that we do not know; set timezone, as in 'America/Chicago'."
            )
        return Account(number, str(said.get("Name") or ""), str(said["CurrencyCode"]), zone)

    def _yesterday(self, account: Account) -> date:
        try:
            zone = ZoneInfo(account.timezone)
        except (KeyError, ValueError, OSError):
            raise SourceMisconfigured(
                f"The timezone of source '{self._context.name}' is not one that this machine "
                "knows; give it as in 'America/Chicago'."
            ) from None
        return self._context.now.astimezone(zone).date() - timedelta(days=1)

    def _order(
        self, account: Account, window: Window, last_day: date, settled: str | None
    ) -> Iterator[Item]:
        """Ask for every report of a window; their numbers are all that is committed."""
        order = self._ordered(account, window, last_day)
        self._orders[account.number] = order
        yield cursor(settled, order)

    def _ordered(self, account: Account, window: Window, last_day: date) -> Order:
        jobs = {kind.name: self._api.order(account.number, kind, window) for kind in KINDS}
        return Order(window, last_day, self._context.now, jobs)

    def _read(self, account: Account, window: Window, last_day: date) -> Iterator[Item]:
        order = self._orders.get(account.number)
        if order is None or order.window != window:
            # Who reads days again takes the slices that have days, and so none that asks.
            order = self._ordered(account, window, last_day)
        jobs = order.jobs
        found = {
            name: self._made(account, BY_NAME[name], job, window) for name, job in jobs.items()
        }
        self._keep(account, window, found)
        yield from by_ad_group(
            [spend(said, account) for said in found["campaigns"].rows],
            [spend(said, account) for said in found["ad_groups"].rows],
        )
        yield from claimed(found["claims"].rows, account)
        for field, column in (
            ("spend", "Spend"),
            ("impressions", "Impressions"),
            ("clicks", "Clicks"),
            ("claimed_conversions", "ConversionsQualified"),
            ("claimed_value", "Revenue"),
        ):
            yield Total(AdSpend, field, float(total(found["account"].rows, column)))
        yield settled_by(window, last_day, self._restated_days)

    def _made(self, account: Account, kind: Kind, job: str, window: Window) -> Report:
        """A report once it is made; one that failed or was forgotten is asked for again."""
        for tried in range(JOB_TRIES):
            if tried:
                job = self._api.order(account.number, kind, window)
            with contextlib.suppress(Gone):
                if self._wait(account, job, window) == "Success":
                    return self._api.report(account.number, job, kind)
        raise SourceUnreachable(
            f"Microsoft Advertising failed {JOB_TRIES} times to make a report for {days(window)}; "
            "refresh again later."
        )

    def _wait(self, account: Account, job: str, window: Window) -> str:
        waited, pause = 0.0, 2.0
        while waited < JOB_SECONDS:
            status = self._api.status(account.number, job)
            if status != "Pending":
                return status
            self._patience.sleep(pause)
            waited, pause = waited + pause, min(1.5 * pause, 30.0)
        raise SourceBusy(
            f"Microsoft Advertising is still making a report for {days(window)}; the next refresh "
            "goes on from there."
        )

    def _keep(self, account: Account, window: Window, found: Mapping[str, Report]) -> None:
        """Keep the reports; campaigns and goals name nobody."""
        name = f"{next(self._kept):06d}-{account.number}-{window.since}-{window.until}.json"
        reports = {kind: {"complete": r.complete, "rows": r.rows} for kind, r in found.items()}
        self._context.keep(name, json.dumps(reports).encode())


def _number(source: str, option: str, given: object) -> str:
    number = str(given).strip()
    if not (number.isascii() and number.isdigit()):
        raise SourceMisconfigured(
            f"The {option} of source '{source}' is not a number; it stands in the address of "
            "Microsoft Advertising's pages (aid=..., cid=...), not at their top."
        )
    return number


def _refuse(refusal: AccountRefused) -> Iterator[Item]:
    """A slice of an account that cannot be read: it fails alone."""
    raise refusal
