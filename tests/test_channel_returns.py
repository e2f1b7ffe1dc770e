"""Returns of channels: spend, money and credit are of the same weeks, campaigns and places."""

import io
from dataclasses import replace
from datetime import timedelta

import marts_fixture as made_up
import openpyxl
import pandas as pd
import pytest
from reports_fixture import ABOUT, channel_report

from attribution import queries
from attribution.metrics import METRICS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.reports.contents import of_channels
from attribution.ui.view import View
from attribution.ui.views import arriving, board, channels

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
YEAR = Scope(LAST - timedelta(weeks=51), LAST)
LINE = replace(RECENT, service_lines=("cardiology",))
KEPT = ("cpl", "cac", "roas", "roi")
ON = {"cpl": "leads", "cac": "new_patients", "roas": "collected", "roi": "collected"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def late(monkeypatch: pytest.MonkeyPatch, kind: str, weeks: int) -> None:
    """Let the newest weeks of one number not be reported yet."""
    ends = {kind: pd.Timestamp(LAST - timedelta(weeks=weeks))}
    monkeypatch.setattr(arriving, "reported_weeks", lambda _: ends)


def told(view: View, name: str) -> float | None:
    return next(each.value for each in view.metrics if each.name == name)


def rows(view: View, table: str) -> pd.DataFrame:
    frame = view.tables[table].frame
    return frame.set_index([name for name in ("channel", "campaign") if name in frame])


@pytest.mark.parametrize(
    ("scope", "kind", "cut"),
    [
        (RECENT, "collected", {"roas", "roi"}),
        (RECENT, "lead", {"cpl"}),
        (RECENT, "new_patient", {"cac"}),
        (RECENT, "spend", set(KEPT)),
        (LINE, "collected", {"roas", "roi"}),
    ],
)
def test_a_ratio_counts_the_weeks_in_which_both_of_its_numbers_are_known(
    marts, tables, monkeypatch, scope, kind, cut
):
    asked = made_up.unplaced(marts, tables, "Brand") if scope is LINE else marts
    whole = channels.build(asked, scope)
    short = channels.build(asked, replace(scope, until=LAST - timedelta(weeks=4)))
    late(monkeypatch, kind, 4)
    view = channels.build(asked, scope)
    for table in ("channels", "campaigns"):
        found, all_weeks, fewer = (rows(each, table) for each in (view, whole, short))
        fewer = fewer.reindex(found.index)
        for name in KEPT:
            expected = (fewer if name in cut else all_weeks)[name]
            pd.testing.assert_series_equal(found[name], expected.reindex(found.index))
        for name in ("spend", *ON.values()):
            pd.testing.assert_series_equal(found[name], all_weeks.loc[found.index, name])
    sums = {"paid_roas": short if "roas" in cut else whole, "paid_collected": whole}
    for name, of in sums.items():
        assert told(view, name) == pytest.approx(told(of, name))
    beside, expected = (rows(each, "returns") for each in (view, sums["paid_roas"]))
    for name in ("credited_roi", "incremental_roi"):
        pd.testing.assert_series_equal(beside[name], expected.loc[beside.index, name])
    assert ("roas" in cut) == (view.figures["return"].alt != whole.figures["return"].alt)
    assert any("as every ratio, count the weeks in which both" in note for note in view.notes)


def test_incremental_returns_count_the_campaigns_whose_spend_the_filter_places(marts, tables):
    """By Incremental, credited and incremental are one number; brand's money is in neither."""
    asked = replace(LINE, model="incremental")
    beside = rows(channels.build(made_up.unplaced(marts, tables, "Brand"), asked), "returns")
    pd.testing.assert_series_equal(
        beside["incremental_roi"], beside["credited_roi"], check_names=False
    )
    placed = rows(channels.build(marts, asked), "returns")
    search = "paid_search"
    assert beside.loc[search, "incremental_roi"] != placed.loc[search, "incremental_roi"]
    assert beside["incremental_roi"].notna().sum() > 3


@pytest.mark.parametrize(
    ("scope", "late_weeks", "compared"),
    [
        (YEAR, 0, True),
        (YEAR, 2, False),
        (RECENT, 0, False),
        (replace(YEAR, until=LAST - timedelta(weeks=1)), 0, False),
        (replace(YEAR, since=YEAR.since - timedelta(weeks=1)), 0, False),
        (replace(YEAR, basis="touch"), 0, False),
        (replace(YEAR, service_lines=("cardiology",)), 0, False),
    ],
)
def test_what_is_credited_is_held_against_the_mix_model_in_its_own_weeks_only(
    marts, monkeypatch, scope, late_weeks, compared
):
    if late_weeks:
        late(monkeypatch, "collected", late_weeks)
    view = channels.build(marts, scope)
    table = view.tables["returns"]
    assert ("outside what the mix model holds possible" in table.note) == compared
    assert ("mix_roi" in table.frame) == (not scope.service_lines)
    (section,) = (each for each in of_channels(view, ABOUT).sections if each.name == "Returns")
    methods = "two" if scope.service_lines else "three"
    assert section.chart.title == f"Net return by {methods} methods"


def test_a_net_return_is_a_percentage_wherever_it_stands():
    named = {name: each.format for name, each in METRICS.items() if "roi" in name.split("_")}
    assert {"roi", "line_roi", "credited_roi", "mix_roi_low"} <= named.keys()
    assert set(named.values()) == {"rate"}


def test_money_that_is_not_reported_at_all_gives_no_return_of_nought(marts, monkeypatch):
    late(monkeypatch, "collected", 13)
    view = channels.build(marts, RECENT)
    assert rows(view, "channels")[["roas", "roi"]].isna().all(axis=None)
    assert rows(view, "channels")["cac"].notna().any()
    assert told(view, "paid_roas") is None
    assert view.tables["returns"].frame.empty
    sheet = openpyxl.load_workbook(io.BytesIO(channel_report(view, ABOUT, "xlsx")), data_only=True)[
        "Channels"
    ]
    (at,) = (cell.column for cell in sheet[1] if cell.value == "ROAS")
    assert {sheet.cell(row, at).value for row in range(2, sheet.max_row + 1)} == {None}


def test_the_board_names_no_amounts_that_come_to_another_ratio(marts, monkeypatch):
    said = board.build(marts, RECENT).sentences[2]
    assert " for $" in said
    late(monkeypatch, "collected", 4)
    view = board.build(marts, RECENT)
    paying = view.tables["paying"].frame.set_index("channel")["roas"]
    assert " for $" not in view.sentences[2]
    assert f"returns most: {paying.max():.1f}x;" in view.sentences[2]
    assert any("as every ratio" in note for note in view.notes)
