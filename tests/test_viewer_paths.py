"""Ways by which people came, as viewers are told of them: vague enough, whoever takes what away."""

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import viewer_paths
from attribution.small_cells import LEAST
from attribution.small_cells_audit import PROTECTION, Attack
from attribution.viewer_paths import ABOUT, EVERY, TOGETHER, labels
from benchmarks.small_cells import possible_ways, ways_attacked

STEPS = ["step_1", "step_2", "step_3", "step_4"]
SPRING, SUMMER = date(2025, 4, 1), date(2025, 7, 1)


def ways(random, size):
    """Journeys of up to four steps over five channels, of which some are seldom begun with."""
    first = random.choice(5, size, p=[0.5, 0.3, 0.15, 0.04, 0.01]) + 1
    frame = pd.DataFrame({"step_1": first})
    for before, step in pairwise(STEPS):
        goes_on = (frame[before] > 0) & (random.random(size) < 0.45)
        frame[step] = np.where(goes_on, (frame[before] + random.integers(0, 4, size)) % 5 + 1, 0)
    return frame


@pytest.fixture(scope="module")
def store():
    """A store of two quarters, of which the second is not over, and what is told of it."""
    random = np.random.default_rng(4)
    won = ways(random, 3000).assign(
        conversion_id=np.arange(3000), kind="lead",
        quarter=np.where(random.random(3000) < 0.6, SPRING, SUMMER), service_line="hip",
        journeys=1, touches=random.integers(1, 9, 3000), days=random.random(3000) * 40,
    )  # fmt: skip
    lost = ways(random, 4000).assign(kind="lead", quarter=SPRING, service_line="hip")
    lost = lost.groupby([*lost], as_index=False).size().rename(columns={"size": "journeys"})
    tables = {
        "int_won_paths": won,
        "int_lost_paths": lost.assign(touches=lost["journeys"] * 3),
        # Twelve hundred people, so that many came by two ways; and some whom nobody knows.
        "int_conversions": pd.DataFrame(
            {"conversion_id": won["conversion_id"],
             "person_id": pd.array(random.integers(0, 1200, 3000), dtype="Int64")}
        ),
        "int_channel_map": pd.DataFrame(
            {"channel_id": [*range(1, 6)], "channel": [f"channel{n}" for n in range(1, 6)]}
        ),
        "setting_credit": pd.DataFrame({"lookback_days": [90, 45]}),
    }  # fmt: skip
    known = tables["int_conversions"]
    known.loc[:50, "person_id"] = pd.NA
    tables["int_won_paths"] = won.assign(who=known["person_id"].fillna(-1 - known["conversion_id"]))
    engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.pool.StaticPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        for name, table in tables.items():
            raw.register("incoming", table)
            connection.exec_driver_sql(f"create table {name} as from incoming")
            raw.unregister("incoming")
        yield connection, viewer_paths.tell(connection, "2000-01-01", "2025-07-20")


def truth(connection, outcome="converted"):
    """Journeys and people of each way as it is, of the quarter that is over."""
    rows = {
        "converted": "int_won_paths join int_conversions using (conversion_id)",
        "lost": "int_lost_paths",
    }[outcome]
    who = "coalesce(person_id, -1 - conversion_id)" if outcome == "converted" else "null"
    return connection.connection.driver_connection.sql(
        f"select {', '.join(STEPS)}, sum(journeys) as journeys, list({who}) as people"
        f" from {rows} where quarter = '{SPRING}' group by all"
    ).df()


def in_words(row):
    return tuple("" if not row[step] else f"channel{row[step]}" for step in STEPS)


def test_a_way_is_told_to_the_nearest_of_its_people_and_of_eleven_or_more(store):
    connection, told = store
    every = truth(connection)
    every["way"] = [in_words(row) for _, row in every.iterrows()]
    exact = every.set_index("way")
    paths = told["paths"]
    converted = paths[paths["outcome"] == "converted"].set_index(STEPS)
    assert len(converted) > 12
    named = converted[converted.index.get_level_values(1) != TOGETHER]
    named = named[named.index.get_level_values(0) != TOGETHER]
    assert len(named) > 10
    for way, row in named.iterrows():
        assert row["journeys"] % ABOUT == 0
        assert abs(row["journeys"] - exact.loc[[way], "journeys"].iloc[0]) <= ABOUT // 2
        assert len(set(exact.loc[[way], "people"].iloc[0])) >= LEAST
    for first, row in converted[converted.index.get_level_values(1) == TOGETHER].iterrows():
        rest = exact[[w[0] == first[0] and w not in named.index for w in exact.index]]
        assert abs(row["journeys"] - rest["journeys"].sum()) <= ABOUT // 2
        assert len(set().union(*rest["people"])) >= LEAST


def test_only_quarters_that_are_over_are_told_and_none_twice(store):
    connection, told = store
    for mart in told.values():
        assert set(pd.to_datetime(mart["quarter"]).dt.date) == {SPRING}
        assert set(mart["service_line"]) == {EVERY}
    later = viewer_paths.tell(connection, f"{SPRING}", "2025-09-30")
    assert set(pd.to_datetime(later["paths"]["quarter"]).dt.date) == {SUMMER}
    assert viewer_paths.tell(connection, f"{SPRING}", "2025-09-29")["path_lags"].empty


def test_means_and_medians_are_told_with_few_digits(store):
    _, told = store
    paths = told["paths"]
    each = paths["touches"] / paths["journeys"]
    assert (each - each.round(1)).abs().max() <= 0.5 / ABOUT + 1e-9
    assert (paths["median_days"].dropna() % 1 == 0).all()
    lags = told["path_lags"].set_index("measure")
    assert lags.loc["days", "p50"] == pytest.approx(20, abs=2)
    assert (lags[["p10", "p25", "p50", "p75", "p90"]] % 1 == 0).all(axis=None)


def test_a_hundred_journeys_have_no_outermost_percentiles():
    lags = pd.DataFrame(
        {"journeys": [109, 110], "short_journeys": [3, 40],
         **{name: [1.26, 1.26] for name in ("p10", "p25", "p50", "p75", "p90")}}
    )  # fmt: skip
    told = viewer_paths._rounded_lags(lags)
    assert told["p50"].isna().tolist() == [True, False]
    assert told["p50"].iloc[1] == 1
    assert told["short_journeys"].tolist() == [0, 50]


def ways_of(**sizes):
    """Ways by their steps with '_' between, and how many took each."""
    return {(*(w := way.split("_")), *[""] * (4 - len(w))): n for way, n in sizes.items()}


def test_a_way_is_named_while_those_that_are_not_could_be_others():
    # Five that are not named go from a to b. It could be six more, as many fewer from a to c and
    # from c to b, and as many more from c to itself: as many would begin and end with each.
    counts = ways_of(a=90, a_c_b=5, a_b_c=6, a_c=6, c_b=7, c_a_b=6, c=30)
    told = labels({way: (people, 0) for way, people in counts.items()}, counts)
    rest = {first: (first, TOGETHER, "", "") for first in "ac"}
    assert {way for way, label in told.items() if way == label} == set(ways_of(a=0, c=0))
    assert {label for way, label in told.items() if way != label} == set(rest.values())


def test_a_way_is_not_named_where_it_gives_the_others_away():
    # 129 began with a and 131 ended there, so that with a alone told, 2 came there from b.
    counts = ways_of(a=129, b=400, b_a=2, b_a_b=20)
    told = labels({way: (people, 0) for way, people in counts.items()}, counts)
    assert told["a", "", "", ""] == ("a", TOGETHER, "", "")
    assert told["b", "a", "b", ""] == ("b", TOGETHER, "", "")
    assert told["b", "", "", ""] == ("b", "", "", "")


WAYS = possible_ways(2)


@given(st.lists(st.integers(0, 90), min_size=len(WAYS), max_size=len(WAYS)))
@settings(max_examples=20)
def test_linear_programs_give_no_small_way_back(sizes):
    """Whoever knows how many began and ended with each channel, as credit tells, learns of no few.

    The same attack is made on 500 tables by `python -m benchmarks.small_cells`.
    """
    exact = np.array(sizes)
    assert ways_attacked(WAYS, exact).given_back([[n] for n in range(len(WAYS))], exact) == []


def test_the_attack_sees_through_what_is_not_rounded():
    """The same attack finds the few where ways are told exactly, so it can find them at all."""
    attack = Attack(hidden=3)  # began with a and ended there, went on to b, went on to c
    attack.told([0, 1, 2], 104)
    attack.told([0, 1], 100)
    attack.between([0], 80, 80)
    spans = attack.spans([[2], [1]])
    assert spans.tolist() == [[4, 4], [20, 20]]
    attack = Attack(hidden=3)
    attack.told([0, 1, 2], 104)
    attack.between([0, 1], 88, 112)
    ((low, high),) = attack.spans([[2]]).tolist()
    assert high - low >= PROTECTION
