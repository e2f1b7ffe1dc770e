"""The sentences of the board summary: what is not told is neither nought nor without a past."""

from pathlib import Path

import duckdb
import pytest
from marts_fixture import make_home
from reports_fixture import SCOPE

from attribution.metrics import definition
from attribution.ui.view import Metric
from attribution.ui.views.board import board, growth, price

UNTOLD = "The number of new patients is of too few people to be told, or not reported yet"
COMPARED = {
    "spend": (100.0, 100.0),
    "new_patients": (20.0, 10.0),
    "collected": (300.0, 200.0),
    "blended_cac": (5.0, 10.0),
    "blended_roas": (3.0, 2.0),
}


def known(**changed: tuple[float | None, float | None]) -> dict[str, Metric]:
    """The headline numbers of a board: now and before."""
    return {
        name: Metric(name, definition(name).title, now, before, definition(name).format, "")
        for name, (now, before) in (COMPARED | changed).items()
    }


def test_patients_who_are_too_few_to_be_told_are_called_so(tmp_path: Path):
    home = make_home(tmp_path / "home")
    with duckdb.connect(str(home.generation(1) / "viewers.duckdb")) as viewers:
        for table in ("conversions", "conversions_weekly"):
            viewers.execute(
                f"delete from {table} where kind = 'new_patient' and week >= ?", [SCOPE.since]
            )
    view = board(home, 1, SCOPE, protected=True)
    grown, priced, _ = view.sentences
    assert grown.startswith(f"{UNTOLD}, and $")
    assert "before" in grown
    assert "no equally long period" not in grown
    assert priced == f"{UNTOLD}, so what one of them cost is not told."


@pytest.mark.parametrize(
    ("changed", "protected", "said"),
    [
        ({}, False, "20 new patients came, 100.0% more than in the period before, and $300 was"),
        ({"new_patients": (20.0, None)}, True, "20 new patients came, after too few before to be"),
        ({"new_patients": (None, None)}, True, f"{UNTOLD}, and $300 was collected, 50.0% more"),
        (
            {"new_patients": (None, 9.0)},
            False,
            "The number of new patients is not reported yet, and $300",
        ),
        ({"collected": (None, 9.0)}, True, "before, and the money collected is of too few people"),
        ({"spend": (None, None)}, False, "20 new patients came, 100.0% more than in the period"),
        (
            {"spend": (None, None), "new_patients": (20.0, None), "collected": (300.0, None)},
            False,
            "20 new patients came and $300 was collected.",
        ),
    ],
)
def test_growth_says_what_is_not_told(changed, protected, said):
    told = growth(known(**changed), "USD", protected=protected)
    assert said in told
    assert "—" not in told
    assert "no equally long period" not in told


def test_growth_without_a_period_before_says_so():
    alone = {name: (now, None) for name, (now, _) in COMPARED.items()}
    assert growth(known(**alone), "USD") == (
        "20 new patients came and $300 was collected; there is no equally long period before to "
        "compare with."
    )


@pytest.mark.parametrize(
    ("changed", "protected", "said"),
    [
        (
            {},
            False,
            "A new patient cost $5.00 of media, 50.0% less than in the period before; each",
        ),
        ({"spend": (0.0, 0.0), "blended_cac": (None, None)}, True, "There was no spend, so"),
        ({"spend": (None, None), "blended_cac": (None, None)}, False, "Spend is not reported yet,"),
        ({"new_patients": (None, 9.0), "blended_cac": (None, 9.0)}, True, f"{UNTOLD}, so what one"),
        ({"new_patients": (0.0, 9.0), "blended_cac": (None, 9.0)}, False, "Nobody new came, so"),
        ({"blended_roas": (None, 2.0)}, True, "; the money collected is of too few people to be"),
    ],
)
def test_a_price_that_there_is_not_is_explained(changed, protected, said):
    told = price(known(**changed), "USD", protected=protected)
    assert said in told
    assert "—" not in told
