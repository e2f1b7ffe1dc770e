"""Why a channel gets its credit: sums said anew, small numbers kept back, people only where let."""

import shutil
from dataclasses import replace

import duckdb
import marts_fixture as made_up
import pandas as pd
import people_fixture as made_up_people
import pytest
from shell_fixture import app
from streamlit.testing.v1 import AppTest

from attribution import narrowing, path_queries
from attribution.errors import NotAllowed
from attribution.models import MODELS
from attribution.models.journey_credit import shared
from attribution.paths import PAGES, Home
from attribution.queries import Marts, Scope
from attribution.ui.views import attribution, examples, why

RECENT = Scope(made_up.weeks()[-13], made_up.LAST_WEEK, model="linear")
NARROW = replace(RECENT, service_lines=("cardiology",), locations=("North",))
MIDDLE = replace(RECENT, service_lines=("cardiology",))
QUARTERS = [q for q in made_up._quarters() if q >= narrowing.first_of_quarter(RECENT.since)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home of simulated people, that no test changes."""
    return made_up.make_home(tmp_path_factory.mktemp("simulated") / "home", demo=True)


@pytest.fixture(scope="module")
def marts(home) -> Marts:
    return Marts(home, 1, protected=False)


def chosen(name: str, scope: Scope, **where: str) -> pd.DataFrame:
    """The rows of a made-up mart that a scope is about."""
    rows = made_up.tables()[name]
    rows = rows[(rows["kind"] == scope.kind) & rows["quarter"].isin(QUARTERS)]
    for column, values in (("service_line", scope.service_lines), ("location", scope.locations)):
        rows = rows[rows[column].isin(values)] if values else rows
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows


def metrics(view) -> dict[str, float | None]:
    return {each.name: each.value for each in view.metrics}


@pytest.mark.parametrize("scope", [RECENT, MIDDLE, replace(RECENT, kind="collected")])
@pytest.mark.parametrize("model", ["first", "markov"])
def test_numbers_are_those_of_the_marts(marts, scope, model):
    view = why.build(marts, replace(scope, model=model), "email")
    rows = chosen("positions", scope, channel="email")
    given, whole = (
        (f"{model}_value", "value_micros")
        if scope.kind == "collected"
        else (f"{model}_conversions", "conversions")
    )
    beside = rows[rows["place"] != "alone"]
    told = metrics(view)
    assert told["part_of"] == rows["journeys"].sum()
    assert told["alone_rate"] == pytest.approx(
        rows.loc[rows["place"] == "alone", "journeys"].sum() / rows["journeys"].sum()
    )
    assert told["mean_share"] == pytest.approx(rows[given].sum() / rows[whole].sum())
    assert told["shared_share"] == pytest.approx(beside[given].sum() / beside[whole].sum())


def test_positions_add_up_to_the_whole_and_small_ones_are_told_together(marts):
    view = why.build(marts, NARROW, "email")
    shown = view.tables["why_positions"].frame
    rows = chosen("positions", NARROW, channel="email")
    both = rows.loc[rows["place"] == "both", "journeys"].sum()
    assert 0 < both < why.LEAST
    assert "First and last" not in set(shown["place"])
    assert shown["part_of"].min() >= why.LEAST
    assert shown["part_of"].sum() == rows["journeys"].sum()
    assert shown["credit"].sum() == pytest.approx(rows["linear_conversions"].sum())
    assert list(shown["place"])[-1] == "Other positions"


def test_every_model_s_share_stands_beside_the_others(marts):
    shown = why.build(marts, RECENT, "direct").tables["why_positions"].frame.set_index("place")
    rows = chosen("positions", RECENT, channel="direct", place="middle")
    for model in shared():
        expected = rows[f"{model}_conversions"].sum() / rows["conversions"].sum()
        assert shown.loc["Between others", model] == pytest.approx(expected)
        assert shown.loc["Alone", model] == pytest.approx(1.0)


def test_company_is_told_with_what_each_of_the_two_gets(marts):
    table = why.build(marts, RECENT, "email").tables["why_companions"].frame
    assert set(table["companion"]) == {"Paid search", "Direct", "Display", "Organic search"}
    row = table.set_index("companion").loc["Display"]
    own = chosen("companions", RECENT, channel="email", companion="display")
    other = chosen("companions", RECENT, channel="display", companion="email")
    assert row["journeys"] == own["journeys"].sum()
    whole = own["conversions"].sum()
    assert row["given"] == pytest.approx(own["linear_conversions"].sum() / whole)
    assert row["taken"] == pytest.approx(other["linear_conversions"].sum() / whole)


def test_companions_of_few_journeys_are_told_together(marts):
    one_week = replace(NARROW, since=RECENT.until)
    table = why.build(marts, one_week, "email").tables["why_companions"].frame
    rows = made_up.tables()["companions"].query("quarter == @QUARTERS[-1] and kind == 'booked'")
    rows = rows[(rows["service_line"] == "cardiology") & (rows["location"] == "North")]
    total = rows.loc[rows["channel"] == "email", "journeys"].sum()
    assert list(table["journeys"]) == ([total] if total >= why.LEAST else [])


def frame(*journeys: int) -> pd.DataFrame:
    names = [f"n{place}" for place in range(len(journeys))]
    return pd.DataFrame({"name": names, "journeys": journeys, "whole": journeys})


@pytest.mark.parametrize(
    ("journeys", "shown"),
    [
        ((50, 20, 11), [50, 20, 11]),
        ((50, 20, 6, 5), [50, 20, 11]),
        ((50, 20, 4), [50, 24]),  # 4 alone could be told from the sum of all
        ((50, 4), [54]),
        ((5, 4), []),
        ((), []),
    ],
)
def test_what_is_folded_cannot_be_told_from_the_rest(journeys, shown):
    assert list(why._folded(frame(*journeys), "name")["journeys"]) == shown


def stood(**journeys: int) -> pd.DataFrame:
    """What `path_queries.positions` answers, made up; a half of everything is given."""
    counts = pd.Series(journeys, dtype="int64")
    given = {model: counts.to_numpy() / 2 for model in shared()}
    whole = counts.astype("float64").to_numpy()
    return pd.DataFrame(
        {"place": counts.index, "journeys": counts.to_numpy(), "whole": whole, **given}
    )


def test_the_number_alone_does_not_give_back_what_was_folded(marts, monkeypatch):
    """It is told as a headline too, so it must not be in the row of others."""
    rows = stood(alone=26, first=88, middle=61, last=47, both=3)
    monkeypatch.setattr(path_queries, "positions", lambda *_: rows)
    view = why.build(marts, RECENT, "email")
    assert metrics(view)["alone_rate"] == pytest.approx(26 / 225)
    shown = view.tables["why_positions"].frame.set_index("place")["part_of"]
    assert shown.to_dict() == {
        "Alone": 26,
        "First of several": 88,
        "Between others": 61,
        "Other positions": 50,
    }
    assert "in other positions" in view.notes[0]


def test_where_too_few_had_company_nothing_is_told_of_it(marts, monkeypatch):
    monkeypatch.setattr(path_queries, "positions", lambda *_: stood(alone=54, both=4))
    view = why.build(marts, RECENT, "email")
    assert list(view.tables["why_positions"].frame["part_of"]) == [58]
    assert metrics(view)["alone_rate"] is metrics(view)["shared_share"] is None


@pytest.mark.parametrize(
    ("basis", "said"), [("own", "quarter: those"), ("touch", "quarter in which the conversion hap")]
)
def test_it_is_said_by_which_day_journeys_are_counted(marts, basis, said):
    """They know the day of the conversion alone, whichever the page is counted by."""
    assert said in why.build(marts, replace(RECENT, basis=basis), "email").notes[-1]


def test_a_channel_of_few_journeys_is_not_told_of(marts):
    view = why.build(marts, RECENT, "carrier_pigeon")
    assert "Carrier pigeon was part of fewer than 11 journeys" in view.empty
    assert not view.metrics


def test_shares_that_would_tell_a_small_number_are_kept_back(marts, monkeypatch):
    rows = stood(alone=4, first=30, last=30)
    monkeypatch.setattr(path_queries, "positions", lambda *_: rows)
    told = metrics(why.build(marts, RECENT, "email"))
    assert (told["alone_rate"], told["shared_share"]) == (None, None)
    assert told["part_of"] == 64


def test_examples_span_the_range_and_add_up(home):
    scope = replace(RECENT, model="linear")
    shown = examples.examples(home, 1, scope, "email")
    having = [way for way in made_up_people.WAYS if "email" in way]
    assert len(shown) == len(having)
    shares = [each.shares["linear"] for each in shown]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] < 0.25
    for each in shown:
        way = [stop.channel for stop in each.stops for _ in range(stop.touches)]
        assert tuple(way) in having
        assert each.shares.keys() == set(shared())
        assert each.shares["linear"] == pytest.approx(way.count("email") / len(way))
        assert each.shares["first"] == (way[0] == "email")
        assert all(stop.first_days >= stop.last_days >= 0 for stop in each.stops)


def test_examples_are_the_commonest_of_each_band_in_turn():
    ways = pd.DataFrame(
        {
            "conversion_id": range(6),
            "share": [1.0, 0.95, 0.9, 0.5, 0.1, 0.3],
            "journeys": [90, 80, 70, 60, 50, 40],
        }
    )
    picked = examples.spanning(ways, most=4)
    assert list(picked["conversion_id"]) == [0, 3, 5, 4]
    assert list(examples.spanning(ways, most=5)["conversion_id"]) == [0, 1, 3, 5, 4]


def test_examples_are_the_same_each_time(home):
    first = examples.examples(home, 1, RECENT, "display")
    examples._examples.cache_clear()
    assert examples.examples(home, 1, RECENT, "display") == first


def test_examples_hold_no_number_of_a_person(home):
    told = repr(examples.examples(home, 1, RECENT, "email"))
    people = made_up_people.tables()["journeys"]["person_id"]
    assert not [number for number in people if str(number) in told]
    assert "person" not in told


def copied(home: Home, folder) -> Home:
    """A home that a test may change."""
    copy = Home(folder / "home")
    shutil.copytree(home.folder, copy.folder)
    return copy


def test_what_was_shown_before_is_refused_once_the_demo_is_over(home, tmp_path):
    copy = copied(home, tmp_path)
    assert examples.examples(copy, 1, RECENT, "email")
    copy.config.write_text('currency = "USD"\n')
    with pytest.raises(NotAllowed):
        examples.examples(copy, 1, RECENT, "email")


def test_it_is_said_that_no_journeys_are_kept(home, tmp_path):
    """And not that nobody converted, which the counts beside it would belie."""
    copy = copied(home, tmp_path)
    with duckdb.connect(str(copy.generation(1) / "people.duckdb")) as connection:
        for table in ("journeys", "journey_credit"):
            connection.execute(f"delete from {table}")
    assert examples.examples(copy, 1, RECENT, "email") == ()
    assert examples.none_because(copy, 1) == examples.NONE_KEPT
    assert "Choose a longer period" in examples.none_because(home, 1)


def open_page(at_home, monkeypatch, **address) -> AppTest:
    monkeypatch.setenv("CARETRACE_HOME", str(at_home.folder))
    page = app()
    for key, value in ({"why_open": "true"} | address).items():
        page.query_params[key] = value
    page.run()
    page.switch_page(str(PAGES / "acquisition/attribution.py")).run()
    assert not page.exception, page.exception
    return page


def said(page: AppTest) -> str:
    return " ".join(
        each.value for sink in (page.markdown, page.caption, page.info) for each in sink
    )


def test_the_page_tells_why_and_shows_journeys_of_the_simulated(home, monkeypatch):
    page = open_page(home, monkeypatch)
    page.selectbox(key="why").select("email").run()
    page.selectbox(key="why_model").select("last").run()
    assert not page.exception
    text = said(page)
    assert "Email was part of" in text
    assert MODELS["last"].help.rstrip(".") in text.replace("\\", "")
    assert ":blue-badge[Email" in text
    assert ":green-badge[:material/check: Booked]" in text
    assert "Last touch **100%**" in text
    whole = metrics(why.why(home, 1, replace(RECENT, model="last"), "email", protected=False))
    shown = {each.label: each.value for each in page.metric}
    assert shown["Average share"] == f"{whole['mean_share'] * 100:.1f}%"


def test_the_question_is_closed_until_it_is_asked(home, monkeypatch):
    page = open_page(home, monkeypatch, why_open="false")
    assert "was part" not in said(page)
    assert page.expander[-1].label == why.QUESTION


def test_real_people_s_numbers_are_not_shown_where_nobody_signs_in(home, tmp_path, monkeypatch):
    real = copied(home, tmp_path)
    real.config.write_text('currency = "USD"\n')
    monkeypatch.setenv("CARETRACE_HOME", str(real.folder))
    page = app().run()
    assert not page.exception
    assert [info.value for info in page.info] != []
    assert not page.dataframe
    assert not page.metric
    assert not page.selectbox


def test_a_choice_that_filters_took_away_falls_back(home, marts, monkeypatch):
    narrow = replace(NARROW, since=RECENT.until, kind="new_patient")
    left = set(attribution.build(marts, narrow).tables["credit"].frame["channel"])
    gone = next(channel for channel, _campaign in made_up.campaigns() if channel not in left)
    page = open_page(home, monkeypatch, kind="new_patient")
    page.selectbox(key="why").select(gone).run()
    assert page.selectbox(key="why").value == gone
    for key, value in {"service": "cardiology", "location": "North", "period": "custom"}.items():
        page.query_params[key] = value
    page.query_params["from"] = page.query_params["to"] = str(RECENT.until)
    page.run()
    assert not page.exception, page.exception
    assert page.selectbox(key="why").value in left


def test_an_unknown_channel_in_the_address_is_not_believed(home, monkeypatch):
    page = open_page(home, monkeypatch, why="carrier_pigeon", why_model="best")
    assert not page.exception, page.exception
    assert page.selectbox(key="why").value != "carrier_pigeon"
    assert page.selectbox(key="why_model").value == "position"


def test_the_page_says_that_another_model_tells_why(home, monkeypatch):
    assert "is not made of shares" not in said(open_page(home, monkeypatch, model="linear"))
    text = said(open_page(home, monkeypatch, model="incremental"))
    assert "Incremental is not made of shares of journeys" in text
    assert f"told under {MODELS['position'].title}" in text.replace("\\", "")
