"""Reports of GA4's Data API: paged to their own row count, checked, and kept as fetched.

What Google did to the numbers (sampled, withheld small rows, folded rows into "(other)") stays
beside them; a sampled report is asked for again day by day.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any

from connectors.errors import SourceChanged, SourceUnreachable
from connectors.google import Failures, UnknownField
from connectors.patience import Patience, patiently
from connectors.source import Window
from connectors.windows import single_days

# `conversions` was renamed on 6 May 2024; what stands between us and Google may not know it yet.
KEY_EVENTS = "keyEvents"
_FORMER = {KEY_EVENTS: "conversions"}
Key = tuple[str, ...]


def day_of(said: str) -> date:
    """The day of a row; GA4 folds what is too much into rows whose dimensions are "(other)"."""
    try:
        return datetime.strptime(said, "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        raise SourceChanged(
            "GA4 gave a row without a date; refresh again with fewer days."
        ) from None


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask: at most nine dimensions and ten metrics.

    `group` makes rows of fewer keys, and pages are kept only in its terms; a report that holds
    people's numbers is not `kept` at all.
    """

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    events: tuple[str, ...] = ()  # only these; without any, all
    group: Callable[[Key], Key] = lambda key: key
    kept: bool = True


@dataclass(slots=True)
class Report:
    """One report over some days, whole."""

    rows: dict[Key, list[float]] = field(default_factory=dict)
    totals: list[float] = field(default_factory=list)
    sampled_share: float | None = None
    thresholded: bool = False
    other_row: bool = False
    currency: str = ""  # of the property


class Reports:
    """The reports of one property."""

    def __init__(
        self,
        client: Any,
        property_id: str,
        page_rows: int,
        patience: Patience,
        failures: Failures,
        keep: Callable[[str, bytes], None],
    ) -> None:
        self._client = client
        self._property = property_id
        self._page_rows = page_rows
        self._patience = patience
        self._failures = failures
        self._keep = keep
        self._kept = count(1)
        self._former = False

    def zone(self, query: Query, window: Window) -> str:
        """The property's time zone, which decides what a day is."""
        return str(self._page(query, window, 0, 1).metadata.time_zone)

    def whole(self, query: Query, window: Window) -> list[Report]:
        """The report over a window; of a sampled one the reports of its days."""
        report = self.report(query, window)
        if report.sampled_share is not None and window.since < window.until:
            return [self.report(query, day) for day in single_days(window)]
        return [report]

    def report(self, query: Query, window: Window) -> Report:
        """The report over a window as it is."""
        report = Report(totals=[0.0] * len(query.metrics))
        seen: set[Key] = set()
        said: int | None = None
        while said is None or len(seen) < said:
            answer = self._page(query, window, len(seen), self._page_rows)
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
            if query.kept:
                self._keep_page(query, window, answer)
            _add(query, report, answer, seen, window)
        return report

    def _page(self, query: Query, window: Window, offset: int, limit: int) -> Any:
        metrics = tuple(_FORMER.get(m, m) if self._former else m for m in query.metrics)
        request = _request(self._property, query, metrics, window)
        request.offset, request.limit = offset, limit
        try:
            answer = patiently(
                lambda: self._client.run_report(request, timeout=self._patience.socket_seconds),
                self._failures.explain,
                self._patience,
            )
        except UnknownField as error:
            if self._former or error.name not in _FORMER:
                raise
            self._former = True
            return self._page(query, window, offset, limit)
        _check_shape(answer, query.dimensions, metrics)
        return answer

    def _keep_page(self, query: Query, window: Window, answer: Any) -> None:
        payload = json.loads(type(answer).to_json(answer, indent=None))
        for row in payload.get("rows", ()):
            values = row["dimensionValues"]
            key = query.group(tuple(value.get("value", "") for value in values))
            for value, said in zip(values, key, strict=True):
                value["value"] = said
        name = f"{next(self._kept):06d}-{query.name}-{window.since}-{window.until}.json"
        self._keep(name, json.dumps(payload).encode())


def _request(property_id: str, query: Query, metrics: tuple[str, ...], window: Window) -> Any:
    from google.analytics.data_v1beta import types

    chosen = None
    if query.events:
        among = types.Filter.InListFilter(values=query.events, case_sensitive=True)
        chosen = types.FilterExpression(
            filter=types.Filter(field_name="eventName", in_list_filter=among)
        )
    return types.RunReportRequest(
        property=f"properties/{property_id}",
        date_ranges=[types.DateRange(start_date=f"{window.since}", end_date=f"{window.until}")],
        dimensions=[types.Dimension(name=name) for name in query.dimensions],
        metrics=[types.Metric(name=name) for name in metrics],
        dimension_filter=chosen,
        # A fixed order, or pages could overlap.
        order_bys=[
            types.OrderBy(dimension=types.OrderBy.DimensionOrderBy(dimension_name=name))
            for name in query.dimensions
        ],
        metric_aggregations=[types.MetricAggregation.TOTAL],
        return_property_quota=True,
    )


def _add(query: Query, report: Report, answer: Any, seen: set[Key], window: Window) -> None:
    """Add one page; rows of one group become one row."""
    for row in answer.rows:
        raw = tuple(value.value for value in row.dimension_values)
        if raw in seen:
            raise SourceUnreachable(
                f"GA4 gave the same row of {_days(window)} on two pages; refresh again."
            )
        seen.add(raw)
        values = report.rows.setdefault(query.group(raw), [0.0] * len(query.metrics))
        for place, value in enumerate(_numbers(query, row)):
            values[place] += value
    if answer.totals:
        report.totals = list(_numbers(query, answer.totals[0]))
    metadata = answer.metadata
    shares = [s.samples_read_count / s.sampling_space_size for s in metadata.sampling_metadatas]
    report.sampled_share = min(shares, default=None)
    report.thresholded |= bool(metadata.subject_to_thresholding)
    report.other_row |= bool(metadata.data_loss_from_other_row)
    report.currency = str(metadata.currency_code) or report.currency


def _numbers(query: Query, row: Any) -> Iterator[float]:
    for name, value in zip(query.metrics, row.metric_values, strict=True):
        try:
            yield float(value.value)
        except ValueError:
            raise SourceChanged(f"GA4 gave a value of {name} that is not a number.") from None


def _check_shape(answer: Any, dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    """Columns are positional, so their names are checked; an empty object is not a report."""
    if not answer.metadata.time_zone:
        raise SourceChanged("GA4's report names no time zone; check the endpoint of the source.")
    names = tuple(header.name for header in answer.dimension_headers)
    values = tuple(header.name for header in answer.metric_headers)
    if answer.rows and (names != dimensions or values != metrics or not answer.totals):
        raise SourceChanged(
            "GA4's report has other columns or totals than we asked for; update caretrace."
        )


def _days(window: Window) -> str:
    return f"{window.since} to {window.until}"
