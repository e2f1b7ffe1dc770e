"""What a journey is can be set for each kind of conversion, and again for a service line."""

from datetime import timedelta
from random import Random

import pytest
from warehouse_fixtures import Warehouse, appointment, at, touch

from attribution import seeds
from attribution.models.orders import best_order, held_out_likelihood
from attribution.models.parameters import CreditSettings, LineSettings, credit_settings

BOOKED = at("2024-06-01")
SEARCH, MAIL, DIRECT = "google/cpc", "newsletter/email", "(direct)/(none)"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(
        of=("credit", "conversions", "removal_effect", "int_states", "int_lost_touches")
    )
    yield opened
    opened.close()


def steps(warehouse, settings, *touches, line="dental", kind="booked"):
    """The campaigns of the steps of one journey to a booking; a touch is (days before, tags)."""
    rows = [
        touch(f"t{i}", "ann", BOOKED - timedelta(days=days), tags, utm_campaign=f"{i}")
        for i, (days, tags) in enumerate(touches)
    ]
    warehouse.set(settings)
    warehouse.build(
        *rows, appointment("a", "ann", BOOKED, BOOKED + DAY, "booked", service_line=line)
    )
    found = warehouse.rows(
        "select campaign from int_journey_touches inner join int_channel_map using (map_id)"
        f" where int_journey_touches.kind = '{kind}' order by step"
    )
    return [int(campaign) for (campaign,) in found]


WALK = ((40, MAIL), (30, DIRECT), (20, SEARCH), (19.999, SEARCH), (2, DIRECT))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CreditSettings(), [0, 1, 2, 3, 4]),
        (CreditSettings(direct={"booked": "alone"}), [0, 2, 3]),
        (CreditSettings(direct={"kept": "alone"}), [0, 1, 2, 3, 4]),
        (CreditSettings(collapse={"booked": True}), [0, 1, 2, 4]),
        # A thousandth of a day is 86.4 seconds.
        (CreditSettings(min_gap_minutes={"booked": 2}), [0, 1, 2, 4]),
        (CreditSettings(min_gap_minutes={"booked": 1}), [0, 1, 2, 3, 4]),
        (CreditSettings(lookback_days={"booked": 25}), [2, 3, 4]),
        # What the line has of its own counts for it, and what it has not is as everywhere.
        (
            CreditSettings(
                lookback_days={"booked": 25},
                collapse={"booked": True},
                service_lines={"dental": LineSettings(lookback_days={"booked": 35})},
            ),
            [1, 2, 4],
        ),
        (
            CreditSettings(service_lines={"heart": LineSettings(lookback_days={"booked": 1})}),
            [0, 1, 2, 3, 4],
        ),
    ],
)
def test_what_is_a_step(warehouse, settings, expected):
    assert steps(warehouse, settings, *WALK) == expected


def test_direct_visits_alone_are_steps(warehouse):
    alone = CreditSettings(direct={"booked": "alone"})
    assert steps(warehouse, alone, (9, DIRECT), (3, DIRECT)) == [0, 1]


def test_the_gap_is_to_the_touch_before_of_the_same_channel(warehouse):
    gap = CreditSettings(min_gap_minutes={"booked": 60})
    assert steps(warehouse, gap, (2, SEARCH), (1.999, MAIL), (1.998, SEARCH)) == [0, 1, 2]


def test_a_touch_just_as_long_after_as_the_gap_is_a_step(warehouse):
    gap = CreditSettings(min_gap_minutes={"booked": 30})
    every_half_hour = [(40 - i / 48, SEARCH) for i in range(40)]
    assert steps(warehouse, gap, *every_half_hour) == list(range(40))


def test_a_line_may_go_on_after_the_conversion_before(warehouse):
    rows = [
        touch("t", "ann", BOOKED - DAY, SEARCH),
        appointment("a", "ann", BOOKED, BOOKED + 9 * DAY, "booked", service_line="dental"),
        appointment("b", "ann", BOOKED + DAY, BOOKED + 9 * DAY, "booked", service_line="dental"),
    ]
    counts = []
    for own in ({}, {"dental": LineSettings(after_previous={"booked": False})}):
        warehouse.set(CreditSettings(service_lines=own))
        warehouse.build(*rows)
        counts += warehouse.rows(
            "select sum(conversions) from credit where channel = 'paid_search'"
            " and kind = 'booked' and model = 'linear'"
        )
    assert counts == [(1.0,), (2.0,)]


def lost(warehouse, settings, *touches):
    """The channels of the lost journeys of one person to a booking, step by step."""
    warehouse.set(settings)
    rows = [
        touch(f"t{i}", "ann", BOOKED + timedelta(days=days), tags)
        for i, (days, tags) in enumerate(touches)
    ]
    warehouse.build(
        *rows, appointment("a", "zoe", BOOKED + 800 * DAY, BOOKED + 801 * DAY, "booked")
    )
    return lost_ways(warehouse)


def lost_ways(warehouse):
    """The channels of each lost journey to a booking of one person: rows of it put together."""
    names = dict(warehouse.rows("select distinct channel_id, channel from int_channel_map"))
    found = warehouse.rows(
        "select end_place, is_last, path from int_lost_touches"
        " where (kinds & 2) > 0 order by span, place desc"
    )
    journeys: dict[int, list[str]] = {}
    for end_place, is_last, path in found:
        way = [names[path >> 12 * back & 4095] for back in range(5) if path >> 12 * back][::-1]
        known = journeys.setdefault(end_place, [])
        assert is_last or len(way) >= 4  # a short journey is one row
        assert len(way) <= 4 or way[:4] == known[-4:]  # and what follows knows the four before
        known += way if len(way) <= 4 else way[4:]
    return list(journeys.values())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CreditSettings(), [["email", "direct"], ["paid_search", "paid_search"]]),
        (
            CreditSettings(lookback_days={"booked": 200}),
            [["email", "direct", "paid_search", "paid_search"]],
        ),
        (CreditSettings(collapse={"booked": True}), [["email", "direct"], ["paid_search"]]),
        (CreditSettings(min_gap_minutes={"booked": 60}), [["email", "direct"], ["paid_search"]]),
        (CreditSettings(direct={"booked": "alone"}), [["email"], ["paid_search", "paid_search"]]),
    ],
)
def test_lost_journeys_follow_the_same_settings(warehouse, settings, expected):
    walk = ((0, MAIL), (30, DIRECT), (200, SEARCH), (200.001, SEARCH))
    assert lost(warehouse, settings, *walk) == expected


def test_a_long_journey_is_told_touch_by_touch_after_the_fourth(warehouse):
    tags = (MAIL, MAIL, SEARCH, DIRECT, SEARCH, SEARCH, MAIL)
    way = ["email", "email", "paid_search", "direct", "paid_search", "paid_search", "email"]
    assert lost(warehouse, CreditSettings(), *enumerate(tags)) == [way]
    assert lost(warehouse, CreditSettings(), *enumerate(tags[:4]), (300, SEARCH)) == [
        way[:4],
        ["paid_search"],
    ]


def test_what_is_learned_of_a_lost_journey_knows_all_of_its_touches(warehouse):
    """Two journeys: of seven touches in five stretches, and of three touches."""
    tags = (MAIL, MAIL, SEARCH, DIRECT, SEARCH, SEARCH, MAIL)
    short = ((300, MAIL), (301, DIRECT), (302, SEARCH))
    lost(warehouse, CreditSettings(), *enumerate(tags), *short)
    ids = dict(warehouse.rows("select distinct channel, channel_id from int_channel_map"))
    mail, search, direct = (ids[name] for name in ("email", "paid_search", "direct"))
    assert list(
        warehouse.rows(
            "select touches, stretches, first_id, third_last_id, second_last_id, last_id"
            " from int_lost_journeys where (kinds & 2) > 0"
        )
    ) == [(7, 5, mail, direct, search, mail)]
    lost_ones = "where kind = 'booked' and not is_won"
    for table in ("int_states", "int_group_states"):
        assert list(warehouse.rows(f"select sum(journeys) from {table} {lost_ones}")) == [(10,)]
    every = sum(1 << number - 1 for number in (mail, search, direct))
    sets = "select channel_set, lost from int_group_sets where kind = 'booked' and lost > 0"
    assert list(warehouse.rows(sets)) == [(every, 2)]


def test_touches_of_one_second_stay_in_the_order_of_their_time(warehouse):
    second = 1 / 86400
    walk = ((0, SEARCH), (0.3 * second, MAIL), (0.6 * second, DIRECT), (0.9 * second, MAIL))
    assert lost(warehouse, CreditSettings(), *walk) == [["paid_search", "email", "direct", "email"]]


def test_a_journey_that_may_still_convert_is_not_lost(warehouse):
    assert lost(warehouse, CreditSettings(), (0, MAIL), (711, SEARCH)) == [["email"]]
    assert lost(warehouse, CreditSettings(), (0, MAIL), (710, SEARCH)) == [
        ["email"],
        ["paid_search"],
    ]


@pytest.mark.parametrize(
    ("days", "expected"),
    [(289, [["email"]]), (291, [["email"], ["paid_search"]]), (210, [["email"]])],
)
def test_a_journey_before_a_conversion_is_lost_unless_it_led_to_it(warehouse, days, expected):
    """Email at day 0, search at day 200; the booking came within 90 days of search, or did not."""
    warehouse.set(CreditSettings())
    booked = BOOKED + days * DAY
    warehouse.build(
        touch("t0", "ann", BOOKED, MAIL),
        touch("t1", "ann", BOOKED + 200 * DAY, SEARCH),
        appointment("a", "ann", booked, booked + DAY, "booked"),
        appointment("z", "zoe", BOOKED + 800 * DAY, BOOKED + 801 * DAY, "booked"),
    )
    assert lost_ways(warehouse) == expected


def test_a_line_of_the_settings_that_no_conversion_has_is_told(warehouse):
    own = LineSettings(lookback_days={"booked": 35})
    steps(warehouse, CreditSettings(service_lines={"dental": own}), (1, SEARCH))
    assert seeds.unmet_lines(warehouse.connection) == ""
    steps(warehouse, CreditSettings(service_lines={"Dental": own}), (1, SEARCH))
    said = seeds.unmet_lines(warehouse.connection)
    assert said.startswith("No conversion is of the service line 'Dental', so")
    assert said.endswith("There are: dental.")


def test_the_file_sets_them_for_a_kind_or_for_all():
    read = credit_settings(
        {
            "direct": "alone",
            "collapse": {"lead": True},
            "markov_order": 2,
            "service_lines": {"dental": {"lookback_days": {"kept": 400}, "min_gap_minutes": 30}},
        }
    )
    assert set(read.direct.values()) == {"alone"}
    assert len(read.direct) == 5
    assert read.collapse == {"lead": True}
    assert read.markov_order == 2
    assert read.service_lines["dental"].lookback_days == {"kept": 400}
    assert read.service_lines["dental"].min_gap_minutes["lead"] == 30


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"direct": "never"}, 'direct must be "step" or "alone"'),
        ({"direct": {"lead": "never"}}, 'direct.lead must be "step" or "alone"'),
        ({"collapse": {"sale": True}}, "collapse.sale is not a conversion"),
        ({"min_gap_minutes": -1}, "min_gap_minutes must be minutes from 0 to 10080"),
        ({"markov_order": 5}, 'markov_order must be 1, 2, 3, 4 or "auto"'),
        ({"markov_order": True}, 'markov_order must be 1, 2, 3, 4 or "auto"'),
        ({"half_life_days": float("nan")}, "half_life_days must be from 0.01 to 3650"),
        ({"half_life_days": float("inf")}, "half_life_days must be from 0.01 to 3650"),
        ({"lead_gap_days": 1.5}, "lead_gap_days must be whole days, from 0 to 36500"),
        ({"new_patient_days": float("inf")}, "new_patient_days must be whole days, from 1"),
        ({"service_lines": {" ": {"collapse": True}}}, "service_lines has a line without a name"),
        ({"service_lines": 3}, "service_lines must be a table"),
        ({"service_lines": {"heart": 3}}, "service_lines.heart must be a table"),
        (
            {"service_lines": {"heart": {"timezone": "UTC"}}},
            "service_lines.heart.timezone is not a setting of a service line",
        ),
        (
            {"service_lines": {"heart": {"lookback_days": {"kept": 0}}}},
            "service_lines.heart.lookback_days.kept must be days from 1 to 730",
        ),
    ],
)
def test_impossible_ones_are_named(table, says):
    with pytest.raises(ValueError, match=says):
        credit_settings(table)


CYCLE = (SEARCH, MAIL, SEARCH, DIRECT)


def test_the_order_is_the_one_that_foretells_best(warehouse):
    """What follows search depends on the channel before it: one step back does not know."""
    rows, chance = [], Random(4)
    for person in range(120):
        length = next(n for n in range(1, 99) if chance.random() < 0.15)
        begins = chance.randrange(4)
        for i in range(length):
            tags = CYCLE[(i + begins) % 4]
            when = BOOKED - timedelta(days=length - i)
            rows.append(touch(f"{person} {i}", f"p{person}", when, tags))
        rows.append(appointment(f"a{person}", f"p{person}", BOOKED, BOOKED + DAY, "booked"))
    warehouse.set(CreditSettings())
    warehouse.build(*rows)
    chosen = "select markov_order from int_markov_orders where kind = 'booked'"
    assert warehouse.rows(chosen) == [(2,)]
    states = warehouse.frame("select * from int_states where kind = 'booked'")
    assert best_order(states) == 2
    assert held_out_likelihood(states, 2)[0] > held_out_likelihood(states, 1)[0]
    warehouse.set(CreditSettings(markov_order=4))
    assert warehouse.build(*rows).rows(chosen) == [(4,)]
    orders = "select distinct markov_order from removal_effect where kind = 'booked'"
    assert warehouse.rows(orders) == [(4,)]
