"""Reactivation: which silent patients came back, and what the campaigns added."""

from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

import pandas as pd

from attribution import queries, return_queries
from attribution.metrics import definition, ratio
from attribution.models.share_lift import beside_holdouts, groups_apart, lift_of_groups
from attribution.paths import Home
from attribution.queries import About, Marts, Scope
from attribution.small_cells import OTHER
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, records, table_of

QUESTION = "Which silent patients came back, and what did the campaigns add?"
STAGES = ("silent", "contacted", "engaged", "booked", "kept", "retained")
SILENCES = ("6-12", "12-18", "18-24", "24-36", "36+")
_UNCONTACTED = (
    "no campaign contacted any of them. Some came back unasked: a campaign must do better than "
    "that. Choose a longer period to see earlier campaigns."
)
_UNTOLD = (
    "are known to have been in no campaign. Others, also those whom a campaign contacted, are "
    "in groups of fewer than eleven people, which readers who have the role analyst see. Choose a "
    "longer period to see more."
)
_FEW_AT_A_TIME = "Few at a time are retained: readers who have the role analyst see them."
_MONTHS_WHOLE = (
    "Few are held out of each campaign: lifts of several hold all their people of a month against "
    "all held out of it. Readers who have the role analyst see each beside its own."
)
_TOGETHER = formats.title(OTHER)
KEPT_WITHIN = timedelta(days=90)
RETAINED_WITHIN = timedelta(days=180)  # after the kept visit
TOO_EARLY = "too early"
MAX_ROWS = 14
_BESIDE = ("beside", "cohort_month")  # people are held against those held out of the same
_TITLES = {"booked": "reactivated_booked", "kept": "reactivated_kept"}


@lru_cache(maxsize=128)
def reactivation(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: the funnel of those treated, and each group against its holdout."""
    about = queries.about(marts)
    cohorts = _worded(_aged(return_queries.reactivation(marts, scope, about.currency), about))
    # Where small cells are folded, those held out of a campaign are told with others'.
    cohorts = cohorts.assign(beside="" if marts.protected else cohorts["campaign"])
    if marts.protected:  # who is retained comes late, and few at a time
        cohorts = cohorts.drop(columns="retained")
    shown = f"Cohorts of {formats.months(scope.since, scope.last_day)}"
    treated = cohorts[cohorts["arm"] == "treated"]
    if not cohorts["silent"].any():
        return View(QUESTION, currency=about.currency, empty=_nothing(shown))
    if treated.empty:
        return _without_campaigns(cohorts, about, shown, protected=marts.protected)
    tables = {
        "funnel": _funnel_table(treated),
        "campaigns": _table("Campaigns", cohorts, ["campaign", "channel"]),
        "channels": _table("Channels", cohorts, ["channel"]),
        "months_silent": _table("Months of silence", cohorts, ["months_silent"]),
        "rates": _table("Campaign by months of silence", cohorts, ["campaign", "months_silent"]),
    }
    figures = {
        "funnel": _funnel(treated, shown),
        "lift": _lift(tables["campaigns"].frame),
        "rates": _rates(tables["rates"].frame),
    }
    if not set(SILENCES) & set(tables["rates"].frame["months_silent"]):
        del figures["rates"]  # all told together, there is nothing to compare
    return View(
        QUESTION,
        metrics=_metrics(cohorts),
        figures=figures,
        tables=tables,
        notes=(f"{shown}, counted by the month of assignment.", *_notes(cohorts, about)),
        currency=about.currency,
    )


def _aged(cohorts: pd.DataFrame, about: About) -> pd.DataFrame:
    """Each cohort with `old`, whether it can have been retained, and no `retained` before that."""
    settled = _last_day(about) - KEPT_WITHIN - RETAINED_WITHIN
    old = cohorts["cohort_month"].map(_last_of) <= settled
    retained = cohorts["retained"].astype("float64").where(old)
    return cohorts.assign(old=old.astype(bool), retained=retained)


def _worded(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Campaigns and months that are folded into one, called so in words."""
    folded = {
        name: cohorts[name].where(cohorts[name] != OTHER, _TOGETHER)
        for name in ("campaign", "months_silent")
    }
    return cohorts.assign(**folded)


def _last_day(about: About) -> date:
    return about.last_week + timedelta(days=6)


def _stages(told: pd.DataFrame) -> tuple[str, ...]:
    return tuple(stage for stage in STAGES if stage in told)


def _stage(name: str) -> str:
    return definition(_TITLES.get(name, name)).title


def _against_holdout(cohorts: pd.DataFrame, grain: list[str]) -> pd.DataFrame:
    """Treated people of each group, and beside them those of both arms that can be compared."""
    numbers = [*_stages(cohorts), "value"]
    treated = cohorts[cohorts["arm"] == "treated"].groupby(grain, as_index=False)
    frame = treated[numbers].sum(min_count=1)
    frame = frame.merge(beside_holdouts(cohorts, _BESIDE, grain), on=grain, how="left")
    known = ["compared", "held_out", "held_out_kept"]
    frame[known] = frame[known].fillna(0)
    frame["kept_rate"] = frame["kept"] / frame["silent"].where(frame["silent"] > 0)
    held_out = frame["held_out"].where(frame["held_out"] > 0)
    frame["held_out_rate"] = frame["held_out_kept"] / held_out
    return frame.rename(columns={"value": "collected"})


def _table(title: str, cohorts: pd.DataFrame, grain: list[str]) -> Table:
    frame = _against_holdout(cohorts, grain)
    if "months_silent" in grain:
        order = pd.Categorical(frame["months_silent"], (*SILENCES, _TOGETHER), ordered=True)
        others = [name for name in grain if name != "months_silent"]
        frame = frame.assign(order=order).sort_values([*others, "order"])
    else:
        frame = frame.sort_values(["silent", *grain], ascending=[False, *(True for _ in grain)])
    if "campaign" in grain:  # a flow, which pages call in words
        frame["campaign"] = frame["campaign"].map(formats.title)
    columns = (*(_named(name) for name in grain), *(c for c in _columns() if c.name in frame))
    return Table(title, columns, frame[[c.name for c in columns]].reset_index(drop=True))


def _named(name: str) -> Column:
    titles = {"campaign": "Campaign", "channel": "Channel", "months_silent": "Months silent"}
    return Column(name, titles[name])


def _columns() -> tuple[Column, ...]:
    stages = []
    for stage in STAGES:
        meaning = definition(_TITLES.get(stage, stage))
        stages.append(
            Column(stage, meaning.title, meaning.format, meaning.help, more=stage == "engaged")
        )
    rate, difference = definition("kept_rate"), definition("lift")
    low_high = "One end of the 95% interval of the lift."
    held_out = "People of the group kept out to compare with."
    compared = (
        "People treated in months in which the campaign held somebody out: of these is the lift."
    )
    return (
        *stages,
        Column("kept_rate", rate.title, "rate", rate.help),
        Column("held_out_rate", "Holdout kept rate", "rate", rate.help),
        Column("lift", difference.title, "points", difference.help),
        Column("lift_low", "Lift, low", "points", low_high, more=True),
        Column("lift_high", "Lift, high", "points", low_high, more=True),
        Column("compared", "Compared", "count", compared, more=True),
        Column("held_out", "Holdout", "count", held_out, more=True),
        Column("collected", "Collected", "money", "Collected within 180 days after assignment."),
    )


def _metrics(cohorts: pd.DataFrame) -> tuple[Metric, ...]:
    treated = cohorts[cohorts["arm"] == "treated"]
    people, kept = int(treated["silent"].sum()), int(treated["kept"].sum())
    effect = lift_of_groups(groups_apart(cohorts, _BESIDE))
    values = {
        "contacted": float(treated["contacted"].sum()),
        "reactivated_kept": float(kept),
        "kept_rate": ratio(kept, people),
        "lift": None if effect is None else effect[0],
    }
    sure = ""
    if effect is not None:
        low, high = (formats.points(end).removesuffix(" pts") for end in effect[1:])
        sure = f"95%: {low} to {high}"
    return tuple(
        Metric(
            name,
            each.title,
            value,
            None,
            each.format,
            each.help,
            each.better,
            interval=sure if name == "lift" else "",
        )
        for name, value in values.items()
        for each in (definition(name),)
    )


def _funnel_table(treated: pd.DataFrame) -> Table:
    stages = _stages(treated)
    counts: list[float | None] = [float(treated[stage].sum()) for stage in stages]
    steps = [None, *(ratio(after, first) for first, after in pairwise(counts))]
    shares = [ratio(count, counts[0]) for count in counts]
    if "retained" in stages:
        # A share of who could be retained by now: of the kept visits in cohorts old enough.
        old = treated[treated["old"]]
        kept_again = old["retained"].sum(min_count=1)
        counts[-1] = None if pd.isna(kept_again) else float(kept_again)
        steps[-1] = ratio(counts[-1], float(old["kept"].sum()))
        shares[-1] = ratio(counts[-1], float(old["silent"].sum()))
    frame = pd.DataFrame(
        {
            "stage": [_stage(stage) for stage in stages],
            "people": counts,
            "of_previous": steps,
            "of_silent": shares,
        }
    ).astype({"people": "float64", "of_previous": "float64", "of_silent": "float64"})
    columns = (
        Column("stage", "Stage"),
        Column("people", "People", "count", "People who came this far, counted once a campaign."),
        Column("of_previous", "Of the stage before", "rate", "Step rate."),
        Column("of_silent", "Of all silent", "rate", "Share of those assigned to be contacted."),
    )
    return Table("Funnel", columns, frame)


def _funnel(treated: pd.DataFrame, shown: str) -> Figure:
    frame = _funnel_table(treated).frame
    texts, hovers = [], []
    for stage, row in zip(_stages(treated), records(frame), strict=True):
        step = "" if pd.isna(row["of_previous"]) else f"  ·  {formats.rate(row['of_previous'])}"
        told = f"{formats.count(row['people'])}{step}"
        texts.append(TOO_EARLY if pd.isna(row["people"]) else told)
        meaning = definition(_TITLES.get(stage, stage)).sentence
        hovers.append(f"<b>{row['stage']}</b> {formats.count(row['people'])}<br>{meaning}")
    kept, silent = frame["people"][4], frame["people"][0]
    return Figure(
        f"From silent to {_stages(treated)[-1]}",
        charts.bars(
            frame["stage"].tolist(),
            [float(value) for value in frame["people"].fillna(0)],
            texts,
            [charts.colour(1)] * len(frame),
            hovers,
        ),
        f"{shown}. Of {formats.count(silent)} silent patients assigned to a campaign, "
        f"{formats.count(kept)} kept a visit ({formats.rate(ratio(kept, silent))}).",
        "People in the treated arm of the chosen cohorts. The share is of the stage before.",
        "funnel",
    )


def _lift(campaigns: pd.DataFrame) -> Figure:
    drawn = campaigns.dropna(subset=["lift"]).head(MAX_ROWS)
    names = [formats.short_label(name) for name in drawn["campaign"]]
    hovers = [
        f"<b>{name}</b><br>{formats.points(row['lift'])} "
        f"({formats.points(row['lift_low'])} to {formats.points(row['lift_high'])})<br>"
        f"{formats.count(row['compared'])} treated, {formats.count(row['held_out'])} held out"
        for name, row in zip(names, records(drawn), strict=True)
    ]
    sure = int(((drawn["lift_low"] > 0) | (drawn["lift_high"] < 0)).sum())
    whose = "differs from its holdout" if sure == 1 else "differ from their holdouts"
    said = f"{sure} of {len(drawn)} campaigns {whose}"
    if len(drawn) == 1:
        said = f"The one campaign {'differs' if sure else 'does not differ'} from its holdout"
    return Figure(
        "Lift against holdout",
        charts.intervals(
            names,
            drawn["lift"].tolist(),
            drawn["lift_low"].tolist(),
            drawn["lift_high"].tolist(),
            hovers,
        ),
        f"{said} by more than chance explains.",
        f"{definition('lift').help} Grey where the interval includes nought.",
        "campaigns",
    )


def _rates(frame: pd.DataFrame) -> Figure:
    names = list(dict.fromkeys(frame["campaign"]))[:MAX_ROWS]
    months = [month for month in SILENCES if month in set(frame["months_silent"])]
    cells = {(row["campaign"], row["months_silent"]): row for row in records(frame)}
    shares: list[list[float | None]] = []
    hovers: list[list[str]] = []
    for name in names:
        row = [cells.get((name, month)) for month in months]
        shares.append([None if cell is None else cell["kept_rate"] for cell in row])
        hovers.append(
            [
                "No patients"
                if cell is None
                else f"<b>{formats.label(name)}</b>, {cell['months_silent']} months silent<br>"
                f"{formats.count(cell['kept'])} of {formats.count(cell['silent'])} kept a visit"
                for cell in row
            ]
        )
    known = [(share, i, j) for i, row in enumerate(shares) for j, share in enumerate(row) if share]
    best = max(known, default=None)
    words = (
        "No group kept a visit."
        if best is None
        else f"Highest: {names[best[1]]}, {months[best[2]]} months silent, {formats.rate(best[0])}."
    )
    return Figure(
        "Kept rate by months of silence",
        charts.heat_map(
            [formats.short_label(name, 20) for name in names],
            months,
            shares,
            hovers,
            "Months silent",
        ),
        f"Share of treated patients who kept a visit, by campaign and months of silence. {words}",
        definition("kept_rate").help,
        "rates",
    )


def _notes(cohorts: pd.DataFrame, about: About) -> tuple[str, ...]:
    by_arm = cohorts.groupby("arm")["silent"].sum()
    apart = (
        f"{formats.count(by_arm.get('holdout', 0))} patients are held out to compare with; "
        f"{formats.count(by_arm.get('none', 0))} silent patients were in no campaign."
    )
    return (apart, *_maturing(cohorts, about))


def _maturing(cohorts: pd.DataFrame, about: About) -> tuple[str, ...]:
    """Which cohorts cannot have come to their end yet."""
    months = sorted({_day(month) for month in cohorts["cohort_month"]})
    settled = _last_day(about) - KEPT_WITHIN
    young = [month for month in months if _last_of(month) > settled]
    notes = []
    if young:
        notes.append(
            f"Cohorts since {formats.months(young[0], young[0])} are still maturing: visits count "
            f"for {KEPT_WITHIN.days} days, so their rates will rise."
        )
    early = sorted({_day(month) for month in cohorts.loc[~cohorts["old"], "cohort_month"]})
    if "retained" not in cohorts:
        notes += [_FEW_AT_A_TIME, _MONTHS_WHOLE]
    elif early:
        notes.append(
            f"It is too early to say who of the cohorts since {formats.months(early[0], early[0])} "
            f"was retained: that takes {(KEPT_WITHIN + RETAINED_WITHIN).days} days. Retained "
            "counts older cohorts only."
        )
    return tuple(notes)


def _day(value: object) -> date:
    return pd.Timestamp(value).date()  # type: ignore[arg-type]


def _last_of(month: object) -> date:
    """The last day of a cohort month: so late somebody may have been assigned."""
    return (pd.Timestamp(month) + pd.offsets.MonthEnd()).date()  # type: ignore[arg-type]


def _nothing(shown: str) -> str:
    return f"{shown}: no silent patients match. Choose a longer period or fewer filters."


def _without_campaigns(cohorts: pd.DataFrame, about: About, shown: str, *, protected: bool) -> View:
    """Who fell silent and came back unasked: what a campaign will have to beat.

    Where small cells are folded there may well have been campaigns that are not told.
    """
    stages = [stage for stage in ("silent", "booked", "kept", "retained") if stage in cohorts]
    frame = cohorts.groupby("months_silent", as_index=False)[stages].sum(min_count=1)
    frame["kept_rate"] = frame["kept"] / frame["silent"].where(frame["silent"] > 0)
    order = pd.Categorical(frame["months_silent"], (*SILENCES, _TOGETHER), ordered=True)
    frame = frame.assign(order=order).sort_values("order").reset_index(drop=True)
    columns = (_named("months_silent"), *(c for c in _columns() if c.name in frame))
    silent = formats.count(float(cohorts["silent"].sum()))
    return View(
        QUESTION,
        tables={
            "untouched": table_of(
                "Silent patients whom nobody contacted",
                columns,
                frame,
                f"{shown}: {silent} patients fell silent and "
                + (_UNTOLD if protected else _UNCONTACTED),
            )
        },
        notes=_maturing(cohorts, about),
        currency=about.currency,
    )
