"""Laws of credit, for every model in the registry, through the SQL that the refresh runs.

Laws that compare a crowd with a changed one share what was made of the crowd as it is: they draw
the same crowds, and what else they need follows from the crowd.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from random import Random

import pandas as pd
import pytest
from credit_reference import CHANNEL, credit
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, contact, payment, touch

from attribution.models import MODELS, WEIGHED
from attribution.models.parameters import CreditSettings
from attribution.sql_models import load_checks
from attribution.transform import run_checks

START = at("2022-01-01")
# Quarter days over three and a half years: ties are common, gaps reach over every lookback.
HOURS = st.integers(0, 5000).map(lambda n: START + timedelta(hours=6 * n))
NEARBY = st.integers(0, 300).map(lambda n: START + timedelta(hours=6 * n))
WHEN = st.one_of(HOURS, NEARBY, NEARBY)
TAGS = st.sampled_from(sorted(CHANNEL))
AMOUNTS = st.sampled_from(["0", "0.01", "33.33", "100", "-20", "123456.789012"])
STATUS = st.sampled_from(["proposed", "booked", "fulfilled", "fulfilled", "arrived", "noshow"])
# The order that is chosen may change with the number of people; laws hold for each order.
FIRST_ORDER = CreditSettings(markov_order=1)
LAWS = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def persons(draw):
    """One person's touches, appointments and payments, still without name and keys."""
    touches = draw(st.lists(st.tuples(WHEN, TAGS, st.booleans()), max_size=9))
    appointments = draw(st.lists(st.tuples(WHEN, st.integers(0, 90), STATUS), max_size=3))
    payments = draw(st.lists(st.tuples(WHEN, AMOUNTS, st.integers(0, 4)), max_size=3))
    return touches, appointments, payments


MARTS = ("credit", "conversions", "spend", "sessions", "reactivation", "about")
CROWDS = st.lists(persons(), min_size=20, max_size=40)


def people(crowd, copy: int = 0):
    """Contract rows of each person of a crowd; another `copy` is other people just like them."""
    made = []
    for number, (touches, appointments, payments) in enumerate(crowd):
        who = f"person {number} copy {copy}"
        made.append(
            (
                [
                    touch(f"{who} t{i}", who, when, tags, kind="form" if form else "session")
                    for i, (when, tags, form) in enumerate(touches)
                ],
                [
                    appointment(f"{who} a{i}", who, when, when + timedelta(days=days), status)
                    for i, (when, days, status) in enumerate(appointments)
                ],
                [
                    payment(f"{who} p{i}", who, when, amount, appointment_id=f"{who} a{visit}")
                    for i, (when, amount, visit) in enumerate(payments)
                ],
            )
        )
    return made


def rows_of(made):
    return [row for person in made for part in person for row in part]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    opened = Warehouse(FIRST_ORDER, (*MARTS, "removal_effect"), threads=2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def whole() -> Iterator[Warehouse]:
    """With every model that a check reads; test_engines builds all of them of such crowds."""
    read = {name for check in load_checks() for name in check.inputs}
    opened = Warehouse(FIRST_ORDER, (*MARTS, *read), threads=2)
    yield opened
    opened.close()


def credited(warehouse):
    """(model, kind, channel) -> conversions and value, summed over all else."""
    found = warehouse.rows(
        "select model, kind, channel, sum(conversions), sum(value_micros) from credit"
        " where model <> 'incremental' group by 1, 2, 3"
    )
    return {(m, k, c): (float(n), int(v)) for m, k, c, n, v in found}


def marts(warehouse):
    return {name: warehouse.checksum(name) for name in MARTS}


AS_THEY_ARE: dict[str, tuple] = {}


def as_it_is(warehouse, crowd):
    """What is credited to a crowd, and the checksums of its marts; built once for all laws."""
    key = repr(crowd)
    if key not in AS_THEY_ARE:
        warehouse.build(*rows_of(people(crowd)))
        AS_THEY_ARE[key] = credited(warehouse), marts(warehouse)
    return AS_THEY_ARE[key]


def law(test):
    """A test of crowds, which are the same ones in each."""
    return seed(20261124)(LAWS(given(crowd=CROWDS)(test)))


@law
def test_credit_adds_up_in_every_cell(whole, crowd):
    whole.build(*rows_of(people(crowd)))
    run_checks(whole.connection)
    AS_THEY_ARE[repr(crowd)] = credited(whole), marts(whole)
    total = defaultdict(set)
    for kind, value in whole.rows(
        "select kind, sum(value_micros) from credit group by kind, model"
    ):
        total[kind].add(value)
    assert all(len(values) == 1 for values in total.values())


@law
def test_sql_agrees_with_the_plain_way(warehouse, crowd):
    expected = credit(people(crowd), list(WEIGHED), CreditSettings())
    found, _ = as_it_is(warehouse, crowd)
    for key in expected.keys() | found.keys():
        conversions, value = expected.get(key, (0.0, 0.0))
        got_conversions, got_value = found.get(key, (0.0, 0))
        assert got_conversions == pytest.approx(conversions, abs=1e-9), key
        assert got_value == pytest.approx(value, abs=100, rel=1e-9), key


@law
def test_the_order_of_rows_changes_nothing(warehouse, crowd):
    _, first = as_it_is(warehouse, crowd)
    rows = rows_of(people(crowd))
    Random(repr(crowd)).shuffle(rows)
    assert marts(warehouse.build(*rows)) == first


@law
def test_credit_scales_with_value(warehouse, crowd):
    before, _ = as_it_is(warehouse, crowd)
    rows = rows_of(people(crowd))
    times = Random(repr(crowd)).choice([2, 7, 1000])
    larger = [
        replace(row, amount=row.amount * Decimal(times)) if hasattr(row, "amount") else row
        for row in rows
    ]
    after = credited(warehouse.build(*larger))
    for key in before.keys() | after.keys():
        conversions, value = before.get(key, (0.0, 0))
        assert after.get(key, (0.0, 0))[0] == conversions
        # Each touch is rounded to a whole micro, before as well as after.
        assert abs(after.get(key, (0.0, 0))[1] - value * times) <= times * 100


@law
def test_twice_the_people_is_twice_the_credit(warehouse, crowd):
    single, _ = as_it_is(warehouse, crowd)
    twice = [*people(crowd), *people(crowd, copy=1)]
    double = credited(warehouse.build(*rows_of(twice)))
    assert double.keys() == single.keys()
    for key, (conversions, value) in single.items():
        assert double[key] == (pytest.approx(2 * conversions, abs=1e-9), 2 * value)


@law
def test_renaming_channels_renames_their_credit(warehouse, crowd):
    swap = {"google/cpc": "newsletter/email", "newsletter/email": "google/cpc"}
    names = {"paid_search": "email", "email": "paid_search"}
    swapped = [
        ([(when, swap.get(tags, tags), form) for when, tags, form in touches], visits, payments)
        for touches, visits, payments in crowd
    ]
    before, _ = as_it_is(warehouse, crowd)
    after = credited(warehouse.build(*rows_of(people(swapped))))
    assert after == {(m, k, names.get(c, c)): cell for (m, k, c), cell in before.items()}


def shares(warehouse, model, tags, days):
    """The credit of each touch of one journey that ends in a booking, in order."""
    return [journey(warehouse, tags, days).get((model, f"step {i}"), 0.0) for i in range(len(tags))]


@cache
def journey(warehouse, tags, days):
    """(model, campaign) -> credit, of one journey with a campaign for each touch."""
    decided = at("2024-06-01")
    touches = [
        touch(f"t{i}", "ann", decided - timedelta(days=day), tag, utm_campaign=f"step {i}")
        for i, (tag, day) in enumerate(zip(tags, days, strict=True))
    ]
    warehouse.build(*touches, appointment("a", "ann", decided, decided, "booked"))
    found = warehouse.rows("select model, campaign, conversions from credit where kind = 'booked'")
    return {(model, campaign): conversions for model, campaign, conversions in found}


FOUR = ("google/cpc", "facebook/paid_social", "newsletter/email", "(direct)/(none)")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("first", [1, 0, 0, 0]),
        ("last", [0, 0, 0, 1]),
        ("last_non_direct", [0, 0, 1, 0]),
        ("linear", [0.25, 0.25, 0.25, 0.25]),
        ("position", [0.4, 0.1, 0.1, 0.4]),
        ("milestone", [3 / 7, 1 / 14, 1 / 14, 3 / 7]),
        # One journey and no other: without any of its channels all would be lost.
        ("markov", [0.25, 0.25, 0.25, 0.25]),
        ("shapley_sum", [0.25, 0.25, 0.25, 0.25]),
        ("shapley_rate", [0.25, 0.25, 0.25, 0.25]),
        ("time_decay", [1 / 15, 2 / 15, 4 / 15, 8 / 15]),
    ],
)
def test_a_journey_worked_by_hand(warehouse, model, expected):
    assert shares(warehouse, model, FOUR, (22, 15, 8, 1)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("model", WEIGHED)
def test_a_single_touch_takes_it_all(warehouse, model):
    assert shares(warehouse, model, ("google/cpc",), (30,)) == [1.0]


def test_position_gives_two_ends_a_half_each(warehouse):
    assert shares(warehouse, "position", FOUR[:2], (9, 2)) == [0.5, 0.5]


FIVE = (*FOUR, "google/organic")
DAYS = (30, 22, 15, 8, 3)


@pytest.mark.parametrize(
    ("asked", "booked", "expected"),
    [
        (22, 8, [0.3, 0.3, 0.05, 0.3, 0.05]),
        # The lead's touch is the last one up to it, and so is the booking's.
        (20, 4, [0.3, 0.3, 0.05, 0.3, 0.05]),
        # Two milestones at one touch add up.
        (30, 3, [0.6, 0.1 / 3, 0.1 / 3, 0.1 / 3, 0.3]),
        (8, 8, [0.3, 0.1 / 3, 0.1 / 3, 0.6, 0.1 / 3]),
        # Who booked before asking did not ask on the way to this visit.
        (7, 15, [3 / 7, 1 / 21, 3 / 7, 1 / 21, 1 / 21]),
        # Without an inquiry, the first touch and the booking's remain.
        (None, 8, [3 / 7, 1 / 21, 1 / 21, 3 / 7, 1 / 21]),
    ],
)
def test_milestones_of_a_visit_worked_by_hand(warehouse, asked, booked, expected):
    visit = at("2024-06-01")
    touches = [
        touch(f"t{i}", "ann", visit - timedelta(days=day), tag, utm_campaign=f"step {i}")
        for i, (tag, day) in enumerate(zip(FIVE, DAYS, strict=True))
    ]
    rows = [appointment("a", "ann", visit - timedelta(days=booked), visit)]
    if asked is not None:
        rows.append(contact("c", visit - timedelta(days=asked), patient_id="ann"))
    warehouse.build(*touches, *rows)
    found = dict(
        warehouse.rows(
            "select campaign, conversions from credit where model = 'milestone' and kind = 'kept'"
        )
    )
    assert [found.get(f"step {i}", 0.0) for i in range(5)] == pytest.approx(expected, abs=1e-9)


def test_shapley_gives_each_channel_of_a_journey_the_same(warehouse):
    tags = ("google/cpc", "newsletter/email", "google/cpc", "google/cpc")
    found = shares(warehouse, "shapley_sum", tags, (9, 5, 3, 2))
    assert found == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6], abs=1e-11)


def test_markov_learns_from_journeys_that_led_to_nothing(warehouse):
    """Of four paths, Ann's converts; the same numbers are worked in the documents."""
    booked = at("2024-06-01")
    long_ago, now = booked - timedelta(days=300), booked + timedelta(days=300)
    warehouse.build(
        touch("t1", "ann", booked - timedelta(days=9), "google/cpc"),
        touch("t2", "ann", booked - timedelta(days=2), "newsletter/email"),
        touch("t3", "bob", long_ago, "google/cpc"),
        touch("t4", "cyd", long_ago, "newsletter/email"),
        touch("t5", "dan", long_ago, "newsletter/email"),
        # Too near the end of the data to have led to nothing.
        touch("t6", "eve", now, "google/cpc"),
        appointment("a", "ann", booked, booked, "booked"),
    )
    named = "(select distinct channel_id, channel from int_channel_map)"
    counts = warehouse.rows(
        "select coalesce(b.channel, ''), c.channel, is_won, is_last, journeys from int_states"
        f" inner join {named} as c using (channel_id)"
        f" left join {named} as b on before_1 = b.channel_id where kind = 'booked'"
    )
    assert sorted(counts) == [
        ("", "email", False, True, 2),
        ("", "paid_search", False, True, 1),
        ("", "paid_search", True, False, 1),
        ("paid_search", "email", True, True, 1),
    ]
    effects = dict(
        warehouse.rows("select channel, removal_effect from removal_effect where kind = 'booked'")
    )
    assert effects == pytest.approx({"paid_search": 1 / 3, "email": 1.0}, abs=1e-12)
    assert dict(
        warehouse.rows(
            "select channel, conversions from credit where model = 'markov' and kind = 'booked'"
        )
    ) == pytest.approx({"paid_search": 0.25, "email": 0.75}, abs=1e-11)


def test_milestones_without_a_rest_share_it_all(warehouse):
    assert shares(warehouse, "milestone", FOUR[:2], (9, 2)) == [0.5, 0.5]


def test_last_non_direct_falls_back_to_direct(warehouse):
    only_direct = ("(direct)/(none)",) * 3
    assert shares(warehouse, "last_non_direct", only_direct, (9, 5, 2)) == [0, 0, 1]


def test_time_decay_stays_exact_when_all_is_old(warehouse):
    assert shares(warehouse, "time_decay", FOUR[:2], (89, 82)) == pytest.approx([1 / 3, 2 / 3])


def test_thirds_still_add_up_to_one(warehouse):
    assert sum(map(Decimal, map(repr, shares(warehouse, "linear", FOUR[:3], (3, 2, 1))))) == 1


def test_two_touches_at_one_instant_are_ordered_by_their_key(warehouse):
    assert shares(warehouse, "last", FOUR[:2], (2, 2)) == [0, 1]


@pytest.mark.parametrize(("days", "credited_to"), [(90, "paid_search"), (91, "unattributed")])
def test_the_lookback_includes_its_last_day(warehouse, days, credited_to):
    decided = at("2024-06-01")
    warehouse.build(
        touch("t", "ann", decided - timedelta(days=days)),
        appointment("a", "ann", decided, decided, "booked"),
    )
    assert warehouse.rows("select distinct channel from credit where model <> 'incremental'") == [
        (credited_to,)
    ]


def test_a_touch_of_another_century_stops_nothing(warehouse):
    warehouse.build(touch("t", "ann", at("1901-01-01")), touch("u", "ann", at("2999-01-01")))
    assert warehouse.rows("select count(distinct span) from int_lost_touches") == [(3,)]


def test_a_touch_of_days_to_come_gives_no_journey_of_today_up(warehouse):
    now = pd.Timestamp.now("UTC").floor("s").to_pydatetime()
    later = touch("u", "ben", now + timedelta(days=400))
    warehouse.build(touch("t", "ann", now - timedelta(days=10)), later)
    assert warehouse.rows("select count(*) from int_lost_touches") == [(0,)]
    warehouse.build(touch("t", "ann", now - timedelta(days=500)), later)
    assert warehouse.rows("select count(distinct span) from int_lost_touches") == [(3,)]


def test_a_touch_at_the_moment_counts_and_one_after_it_does_not(warehouse):
    decided = at("2024-06-01")
    warehouse.build(
        touch("t1", "ann", decided),
        touch("t2", "ann", decided + timedelta(seconds=1), "newsletter/email"),
        appointment("a", "ann", decided, decided, "booked"),
    )
    assert warehouse.rows("select distinct channel from credit where model <> 'incremental'") == [
        ("paid_search",)
    ]


def test_settings_move_the_lookback(warehouse):
    decided = at("2024-06-01")
    rows = [
        touch("t", "ann", decided - timedelta(days=20)),
        appointment("a", "ann", decided, decided, "booked"),
    ]
    warehouse.set(CreditSettings(lookback_days={"booked": 7}))
    warehouse.build(*rows)
    found = warehouse.rows("select distinct channel from credit where model <> 'incremental'")
    warehouse.set(FIRST_ORDER)
    assert found == [("unattributed",)]


def test_a_refund_takes_credit_back_and_counts_nothing(warehouse):
    visit = at("2024-06-01")
    warehouse.build(
        touch("t", "ann", visit - timedelta(days=3)),
        appointment("a", "ann", visit - timedelta(days=2), visit),
        payment("p1", "ann", visit + timedelta(days=5), "100", appointment_id="a"),
        payment("p2", "ann", visit + timedelta(days=40), "-30", appointment_id="a"),
    )
    assert warehouse.rows(
        "select channel, sum(conversions), sum(value_micros) from credit"
        " where model = 'linear' and kind = 'collected' group by 1"
    ) == [("paid_search", 1.0, 70_000_000)]


def test_conversions_of_nobody_known_are_unattributed(warehouse):
    warehouse.build(payment("p", None, at("2024-06-01"), "12.50"))
    assert warehouse.rows(
        "select distinct channel, campaign, kind, conversions, value_micros from credit"
        " where model <> 'incremental'"
    ) == [("unattributed", "", "collected", 1.0, 12_500_000)]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_explains_itself(name):
    model = MODELS[name]
    assert model.name == name
    assert model.title
    assert model.help.endswith(".")
    assert len(model.help) <= 90
