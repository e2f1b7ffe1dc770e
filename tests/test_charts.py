"""Figures: what stands out, what the axes say, and where names go."""

from datetime import date, timedelta
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.ui import charts

MODELS = ("First touch", "Last touch", "Linear", "Markov chain")
MONDAY = date(2025, 11, 3)


def weeks(count: int) -> list[str]:
    return [str(MONDAY + timedelta(days=7 * n)) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 13, 53, 104])
def test_a_weekly_axis_names_at_most_four_weeks_and_each_year_once(count):
    axis = charts.weekly_lines(weeks(count), {"Leads": [1.0] * count})["layout"]["xaxis"]
    assert 1 <= len(axis["tickvals"]) <= 4
    assert axis["tickvals"][-1] == weeks(count)[-1]
    years = [text.partition("<br>")[2] for text in axis["ticktext"]]
    said = [year for year in years if year]
    assert said == sorted({week[:4] for week in axis["tickvals"]})
    assert years[0] == axis["tickvals"][0][:4]


@pytest.mark.parametrize(("top", "short"), [(0.05, False), (999.0, False), (1000.0, True)])
def test_only_thousands_are_shortened(top, short):
    axis = charts.weekly_lines(weeks(2), {"Leads": [0.0, top]})["layout"]["yaxis"]
    assert (axis["tickformat"] == "~s") == short


@pytest.mark.parametrize("chosen", MODELS)
def test_the_chosen_model_alone_is_large_and_coloured(chosen):
    courses = {name: [0.1 * place, None] for place, name in enumerate(MODELS)}
    courses[chosen] = [0.0, 0.2]
    hovers = {name: ["", ""] for name in MODELS}
    spec = charts.ranges(["Email", "Call"], courses, hovers, chosen)
    dots = {trace["name"]: trace for trace in spec["data"] if trace["type"] == "scatter"}
    assert set(dots) == set(MODELS)
    others = [trace for name, trace in dots.items() if name != chosen]
    assert all(dots[chosen]["marker"]["size"] > trace["marker"]["size"] for trace in others)
    assert all(dots[chosen]["marker"]["color"] != trace["marker"]["color"] for trace in others)
    assert all(dots[chosen]["zorder"] > trace["zorder"] for trace in others)
    assert len({trace["marker"]["symbol"] for trace in dots.values()}) == len(MODELS)
    # Half of a dot at nought would be cut off.
    low, high = spec["layout"]["xaxis"]["range"]
    assert -low / (high - low) * 210 > 13 / 2 + 0.75  # on a phone


def point(name: str, spend: float, value: float) -> dict[str, object]:
    return {"name": name, "spend": spend, "value": value, "size": 0.3, "colour": "#000001",
            "hover": name}  # fmt: skip


AMOUNTS = st.floats(1, 1e7)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=9))
def test_every_bubble_and_the_line_are_in_sight(amounts):
    points = [point(f"Channel {n}", *each) for n, each in enumerate(amounts)]
    spec = charts.spend_against_return(points, "$", 9)
    across, along = (spec["layout"][axis]["range"] for axis in ("xaxis", "yaxis"))
    *lines, bubbles = spec["data"]
    for spend, value in zip(bubbles["x"], bubbles["y"], strict=True):
        assert across[0] < log10(spend) < across[1]
        assert along[0] < log10(value) < along[1]
    for line in lines:
        assert line["x"] == line["y"]
        for end in line["x"]:
            assert across[0] - 1e-9 <= log10(end) <= across[1] + 1e-9
            assert along[0] - 1e-9 <= log10(end) <= along[1] + 1e-9


def test_small_amounts_are_not_written_as_millions():
    spec = charts.spend_against_return(
        [point("Text", 0.2, 150), point("Video", 9_000, 300)], "$", 9
    )
    axes = [spec["layout"][axis]["ticktext"] for axis in ("xaxis", "yaxis")]
    assert axes == [["$1", "$10", "$100", "$1k", "$10k"], ["$50", "$100", "$200", "$500", "$1k"]]


def test_names_of_near_bubbles_go_to_different_sides():
    near = [point("Directory", 9_000, 30_000), point("Direct mail", 9_000, 36_000)]
    far = [point("Text", 40, 20_000), point("Video", 9_000, 300)]
    *_, bubbles = charts.spend_against_return([*near, *far], "$", 9)["data"]
    sides = dict(zip(bubbles["text"], bubbles["textposition"], strict=True))
    assert sides["Directory"] != sides["Direct mail"]


def test_a_name_between_two_bubbles_goes_to_a_corner_that_is_free():
    """Paid social lies under a larger bubble at the edge, where neither side has room."""
    amounts = [
        ("Paid social", 3_880, 11_313), ("Paid search", 3_094, 13_965),
        ("Direct mail", 1_224, 6_915), ("Outreach SMS", 5, 1_932), ("Outreach email", 1, 1_542),
    ]  # fmt: skip
    points = [point(*each) for each in amounts]
    points[1]["size"] = 1.0
    *_, bubbles = charts.spend_against_return(points, "$", 16)["data"]
    sides = dict(zip(bubbles["text"], bubbles["textposition"], strict=True))
    assert sides["Paid social"] == "bottom left"


def test_a_name_is_nearest_to_its_own_bubble():
    """Outreach email is at the axis: to its right its name would be under the bubble of SMS."""
    amounts = [
        ("Paid social", 7_760, 12_124), ("Paid search", 6_188, 22_253), ("Display", 5_900, 2_265),
        ("Direct mail", 2_449, 10_688), ("Directory", 1_246, 3_232), ("Referral web", 904, 3_433),
        ("Outreach SMS", 10, 3_586), ("Outreach email", 1.2, 3_474),
    ]  # fmt: skip
    *_, bubbles = charts.spend_against_return([point(*each) for each in amounts], "$", 16)["data"]
    sides = dict(zip(bubbles["text"], bubbles["textposition"], strict=True))
    assert sides["Outreach email"] in ("top center", "bottom center")


def test_a_minus_stands_before_the_sign_of_the_currency():
    spec = charts.beside(
        ["a"], ("Brought", [2841.0], [-1877.0], [7559.0]), ("Credited", [1988.0]), [""], sign="€"
    )
    axis = spec["layout"]["xaxis"]
    assert axis["ticktext"] == ["−€2k", "€0", "€2k", "€4k", "€6k", "€8k"]
    assert axis["range"][0] < -1877
    assert axis["range"][1] > 7559
    nothing = charts.beside(["a"], ("Brought", [0.0], [0.0], [0.0]), ("Credited", [0.0]), [""],
                            sign="$")  # fmt: skip
    assert "$0" in nothing["layout"]["xaxis"]["ticktext"]


def test_the_last_tick_has_room_for_the_unit():
    """Plotly leaves out a label that would go beyond the figure."""
    spec = charts.intervals(["a"], [0.1], [0.0], [0.2], ["a"])
    assert spec["layout"]["margin"]["r"] >= len("+100 pts") * 7 / 2


def test_no_tick_says_plus_nought():
    spec = charts.intervals(["a"], [0.1], [-0.1], [0.2], ["a"])
    alias = spec["layout"]["xaxis"]["labelalias"]
    assert (alias["+0"], alias["+0 pts"]) == ("0", "0 pts")


def test_marks_and_their_names_are_as_dark_as_the_palette_is():
    """It has 3 to 1 on the ground; see-through it would have less."""
    lines = charts.weekly_lines(weeks(3), {"Leads": [1.0, 2.0, 3.0]})
    (name,) = lines["layout"]["annotations"]
    assert "●" in name["text"]
    assert len(name["font"]["color"]) == len("#000037")
    rates = charts.estimates(["a"], [0.2], ([0.1], [0.3]), ["20%"], ["#000006"], [""])
    _, bubbles = charts.spend_against_return([point("a", 10, 20)], "$", 1)["data"]
    for trace in (*rates["data"][:2], bubbles):
        assert trace.get("opacity", 1) == trace["marker"].get("opacity", 1) == 1


def test_what_is_not_known_has_no_name_at_nought():
    lines = charts.weekly_lines(weeks(2), {"Leads": [5.0, 6.0], "New patients": [None, None]})
    assert [note["y"] for note in lines["layout"]["annotations"]] == [6.0]


def test_no_bubble_is_under_a_larger_one():
    points = [point(name, 1_000, 2_000) | {"size": size} for name, size in (("s", 0.1), ("l", 1.0))]
    *_, bubbles = charts.spend_against_return(points, "$", 2)["data"]
    assert bubbles["text"] == ["l", "s"]


def test_a_line_is_broken_where_weeks_are_left_out():
    weeks = ("2026-01-05", "2026-01-12", "2026-03-02", "2026-03-09")
    told, counted = charts.against(weeks, (1, 2, 3, 4), (5, 6, 7, 8), 0.0, ())["data"]
    assert counted["x"] == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-03-02", "2026-03-09"]
    assert counted["y"] == [1, 2, None, 3, 4]
    assert told["y"] == [5, 6, None, 7, 8]
    assert not counted.get("connectgaps")
