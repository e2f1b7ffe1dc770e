"""Reviews by site and place: how many stars, and what the site shows."""

import pandas as pd

from attribution.experience_queries import STARS
from attribution.metrics import definition
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, measured, records
from attribution.ui.views.extremes import extremes, left_out

MAX_ROWS = 14


def rating(stars: pd.DataFrame) -> tuple[float | None, int]:
    """The mean of all stars, and how many reviews gave them."""
    reviews = int(stars["reviews"].sum())
    if not reviews:
        return None, 0
    return float((stars["stars"] * stars["reviews"]).sum()) / reviews, reviews


def sites_table(stars: pd.DataFrame, shown: pd.DataFrame) -> Table:
    """A row for each site and location: stars given, and the rating that the site shows."""
    grain = ["site", "location"]
    wide = stars.pivot_table(
        index=grain, columns="stars", values="reviews", aggfunc="sum", fill_value=0
    )
    wide = wide.reindex(columns=sorted(STARS), fill_value=0)
    wide.columns = [_name(star) for star in sorted(STARS)]
    frame = wide.reset_index().merge(shown, on=grain, how="outer")
    given = frame[[_name(star) for star in STARS]].fillna(0)
    frame["reviews"] = given.sum(axis=1)
    weighed = sum(star * given[_name(star)] for star in STARS)
    frame["review_rating"] = weighed / frame["reviews"].where(frame["reviews"] > 0)
    frame = frame.rename(columns={"shown": "site_rating"}).sort_values(grain)
    frame["site"], frame["location"] = (frame[name].map(formats.title) for name in grain)
    columns = (
        Column("site", "Site"),
        Column("location", "Location"),
        Column("reviews", "Reviews", "count", "Reviews of these months that may be kept."),
        measured("review_rating"),
        measured("site_rating"),
        Column("shown_reviews", "Reviews shown", "count", "What the site's rating is of."),
        *(Column(_name(star), f"{star} ★", "count") for star in STARS),
        Column("day", "As of", "day"),
    )
    rows = frame[[c.name for c in columns]].reset_index(drop=True)
    floats = dict.fromkeys(("site_rating", "shown_reviews", "review_rating"), "float64")
    return Table("Reviews by site", columns, rows.astype(floats))


def sites_figure(sites: pd.DataFrame) -> Figure:
    """How the stars of each site and place are spread; of many, the best and the worst rated."""
    given = sites[sites["reviews"] > 0]
    ranked = given.sort_values("review_rating", ascending=False, kind="stable")
    drawn = extremes(ranked, MAX_ROWS).sort_index()
    rows = records(drawn)
    shares = [[row[_name(star)] / row["reviews"] for star in STARS] for row in rows]
    hovers = [
        [
            f"<b>{formats.label(row['site'])}, {formats.label(row['location'])}</b><br>"
            f"{formats.count(row[_name(star)])} of {formats.count(row['reviews'])} reviews gave "
            f"{star} {'star' if star == 1 else 'stars'}"
            for star in STARS
        ]
        for row in rows
    ]
    total = float(given["reviews"].sum())
    best = float(given[_name(5)].sum())
    low = float(given[[_name(1), _name(2)]].to_numpy().sum())
    return Figure(
        "Stars by site and location",
        charts.heat_map(
            [formats.short_label(f"{row['site']}, {row['location']}", 20) for row in rows],
            [f"{star} ★" for star in STARS],
            shares,
            hovers,
            "Share of reviews",
        ),
        f"{formats.count(total)} reviews: {formats.rate(best / total)} gave five stars, "
        f"{formats.rate(low / total)} one or two.{left_out(given, drawn)}",
        f"{definition('review_rating').help} The numbers are in the table below.",
    )


def _name(star: int) -> str:
    return f"stars_{star}"
