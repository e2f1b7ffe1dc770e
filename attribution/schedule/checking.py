"""What is looked at before a report leaves: that it is not empty, and that its numbers add up."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from attribution import amount_queries, queries
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.catalog import Rendered

_NEAR = 1e-6  # of a total: sums of floating-point numbers in another order


def wrong_with(home: Home, generation: int, made: Rendered) -> str:
    """Why a report must not leave, in one sentence; "" where it may."""
    rows = made.manifest.get("rows")
    counted = rows.values() if isinstance(rows, Mapping) else [rows]
    if not made.content or not any(isinstance(n, int) and n > 0 for n in counted):
        return "There is nothing in it: no row matches its filters."
    if made.manifest.get("generation") != generation:
        return "It was made of another generation than the one that was looked at."
    return _unequal(home, generation, made.manifest.get("filters"))


def _unequal(home: Home, generation: int, filters: Any) -> str:
    """Whether credit of the report's weeks adds up to what was observed in them, by each kind.

    Of the same marts that the report is made of, but by another way than its tables are.
    """
    scope = _scope(filters)
    if scope is None:
        return ""
    marts = queries.marts(home, generation, protected=True)
    currency = queries.about(marts).currency
    credited = amount_queries.credit_by_campaign(marts, scope, currency)
    observed = amount_queries.conversions_by_week(marts, scope, currency)
    given, seen = (frame.groupby("kind")["conversions"].sum() for frame in (credited, observed))
    seen = seen.reindex(seen.index.union(given.index), fill_value=0)
    off = (given.reindex(seen.index, fill_value=0) - seen).abs()
    wrong = seen.index[off > _NEAR * seen.clip(lower=1)]
    names = ", ".join(str(name) for name in wrong)
    if not names:
        return ""
    return f"Its credit does not add up to what was observed ({names}). Run `caretrace refresh`."


def _scope(filters: Any) -> Scope | None:
    """The scope that a report says it is of; None where it is not of credit in some weeks."""
    if not isinstance(filters, Mapping) or not {"since", "until"} <= filters.keys():
        return None
    kind, model = filters.get("kind"), filters.get("model")
    return Scope(
        since=date.fromisoformat(str(filters["since"])),
        until=date.fromisoformat(str(filters["until"])),
        kind=str(kind) if kind in KINDS else next(iter(KINDS)),
        model=str(model) if model in MODELS else next(iter(MODELS)),
    )
