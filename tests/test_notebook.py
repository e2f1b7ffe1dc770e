"""What people keep beside the numbers: notes on what happened, and saved views."""

from datetime import date

import pytest
from marts_fixture import HOSTILE, LAST_WEEK, make_home

from attribution import annotations, audit, queries, saved_views
from attribution.errors import BadInput, NotAllowed
from attribution.ledger import Ledger
from attribution.ledger_tables import SAVED_VIEW
from attribution.paths import Home
from attribution.queries import Scope
from attribution.roles import Reader
from attribution.ui.views import overview

ANN = Reader("ann", frozenset({"analyst"}))
BEN = Reader("ben", frozenset({"viewer"}))
EVE = Reader("eve", frozenset({"admin"}))
NOBODY = Reader("nobody", frozenset())
FILTERS = {"period": ("52w",), "service": ("cardiology", "dermatology")}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def logged(home: Home) -> list[tuple[str, str, str]]:
    rows = audit.entries(home)[["actor", "action", "subject"]]
    return [(a, b, c) for a, b, c in rows.itertuples(index=False)]


def test_notes_are_written_and_removed_by_those_who_may(home):
    assert annotations.every(home, BEN) == ()
    annotations.write(home, ANN, date(2026, 11, 3), "  Radio \n began ")
    annotations.write(home, EVE, date(2026, 10, 5), "Clinic of 2026 opened")
    every = annotations.every(home, BEN)
    assert [each.text for each in every] == ["Clinic of 2026 opened", "Radio began"]
    assert annotations.within(every, date(2026, 11, 1), date(2026, 11, 3)) == every[1:]
    for act in (
        lambda: annotations.write(home, BEN, date(2026, 11, 3), "Mine"),
        lambda: annotations.remove(home, BEN, every[0].number),
        lambda: annotations.every(home, NOBODY),
    ):
        with pytest.raises(NotAllowed):
            act()
    annotations.remove(home, ANN, every[0].number)
    assert annotations.every(home, ANN) == every[1:]
    with pytest.raises(BadInput, match="gone already"):
        annotations.remove(home, ANN, every[0].number)
    assert logged(home) == [
        ("ann", audit.NOTE_WRITTEN, "2026-11-03"),
        ("eve", audit.NOTE_WRITTEN, "2026-10-05"),
        ("ann", audit.NOTE_REMOVED, "2026-10-05"),
    ]
    assert "Radio" not in audit.entries(home)["detail"].str.cat()


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "x" * 141, "a\x00b", "mail ann@example.com", "call 555 010 4477"),
        *("MRN 1234567", "patient 12.34.56", "(555) 010-4477 rang"),
        # No month, no day, no years that follow, a part of something longer, or called a number.
        *("2026-13", "31.13.2026", "13/32/2026", "MRN 1234-56-78", "12/31/26", "202611"),
        *("MRN 2012-2034", "2012-2034", "2026 2025", "2012-34", "A2025-2026"),
        *("555-2026-11", "2026-11-4477", "2025 2026 4477", "555 2025 2026", "01.07.2026.44"),
        *("MRN 2025-2026", "MRN: 2026-11-03", "#2026-11", "id (01.07.2026)"),
    ],
)
def test_a_note_holds_nobody(home, text):
    """Nor does the name of a view that everybody sees, which the audit log keeps for good."""
    with pytest.raises(BadInput):
        annotations.write(home, ANN, date(2026, 11, 3), text)
    with pytest.raises(BadInput):
        saved_views.save(home, ANN, text, "overview", {}, shared=True)
    assert not annotations.every(home, ANN)
    assert not saved_views.views(home, ANN)
    assert not logged(home)


@pytest.mark.parametrize(
    "text",
    [
        *("From 2026-11-03 to 2026-11-17", "Budget up by 20,000", "2 of 5 clinics, 100%"),
        *("Season 2025/2026", "Season 2025/26", "2025 2026", "2024 2025 2026", "Plan 2024-2028"),
        *("Board 2026-11", "12/31/2026", "31/12/2026", "01.07.2026", "1.7.2026-31.7.2026"),
        *("2026-11-03/2026-11-17", "Top 10 (11/2026)", "Spend per patient 2026/11"),
    ],
)
def test_days_and_amounts_are_nobody(home, text):
    annotations.write(home, ANN, date(2026, 11, 3), text)
    assert annotations.every(home, ANN)[0].text == text
    saved_views.save(home, ANN, text, "overview", {}, shared=True)
    assert saved_views.views(home, ANN)[0].name == text


def test_notes_are_marks_on_the_trends_and_never_markup(tmp_path):
    home = make_home(tmp_path)
    annotations.write(home, ANN, date(2026, 10, 7), HOSTILE)
    annotations.write(home, ANN, date(2020, 1, 7), "Long ago")
    happened = annotations.every(home, ANN)
    scope = Scope(LAST_WEEK - 12 * queries.WEEK, LAST_WEEK)
    view = overview.overview(home, 1, scope, protected=True, happened=happened)
    for name in ("demand", "money"):
        layout = view.figures[name].spec["layout"]
        lines = [shape["x0"] for shape in layout["shapes"] if shape["type"] == "line"]
        assert lines == ["2026-10-07"]
        (mark,) = (each for each in layout["annotations"] if each["text"] == "<b>1</b>")
        assert "<script" not in mark["hovertext"]
        assert "&lt;script" in mark["hovertext"]
    assert view.tables["happened"].frame["message"].tolist() == [HOSTILE]
    # Another note is another view, though the generation is the same.
    bare = overview.overview(home, 1, scope, protected=True)
    assert "happened" not in bare.tables


def test_views_are_ones_own_or_everybodys(home):
    saved_views.save(home, ANN, " Board  view ", "overview", FILTERS, shared=True)
    saved_views.save(home, ANN, "Draft", "channels", {"period": ("4w",)}, shared=False)
    saved_views.save(home, BEN, "Mine", "journeys", {"period": ("13w",)}, shared=False)
    with pytest.raises(NotAllowed):
        saved_views.save(home, BEN, "Loud", "journeys", {}, shared=True)
    assert [each.name for each in saved_views.views(home, ANN)] == ["Board view", "Draft"]
    seen = saved_views.views(home, BEN)
    assert [each.name for each in seen] == ["Board view", "Mine"]
    assert seen[0].query == {"period": ["52w"], "service": ["cardiology", "dermatology"]}
    # The same name again gives way.
    saved_views.save(home, ANN, "Board view", "channels", FILTERS, shared=True)
    board, mine = saved_views.views(home, BEN)
    assert board.page == "channels"
    draft = saved_views.views(home, ANN)[1]
    with pytest.raises(NotAllowed):
        saved_views.delete(home, BEN, board.number)
    with pytest.raises(BadInput, match="gone already"):  # what is not seen is not there
        saved_views.delete(home, EVE, draft.number)
    saved_views.delete(home, EVE, board.number)
    saved_views.delete(home, BEN, mine.number)
    # So does one that was shared to one that is kept to oneself: nobody else sees it any more.
    for shared in (True, False):
        saved_views.save(home, ANN, "Board", "channels", FILTERS, shared=shared)
    assert not saved_views.views(home, BEN)
    with pytest.raises(NotAllowed):
        saved_views.views(home, NOBODY)
    actions = [action for _, action, _ in logged(home)]
    assert actions == [
        *(audit.VIEW_SHARED, audit.VIEW_SHARED, audit.VIEW_DELETED),
        *(audit.VIEW_SHARED, audit.VIEW_DELETED),
    ]


def test_a_reader_keeps_so_many_views(home):
    with Ledger(home) as ledger:
        for number in range(saved_views.MOST):
            ledger.add(
                SAVED_VIEW, name=f"{number}", owner="ben", shared=0, page="overview", filters="{}"
            )
    with pytest.raises(BadInput, match="Delete one first"):
        saved_views.save(home, BEN, "One more", "overview", {}, shared=False)
    for name in ("", "x" * 61, "a\x00b"):
        with pytest.raises(BadInput, match="needs a name"):
            saved_views.save(home, ANN, name, "overview", {}, shared=False)
