"""Reconcile: why do the numbers of ad platforms and ours differ, and by how much for each cause?"""

from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import pandas as pd

from attribution import claim_queries, queries
from attribution.claim_queries import AMOUNTS, CAUSES, UNEXPLAINED
from attribution.metrics import KINDS, definition, ratio
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, table_of

QUESTION = "Why do platforms claim other {what} than we credit them with?"
PROTECTED = (
    "What platforms claim is compared with counts that are of few people in most campaigns and "
    "weeks, so it is for readers who have the role analyst."
)
EMPTY = (
    "No platform claims anything yet. Sources of kind `meta_ads`, `google_ads` and "
    "`microsoft_ads` bring what platforms claim, and so do files mapped to `claimed_conversions`; "
    "`ga4` with `claims = true` brings what Google Analytics counts."
)
ESTIMATED = ("untracked", UNEXPLAINED)
_TITLES = {"platform": "Platform", "channel": "Channel", "campaign": "Campaign", "week": "Week"}
_CARDS = {"last_touch": "Observed"}
_NAMED = {"attributed": "claim_attributed"}
SETTLES = timedelta(weeks=4)  # what platforms report of younger days still changes
_CAUSES_BESIDE = 4
SMALL = 0.05  # of a conversion: no cause to show


@lru_cache(maxsize=128)
def reconcile(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: tables `platforms`, `campaigns`, `weeks` and `causes`, figure `bridge`.

    In each row what is claimed, less all its causes and the unexplained, is what is attributed.
    Nothing where small cells are folded: each cause is a count of few people in most campaigns.
    Where platforms claim nothing of the scope's kind, the page is about the kind they claim most.
    """
    if marts.protected:
        return View(QUESTION.format(what="conversions"), empty=PROTECTED)
    kinds = claim_queries.claimed_kinds(marts)
    known = [kind for kind in kinds if kind]
    if not known:
        return _analytics_alone(marts, scope)
    asked, scope = scope.kind, scope if scope.kind in known else replace(scope, kind=known[0])
    platforms = _most_first(claim_queries.reconciled(marts, scope, "platform"))
    what = _what(scope.kind)
    question = QUESTION.format(what=what)
    if platforms.empty:
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        return View(question, empty=f"No platform claims {what} in {span}. Choose a longer period.")
    shown = _causes_to_show(platforms, scope)
    campaigns = _most_first(
        claim_queries.reconciled(marts, scope, "platform", "channel", "campaign")
    )
    weeks = claim_queries.reconciled(marts, scope, "week", "platform")
    weeks = weeks.sort_values(["week", "platform"], ascending=[False, True], ignore_index=True)
    return View(
        question,
        metrics=_metrics(platforms),
        figures={"bridge": _bridge(platforms, shown, scope)},
        tables={
            "platforms": _table("Platforms", platforms, ("platform",), shown),
            "campaigns": _table("Campaigns", campaigns, ("platform", "channel", "campaign"), shown),
            "weeks": _table("Weeks", weeks, ("week", "platform"), shown),
            "causes": _causes(platforms, shown),
            **_analytics(marts, scope),
        },
        remark=_remark(asked, scope),
        notes=_notes(marts, scope, kinds, shown),
        currency=queries.about(marts).currency,
    )


def _analytics(marts: Marts, scope: Scope) -> dict[str, Table]:
    """What web analytics credit, beside ours: nothing where none of them tells."""
    frame = claim_queries.key_events(marts, scope)
    if frame.empty:
        return {}
    columns = (
        Column("channel", "Channel"),
        Column("campaign", "Campaign"),
        _measured("key_events"),
        _measured("attributed"),
        replace(measured("key_event_difference"), name="difference"),
    )
    note = (
        "Google Analytics counts browsers, not people, and only what its own model has a source "
        "for. These numbers are in no cause above and in no credit."
    )
    return {"analytics": Table("What web analytics count", columns, frame, note)}


def _analytics_alone(marts: Marts, scope: Scope) -> View:
    """The page where no platform claims anything."""
    tables = _analytics(marts, scope)
    if not tables:
        return View(QUESTION.format(what="conversions"), empty=EMPTY)
    return View(
        f"Why do web analytics count other {_what(scope.kind)} than we credit?",
        tables=tables,
        remark="No platform claims anything; web analytics alone tell what they count.",
        currency=queries.about(marts).currency,
    )


def _most_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by what is claimed, then credited; rows of nothing are left out."""
    names = [name for name in _TITLES if name in frame]
    something = frame.drop(columns=names).abs().max(axis=1) > 0
    order = ["claimed", "attributed", *names]
    rising = [False, False, *(True for _ in names)]
    return frame[something].sort_values(order, ascending=rising, ignore_index=True)


def _causes_to_show(platforms: pd.DataFrame, scope: Scope) -> tuple[str, ...]:
    """The causes that make a difference anywhere in the period, and the unexplained."""
    found = [name for name in CAUSES if (platforms[name].abs() >= SMALL).any()]
    if scope.model != "incremental":
        found = [name for name in found if name != "by_effect"]
    return (*found, UNEXPLAINED)


def _table(
    title: str, frame: pd.DataFrame, names: tuple[str, ...], shown: tuple[str, ...]
) -> Table:
    keys = (Column(name, _TITLES[name], "day" if name == "week" else "text") for name in names)
    # What is left over stands before the causes, where no screen is too narrow for it.
    # With the first four causes a table is as wide as most screens; the figure shows them all.
    numbers = (
        replace(_measured(name), more=place >= len(AMOUNTS) + 1 + _CAUSES_BESIDE)
        for place, name in enumerate((*AMOUNTS, UNEXPLAINED, *shown[:-1]))
    )
    columns = (*keys, *numbers)
    frame = frame.assign(platform=frame["platform"].map(formats.title))
    return table_of(title, columns, frame)


def _measured(name: str) -> Column:
    return replace(measured(_NAMED.get(name, name)), name=name)


def _metrics(platforms: pd.DataFrame) -> tuple[Metric, ...]:
    total = platforms.drop(columns="platform").sum()
    claimed, attributed = float(total["claimed"]), float(total["attributed"])
    values = {
        "claimed": claimed,
        "claim_attributed": attributed,
        "claim_ratio": ratio(claimed, attributed),
        "last_touch": float(total["last_touch"]),
        UNEXPLAINED: float(total[UNEXPLAINED]),
    }
    return tuple(
        Metric(name, _CARDS.get(name, each.title), value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )


def _bridge(platforms: pd.DataFrame, shown: tuple[str, ...], scope: Scope) -> Figure:
    total = platforms.drop(columns="platform").sum()
    names = ("claimed", *shown, "attributed")
    steps = [float(total[name]) for name in names]
    means = [definition(_NAMED.get(name, name)) for name in names]
    texts = [
        formats.number(step) if name in AMOUNTS else _signed(-step)
        for name, step in zip(names, steps, strict=True)
    ]
    hovers = [
        f"<b>{formats.label(each.title)}</b><br>{text}<br>{_wrapped(each.sentence)}"
        for each, text in zip(means, texts, strict=True)
    ]
    spec = charts.bridge(
        [each.title for each in means], steps, texts, hovers, [n in ESTIMATED for n in names]
    )
    what = _what(scope.kind)
    return Figure(
        f"From claimed to credited {what}",
        spec,
        _in_words(total, shown, what, MODELS[scope.model].title),
        "Each bar takes away what makes claims larger than credit, or adds what makes them "
        "smaller. Hatched bars are estimates or what is left over.",
        table="causes",
    )


def _in_words(total: "pd.Series[float]", shown: tuple[str, ...], what: str, model: str) -> str:
    claimed, credited = float(total["claimed"]), float(total["attributed"])
    size = total.abs().to_dict()
    biggest = sorted((name for name in shown if name != UNEXPLAINED), key=lambda n: -size[n])
    named = formats.several(
        f"{definition(name).title.lower()} ({_signed(-float(total[name]))})" for name in biggest[:2]
    )
    causes = f" Most of the difference: {named}." if named else ""
    return (
        f"Platforms claim {formats.number(claimed)} {what}; {model} credits them with "
        f"{formats.number(credited)}.{causes} "
        f"{formats.number(float(total[UNEXPLAINED]))} are unexplained."
    )


def _causes(platforms: pd.DataFrame, shown: tuple[str, ...]) -> Table:
    """The figure's numbers, a row for each cause and a column for each platform."""
    names = ["claimed", *shown, "attributed"]
    told = platforms.set_index("platform")[names]
    lowered = told.assign(**{name: 0.0 - told[name] for name in shown}).T
    lowered = lowered.set_axis([formats.title(str(name)) for name in told.index], axis=1)
    numbers = tuple(Column(title, title, "number") for title in lowered.columns)
    means = [definition(_NAMED.get(name, name)) for name in names]
    frame = lowered.assign(total=lowered.sum(axis=1)).reset_index(drop=True)
    frame.insert(0, "cause", [each.title for each in means])
    frame["reason"] = [each.help for each in means]
    columns = (
        Column("cause", "Cause"),
        *numbers,
        Column("total", "All platforms", "number"),
        Column("reason", "What it is, and how it is computed"),
    )
    return table_of("Causes", columns, frame)


def _remark(asked: str, scope: Scope) -> str:
    if asked == scope.kind:
        return ""
    return f"Platforms claim no {_what(asked)}, so this page is about {_what(scope.kind)}."


def _notes(
    marts: Marts, scope: Scope, kinds: dict[str, float], shown: tuple[str, ...]
) -> tuple[str, ...]:
    notes = []
    since = scope.until - SETTLES + timedelta(weeks=1)
    young = claim_queries.claims_since(marts, scope, max(since, scope.since))
    if young:
        notes.append(
            f"{formats.count(young)} claims are of the last four weeks of the period. Platforms "
            "go on changing what they claim for a day, some for 28 days and longer."
        )
    if kinds.get(""):
        notes.append(
            f"{formats.count(kinds[''])} claims in all weeks are of actions that no rule names, "
            "and are compared with nothing. Name them in `claim_rules.csv` in the home folder."
        )
    absent = [
        definition(name).title.lower()
        for name in CAUSES
        if name not in shown and name != "by_effect"
    ]
    if absent:
        notes.append(f"These causes explain nothing in this period: {formats.several(absent)}.")
    notes.append(
        "In the tables of platforms, campaigns and weeks a cause is by how much it makes claims "
        "larger than credit: claimed, less all causes and the unexplained, is attributed."
    )
    notes.append(
        "Claims are what platforms say of themselves; no credit and no ratio on other pages is "
        "made of them."
    )
    return tuple(notes)


def _what(kind: str) -> str:
    return definition(KINDS[kind]).title.lower()


def _signed(value: float) -> str:
    return formats.signed(formats.number(value))


def _wrapped(sentence: str) -> str:
    """A sentence for a hover, on lines of some fifty signs."""
    lines, line = [], ""
    for word in sentence.split():
        if len(line) + len(word) > 50:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join(formats.label(each) for each in (*lines, line))
