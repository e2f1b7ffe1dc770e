"""Questions about what platforms claim, what is observed and credited, and why these differ.

The causes of a row are what leads from its claims to its credit: claimed, less each cause, is
attributed. What no cause explains is `unexplained`, so they always add up.
"""

import pandas as pd
import sqlalchemy as sa

from attribution.queries import CREDIT, Marts, Scope

# Each cause by the columns it is made of; less of the first, more of the second.
CAUSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "repeated": (("repeated",), ()),
    "viewed": (("viewed",), ()),
    "again": (("again",), ()),
    "untracked": (("untracked",), ()),
    "late": ((), ("late",)),
    "unclaimed": ((), ("unclaimed",)),
    "date_basis": (("clicked_dated",), ("clicked",)),
    "window_gap": (("window_gap",), ()),
    "other_platforms": (("other_platforms",), ()),
    "other_channels": (("other_channels", "own_campaigns"), ()),
    "by_effect": (("by_effect",), ()),
}
UNEXPLAINED = "unexplained"
AMOUNTS = ("claimed", "attributed", "any_touch", "last_touch")
_CLAIMED = (
    *("claimed", "repeated", "viewed", "any_touch", "last_touch", "clicked", "clicked_dated"),
    *("late", "unclaimed", "untracked", "again"),
)
_CREDITED = (
    *("attributed", "other_platforms", "other_channels", "own_campaigns", "window_gap"),
    "by_effect",
)
_KEYS = ("kind", "platform", "channel", "campaign", "week")
CLAIMS = sa.table("claims", *map(sa.column, (*_KEYS, *_CLAIMED)))
KEY_EVENTS = sa.table(
    "key_events", *map(sa.column, ("kind", "channel", "campaign", "week", "key_events"))
)
CLAIM_CREDIT = sa.table("claim_credit", *map(sa.column, ("model", *_KEYS, *_CREDITED)))


def claimed_kinds(at: Marts) -> dict[str, float]:
    """How many conversions of each kind platforms ever claimed, most first.

    The kind '' is of actions that no rule names.
    """
    total = sa.func.sum(CLAIMS.c.claimed).label("claimed")
    statement = (
        sa.select(CLAIMS.c.kind, total)
        .group_by(CLAIMS.c.kind)
        .having(total > 0)
        .order_by(total.desc(), CLAIMS.c.kind)
    )
    return {
        str(kind): float(claimed) for kind, claimed in at.ask(statement).itertuples(index=False)
    }


def reconciled(at: Marts, scope: Scope, *grain: str) -> pd.DataFrame:
    """Claims of the scope's kind beside what was observed and credited, with every cause.

    `grain` is of platform, channel, campaign and week. Columns: the grain, `AMOUNTS`, the causes in
    order, unexplained.
    """
    claimed = at.ask(_sums(CLAIMS, _CLAIMED, scope, grain))
    credited = at.ask(
        _sums(CLAIM_CREDIT, _CREDITED, scope, grain, CLAIM_CREDIT.c.model == scope.model)
    )
    keys = list(grain)
    both = claimed.set_index(keys).join(credited.set_index(keys), how="outer")
    both = both.astype("float64").fillna(0.0)
    causes = {
        name: both[list(more)].sum(axis=1) - both[list(less)].sum(axis=1)
        for name, (more, less) in CAUSES.items()
    }
    found = both[list(AMOUNTS)].assign(**causes)
    # To a millionth: sums of many shares differ from whole numbers by less.
    found = found.round(6)
    rest = found["claimed"] - found["attributed"] - found[list(CAUSES)].sum(axis=1)
    return found.assign(**{UNEXPLAINED: rest.round(6)}).reset_index()


def key_events(at: Marts, scope: Scope) -> pd.DataFrame:
    """What web analytics credit of the scope's kind beside what the model does, most first.

    Columns: channel, campaign, key_events, attributed, difference. Empty where none is told.
    """
    grain = ("channel", "campaign")
    mart, within = KEY_EVENTS, _within(KEY_EVENTS, scope)
    told = sa.cast(sa.func.sum(mart.c.key_events), sa.Double).label("key_events")
    keys = [mart.c[name] for name in grain]
    said = at.ask(sa.select(*keys, told).where(*within).group_by(*keys))
    if said.empty:
        return said.assign(attributed=[], difference=[])
    credited = credit_of_kind(at, scope)
    both = said.merge(credited, on=list(grain), how="outer").fillna(0.0)
    both = both[(both["key_events"] != 0) | (both["attributed"] != 0)]
    both["difference"] = (both["key_events"] - both["attributed"]).round(6)
    order = ["key_events", "attributed", *grain]
    return both.sort_values(order, ascending=[False, False, True, True], ignore_index=True)


def credit_of_kind(at: Marts, scope: Scope) -> pd.DataFrame:
    """What the scope's model credits of its kind. Columns: channel, campaign, attributed."""
    keys = (CREDIT.c.channel, CREDIT.c.campaign)
    amount = sa.cast(sa.func.sum(CREDIT.c.conversions), sa.Double).label("attributed")
    return at.ask(
        sa.select(*keys, amount)
        .where(CREDIT.c.model == scope.model, *_within(CREDIT, scope))
        .group_by(*keys)
    )


def claims_since(at: Marts, scope: Scope, week: object) -> float:
    """How many of the scope's claims are of a week or later."""
    statement = sa.select(sa.func.sum(CLAIMS.c.claimed).label("claimed")).where(
        *_within(CLAIMS, scope), CLAIMS.c.week >= week
    )
    found = at.ask(statement)["claimed"].iloc[0]
    return 0.0 if pd.isna(found) else float(found)


def _sums(
    mart: sa.TableClause,
    columns: tuple[str, ...],
    scope: Scope,
    grain: tuple[str, ...],
    *more: sa.ColumnElement[bool],
) -> sa.Select[tuple[object, ...]]:
    keys = [mart.c[name] for name in grain]
    sums = [sa.cast(sa.func.sum(mart.c[name]), sa.Double).label(name) for name in columns]
    return (
        sa.select(*keys, *sums).where(*_within(mart, scope), *more).group_by(*keys).order_by(*keys)
    )


def _within(mart: sa.TableClause, scope: Scope) -> tuple[sa.ColumnElement[bool], ...]:
    return mart.c.kind == scope.kind, mart.c.week.between(scope.since, scope.until)
