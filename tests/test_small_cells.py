"""Small cells: nothing that viewers are told is of 1 to 10 people, nor lets anybody work it out."""

from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from attribution import viewer_marts
from attribution.errors import BadInput, TransformError
from attribution.paths import PAGES, Home
from attribution.queries import About, Scope
from attribution.roles import Reader
from attribution.small_cells import (
    LEAST,
    OTHER,
    is_safe,
)
from attribution.ui import frame
from attribution.ui.freshness import Freshness
from attribution.ui.scope import protected_scope
from attribution.viewer_blocks import ALL
from attribution.viewer_marts import CUBES

KINDS = ("lead", "booked", "kept", "new_patient", "collected")
START = date(2025, 1, 20)  # a block begins here
GRAINS = {
    "about": ("key",),
    "conversions": ("kind", "service_line", "location", "week", "currency"),
    "credit": ("model", "kind", "channel", "campaign", "week"),
    "spend": ("channel", "week"),
    "sessions": ("channel", "week"),
    "reactivation": ("cohort_month",),
    "incremental": ("kind", "channel"),
    "paths": ("kind",),
    "removal_effect": ("kind", "channel"),
}


def store(weeks, *, seed=3):
    """A private store of so many weeks, in memory: all that viewers' marts are made of."""
    random = np.random.default_rng(seed)
    size = 160 * weeks
    week = np.sort(random.integers(0, weeks, size))
    frame = pd.DataFrame(
        {
            "conversion_id": np.arange(size),
            "kind": random.choice(KINDS, size, p=[0.3, 0.3, 0.2, 0.08, 0.12]),
            "person_id": random.integers(0, size // 3, size),
            "week": [START + timedelta(weeks=int(n)) for n in week],
            "service_line": random.choice(["heart", "hip", "eye"], size, p=[0.6, 0.37, 0.03]),
            "location": random.choice(["north", "south"], size, p=[0.8, 0.2]),
            "currency": "USD",
            "conversions": 1,
            "value_micros": random.integers(1, 9, size) * 1_000_000,
        }
    )
    touched = frame[random.random(size) < 0.8]["conversion_id"].to_numpy()
    first, last = (
        random.choice(9, len(touched), p=[0.3, 0.2, 0.15] + [0.35 / 6] * 6) for _ in "ab"
    )
    shares = pd.concat(
        [
            pd.DataFrame({"conversion_id": touched, "map_id": ids, "step": step,
                          "first_share": 2 - step, "last_share": step - 1,
                          "last_non_direct_share": step - 1, "linear_share": 0.5})
            for step, ids in ((1, first), (2, last))
        ]
    )  # fmt: skip
    ways = [(n, f"channel{n % 4}", f"campaign{n}") for n in range(9)]
    engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.pool.StaticPool)
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    raw = connection.connection.driver_connection
    months = pd.DataFrame(
        {
            "cohort_month": date(2025, 1, 1), "campaign": ["spring", "autumn", "", "late"],
            "channel": "outreach_sms", "months_silent": "6-12", "service_line": "heart",
            "location": "north", "arm": ["treated", "treated", "none", "holdout"],
            "silent": [90, 12, 500, 8], "contacted": [90, 12, 0, 0], "engaged": [60, 5, 0, 0],
            "booked": [40, 2, 60, 1], "kept": [25, 1, 40, 1], "retained": [3, 0, 5, 0],
            "currency": "USD", "value_micros": 10,
        }
    )  # fmt: skip
    tables = {
        "int_conversions": frame,
        "int_shares": shares,
        "int_channel_map": pd.DataFrame(ways, columns=["map_id", "channel", "campaign"]),
        "setting_report": pd.DataFrame({"currency": ["USD"], "timezone": ["UTC"]}),
        "reactivation": months,
        "about": pd.DataFrame(
            {
                "key": ["currency", "timezone", "first_week", "last_week", "people"],
                "value": ["USD", "UTC", str(START), str(START + timedelta(weeks=weeks - 1)), "3"],
            }
        ),
        "spend": pd.DataFrame(
            {"channel": ["channel0"], "campaign": ["campaign0"], "service_line": ["eye"],
             "location": ["north"], "week": [START], "currency": ["USD"], "spend_micros": [5],
             "impressions": [1], "clicks": [1], "claimed_conversions": [3.0]}
        ),
        # A rare channel too, which no block tells by its name.
        "removal_effect": pd.DataFrame(
            {"kind": "lead", "channel": ["channel0", "video"], "removal_effect": [0.4, 0.002],
             "low": [0.3, 0.0], "high": [0.5, 0.004], "markov_order": 1}
        ),
        "sessions": pd.DataFrame({"channel": ["channel0"], "week": [START], "sessions": [4]}),
        "paths": pd.DataFrame({"kind": ["lead"], "journeys": [7]}),
        "incremental": pd.DataFrame(
            {"kind": ["lead"], "channel": ["baseline"], "conversions": [9.0], "value_micros": [1],
             "share": [1.0], "low": [8.0], "high": [9.5]}
        ),
        **{name: pd.DataFrame({"rule": ["1"]}) for name in viewer_marts.RULES[1:]},
    }  # fmt: skip
    for name, table in tables.items():
        raw.register("incoming", table)
        connection.exec_driver_sql(f"create table {name} as from incoming")
        raw.unregister("incoming")
    cell = "kind, service_line, location, week, currency"
    connection.exec_driver_sql(
        f"create table conversions as select {cell}, sum(conversions) as conversions,"
        " cast(sum(value_micros) as bigint) as value_micros from int_conversions group by all"
    )
    models = " union all ".join(
        f"select '{model}' as model, {cell}, channel, campaign,"
        f" sum({model}_share) as conversions, sum(value_micros * {model}_share) as value_micros"
        " from int_conversions join int_shares using (conversion_id)"
        " join int_channel_map using (map_id) group by all"
        for model in ("first", "last", "linear")
    )
    nobody = " union all ".join(
        f"select '{model}', {cell}, 'unattributed', '', count(*), sum(value_micros)"
        " from int_conversions where conversion_id not in (select conversion_id from int_shares)"
        " group by all"
        for model in ("first", "last", "linear")
    )
    connection.exec_driver_sql(
        f"create table credit as select * from ({models} union all {nobody}) where conversions <> 0"
    )
    return connection


def release(connection, path, before=None):
    """Write viewers' marts, after a release where there was one, and open them."""
    connection.exec_driver_sql(f"attach '{path}' as viewers")
    if before is not None:
        connection.exec_driver_sql(f"attach '{before}' as before (read_only)")
    try:
        viewer_marts.write(connection, GRAINS, follows=before is not None)
    finally:
        connection.exec_driver_sql("detach viewers")
        if before is not None:
            connection.exec_driver_sql("detach before")
    return duckdb.connect(str(path), read_only=True)


@pytest.fixture(scope="module")
def two_releases(tmp_path_factory):
    """What viewers are told of eleven weeks, and of sixteen, of which the first differ a little."""
    folder = tmp_path_factory.mktemp("releases")
    early, late = store(11), store(16)
    first = release(early, folder / "first.duckdb")
    # Both stores are drawn apart: nearly every cell of the closed blocks would differ.
    second = release(late, folder / "second.duckdb", folder / "first.duckdb")
    yield early, late, first, second, folder
    for each in (first, second, early, late):
        each.close()


def test_every_cell_that_viewers_are_told_holds_enough_people(two_releases):
    _, _, first, second, _ = two_releases
    for told in (first, second):
        for mart in ("conversions", "conversions_weekly"):
            counts = told.sql(f"select conversions from {mart}").df()["conversions"]
            assert len(counts) > 10
            assert is_safe(counts)
        # These give a conversion to one touch, so that they count people.
        counts = told.sql("select conversions from credit where model in ('first', 'last')").df()[
            "conversions"
        ]
        assert len(counts) > 20
        assert is_safe(counts.round(9))


def test_people_are_counted_and_not_their_visits(two_releases):
    """Counted anew from the store: in all weeks of a block, under every name that is told."""
    early, _, first, _, _ = two_releases
    names = first.sql("select distinct service_line, location, week from conversions").df()
    seen = pd.read_sql("select * from int_conversions", early)
    for line, place, week in names.itertuples(index=False):
        if OTHER in (line, place):
            continue
        begin = pd.Timestamp(week).date()
        inside = seen["week"].map(lambda day: pd.Timestamp(day).date()).between(
            begin, begin + timedelta(weeks=3)
        )  # fmt: skip
        own = seen[inside & (seen["service_line"] == line) & (seen["location"] == place)]
        assert is_safe(own.groupby("kind")["person_id"].nunique())


def test_credit_of_a_block_adds_up_to_what_was_converted(two_releases):
    _, _, _, second, _ = two_releases
    credited = second.sql(
        "select model, kind, week, sum(conversions) as n from credit group by all"
    ).df()
    seen = second.sql("select kind, week, sum(conversions) as n from conversions group by all").df()
    both = credited.merge(seen, on=["kind", "week"], suffixes=("", "_seen"))
    assert len(both) == len(credited) > 0
    assert both["n"].to_numpy() == pytest.approx(both["n_seen"].to_numpy())
    weekly = second.sql(
        "select kind, sum(conversions) as n from conversions_weekly group by 1"
    ).df()
    whole = seen.groupby("kind")["n"].sum()
    assert weekly.set_index("kind")["n"].to_dict() == whole.to_dict()


def test_only_blocks_that_are_over_are_told_and_none_twice(two_releases):
    _, _, first, second, _ = two_releases
    weeks = [str(week)[:10] for (week,) in first.sql(
        "select distinct week from credit order by 1").fetchall()]  # fmt: skip
    assert weeks == [str(START), str(START + timedelta(weeks=4))]
    for mart in ("conversions", "conversions_weekly", "credit"):
        sql = f"select * from {mart} where week < date '{START + timedelta(weeks=8)}' order by all"
        assert first.sql(sql).fetchall() == second.sql(sql).fetchall()
    later = "select count(distinct week) from credit"
    assert second.sql(later).fetchone() == (4,)


def test_before_a_block_is_over_it_is_said_when_the_first_one_is(tmp_path):
    """Three weeks of data, and then five: nothing is told of them, then a block of four."""
    with store(3) as early, store(5) as late:
        first = release(early, tmp_path / "first.duckdb")
        about = dict(first.sql("from about").fetchall())
        assert about["told_after"] == str(START + timedelta(days=27))
        assert "told_until" not in about
        assert about["last_day"] == str(START + timedelta(days=20))
        assert first.sql("select count(*) from conversions").fetchone() == (0,)
        first.close()
        second = release(late, tmp_path / "second.duckdb", tmp_path / "first.duckdb")
        about = dict(second.sql("from about").fetchall())
        assert (about["told_until"], "told_after" in about) == (str(START), False)
        assert about["last_day"] == str(START + timedelta(days=27))
        weeks = "select distinct cast(week as varchar) from conversions"
        assert second.sql(weeks).fetchall() == [(str(START),)]
        second.close()


def test_other_rules_tell_all_blocks_anew(two_releases):
    _, late, first, _, folder = two_releases
    late.exec_driver_sql("insert into channel_rules values ('2')")
    anew = release(late, folder / "anew.duckdb", folder / "first.duckdb")
    sql = f"select * from conversions where week < date '{START + timedelta(weeks=8)}' order by all"
    assert anew.sql(sql).fetchall() != first.sql(sql).fetchall()
    late.exec_driver_sql("delete from channel_rules where rule = '2'")


def test_a_home_without_any_day_is_refused_in_a_sentence():
    with sa.create_engine("duckdb://").connect() as connection:
        connection.exec_driver_sql("create table about (key text, value text)")
        connection.exec_driver_sql(
            "insert into about values ('currency', 'USD'), ('last_day', null)"
        )
        with pytest.raises(BadInput, match="No source has brought anything"):
            viewer_marts.write(connection, {}, follows=False)


def test_what_nobody_has_shown_to_be_safe_is_empty(two_releases):
    _, _, first, _, _ = two_releases
    assert first.sql("select count(*) from paths").fetchone() == (0,)
    about = dict(first.sql("from about").fetchall())
    assert "people" not in about
    # An effect times all conversions is a count: only of channels whose names stand.
    assert first.sql("select channel from removal_effect").fetchall() == [("channel0",)]
    assert "claimed_conversions" not in first.sql("from spend").columns
    assert first.sql("select distinct service_line, location from credit").fetchall() == [
        (ALL, ALL)
    ]


def test_few_who_came_back_are_told_with_others_or_not_at_all(two_releases):
    """Autumn has 12 silent and 2 booked, so it is told with spring; eight held out are nowhere."""
    _, _, first, _, _ = two_releases
    rows = first.sql(
        "select arm, campaign, silent, booked, kept, retained from reactivation order by all"
    ).fetchall()
    assert rows == [("none", "", 500, 60, 40, None), ("treated", OTHER, 102, 42, 26, None)]


def test_a_mart_that_would_tell_of_few_stops_the_refresh(two_releases, monkeypatch, tmp_path):
    early, *_ = two_releases
    monkeypatch.setattr(viewer_marts, "protected", lambda _cube, frame, _before: frame)
    with pytest.raises(TransformError, match="of reactivation would tell viewers of fewer than 11"):
        release(early, tmp_path / "bad.duckdb")


def test_so_does_a_block_that_was_folded_wrongly(two_releases, monkeypatch, tmp_path):
    early, *_ = two_releases
    monkeypatch.setattr(
        "attribution.viewer_cells.fold", lambda cells, _allowed: {key: key for key in cells}
    )
    with pytest.raises(TransformError, match=f"of fewer than {LEAST} people"):
        release(early, tmp_path / "bad.duckdb")


def test_every_declared_mart_names_what_it_counts():
    for cube in CUBES:
        assert cube.counts
        assert {one for part in cube.parts for one in part} - set(cube.counts) <= {
            "engaged_or_booked"
        }


@pytest.mark.parametrize(
    ("roles", "folded"),
    [
        ({"viewer"}, True),
        ({"care"}, True),
        ({"admin"}, True),
        ({"analyst"}, False),
        ({"viewer", "analyst"}, False),
    ],
)
def test_only_analysts_see_small_cells(roles, folded, tmp_path):
    scope, reader = Scope(START, START), Reader("ann", frozenset(roles))
    fresh = Freshness("fresh", 1, None)
    assert frame.Context(Home(tmp_path), 1, scope, fresh, reader).protected is folded


def test_every_page_reads_by_the_roles_of_its_reader():
    for path in PAGES.rglob("*.py"):
        # Of single people, for those who may see them.
        if path.stem in {"patient_journey", "research"}:
            continue
        # What numbers mean, and which files left the house: no number of a mart is on either.
        if path.stem in {"definitions", "reports"}:
            continue
        assert "protected=context.protected" in path.read_text("utf-8"), path.name


def test_weeks_snap_to_whole_blocks():
    """Eight weeks are told: of six asked for one block, of the last three none but the newest."""
    last = START + timedelta(weeks=7)
    about = About("USD", START, last, 0, weeks_together=4)
    middle = START + timedelta(weeks=4)

    def snapped(since, until):
        told = protected_scope(Scope(since, until, service_lines=("hip",)), about)
        assert told.service_lines == ()
        return told.since, told.until

    assert snapped(START + timedelta(weeks=2), last) == (middle, last)
    assert snapped(last - timedelta(weeks=2), last) == (middle, last)
    assert snapped(START, last) == (START, last)
    assert snapped(START, middle - timedelta(weeks=1)) == (START, middle - timedelta(weeks=1))
    assert snapped(START, START + timedelta(weeks=40)) == (START, last)
