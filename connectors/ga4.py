"""Google Analytics 4: visits by day, source, campaign and landing group, and who became a lead.

One report a month of days. What Google did to the numbers (sampled, withheld small rows, folded
rows into "(other)") is kept on every row. The dimension asked for is `landingPage`, which has no
query string: what visitors or links put behind the question mark never leaves Google. Where key
events carry the CRM's number of a lead, the visits behind them become touches of that person.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from connectors.contract import ClaimedConversions, Row, Touchpoint, WebSessions
from connectors.errors import SourceMisconfigured
from connectors.ga4_claims import CREDITED, claims
from connectors.ga4_leads import Leads, leads_of
from connectors.ga4_report import KEY_EVENTS, Query, Report, Reports, day_of
from connectors.google import Failures, service_account
from connectors.options import settings
from connectors.patience import Patience
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source, Total, Window
from connectors.windows import open_windows, settled_by
from connectors.zones import zone_named

OPTIONS = (
    Option("property", "Number of the GA4 property (Admin, Property details), not 'G-...'."),
    Option(
        "credentials_file",
        "Path of the service account's JSON key; or give the next.",
        False,
        path=True,
    ),
    Option("credentials_json", "The service account's JSON key itself.", False, secret=True),
    Option("key_events", "Key events that count; without it, all of them.", False),
    Option("lead_id_dimension", "Dimension with the CRM's number of a lead.", False),
    Option(
        "lead_id_is", "What that number is: crm_id, click_id or client_id.", False, default="crm_id"
    ),
    Option(
        "lead_touch", "What a lead's key event becomes: session or form.", False, default="session"
    ),
    Option("claims", "Load what GA4 credits key events to, for Reconcile.", False, default=False),
    Option("page_rows", "Rows asked for at once, 1 to 100000.", False, default=50_000),
    ENDPOINT,
)

# Google finishes a day within two, and says that attribution can move key events for longer.
RESTATED_DAYS = 14

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
COLUMNS = ("sessions", "engaged_sessions", "key_events")


def landing_group(page: str) -> str:
    """The first part of a page's path: `/knee-pain/braces?x=1` is in `knee-pain`."""
    if not page.startswith("/"):
        return ""  # "(not set)", "(other)"
    return page.split("?", 1)[0].split("#", 1)[0].strip("/").split("/", 1)[0]


SESSIONS = Query(
    "web_sessions",
    ("date", "sessionSource", "sessionMedium", "sessionCampaignId", "sessionCampaignName",
     "landingPage"),
    ("sessions", "engagedSessions", KEY_EVENTS),
    group=lambda key: (*key[:-1], landing_group(key[-1])),
)  # fmt: skip
CHOSEN_EVENTS = replace(SESSIONS, name="key_events", metrics=(KEY_EVENTS,))

PATIENCE = Patience(attempts=5)


def connect(context: Context) -> Source:
    """Open the property with the real client, over REST so that the endpoint can be replaced."""
    chosen = settings(context, OPTIONS)
    property_id = _property_id(context.name, str(chosen["property"]))
    events = _key_events(context.name, chosen["key_events"])
    leads = None
    if chosen["lead_id_dimension"]:
        leads = leads_of(
            context.name,
            str(chosen["lead_id_dimension"]),
            events,
            str(chosen["lead_id_is"]),
            str(chosen["lead_touch"]),
        )
    try:
        from google.analytics.data_v1beta import BetaAnalyticsDataClient
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs Google's library: pip install 'caretrace[google]'."
        ) from None
    client = BetaAnalyticsDataClient(
        credentials=service_account(context.name, chosen, SCOPE),
        transport="rest",
        client_options={"api_endpoint": chosen["endpoint"]} if chosen["endpoint"] else None,
    )
    failures = Failures(context.name, property_id)
    reports = Reports(
        client, property_id, int(chosen["page_rows"]), PATIENCE, failures, context.keep
    )
    return Ga4(context, reports, property_id, events, leads, with_claims=chosen["claims"] is True)


class Ga4:
    """One property."""

    def __init__(
        self,
        context: Context,
        reports: Reports,
        property_id: str,
        key_events: tuple[str, ...],
        leads: Leads | None,
        *,
        with_claims: bool = False,
    ) -> None:
        self._context = context
        self._reports = reports
        self._property = property_id
        self._key_events = key_events
        self._leads = leads
        self._with_claims = with_claims

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Months from the first day, then what is new and the last `RESTATED_DAYS` days."""
        zone = self._zone()
        yield from self._months("web_sessions", WebSessions, cursors, zone, self._read)
        if self._leads is not None:
            yield from self._months("lead_touches", Touchpoint, cursors, zone, self._read_leads)
        if self._with_claims:
            yield from self._months(
                "key_event_claims", ClaimedConversions, cursors, zone, self._read_claims
            )

    def probe(self) -> str:
        """How many sessions there were yesterday, and how many leads are known by number."""
        zone = self._zone()
        day = self._yesterday(zone)
        report = self._reports.report(SESSIONS, Window(day, day))
        said = f"GA4 property {self._property} ({zone}) had {report.totals[0]:.0f} sessions"
        if self._leads is not None:
            window = Window(day, day)
            report = self._reports.report(self._leads.query, window)
            items = self._leads.items([report], zone, window)
            found = sum(isinstance(item, Touchpoint) for item in items)
            said += f" and {found} lead{'' if found == 1 else 's'} with a number"
        return f"{said} on {day}."

    def _months(
        self,
        name: str,
        row: type[Row],
        cursors: Mapping[str, str],
        zone: str,
        read: Callable[[Window, str], Iterator[Item]],
    ) -> Iterator[Slice]:
        last_day = self._yesterday(zone)
        for window in open_windows(self._context.first_day, last_day, cursors.get(name)):
            cursor = settled_by(window, last_day, RESTATED_DAYS)
            yield Slice(
                name=f"{name} {window.since} to {window.until}",
                rows=(row,),
                cursor_key=name,
                read=partial(_then, read, window, zone, cursor),
                window=window,
            )

    def _yesterday(self, zone: str) -> date:
        known = zone_named(zone, "GA4")
        return self._context.now.astimezone(known).date() - timedelta(days=1)

    def _zone(self) -> str:
        day = self._context.now.date()
        return self._reports.zone(SESSIONS, Window(day, day))

    def _read(self, window: Window, zone: str) -> Iterator[Item]:
        reports = self._reports.whole(SESSIONS, window)
        sums = [sum(r.totals[place] for r in reports) for place in range(len(COLUMNS))]
        if self._key_events:
            chosen = replace(CHOSEN_EVENTS, events=self._key_events)
            counted = self._reports.whole(chosen, window)
            sums[2] = sum(r.totals[0] for r in counted)
            reports = list(_with_chosen(reports, counted))
        for report in reports:
            for key, values in report.rows.items():
                yield _row(key, values, zone, report)
        for column, amount in zip(COLUMNS, sums, strict=True):
            yield Total(WebSessions, column, amount)

    def _read_leads(self, window: Window, zone: str) -> Iterator[Item]:
        if self._leads is not None:
            reports = self._reports.whole(self._leads.query, window)
            yield from self._leads.items(reports, zone, window)

    def _read_claims(self, window: Window, zone: str) -> Iterator[Item]:
        reports = self._reports.whole(replace(CREDITED, events=self._key_events), window)
        yield from claims(reports, zone)
        if any(report.totals for report in reports):
            total = sum(report.totals[0] for report in reports)
            yield Total(ClaimedConversions, "conversions", total)


def _then(
    read: Callable[[Window, str], Iterator[Item]], window: Window, zone: str, cursor: Cursor
) -> Iterator[Item]:
    yield from read(window, zone)
    yield cursor


def _with_chosen(reports: list[Report], counted: list[Report]) -> Iterator[Report]:
    """Sessions with only the chosen key events; an event without a session keeps its own row."""
    chosen = {key: values[0] for report in counted for key, values in report.rows.items()}
    withheld = any(report.thresholded for report in counted)
    folded = any(report.other_row for report in counted)
    for report in reports:
        rows = {
            key: [sessions, engaged, chosen.pop(key, 0.0)]
            for key, (sessions, engaged, _) in report.rows.items()
        }
        yield replace(
            report,
            rows=rows,
            thresholded=report.thresholded or withheld,
            other_row=report.other_row or folded,
        )
    rest = {key: [0.0, 0.0, value] for key, value in chosen.items()}
    share = min((r.sampled_share for r in counted if r.sampled_share is not None), default=None)
    yield Report(rest, [], share, withheld, folded)


def _row(key: tuple[str, ...], values: list[float], zone: str, report: Report) -> WebSessions:
    day, source, medium, campaign_id, campaign, group = key
    return WebSessions(
        day=day_of(day),
        timezone=zone,
        utm_source=source,
        utm_medium=medium,
        campaign_id=campaign_id,
        utm_campaign=campaign,
        landing_group=group,
        sessions=round(values[0]),
        engaged_sessions=round(values[1]),
        key_events=values[2],
        sampled_share=report.sampled_share,
        thresholded=report.thresholded,
        other_row=report.other_row,
    )


def _property_id(source: str, given: str) -> str:
    number = given.removeprefix("properties/").strip()
    if number.upper().startswith("G-"):
        raise SourceMisconfigured(
            f"Source '{source}' has a measurement id ('G-...') as its property; give the number of "
            "the property, shown in GA4 under Admin, Property details."
        )
    if not (number.isascii() and number.isdigit()):
        raise SourceMisconfigured(
            f"The property of source '{source}' is not a number; it is shown in GA4 under Admin, "
            "Property details."
        )
    return number


def _key_events(source: str, given: object) -> tuple[str, ...]:
    events = [] if given is None else given
    if not isinstance(events, list | tuple) or not all(isinstance(e, str) for e in events):
        raise SourceMisconfigured(
            f"Source '{source}': key_events must be a list of event names, such as "
            '["generate_lead"].'
        )
    return tuple(events)
