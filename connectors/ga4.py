"""Google Analytics 4: visits to the web site by day, source, medium, campaign and landing group.

One report a month of days, paged to its own row count. What Google did to the numbers (sampled,
withheld small rows, folded rows into "(other)") is kept on every row; a sampled month is read
again day by day. The dimension asked for is `landingPage`, which has no query string: what
visitors or links put behind the question mark never leaves Google.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import WebSessions
from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.google import Failures, service_account
from connectors.options import settings
from connectors.patience import Patience, patiently
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source, Total, Window
from connectors.windows import open_windows, settled_by, single_days

OPTIONS = (
    Option("property", "Number of the GA4 property (Admin, Property details), not 'G-...'."),
    Option(
        "credentials_file",
        "Path of the service account's JSON key; or give the next.",
        False,
        path=True,
    ),
    Option("credentials_json", "The service account's JSON key itself.", False, secret=True),
    Option("page_rows", "Rows asked for at once, 1 to 100000.", False, default=50_000),
    ENDPOINT,
)

# Google finishes a day within two, and says that attribution can move key events for longer.
RESTATED_DAYS = 14

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
DIMENSIONS = (
    "date", "sessionSource", "sessionMedium", "sessionCampaignId", "sessionCampaignName",
    "landingPage",
)  # fmt: skip
METRICS = ("sessions", "engagedSessions", "keyEvents")
COLUMNS = ("sessions", "engaged_sessions", "key_events")

PATIENCE = Patience(attempts=5)


def connect(context: Context) -> Source:
    """Open the property with the real client, over REST so that the endpoint can be replaced."""
    chosen = settings(context, OPTIONS)
    property_id = _property_id(context.name, str(chosen["property"]))
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
    return Ga4(context, client, property_id, int(chosen["page_rows"]), PATIENCE)


@dataclass(slots=True)
class Report:
    """One report over some days, whole."""

    rows: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    totals: list[float] = field(default_factory=lambda: [0.0] * len(METRICS))
    sampled_share: float | None = None
    thresholded: bool = False
    other_row: bool = False


class Ga4:
    """One property."""

    def __init__(
        self, context: Context, client: Any, property_id: str, page_rows: int, patience: Patience
    ) -> None:
        self._context = context
        self._client = client
        self._property = property_id
        self._page_rows = page_rows
        self._patience = patience
        self._failures = Failures(context.name, property_id)
        self._kept = count(1)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Months from the first day, then what is new and the last `RESTATED_DAYS` days."""
        zone = self._zone()
        last_day = self._yesterday(zone)
        cursor = cursors.get("web_sessions")
        for window in open_windows(self._context.first_day, last_day, cursor):
            yield Slice(
                name=f"web_sessions {window.since} to {window.until}",
                rows=(WebSessions,),
                cursor_key="web_sessions",
                read=partial(self._read, window, zone, settled_by(window, last_day, RESTATED_DAYS)),
                window=window,
            )

    def probe(self) -> str:
        """How many sessions there were yesterday."""
        zone = self._zone()
        day = self._yesterday(zone)
        report = self._report(Window(day, day))
        return (
            f"GA4 property {self._property} ({zone}) had {report.totals[0]:.0f} sessions on {day}."
        )

    def _yesterday(self, zone: str) -> date:
        return self._context.now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)

    def _zone(self) -> str:
        """The property's time zone, which decides what a day is."""
        day = self._context.now.date()
        return str(self._page(Window(day, day), 0, 1).metadata.time_zone)

    def _read(self, window: Window, zone: str, cursor: Cursor) -> Iterator[Item]:
        reports = [self._report(window)]
        if reports[0].sampled_share is not None and window.since < window.until:
            reports = [self._report(day) for day in single_days(window)]
        for report in reports:
            for key, values in report.rows.items():
                yield _row(key, values, zone, report)
        for column, place in zip(COLUMNS, range(len(COLUMNS)), strict=True):
            yield Total(WebSessions, column, sum(r.totals[place] for r in reports))
        yield cursor

    def _report(self, window: Window) -> Report:
        report = Report()
        seen: set[tuple[str, ...]] = set()
        said: int | None = None
        while said is None or len(seen) < said:
            answer = self._page(window, len(seen), self._page_rows)
            if said is not None and answer.row_count != said:
                raise SourceUnreachable(
                    f"GA4 changed its report for {_days(window)} from {said} to "
                    f"{answer.row_count} rows while it was read; refresh again."
                )
            said = answer.row_count
            if not answer.rows and len(seen) < said:
                raise SourceUnreachable(
                    f"GA4 announced {said} rows for {_days(window)} and gave {len(seen)}; "
                    "refresh again."
                )
            self._keep(window, answer)
            self._add(report, answer, seen, window)
        return report

    def _add(self, report: Report, answer: Any, seen: set[tuple[str, ...]], window: Window) -> None:
        """Add one page; landing pages of one group become one row."""
        for row in answer.rows:
            raw = tuple(value.value for value in row.dimension_values)
            if raw in seen:
                raise SourceUnreachable(
                    f"GA4 gave the same row of {_days(window)} on two pages; refresh again."
                )
            seen.add(raw)
            values = report.rows.setdefault((*raw[:-1], landing_group(raw[-1])), [0.0] * 3)
            for place, value in enumerate(row.metric_values):
                values[place] += _number(value.value, METRICS[place])
        if answer.totals:
            report.totals = [
                _number(value.value, METRICS[place])
                for place, value in enumerate(answer.totals[0].metric_values)
            ]
        metadata = answer.metadata
        shares = [s.samples_read_count / s.sampling_space_size for s in metadata.sampling_metadatas]
        report.sampled_share = min(shares, default=None)
        report.thresholded |= bool(metadata.subject_to_thresholding)
        report.other_row |= bool(metadata.data_loss_from_other_row)

    def _page(self, window: Window, offset: int, limit: int) -> Any:
        from google.analytics.data_v1beta import types

        request = types.RunReportRequest(
            property=f"properties/{self._property}",
            date_ranges=[types.DateRange(start_date=f"{window.since}", end_date=f"{window.until}")],
            dimensions=[types.Dimension(name=name) for name in DIMENSIONS],
            metrics=[types.Metric(name=name) for name in METRICS],
            # A fixed order, or pages could overlap.
            order_bys=[
                types.OrderBy(dimension=types.OrderBy.DimensionOrderBy(dimension_name=name))
                for name in DIMENSIONS
            ],
            metric_aggregations=[types.MetricAggregation.TOTAL],
            limit=limit,
            offset=offset,
            return_property_quota=True,
        )
        answer = patiently(
            lambda: self._client.run_report(request, timeout=self._patience.socket_seconds),
            self._failures.explain,
            self._patience,
        )
        _check_shape(answer)
        return answer

    def _keep(self, window: Window, answer: Any) -> None:
        """Keep the page as fetched, with landing pages cut to their group."""
        payload = json.loads(type(answer).to_json(answer, indent=None))
        for row in payload.get("rows", ()):
            last = row["dimensionValues"][-1]
            last["value"] = landing_group(last.get("value", ""))
        name = f"{next(self._kept):06d}-web_sessions-{window.since}-{window.until}.json"
        self._context.keep(name, json.dumps(payload).encode())


def landing_group(page: str) -> str:
    """The first part of a page's path: `/knee-pain/braces?x=1` is in `knee-pain`."""
    if not page.startswith("/"):
        return ""  # "(not set)", "(other)"
    return page.split("?", 1)[0].split("#", 1)[0].strip("/").split("/", 1)[0]


def _row(key: tuple[str, ...], values: list[float], zone: str, report: Report) -> WebSessions:
    day, source, medium, campaign_id, campaign, group = key
    try:
        # GA4 folds what is too much for a report into rows whose dimensions are all "(other)".
        on = datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        raise SourceChanged(
            "GA4 gave a row without a date; refresh again with fewer days."
        ) from None
    return WebSessions(
        day=on,
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


def _check_shape(answer: Any) -> None:
    """Columns are positional, so their names are checked; an empty object is not a report."""
    if not answer.metadata.time_zone:
        raise SourceChanged("GA4's report names no time zone; check the endpoint of the source.")
    names = tuple(header.name for header in answer.dimension_headers)
    metrics = tuple(header.name for header in answer.metric_headers)
    if answer.rows and (names != DIMENSIONS or metrics != METRICS or not answer.totals):
        raise SourceChanged(
            "GA4's report has other columns or totals than we asked for; update caretrace."
        )


def _number(text: str, metric: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SourceChanged(f"GA4 gave a value of {metric} that is not a number.") from None


def _days(window: Window) -> str:
    return f"{window.since} to {window.until}"


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
