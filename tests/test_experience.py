"""Experience: answers and waits by hand, laws of the interval, the curve, the drivers, the page."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, message

from attribution import experience_queries, queries
from attribution.cli import main
from attribution.errors import BadInput
from attribution.models.dose import curve
from attribution.models.drivers import experience_drivers
from attribution.models.nps import interval, nps
from attribution.reports.about import SMALL_CELLS
from attribution.reports.experience import experience_report
from attribution.reports.export import export_experience
from attribution.small_cells import is_safe, protected
from attribution.ui import access, export, frame
from attribution.ui.freshness import freshness
from attribution.ui.scope import scope_of
from attribution.ui.views.experience import PROTECTED, _metrics, build, experience
from attribution.ui.views.experience_reviews import sites_figure, sites_table
from attribution.viewer_marts import CUBES
from connectors.contract import Feedback, Reputation

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
VISIT = at("2026-03-10 15:00")
classes = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))


def test_the_score_interval_is_tangos_by_hand():
    """As many promoters as detractors and no passives: given d, the likeliest shares are (1 ± d)/2.

    So the statistic is n d over the root of n (1 - d²), and it is z at d = z over the root of
    n + z².
    """
    low, high = interval(50, 0, 50)
    assert high[0] == pytest.approx(1.959964 / np.sqrt(100 + 1.959964**2), abs=1e-6)
    assert low[0] == pytest.approx(-high[0])
    # All alike: Wald's interval has no width there.
    low, high = interval(10, 0, 0)
    assert low[0] < 0.5
    assert high[0] == 1.0


@given(classes)
@settings(max_examples=60)
def test_an_interval_holds_what_was_seen_and_turns_with_the_classes(counts):
    up, middle, down = counts
    if not sum(counts):
        assert np.isnan(nps(*counts))
        return
    low, high = interval(up, middle, down)
    assert -1 <= low[0] <= nps(up, middle, down) + 1e-9
    assert nps(up, middle, down) - 1e-9 <= high[0] <= 1
    turned = interval(down, middle, up)
    assert turned[0][0] == pytest.approx(-high[0], abs=1e-9)
    wider = interval(up, middle, down, z=2.6)
    assert wider[0][0] <= low[0] + 1e-9
    assert wider[1][0] >= high[0] - 1e-9


@pytest.mark.parametrize("answers", [20, 150])
def test_an_interval_covers_the_truth_as_often_as_it_says(answers):
    drawn = np.random.default_rng(5).multinomial(answers, (0.6, 0.3, 0.1), 4000)
    low, high = interval(*drawn.T)
    assert 0.93 < ((low <= 0.5) & (high >= 0.5)).mean() < 0.98


def test_a_curve_goes_where_answers_go_and_is_surer_where_there_are_many():
    minutes = np.arange(0.0, 61.0, 3.0)
    people = np.where(minutes < 30, 400, 40)
    up = people * (0.7 - 0.008 * minutes)
    down = people * (0.05 + 0.004 * minutes)
    found = curve(minutes, up, people - up - down, down)
    assert found is not None
    assert found.nps == pytest.approx(0.65 - 0.012 * found.minutes, abs=1e-6)
    reach = found.high - found.low
    assert reach[found.minutes < 20].max() < reach[-1]
    assert curve([5, 10], [20, 20], [5, 5], [5, 5]) is None  # of two waits there is no curve


def drawn_answers(seed: int, effect: float = 0.0) -> pd.DataFrame:
    """Answers of three places, the second of which is liked by `effect` points more."""
    random = np.random.default_rng(seed)
    size = 2000
    cells = pd.DataFrame(
        {
            "service_line": random.choice(["dental", "spine"], size),
            "location": random.choice(["east", "north", "west"], size),
            "provider": random.choice([f"dr-{number:02}" for number in range(20)], size),
            "minutes": random.integers(0, 60, size),
            "patient": random.choice(["new", "returning"], size),
            "has_missed": random.choice(["yes", "no"], size, p=[0.2, 0.8]),
            "people": 1,
        }
    )
    better = effect / 200 * (cells["location"] == "north") - 0.005 * cells["minutes"]
    drawn = random.random(size)
    cells["promoters"] = (drawn < 0.6 + better).astype("int64")
    cells["detractors"] = (drawn > 0.85 + better).astype("int64")
    return cells


def test_drivers_find_what_was_put_in_and_draw_small_groups_to_the_mean():
    found = experience_drivers(drawn_answers(0, effect=24.0))
    found = found.set_index(["part", "part_value", "driver", "level"]).sort_index()
    every = found.xs(("", ""), level=("part", "part_value"))
    wait = every.loc[("wait", "")]
    assert wait["low"] < -10 < wait["high"] < 0  # 0.005 of both classes a minute
    effect = every["effect"]
    assert effect["location", "north"] - effect["location", "east"] == pytest.approx(24, abs=8)
    assert effect["provider"].abs().max() < 8  # of no doctor anything is true
    dental = found.xs(("service_line", "dental"), level=("part", "part_value"))
    assert set(dental.index.get_level_values("driver")) == {
        *("wait", "patient", "has_missed", "location", "provider")
    }


def test_drivers_do_not_mind_how_answers_are_put_into_rows():
    cells = drawn_answers(3)
    keys = [name for name in cells if name not in ("people", "promoters", "detractors")]
    grouped = cells.groupby(keys, as_index=False)[["people", "promoters", "detractors"]].sum()
    one = experience_drivers(cells.sample(frac=1, random_state=1))
    other = experience_drivers(grouped)
    pd.testing.assert_frame_equal(one, other, atol=2e-4)


def test_of_few_answers_nothing_is_told_and_small_levels_have_no_name():
    cells = drawn_answers(4)
    assert experience_drivers(cells.head(150)).empty
    cells.loc[:4, "provider"] = "dr-rare"
    found = experience_drivers(cells)
    assert "dr-rare" not in set(found["level"])
    assert (found["people"] >= 11).all()


def answer(key: str, who: str | None, when: object, score: float, **more: object) -> Feedback:
    return Feedback(key, when, "nps", score, 10, patient_id=who, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def warehouse():
    made = Warehouse(of=("experience", "experience_waits", "reviews", "appointments"))
    made.build(
        appointment("a0", "ann", VISIT - 400 * DAY, VISIT - 390 * DAY),
        appointment("a1", "ann", VISIT - 9 * DAY, VISIT, location="north", provider="dr-1",
                    service_line="dental", minutes_waited=12.4),
        appointment("a2", "ann", VISIT - 60 * DAY, VISIT - 50 * DAY, "noshow"),
        answer("n1", "ann", VISIT + DAY, 9),
        answer("n2", "ann", VISIT + 2 * DAY, 7),  # her last one of March counts
        answer("n3", "ann", VISIT + 40 * DAY, 3),  # too late to be about that visit
        # Of another place than the visit's, so the visit is not what it is about.
        appointment("b1", "bob", VISIT, VISIT, location="north", minutes_waited=70),
        answer("n4", "bob", VISIT + DAY, 2, location="south"),
        appointment("c1", "cat", VISIT, VISIT, minutes_waited=33),
        answer("n5", "cat", VISIT + DAY, 10, service_line="unassigned"),
        answer("n6", None, VISIT + DAY, 10),
        # Of a file that tells days alone, which are their midnights.
        appointment("d0", "dee", VISIT - 20 * DAY, VISIT - 20 * DAY, minutes_waited=50),
        appointment("d1", "dee", VISIT - DAY, VISIT, location="north", minutes_waited=3),
        answer("n7", "dee", at("2026-03-10"), 8),
        message("m4", "dee", "nps_2026", VISIT, sent_at=VISIT + HOUR, purpose="operations"),
        message("m1", "ann", "post_visit_check_in", VISIT, sent_at=VISIT + HOUR,
                purpose="operations"),
        message("m2", "bob", "nps_2026", VISIT, sent_at=VISIT + 2 * DAY, purpose="operations"),
        message("m3", "cat", "recall", VISIT, sent_at=VISIT, purpose="marketing"),
        Feedback("r1", VISIT, "review", 5, 5, survey="google", location="north"),
        Feedback("r2", VISIT + DAY, "review", 2, 10, survey="google", location="north"),
        Feedback("r3", VISIT, "review", 5, 5, patient_id="ann", survey="google"),
        Reputation(VISIT.date(), "UTC", "yelp", "biz", 3.5, 5, 96, "north"),
        Reputation((VISIT + DAY).date(), "UTC", "yelp", "biz", 4.0, 5, 100, "north"),
        appointment("z1", "zoe", VISIT + 90 * DAY, VISIT + 91 * DAY),  # the data reach so far
    )  # fmt: skip
    return made


def test_an_answer_is_about_the_visit_before_it(warehouse):
    rows = warehouse.rows(
        "select feedback_id, service_line, location, provider, minutes_waited, patient, has_missed,"
        " promoter, passive, detractor from int_experience order by feedback_id"
    )
    assert rows == [
        ("n2", "dental", "north", "dr-1", 12, "returning", "yes", 0, 1, 0),
        ("n3", "unassigned", "unassigned", "", None, "", "", 0, 0, 1),
        ("n4", "unassigned", "south", "", None, "", "", 0, 0, 1),
        ("n5", "unassigned", "unassigned", "", 33, "new", "no", 1, 0, 0),
        ("n6", "unassigned", "unassigned", "", None, "", "", 1, 0, 0),
        ("n7", "unassigned", "north", "", 3, "returning", "no", 0, 1, 0),
    ]


def test_answers_and_those_asked_are_counted_by_month(warehouse):
    assert warehouse.rows(
        "select kind, cast(month as varchar), sum(people), sum(promoters), sum(passives),"
        " sum(detractors), sum(answered) from experience group by 1, 2 order by 1, 2"
    ) == [
        # Bob answered before he was asked.
        ("asked", "2026-03-01", 3, 0, 0, 0, 2),
        ("nps", "2026-03-01", 5, 2, 2, 1, 0),
        ("nps", "2026-04-01", 1, 0, 0, 1, 0),
    ]
    assert warehouse.rows("select waited_from, people, minutes from experience_waits") == [
        (10, 1, 12),
        (0, 1, 3),
        (30, 1, 33),
    ]


def test_reviews_are_nobodys_and_the_newest_rating_stands(warehouse):
    assert warehouse.rows("select site, kind, stars, reviews, rating from reviews") == [
        ("google", "review", 1, 1, None),
        ("google", "review", 5, 1, None),
        ("yelp", "rating", 0, 100, 4.0),
    ]


cells = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy")),
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)),
    min_size=1,
)


@given(cells)
@settings(max_examples=40)
def test_viewers_are_told_of_no_class_of_few_people(counts):
    cube = next(each for each in CUBES if each.name == "experience")
    frame = pd.DataFrame(
        [
            ("nps", 1, line, place, sum(some), *some, 0)
            for (line, place), some in counts.items()
        ],
        columns=["kind", "month", "service_line", "location", "people", "promoters", "passives",
                 "detractors", "answered"],
    )  # fmt: skip
    told = protected(cube, frame)
    for name in ("people", "promoters", "passives", "detractors"):
        assert is_safe(told[name])
    assert (told["people"] == told[["promoters", "passives", "detractors"]].sum(axis=1)).all()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return made_up.make_home(tmp_path_factory.mktemp("home"))


def all_weeks(home):
    about = queries.about(queries.marts(home, 1, protected=False))
    return scope_of(about, {"period": "all"}, service_lines=(), locations=())


def test_groups_and_months_add_up_to_the_whole(home):
    marts = queries.marts(home, 1, protected=False)
    scope = all_weeks(home)
    whole = experience_queries.answers(marts, scope).iloc[0]
    for by in ("month", "service_line", "location"):
        parts = experience_queries.answers(marts, scope, by)
        for name in ("people", "promoters", "passives", "detractors"):
            assert parts[name].sum() == whole[name]
        assert parts["nps"].min() <= whole["nps"] <= parts["nps"].max()


def test_page_export_and_command_line_tell_the_same(home, monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    scope = all_weeks(home)
    out = tmp_path / "experience.csv"
    since = ("--since", str(scope.since))
    assert main(["export", "experience", "--small-cells", *since, "--out", str(out)]) == 0
    view = experience(home, 1, scope, protected=False)
    page = experience_report(view, SMALL_CELLS[True])
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"))))
    assert rows == list(csv.DictReader(io.StringIO(page.decode("utf-8-sig"))))
    assert out.read_bytes() == export_experience(home, since=scope.since, small_cells=True)
    told = {(row["part"], row["item"], row["number"]): row["value"] for row in rows}
    for each in view.metrics:
        assert float(told["numbers", "", each.name]) == pytest.approx(each.value)
    for row in view.tables["waits"].frame.to_dict("records"):
        at_wait = float(told["waits", row["waited"], "experience_nps"])
        assert at_wait == pytest.approx(row["experience_nps"])
    assert {"months", "service_line", "location", "waits", "curve", "drivers", "sites"} <= {
        part for part, _, _ in told
    }


def test_the_folded_file_of_the_page_is_of_the_lines_and_places_that_are_told(home):
    line, place = "cardiology", "Harbor"
    scope = replace(all_weeks(home), service_lines=(line,), locations=("Atlantis", place))
    context = frame.Context(home, 1, scope, freshness(home), access.VISITOR)
    narrowed, dropped = export.narrowed(context)
    assert dropped == ("Atlantis",)
    file = export._experience_report(replace(context, scope=narrowed), small=False)
    asked = {"since": narrowed.since, "until": narrowed.until}
    assert file == export_experience(home, **asked, service_lines=[line], locations=[place])
    assert file != export_experience(home, **asked)
    said = export._of_what_is_told(dropped, narrowed)
    assert said == (
        "Atlantis: of too few people to be told apart. The file is of Cardiology, Harbor."
    )


def test_the_report_refuses_what_it_cannot_tell(home, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    assert main(["export", "experience", "--model", "last"]) == 2
    assert "not credited" in capsys.readouterr().err
    assert main(["export", "experience", "--location", "Atlantis"]) == 2


def test_within_one_place_its_own_drivers_are_told(home):
    marts = queries.marts(home, 1, protected=False)
    scope = all_weeks(home)
    about = queries.about(marts)
    one = scope_of(
        about, {"period": "all", "location": ["Harbor"]}, service_lines=(), locations=("Harbor",)
    )
    assert experience_queries.within(scope) == ("", "")
    assert experience_queries.within(one) == ("location", "Harbor")
    view = build(marts, one)
    assert view.tables["location"].frame["location"].tolist() == ["Harbor"]
    assert "Location" not in set(view.tables["drivers"].frame["driver"])
    assert view.figures["drivers"].alt.startswith("Within Harbor")


def test_of_many_places_the_best_and_the_worst_are_drawn(home):
    """Twenty places, liked ever less: the last one is the worst, though it is the twentieth."""
    places = [f"place {number:02}" for number in range(20)]

    class ManyPlaces(queries.Marts):
        def ask(self, statement):
            frame = super().ask(statement)
            if {"location", "promoters"} <= set(frame):
                up = np.arange(95, 75, -1)
                frame = pd.DataFrame({"location": places, "people": 100, "promoters": up})
                frame = frame.assign(passives=0, detractors=100 - up)
            return frame

    view = build(ManyPlaces(home, 1, protected=False), all_weeks(home))
    figure, table = view.figures["location"], view.tables["location"].frame
    assert len(table) == 20
    assert figure.alt.startswith("From +52 (Place 19, 100 answers) to +90 (Place 00, 100).")
    assert figure.alt.endswith("Drawn are the best and the worst of 20; 6 between them are not.")
    drawn = figure.spec["data"][0]["x"]
    assert drawn == pytest.approx([*table["experience_nps"][:7], *table["experience_nps"][-7:]])
    assert "Drawn" not in view.figures["service_line"].alt  # all three are


def test_stars_are_counted_of_all_places_drawn_or_not():
    """Twenty places of ten reviews: five have five stars each, fourteen four, and one has one."""
    stars = pd.DataFrame(
        {
            "site": "google",
            "location": [f"place {number:02}" for number in range(20)],
            "stars": [*[4] * 14, *[5] * 5, 1],
            "reviews": 10,
        }
    )
    shown = pd.DataFrame(columns=["site", "location", "day", "shown", "shown_reviews"])
    figure = sites_figure(sites_table(stars, shown).frame)
    assert figure.alt.startswith("200 reviews: 25.0% gave five stars, 5.0% one or two. Drawn are")
    shares = figure.spec["data"][0]["z"]
    assert [row.index(1.0) for row in shares] == [1] * 8 + [0] * 5 + [4]


def test_without_answers_the_page_says_what_to_connect(tmp_path):
    bare = made_up.make_home(tmp_path / "home")
    marts = queries.marts(bare, 1, protected=False)
    about = queries.about(marts)
    nowhere = scope_of(about, {"location": ["nowhere"]}, service_lines=(), locations=("nowhere",))
    view = build(marts, nowhere)
    assert "sources-feedback.md" in view.empty
    with pytest.raises(BadInput, match="nothing to export"):
        experience_report(view, "")


def test_nobody_is_said_to_be_unasked_who_answered(home):
    """Surveys that were loaded without the messages that asked: who was asked is not known."""
    marts, scope = queries.marts(home, 1, protected=False), all_weeks(home)
    whole, stars = (
        read(marts, scope) for read in (experience_queries.answers, experience_queries.reviews)
    )
    cards = {each.name: each for each in _metrics(whole, 0, 0, stars, protected=False)}
    assert cards["experience_answers"].value > 0
    assert cards["survey_response_rate"].value is None
    assert cards["survey_response_rate"].interval == "asked: not known"


def test_viewers_are_told_why_there_are_no_waits(home):
    marts = queries.marts(home, 1, protected=True)
    view = build(marts, all_weeks(home))
    assert PROTECTED in view.notes


def test_appointments_are_counted_in_the_week_that_they_were_for(warehouse):
    assert warehouse.rows(
        "select cast(week as varchar), service_line, location, kept, missed, ahead, days_ahead"
        " from appointments order by 1, 2, 3"
    ) == [
        ("2025-02-10", "unassigned", "unassigned", 1, 0, 1, 10),
        ("2026-01-19", "unassigned", "unassigned", 0, 1, 0, 0),
        ("2026-02-16", "unassigned", "unassigned", 1, 0, 1, 0),
        ("2026-03-09", "dental", "north", 1, 0, 1, 9),
        ("2026-03-09", "unassigned", "north", 2, 0, 2, 1),
        ("2026-03-09", "unassigned", "unassigned", 1, 0, 1, 0),
        ("2026-06-08", "unassigned", "unassigned", 1, 0, 1, 1),
    ]
