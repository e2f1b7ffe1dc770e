"""Returns side by side: credited, incremental, by the mix model; and what each channel rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pandas as pd

from attribution import amount_queries, credit_queries, mix_queries
from attribution.date_basis import OWN
from attribution.models import MODELS
from attribution.queries import About, Marts, Scope
from attribution.ui import formats
from attribution.ui.view import Column, Table, measured
from attribution.ui.views import arriving, channel_words

MONEY = "collected"
EVIDENCE = (
    "Matched: a lift test or a holdout was heard. Tracked: clicks, visits, calls or messages of "
    "people. Self-reported: touches that somebody wrote down, and no machine saw. Modelled: no "
    "touch at all, only its money by place and week."
)
MIX_PROTECTED = "What the mix model says is for readers who have the role analyst."
MIX_WHOLE = "The mix model tells no service lines or locations apart."
MATCHED, TRACKED, REPORTED, MODELLED = "matched", "tracked", "self-reported", "modelled"
_BY_MACHINE = ("outreach_", "email", "sms", "call")
_MOST_NAMED = 3


def evidence_of(marts: Marts, channels: Sequence[str]) -> dict[str, str]:
    """The evidence class of each channel."""
    touched = amount_queries.credited_channels(marts)
    seen = amount_queries.visited_channels(marts) | mix_queries.clicked_channels(marts)
    tested = mix_queries.tested_channels(marts)
    found = {}
    for name in channels:
        if name in tested:
            found[name] = MATCHED
        elif name in seen or (name in touched and name.startswith(_BY_MACHINE)):
            found[name] = TRACKED
        else:
            found[name] = REPORTED if name in touched else MODELLED
    return found


def table(
    marts: Marts,
    scope: Scope,
    about: About,
    whole: pd.DataFrame,
    parts: pd.DataFrame,
    ends: Mapping[str, date],
) -> Table:
    """A row for each channel with spend: `whole` has channel, collected_spend and roi of the scope.

    `parts` has collected_spend of its campaigns. Money and spend are those of the weeks in which
    both are known: `ends` are the last weeks of numbers that stop before the scope does.
    """
    paid = whole[whole["collected_spend"] > 0]
    known = replace(scope, until=arriving.known_to(scope, ends, "spend", MONEY))
    names = [str(name) for name in paid["channel"]]
    evidence = evidence_of(marts, names)
    spend = paid.set_index("channel")["collected_spend"]
    frame = pd.DataFrame(
        {
            "channel": names,
            "evidence": [evidence[name] for name in names],
            "credited_roi": paid["roi"].to_numpy("float64"),
            "incremental_roi": (_incremental(marts, known, about, names, parts) / spend - 1)
            .reindex(names)
            .to_numpy("float64"),
        }
    )
    if marts.protected:
        return _shown(scope, frame, MIX_PROTECTED)
    if channel_words.narrowed(scope):
        return _shown(scope, frame, *disagreements(marts, frame), MIX_WHOLE)
    mix = mix_queries.mix_channels(marts, MONEY).set_index("channel")
    mix = mix[["spend", "brought", "low", "high"]].astype("float64").reindex(names)
    cost = mix["spend"].where(mix["spend"] > 0)
    for name, amount in (("mix_roi", "brought"), ("mix_roi_low", "low"), ("mix_roi_high", "high")):
        frame[name] = (mix[amount] / cost - 1).to_numpy("float64")
    beyond = outside_mix(frame) if _of_its_year(scope, about, ends) else ""
    return _shown(scope, frame, *disagreements(marts, frame, beyond))


def _shown(scope: Scope, frame: pd.DataFrame, *said: str) -> Table:
    columns = (
        Column("channel", "Channel"),
        Column("evidence", "Evidence", "text", EVIDENCE),
        *map(measured, list(frame.columns)[2:]),
    )
    return Table(
        "Net return, side by side",
        columns,
        frame,
        note=" ".join([f"Credited by {MODELS[scope.model].title}. 0% earns what it costs.", *said]),
        empty="No channel with spend, in weeks of which money is known, matches these filters.",
    )


def _incremental(
    marts: Marts, scope: Scope, about: About, names: Sequence[str], parts: pd.DataFrame
) -> pd.Series:
    """Money that each channel brought by places and weeks; missing where that is not known.

    As all ratios under a filter that much spend does not know: of campaigns with spend in it.
    """
    asked = replace(scope, model=credit_queries.INCREMENTAL)
    credit = amount_queries.credit_by_campaign(marts, asked, about.currency)
    credit = credit[credit["kind"] == MONEY]
    learned = not credit["channel"].isin(["baseline"]).all()
    if channel_words.narrowed(scope):
        grain = ["channel", "campaign"]
        credit = credit.merge(parts.loc[parts["collected_spend"] > 0, grain], on=grain)
    own = credit.groupby("channel")["value"].sum()
    inside = credit_queries.incremental_resting_on(marts, MONEY, credit_queries.INSIDE_BASELINE)
    brought = own.astype("float64").reindex(list(names))
    # Nothing is learned at all where all is Baseline; and where small cells are folded, what has
    # no row is not known to be nought.
    if not marts.protected and learned:
        brought = brought.fillna(0.0)
    return brought.mask(brought.index.isin(inside))


def _of_its_year(scope: Scope, about: About, ends: Mapping[str, date]) -> bool:
    """Whether what is credited is of the weeks that the mix model speaks of, but for the newest.

    That one it leaves out, since it may not be whole.
    """
    whole = not ends.keys() & {"spend", MONEY} and scope.basis == OWN
    return whole and scope.weeks == mix_queries.YEAR and scope.until == about.last_week


def outside_mix(rows: pd.DataFrame) -> str:
    """The channels whose credit the mix model holds impossible, in a sentence; empty for none."""
    credited = rows["credited_roi"]
    outside = (credited < rows["mix_roi_low"]) | (credited > rows["mix_roi_high"])
    beyond = rows.loc[credited.notna() & outside, "channel"]
    said = "what is credited lies outside what the mix model holds possible."
    return f"{_named(beyond)}: {said}" if len(beyond) else ""


def disagreements(marts: Marts, rows: pd.DataFrame, beyond: str = "") -> tuple[str, ...]:
    """Plain sentences on the channels of which the three say different things.

    `beyond` is what is to be said of those whose credit the mix model holds impossible.
    """
    vague = credit_queries.incremental_resting_on(marts, MONEY, credit_queries.NOT_IDENTIFIED)
    credited, brought = rows["credited_roi"], rows["incremental_roi"]
    known = credited.notna() & brought.notna() & ~rows["channel"].isin(vague)
    over = rows.loc[known & (credited >= 0) & (brought < 0), "channel"]
    under = rows.loc[known & (credited < 0) & (brought >= 0), "channel"]
    said = []
    if len(over):
        said.append(
            f"{_named(over)}: credited with more than it costs, yet places and weeks say that most "
            "of it would have come anyway."
        )
    if len(under):
        said.append(
            f"{_named(under)}: credited with less than it costs, yet places and weeks say that it "
            "brings more than its clicks show."
        )
    if beyond:
        said.append(beyond)
    if said:
        said.append("Where they disagree, a lift test decides; credit alone says who was there.")
    return tuple(said)


def _named(names: pd.Series) -> str:
    shown = [formats.title(name) for name in names[:_MOST_NAMED]]
    more = len(names) - len(shown)
    return formats.several([*shown, f"{more} more"] if more else shown)
