"""By which day conversions count: the same total over all weeks, each week its own."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from marts_fixture import LAST_WEEK, make_home
from warehouse_fixtures import Warehouse, appointment, at, payment, touch

from attribution import amount_queries, queries
from attribution.date_basis import OWN
from attribution.models.credit_dates import BOOKING, TOUCH, VISIT
from attribution.models.parameters import CreditSettings
from attribution.queries import Scope
from attribution.ui.scope import protected_scope, scope_of
from attribution.ui.views import attribution, channels, overview

# Mondays.
JANUARY, FEBRUARY, MARCH, APRIL = "2024-01-08", "2024-02-05", "2024-03-04", "2024-04-01"
ROWS = (
    # Ann: two touches, then a booking, the visit a month later, money another month later.
    touch("t1", "ann", at("2024-01-14 23:30"), "google/cpc", kind="form"),
    touch("t2", "ann", at("2024-02-06"), "newsletter/email"),
    appointment("a1", "ann", at("2024-02-07"), at("2024-03-06 09:00"), service_line="hip"),
    payment("p1", "ann", at("2024-04-03"), "100.01", appointment_id="a1"),
    # Bob: three visits booked in one moment, none kept, no touch at all.
    *(
        appointment(f"b{n}", "bob", at("2024-02-08"), at(day), "booked")
        for n, day in enumerate(("2024-03-05", "2024-03-07", "2024-04-02"))
    ),
    # Paid in advance for the visit; touches count up to the day on which it was paid.
    payment("p0", "ann", at("2024-02-08"), "5.00", appointment_id="a1"),
    # Money of somebody nobody knows, for nothing that is known.
    payment("p2", None, at("2024-04-04"), "7.00"),
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    opened = Warehouse(CreditSettings(markov_order=1), ("credit", "credit_dates"))
    yield opened.build(*ROWS)
    opened.close()


@pytest.fixture(scope="module")
def marts_home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("home"))


def told(warehouse: Warehouse, basis: str, kind: str, what: str = "linear_conversions"):
    """(channel, week, whether it has that date) -> amount."""
    found = warehouse.rows(
        f"select channel, cast(week as varchar), is_dated, sum({what}) from credit_dates"
        f" where basis = '{basis}' and kind = '{kind}' group by 1, 2, 3"
    )
    return {(channel, week, dated): float(amount) for channel, week, dated, amount in found}


def test_touches_stand_in_their_own_weeks(warehouse):
    # The last half hour of a Sunday is of the week before.
    assert told(warehouse, "touch", "kept") == {
        ("paid_search", JANUARY, True): 0.5,
        ("email", FEBRUARY, True): 0.5,
    }
    assert told(warehouse, "touch", "booked") == {
        ("paid_search", JANUARY, True): 0.5,
        ("email", FEBRUARY, True): 0.5,
        ("unattributed", FEBRUARY, False): 3.0,
    }
    value = told(warehouse, "touch", "collected", "linear_value")
    assert value[("unattributed", APRIL, False)] == 7_000_000
    assert value[("paid_search", JANUARY, True)] + value[("email", FEBRUARY, True)] == 105_010_000


def test_a_visit_is_booked_when_it_was(warehouse):
    assert told(warehouse, "booking", "kept") == {
        ("paid_search", FEBRUARY, True): 0.5,
        ("email", FEBRUARY, True): 0.5,
    }
    money = told(warehouse, "booking", "collected", "first_value")
    assert money[("paid_search", FEBRUARY, True)] == 105_010_000
    assert money[("unattributed", APRIL, False)] == 7_000_000
    assert {dated for _, _, dated in told(warehouse, "booking", "lead")} == {False}


def test_bookings_of_one_moment_have_their_own_visits(warehouse):
    booked = told(warehouse, "visit", "booked")
    assert booked[("unattributed", MARCH, True)] == 2.0
    assert booked[("unattributed", APRIL, True)] == 1.0
    assert told(warehouse, "visit", "collected", "first_value")[("paid_search", MARCH, True)] == (
        105_010_000
    )


def test_what_is_paid_ahead_takes_no_money_away_from_the_visit_at_which_it_is_paid():
    """Where days are all that is known, checking out of one visit is its moment too."""
    first, second = at("2024-03-04"), at("2024-04-08")
    one = Warehouse(of=("int_conversion_dates",)).build(
        # Of one conversion, whichever of them is told first.
        *(
            row
            for who in ("ann", "bob")
            for row in (
                appointment(f"{who} a", who, at("2024-02-07"), first),
                appointment(f"{who} b", who, first, second),
            )
        ),
        payment("p1", "ann", first, "70", appointment_id="ann a"),
        payment("p2", "ann", first, "30", appointment_id="ann b"),
        # Bob pays for the first some weeks later, which is a conversion of another week.
        payment("p3", "bob", first, "30", appointment_id="bob b"),
        payment("p4", "bob", at("2024-03-20"), "70", appointment_id="bob a"),
    )
    found = one.rows(
        "select cast(dates.visit_week as varchar), sum(dates.value_micros)"
        " from int_conversion_dates as dates inner join int_conversions"
        " on dates.conversion_id = int_conversions.conversion_id"
        " where int_conversions.kind = 'collected' group by dates.conversion_id, 1 order by all"
    )
    assert found == [
        ("2024-03-04", 70_000_000),
        ("2024-03-04", 100_000_000),
        ("2024-04-08", 30_000_000),
    ]
    one.close()


def test_over_all_weeks_every_basis_is_the_same(warehouse):
    """`dates_equal_credit` says so of the crowds in test_credit_laws.py; here it can be read."""
    whole = dict(
        warehouse.rows(
            "select kind, sum(conversions) from credit where model = 'linear' group by 1"
        )
    )
    assert whole == {"lead": 1, "booked": 4, "kept": 1, "new_patient": 1, "collected": 3}
    for basis in ("touch", "booking", "visit"):
        found = dict(
            warehouse.rows(
                "select kind, sum(linear_conversions) from credit_dates"
                f" where basis = '{basis}' group by 1"
            )
        )
        assert found == pytest.approx(whole)


def test_pages_count_by_the_chosen_day_and_viewers_by_one_only(marts_home):
    """Whatever day is chosen, all weeks together say the same; each day its own of one week."""
    plain, folded = (queries.marts(marts_home, 1, protected=hidden) for hidden in (False, True))
    # So wide that weeks before the first and after the last are in it.
    every = Scope(date(2020, 1, 6), date(2030, 1, 7), model="linear")
    narrow = Scope(LAST_WEEK, LAST_WEEK, model="linear")
    for ask in (
        amount_queries.credit_by_campaign,
        amount_queries.credit_by_model,
        amount_queries.conversions_by_week,
    ):
        usual, usual_week = (
            ask(plain, scope, "USD")[["conversions", "value"]].sum() for scope in (every, narrow)
        )
        for basis in (TOUCH, BOOKING, VISIT):
            found = ask(plain, replace(every, basis=basis), "USD")
            assert found[["conversions", "value"]].sum().tolist() == pytest.approx(usual.tolist())
            week = ask(plain, replace(narrow, basis=basis), "USD")[["conversions"]].sum()
            assert week.iloc[0] != pytest.approx(usual_week.iloc[0])
            # Were it not refused where the data are read, a page or an address could ask.
            hidden = ask(folded, replace(narrow, basis=basis), "USD")
            pd.testing.assert_frame_equal(hidden, ask(folded, narrow, "USD"))


def test_pages_say_by_which_day_they_count(marts_home):
    plain, folded = (queries.marts(marts_home, 1, protected=hidden) for hidden in (False, True))
    scope = Scope(LAST_WEEK - 12 * queries.WEEK, LAST_WEEK, basis=TOUCH)
    for build in (overview.build, channels.build, attribution.build):
        assert "by the day of the touch" in build(plain, scope).remark
        assert "other days are for readers with the role analyst" in build(folded, scope).remark
        assert not build(plain, replace(scope, basis=OWN)).remark
    lost = amount_queries.without_date(plain, scope).set_index("kind")
    credit = amount_queries.credit_by_model(plain, scope, "USD")
    nobody = credit[(credit["model"] == "position") & (credit["channel"] == "unattributed")]
    assert lost.loc["booked", "undated"] == pytest.approx(float(nobody["conversions"].sum()))
    assert any("Without a known touch" in note for note in overview.build(plain, scope).notes)
    booked_ahead = overview.build(plain, replace(scope, basis=VISIT)).notes
    assert any("In weeks yet to come" in note for note in booked_ahead)
    # A filter that asks for what is not there falls back, as all do.
    about = queries.about(plain)
    said = {"basis": "posting"}
    assert scope_of(about, said, service_lines=(), locations=()).basis == OWN
    assert protected_scope(scope, queries.about(folded)).basis == OWN
