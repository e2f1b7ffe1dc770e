"""Every question that Data health asks about how well people are joined."""

import pandas as pd
import sqlalchemy as sa

from attribution.queries import CREDIT, Marts
from attribution.small_cells import OTHER

_MATCHES = sa.table("matches", *(sa.column(name) for name in ("source", "other", "people")))
_SHARED = sa.table(
    "shared_identifiers",
    *(sa.column(name) for name in ("source", "kind", "reason", "identifiers")),
)
_CHANGES = sa.table(
    "person_changes", *(sa.column(name) for name in ("kind", "cause", "changes", "latest"))
)


def matches(at: Marts) -> pd.DataFrame:
    """Of the people of each source, how many each other source knows; empty where ten or fewer."""
    return at.ask(sa.select(*_MATCHES.c).order_by(_MATCHES.c.source, _MATCHES.c.other))


def shared_identifiers(at: Marts) -> pd.DataFrame:
    """How many identifiers join nobody, by source, kind and reason."""
    order = (_SHARED.c.kind, _SHARED.c.source, _SHARED.c.reason)
    return at.ask(sa.select(*_SHARED.c).order_by(*order))


def person_changes(at: Marts) -> pd.DataFrame:
    """Merges and splits by cause: of the last refresh and of all time."""
    return at.ask(sa.select(*_CHANGES.c).order_by(_CHANGES.c.kind, _CHANGES.c.cause))


def known_touch(at: Marts) -> pd.DataFrame:
    """New patients of each week, and how many of them have at least one known touch.

    Any model that shares journeys out says so: what it cannot is under no channel. Of whom is
    `folded` it is not known: where small cells are told together, a row stands for the first of
    four weeks, and those without a touch may be among the others unless they have a row themselves.
    """

    def under(channel: str, name: str) -> sa.Label[float]:
        own = sa.case((CREDIT.c.channel == channel, CREDIT.c.conversions), else_=0)
        return sa.cast(sa.func.sum(own), sa.Double).label(name)

    statement = (
        sa.select(
            CREDIT.c.week,
            sa.cast(sa.func.sum(CREDIT.c.conversions), sa.Double).label("new_patients"),
            under("unattributed", "untouched"),
            under(OTHER, "folded"),
        )
        .where(CREDIT.c.model == "last", CREDIT.c.kind == "new_patient")
        .group_by(CREDIT.c.week)
        .order_by(CREDIT.c.week)
    )
    frame = at.ask(statement)
    frame = frame.astype(dict.fromkeys(("new_patients", "untouched", "folded"), "float64"))
    frame["folded"] = frame["folded"].where(frame["untouched"] == 0, 0.0)
    return frame.assign(touched=frame["new_patients"] - frame["untouched"] - frame["folded"])
