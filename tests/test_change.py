"""What changed a number between two periods: the parts are what they say, and nothing is left."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marts_fixture import LAST_WEEK, make_home

from attribution import queries
from attribution.amount_queries import credit_in_spans
from attribution.metrics import KINDS
from attribution.models.change import change
from attribution.queries import Scope
from attribution.ui import formats
from attribution.ui.views import arriving, overview
from attribution.ui.views.changes import BY, CHANNEL

MONEY = st.one_of(st.just(0.0), st.floats(0.01, 1e6))
ROWS = st.lists(st.tuples(MONEY, MONEY, st.floats(-50, 1e5), st.floats(-50, 1e5)), max_size=8)


def of(rows):
    spend0, spend1, won0, won1 = (np.array([row[at] for row in rows], "float64") for at in range(4))
    return change((spend0, spend1), (won0, won1))


@given(rows=ROWS)
def test_the_parts_add_up_and_turn_round_with_time(rows):
    parts = of(rows)
    scale = 1 + sum(abs(amount) for row in rows for amount in row[2:])
    together = parts.spend + parts.mix + parts.rate + parts.unpaid
    assert together == pytest.approx(parts.after - parts.before, abs=1e-7 * scale)
    each = parts.spend_each + parts.mix_each + parts.rate_each + parts.unpaid_each
    assert each == pytest.approx(parts.won[1] - parts.won[0], abs=1e-7 * scale)
    back = of([(s1, s0, w1, w0) for s0, s1, w0, w1 in rows])
    for name in ("spend", "mix", "rate", "unpaid"):
        assert getattr(back, name) == pytest.approx(-getattr(parts, name), abs=1e-7 * scale)


def test_each_part_alone():
    """Search brings 10 for 100, social 2 for 100; only one thing changes at a time."""
    twice = of([(100, 200, 10, 20), (100, 200, 2, 4), (0, 0, 5, 5)])
    assert (twice.spend, twice.mix, twice.rate, twice.unpaid) == pytest.approx((12, 0, 0, 0))
    moved = of([(100, 150, 10, 15), (100, 50, 2, 1)])
    assert (moved.spend, moved.mix, moved.rate) == pytest.approx((0, 4, 0))
    better = of([(100, 100, 10, 12), (100, 100, 2, 2), (0, 0, 5, 8)])
    assert (better.spend, better.mix, better.rate, better.unpaid) == pytest.approx((0, 0, 2, 3))
    # A channel that is new has moved money; what it brings is no better than before.
    new = of([(100, 50, 10, 5), (0, 50, 0, 20)])
    assert (new.spend, new.mix, new.rate) == pytest.approx((0, 15, 0))


def test_two_things_at_once_share_what_they_did_together():
    """Money and rate double: of the 30 more, each alone would do 10, and both share the rest."""
    both = of([(100, 200, 10, 40)])
    assert (both.spend, both.rate) == pytest.approx((15, 15))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("home"))


def test_the_bridge_goes_from_card_to_card(home):
    """Its ends are the numbers on the cards, and its steps lead from the one to the other."""
    for protected in (False, True):
        marts = queries.marts(home, 1, protected=protected)
        scope = Scope(LAST_WEEK - 12 * queries.WEEK, LAST_WEEK)
        view = overview.build(marts, scope, told=marts)
        cards = {each.name: each for each in view.metrics}
        for kind, name in KINDS.items():
            rows = view.tables[f"change_{kind}"].frame
            amounts = rows["amount"].tolist()
            assert amounts[0] == pytest.approx(cards[name].before)
            assert amounts[-1] == pytest.approx(cards[name].value)
            assert sum(amounts[:-1]) == pytest.approx(amounts[-1])
            # The same marts as before restate nothing, and nothing is drawn for it.
            assert rows.loc[rows["part"] == "Restated since", "amount"].tolist() == [0.0]
            assert "restated" not in view.figures[f"change_{kind}"].alt
            assert sum(rows["amount"][1:3]) == pytest.approx(  # restated since, and spend
                view.tables[f"parts_{kind}"].frame["spend"].sum()
            )
        placed = overview.build(marts, replace(scope, service_lines=("cardiology",)))
        assert ("change_booked" in placed.figures) is not protected


def test_a_bridge_that_ends_before_its_card_says_so(home, monkeypatch):
    """Of the last two weeks no spend is known: the card counts them, the bridge cannot."""
    marts = queries.marts(home, 1, protected=False)
    scope = Scope(LAST_WEEK - 3 * queries.WEEK, LAST_WEEK)
    known = LAST_WEEK - 2 * queries.WEEK
    whole = overview.build(marts, scope)
    monkeypatch.setattr(arriving, "reported_weeks", lambda _: {"spend": pd.Timestamp(known)})
    late = overview.build(marts, scope)
    said = f"counted to the week of {formats.day(known)} only"
    to_then = credit_in_spans(marts, scope, "USD", [(scope.since, known)])
    for kind, name in KINDS.items():
        own, bridge = late.figures[f"change_{kind}"], late.tables[f"change_{kind}"]
        after = sum(each[0] for (of, _), each in to_then.items() if of == kind)
        assert bridge.frame["amount"].iloc[-1] == pytest.approx(after)
        assert after < next(each.value for each in late.metrics if each.name == name)
        for words in (own.alt, bridge.note, late.tables[f"parts_{kind}"].note):
            assert said in words
        assert "counted to the week" not in whole.figures[f"change_{kind}"].alt


@pytest.mark.parametrize("by", ["service_line", "location"])
def test_the_same_change_is_told_apart_by_service_lines_and_places(home, by):
    """Whatever it is told apart by, it is between the same two numbers, and each row adds up."""
    plain, folded = (queries.marts(home, 1, protected=hidden) for hidden in (False, True))
    scope = Scope(LAST_WEEK - 12 * queries.WEEK, LAST_WEEK)
    usual, view = (overview.build(plain, scope, by=each) for each in (CHANNEL, by))
    for kind in KINDS:
        ends, own = (
            each.tables[f"change_{kind}"].frame["amount"].tolist() for each in (usual, view)
        )
        assert [own[0], own[-1]] == pytest.approx([ends[0], ends[-1]])
        assert sum(own[:-1]) == pytest.approx(own[-1])
        parts = view.tables[f"parts_{kind}"].frame
        assert len(parts) > 1
        moved = parts[["spend", "mix", "rate", "unpaid"]]
        assert moved.sum(axis=1).tolist() == pytest.approx(
            (parts["after"] - parts["before"]).tolist(), abs=1e-6
        )
        assert moved.sum().tolist() == pytest.approx(own[2:-1], abs=1e-6)
    assert BY[by][2] in view.tables["change_booked"].frame["part"].tolist()
    # Credit of folded cells knows neither.
    assert "change_booked" not in overview.build(folded, scope, by=by).figures


def test_what_was_restated_is_the_first_step(home):
    marts = queries.marts(home, 1, protected=False)
    scope = Scope(LAST_WEEK - 12 * queries.WEEK, LAST_WEEK)

    class Told(queries.Marts):
        """The marts as if a tenth had not been known yet."""

        def ask(self, statement):
            frame = super().ask(statement)
            if "in_0" in frame:
                frame["in_0"] *= 0.9
            return frame

    rows = overview.build(marts, scope, Told(home, 1, protected=False)).tables["change_booked"]
    amount = rows.frame.set_index("part")["amount"]
    assert amount["Restated since"] == pytest.approx(amount["Period before"] / 9)
    assert amount.iloc[:-1].sum() == pytest.approx(amount["This period"])
