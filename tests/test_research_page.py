"""The page Research: small counts stay hidden, neighbouring weeks are alike, it takes two roles."""

import numpy as np
import pandas as pd
import pytest
import research_fixture
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from attribution import people, research_queries
from attribution.errors import NotAllowed, StorageError
from attribution.models.exposure import (
    benjamini_hochberg,
    mean_interval,
    rank_correlation,
    wilson,
)
from attribution.people import Permit
from attribution.research.cohort import Cohort
from attribution.roles import PEOPLE, RESEARCH, Reader
from attribution.ui import access
from attribution.ui.views import exposure, research

PERMIT = Permit("a test")
PEOPLE_OF_600 = research_fixture.people(600)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return research_fixture.make_home(tmp_path_factory.mktemp("home") / "home", PEOPLE_OF_600)


@pytest.fixture(scope="module")
def at(home):
    return people.people(home, 1, PERMIT)


# Figures


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_of_a_share_is_wilsons(cases, more):
    low, high = wilson(cases, cases + more)
    known = stats.binomtest(cases, cases + more).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((known.low, known.high), abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_p_values_are_adjusted_as_by_benjamini_and_hochberg(p):
    assert benjamini_hochberg(p) == pytest.approx(list(stats.false_discovery_control(p)))


def test_a_correlation_is_spearmans_and_is_sure_of_what_is_there():
    random = np.random.default_rng(4)
    one = np.cumsum(random.normal(size=100))
    other = one + random.normal(0, 0.3, 100)
    found = rank_correlation(list(one), list(other))
    assert found.rho == pytest.approx(stats.spearmanr(one, other).statistic)
    assert found.low <= found.rho <= found.high
    assert found.low > 0.5
    assert found.p < 0.01
    assert rank_correlation([3.0] * 20, list(one[:20])) is None


def test_neighbours_that_are_alike_make_an_interval_wider():
    """Independent wanderings correlate by chance; weeks drawn one by one would be sure of it."""
    random = np.random.default_rng(8)
    told = [
        rank_correlation(*(list(np.cumsum(random.normal(size=104))) for _ in range(2)))
        for _ in range(30)
    ]
    naive = sum(abs(each.rho) > 1.96 / np.sqrt(104) for each in told)
    assert sum(not each.low <= 0 <= each.high for each in told) < naive / 1.3


def test_the_mean_of_a_band_is_inside_its_interval():
    mean, low, high = mean_interval([1.0, 2.0, 30.0, 40.0] * 10, [False, False, True, True] * 10)
    assert mean == 35.0
    assert low <= mean <= high


COUNTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda two: (sum(two), two[0])),
    min_size=1,
    max_size=8,
)


@given(COUNTS)
def test_hidden_shares_cannot_be_had_from_the_whole(counts):
    frame = pd.DataFrame(counts, columns=["people", "cases"]).assign(name=range(len(counts)))
    told = research.told_shares(frame)
    hidden = told["cases"].isna()
    rest = frame["people"] - frame["cases"]
    for each in (frame["cases"], rest):
        assert not each[~hidden].between(1, 10).any()
        # Whoever knows the whole knows what all hidden ones are together.
        assert hidden.all() or not 1 <= each[hidden].sum() <= 10
    assert hidden.all() or hidden.sum() != 1


def test_what_is_small_by_week_is_told_by_four_weeks_or_not_at_all():
    periods = research_fixture.weeks()
    told = exposure.told_series(periods[periods["location"] == ""])
    weeks = {name: int(frame["weeks"].iloc[0]) for (_kind, name), frame in told.items()}
    assert weeks == {"": 1, "cardiology": 1, "dental": 1, "CAR0": 4}
    assert all((frame["people"] >= 11).all() for frame in told.values())


def test_the_correlation_that_is_there_stands_out(at):
    view = research.build(at, Cohort(), ("CAR0",))
    table = view.tables["correlations"]
    first = table.frame.iloc[0]
    assert (first["what"], first["exposure"]) == ("Cardiology", "Pollen")
    assert first["low"] > 0
    assert first["adjusted"] < 0.05
    assert "correlations were looked at" in table.note
    assert "1 more are of too few visits" in table.note
    assert set(view.figures) == {"places", "ages", "pollen", "air"}


def test_places_are_written_in_the_table_as_in_the_figure():
    shares = research.told_shares(
        pd.DataFrame({"name": ["north_side", "south"], "people": [100, 200], "cases": [30, 40]})
    )
    assert research._table("Place", shares).frame["name"].tolist() == ["North side", "South"]
    assert research._figure("Place", shares, "places").alt.startswith("Highest: North side with 30")
    one = research._figure("Place", shares.head(1), "places")
    assert one.alt.startswith("Only one is told: North side with 30")


def test_prevalence_is_what_pandas_counts(at):
    frame = PEOPLE_OF_600
    cohort = Cohort(sexes=("female",), age_from=30, first_year=2021)
    own = frame[
        (frame["sex"] == "female")
        & (frame["age"] >= 30)
        & (pd.to_datetime(frame["first_visit"]).dt.year >= 2021)
    ]
    found = research_queries.prevalence(at, cohort, ("CAR0", "CAR1"), "location")
    expected = own.groupby("location")["condition"].agg(
        people="size", cases=lambda codes: codes.isin(["CAR0", "CAR1"]).sum()
    )
    assert found.set_index("name").astype("int64").equals(expected.astype("int64"))
    assert research.build(at, Cohort(first_year=2026, last_year=2019 + 7), ()).metrics


def test_a_cohort_of_few_says_so(at):
    assert "Fewer than 11 people" in research.build(at, Cohort(last_year=1950), ("CAR0",)).empty


def test_conditions_of_few_people_cannot_be_chosen(at):
    known = research_queries.choices(at)
    assert not set(known.conditions) & set(research_fixture.CANARIES)
    assert len(known.service_lines) == 3


def test_a_generation_without_these_tables_says_what_to_do():
    class Older:
        def ask(self, _statement):
            return pd.DataFrame({"table_name": ["journeys"]})

    with pytest.raises(StorageError, match="Run `caretrace refresh`"):
        research_queries.require(Older())


# Roles


@pytest.mark.parametrize(
    ("roles", "may"),
    [({"care"}, False), ({"admin"}, False), ({"care", "admin"}, True), ({"analyst"}, False)],
)
def test_research_takes_both_roles(home, monkeypatch, roles, may):
    reader = Reader("Ada", frozenset(roles))
    assert reader.may(RESEARCH) == may
    assert Reader("Ada", frozenset({"care"})).may(PEOPLE)
    monkeypatch.setattr(access, "_reader", lambda *_, **__: reader)
    if may:
        assert access.research_permit(home) == Permit("roles care and admin", "Ada")
        return
    with pytest.raises(NotAllowed, match="both roles, care and admin"):
        research.research(home, 1, Cohort(), ("CAR0",))
    with pytest.raises(NotAllowed):
        research.choices(home, 1)
