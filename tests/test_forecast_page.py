"""The page Forecast, its report, and unusual weeks on Overview: the same numbers everywhere."""

import csv
import io
from datetime import date

import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest

from attribution import audit, cli, queries
from attribution.errors import BadInput
from attribution.forecast_queries import Asked, forecast_members, forecast_weeks
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.export import export_forecast
from attribution.ui.views import forecast as page
from attribution.ui.views.forecast_words import how_sure, sums, unusual_notes, why
from attribution.ui.views.overview import build as overview

NEWEST = made_up.LAST_WEEK
SPEND = Asked("spend", "service_line", "cardiology")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> queries.Marts:
    return queries.marts(home, 1, protected=False)


def test_what_can_be_chosen_is_what_is_forecast(marts):
    assert forecast_members(marts) == {
        name: {"total": ("(all)",), "service_line": ("cardiology", "dental", "(others)")}
        for name in ("booked", "spend")
    }


def test_the_page_shows_the_mart_in_the_reports_currency(marts):
    view = page.build(marts, SPEND)
    weeks = made_up.tables()["forecast"]
    own = weeks[(weeks["metric"] == "spend") & (weeks["member"] == "cardiology")]
    ahead = own[own["is_ahead"]]
    assert view.tables["next"].frame["expected"].tolist() == pytest.approx(ahead["expected"] / 1e6)
    assert view.metrics[1].value == pytest.approx(ahead["expected"].sum() / 1e6)
    assert view.metrics[1].before == pytest.approx(own["actual"].dropna().iloc[-13:].sum() / 1e6)


def test_the_target_and_the_unusual_week_are_in_the_figure(marts):
    view = page.build(marts, Asked())
    traces = {trace.get("name"): trace for trace in view.figures["fan"].spec["data"]}
    assert set(traces["Target"]["y"]) == {100.0}
    assert traces["Unusual"]["x"] == [f"{NEWEST}"]
    assert "Ringed: the week of 16 Nov 2026" in " ".join(view.notes)
    assert {each.name for each in view.metrics} >= {"on_target", "wape"}


def late(folder, last_week: str) -> queries.Marts:
    """The marts of a home of which other sources go on to a later week."""
    home = made_up.make_home(folder)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        database.execute("update about set value = ? where key = 'last_week'", [last_week])
    return queries.Marts(home, 1, protected=False)


def test_weeks_that_are_over_and_not_reported_are_in_no_sum_of_coming_ones(tmp_path):
    """Three weeks are over that were foretold: ten of thirteen are still to come."""
    marts = late(tmp_path, "2026-12-07")
    view = page.build(marts, Asked())
    weeks = made_up.tables()["forecast"]
    own = weeks[weeks["metric"].eq("booked") & weeks["dimension"].eq("total") & weeks["is_ahead"]]
    coming = own["expected"].iloc[3:]
    cards = {each.name: each for each in view.metrics}
    assert cards["next_4"].value == pytest.approx(coming.iloc[:4].sum())
    assert cards["next_10"].value == pytest.approx(coming.sum())
    assert cards["next_10"].help.endswith("Compared with the newest 10 weeks reported.")
    assert cards["on_target"].value == pytest.approx(coming.sum() / 1_000)
    assert len(view.tables["next"].frame) == 10
    assert "The weeks of 23 Nov 2026 to 7 Dec 2026 are over" in " ".join(view.notes)
    rows = page.report(marts).tables["report"].frame
    ahead = rows[(rows["is_ahead"] == "yes") & (rows["metric"] == "booked")]
    assert (ahead["is_over"] == "yes").sum() == 3 * ahead.groupby(["dimension", "member"]).ngroups


def test_a_number_that_is_later_than_its_horizon_has_no_coming_week(tmp_path):
    view = page.build(late(tmp_path, "2027-03-01"), Asked())
    assert [each.name for each in view.metrics] == ["wape"]
    assert view.tables["next"].frame.empty
    assert "Raise `horizon`" in view.tables["next"].empty


def test_the_choice_is_explained_with_the_error_of_each_model():
    errors = pd.DataFrame(
        {
            "model": ["ets", "prophet", "seasonal_naive"],
            "wape": [0.105, 0.1, 0.2],
            "is_chosen": [True, False, False],
        }
    )
    assert why(errors) == (
        "Exponential smoothing is used: on weeks it had not seen it was off by 10.5%, Prophet by "
        "10.0% and same week last year by 20.0%; a model that is hardly better does not replace it."
    )
    far = errors.assign(wape=[0.4, 0.1, 0.2])  # of spend it would never be taken
    assert why(far, spends=True).endswith(
        "; budgets are decided, so what repeats or trends in the past replaces nothing."
    )
    errors["is_chosen"] = [False, True, False]
    assert how_sure(errors) == "Held-out error 10.0%; Exponential smoothing: 10.5%."


def test_parts_that_are_forecast_are_not_said_to_be_too_small(marts):
    assert len(forecast_members(marts)["spend"]) > 1
    said = [sums(Asked("spend"), adds_up=False, has_parts=has_parts) for has_parts in (True, False)]
    assert "need not add up" in said[0]
    assert "No part of this number" in said[1]
    assert "No part of this number" not in " ".join(page.build(marts, Asked("spend")).notes)


def test_overview_rings_the_week_and_says_what_was_expected(marts):
    scope = Scope(date(2026, 8, 24), NEWEST)
    view = overview(marts, scope)
    rings = [t for t in view.figures["demand"].spec["data"] if t["name"] == "Unusual"]
    assert [ring["x"] for ring in rings] == [[f"{NEWEST}"]]
    assert [n for n in view.notes if "booked visits in the week of 16 Nov 2026" in n]
    several = Scope(date(2026, 8, 24), NEWEST, service_lines=("cardiology", "dermatology"))
    assert not [n for n in overview(marts, several).notes if "Not as foretold" in n]


@pytest.mark.parametrize(
    ("metric", "row", "said"),
    [
        ("new_patient", (1.0, 1.2, 11.4), "(1; expected 2 to 11)"),
        ("new_patient", (1.0, 0.2, 0.9), "(1; expected 0.20 to 0.90)"),
        ("collected", (29_181.0, 10_301.0, 29_150.0), "($29,181; expected $10,301 to $29,150)"),
    ],
)
def test_what_was_not_as_foretold_is_outside_its_range_as_written(metric, row, said):
    """Rounded alone, 1 would lie within 1 to 11, and $29.2K within $10.3K to $29.2K."""
    columns = ["metric", "week", "actual", "low_95", "high_95"]
    odd = pd.DataFrame([(metric, NEWEST, *row)], columns=columns)
    assert said in unusual_notes(odd, "USD")[0]


def test_a_number_without_a_forecast_says_what_it_takes(marts):
    assert forecast_weeks(marts, Asked("lead")).empty
    assert page.build(marts, Asked("lead")).empty.startswith("Nothing is forecast yet: it takes 39")


def test_viewers_are_told_that_it_is_not_for_them(tmp_path):
    home = made_up.make_home(tmp_path / "home")
    with duckdb.connect(str(home.generation(1) / "viewers.duckdb")) as told:
        told.execute("delete from forecast")  # as viewer_marts.py leaves what it does not tell
    assert page.build(queries.Marts(home, 1, protected=True), Asked()).empty == page.PROTECTED


def test_the_report_is_for_inside_only(home, marts, capsysbinary, monkeypatch):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    with pytest.raises(BadInput, match="--small-cells"):
        export_forecast(home)
    assert cli.main(["export", "forecast", "--small-cells"]) == 0
    text = capsysbinary.readouterr().out.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    weeks = forecast_weeks(marts)
    assert len(rows) == len(weeks)
    ahead = [float(row["expected"]) for row in rows if row["is_ahead"] == "yes"]
    assert ahead == pytest.approx(weeks.loc[weeks["is_ahead"].astype(bool), "expected"].tolist())
    assert {row["small_cells"] for row in rows} == {"for use inside the organisation only"}
    assert audit.entries(home, 1)["subject"].iloc[0] == "forecast report"
    assert cli.main(["export", "forecast", "--small-cells", "--kind", "lead"]) == 2
