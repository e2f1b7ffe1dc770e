"""A home folder with two generations: of what reports are made, and what is new in the second."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import marts_fixture as made_up

from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports import catalog
from attribution.reports.about import about_report
from attribution.reports.assembling import not_empty
from attribution.reports.contents import of_channels
from attribution.ui.freshness import Freshness

LAST = made_up.LAST_WEEK  # of the first generation
SCOPE = Scope(LAST - timedelta(weeks=12), LAST)
ABOUT = about_report("Report", 1, SCOPE, Freshness("fresh", 1, None), small_cells=True)


def channel_report(view, about, fmt):
    """The channel report of a view that is at hand, written as the catalogue writes it."""
    return catalog._written(of_channels(not_empty(view), about), fmt)


def two_generations(folder: Path) -> Home:
    """Generation 1, and after it one more with a week added and weeks restated."""
    home = made_up.make_home(folder)
    shutil.copytree(home.generation(1), home.generation(2))
    newer = LAST + timedelta(weeks=1)
    for name in ("marts.duckdb", "viewers.duckdb"):
        with duckdb.connect(str(home.generation(2) / name)) as marts:
            for table in ("credit", "spend", "conversions"):
                marts.execute(
                    f"insert into {table} select * replace (date '{newer}' as week)"
                    f" from {table} where week = date '{LAST}'"
                )
            marts.execute(f"update about set value = '{newer}' where key = 'last_week'")
            marts.execute(
                "update spend set spend_micros = spend_micros + 1000000 where rowid = (select"
                f" min(rowid) from spend where channel = 'display' and week = date '{LAST}')"
            )
            marts.execute(
                "update credit set conversions = conversions + 2 where rowid = (select min(rowid)"
                " from credit where model = 'position' and kind = 'booked'"
                f" and channel = 'email' and week = date '{LAST - timedelta(weeks=2)}')"
            )
    return home
