"""What the page Channels says in words: what its numbers leave out, and what nobody can tell."""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from attribution import credit_queries
from attribution.models import MODELS
from attribution.queries import About, Marts, Scope
from attribution.ui import formats
from attribution.ui.views import arriving
from attribution.ui.views.notes import other_currencies


def narrowed(scope: Scope) -> bool:
    """Whether a scope has filters by which neither sessions nor all spend is known."""
    return bool(scope.service_lines or scope.locations)


def unsure_of(marts: Marts, scope: Scope, *kinds: str) -> frozenset[str]:
    """The channels of which the scope's model knows too little to tell whether they pay."""
    if scope.model != credit_queries.INCREMENTAL:
        return frozenset()
    rest = (
        credit_queries.incremental_resting_on(marts, kind, credit_queries.NOT_IDENTIFIED)
        for kind in kinds
    )
    return frozenset().union(*rest)


def notes_on(marts: Marts, scope: Scope, about: About, ends: Mapping[str, date]) -> tuple[str, ...]:
    """What holds of all numbers of the page under a scope; `ends` of those that stop early."""
    model = MODELS[scope.model]
    notes = [
        f"Credit model {model.title}: {model.help}",
        (
            "A channel without spend has no CPL, CAC, ROAS or net return: a return on nothing "
            "is not a number. Unattributed holds conversions with no known touch before them."
        ),
    ]
    if narrowed(scope):
        notes.append("Sessions are not known by service line or location, so none are shown.")
    kinds = dict.fromkeys((scope.kind, "new_patient", "collected"))
    kinds.pop("lead", None)  # a lead is there as soon as it is asked for
    young = arriving.note(arriving.young_leads(marts, scope, *kinds), about.last_week)
    thin = arriving.thin_note(marts, scope, about.last_week, *kinds)
    late = arriving.unreported_note(ends, scope, protected=marts.protected)
    return (*notes, *young, *thin, *late, *other_currencies(marts, scope, about))


def untold(marts: Marts, scope: Scope, whole: pd.DataFrame, about: About) -> tuple[str, ...]:
    """Of which channels the model cannot tell what they bring, and why."""
    if scope.model != credit_queries.INCREMENTAL:
        return _too_few(about) if marts.protected else _no_touch(whole)
    # Evidence is of a conversion: returns stand on money collected, intervals on the chosen kind.
    kinds = dict.fromkeys((scope.kind, "collected"))
    unsure = unsure_of(marts, scope, *kinds)
    names = [formats.title(name) for name in whole["channel"] if name in unsure]
    where = "(see Attribution, What incremental credit rests on)"
    inside = credit_queries.incremental_resting_on(
        marts, scope.kind, credit_queries.INSIDE_BASELINE
    )
    hidden = [formats.title(name) for name in whole["channel"] if name in inside]
    within = f"{formats.several(hidden)}: nothing says how hard they press, so what they bring"
    few = f"{formats.several(names)}: too little is known to tell {where}."
    return (
        *([few] if names else []),
        *([f"{within} is inside Baseline (—)."] if hidden else []),
        (
            "Baseline is what would have come anyway. Campaigns share their channel's increment "
            "by money only: do not rank campaigns by it."
        ),
    )


def _too_few(about: About) -> tuple[str, ...]:
    return (
        (
            f"{about.folded:,} of {about.cells:,} cells are told together with others, so that "
            "none is of fewer than eleven people: they are in Other, together. A channel has — "
            "where too few people are known to have come by it."
        ),
    )


def _no_touch(whole: pd.DataFrame) -> tuple[str, ...]:
    names = whole.loc[whole["spend"].gt(0) & whole["collected"].isna(), "channel"]
    return tuple(
        f"{formats.title(name)} leaves no touch to credit: only a lift test or a mix model can "
        "tell what it brings. Its spend counts in Paid ROAS."
        for name in names
    )


def left_out(campaigns: pd.DataFrame, scope: Scope, about: About) -> tuple[str, ...]:
    """How much spend and credit the ratios of a filtered page leave out."""
    if not (campaigns["unplaced"] > 0).any():
        return ()
    paying = campaigns.loc[campaigns["spend"].gt(0) | campaigns["unplaced"].gt(0), "channel"]
    rest = campaigns[~campaigns["spend"].gt(0) & campaigns["channel"].isin(paying)]
    chosen = {"service line": scope.service_lines, "location": scope.locations}
    words = " or ".join(word for word, values in chosen.items() if values)
    spend = formats.money(float(campaigns["unplaced"].sum()), about.currency)
    credit = formats.money(float(rest["collected"].sum()), about.currency)
    said = (
        f"Ratios here count only campaigns whose spend is known by {words}. Left out of them: "
        f"{spend} of spend that belongs to no {words}, and {credit} collected that is credited to "
        "campaigns of paid channels without spend here."
    )
    return (said,)
