"""Incremental credit: worked by hand, its laws, and that it finds what a known panel hides."""

from datetime import timedelta
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from warehouse_fixtures import MODELS_IN_ORDER, Warehouse, ad, appointment, at

from attribution.errors import BadInput
from attribution.models.incremental import draws_of
from attribution.models.incremental_design import (
    Intensities,
    Node,
    Setting,
    carried,
    cells_of,
    counts_of,
    media_of,
)
from attribution.models.incremental_draws import KEPT, POWERS, Fits, truncated, walked
from attribution.models.incremental_evidence import holdout_increments, weeks_tested
from attribution.models.incremental_fit import Panel, Prior
from attribution.models.incremental_groups import courses_of, groups_of
from attribution.models.incremental_shares import shares_of
from attribution.models.spread import drawn_interval
from attribution.transform import build, run_checks

MONDAY = np.datetime64("2025-01-06")
PLACES = ("north", "central", "south", "west")
ARMS = ["kind", "channel", "campaign", "arm", "returned", "people", "counted", "squares",
        "afterwards"]  # fmt: skip
TESTS = ["channel", "kind", "location", "first_day", "last_day", "increment", "standard_error"]


def week(number):
    return (MONDAY + 7 * number).astype(object)


def media_rows(spend):
    """`spend`: channel -> place x week of dollars; one campaign for each channel and place."""
    rows = [
        (channel, f"{channel}_{PLACES[p]}", "unassigned", PLACES[p], week(w), "USD",
         round(dollars * 1_000_000), 0, 0, 0)
        for channel, table in spend.items()
        for p, course in enumerate(table)
        for w, dollars in enumerate(course)
        if dollars > 0
    ]  # fmt: skip
    columns = ["channel", "campaign", "service_line", "location", "week", "currency",
               "spend_micros", "impressions", "clicks", "messages"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def conversion_rows(counts, kind="lead"):
    rows = [
        (kind, "dental", PLACES[p], week(w), int(count))
        for p, course in enumerate(counts)
        for w, count in enumerate(course)
    ]
    columns = ["kind", "service_line", "location", "week", "conversions"]
    return pd.DataFrame(rows, columns=columns)


def fitted(conversions, media, holdouts=(), tests=()):
    journeys = pd.DataFrame(columns=["kind", "channel", "week", "has_media", "journeys"])
    return draws_of(
        conversions,
        media,
        journeys,
        pd.DataFrame(list(holdouts), columns=ARMS),
        pd.DataFrame(list(tests), columns=TESTS),
        pd.DataFrame({"currency": ["USD"]}),
    )


def increments(draws, kind="lead"):
    return draws[draws["kind"] == kind].pivot(index="draw", columns="channel", values="increment")


USUAL = {"directory": (0.3, 0.7), "paid_search": (0.3, 0.7), "video": (0.8, 0.7)}


def hidden(seed, weeks=90, levels=(60, 140), settings=USUAL):
    """A panel of the model's own kind: what is pressed, what came, and what each channel brought.

    Coefficients are drawn from what the model believes beforehand, so intervals must hold. Places
    of unlike `levels` are as large to those who spend, which the model does not know. `settings`
    are what of each channel is kept from week to week, and the power by which it saturates.
    """
    rng = np.random.default_rng(seed)
    shape = (len(PLACES), weeks)
    blocks = np.repeat(rng.uniform(0.2, 1.8, (len(settings), len(PLACES), weeks // 5)), 5, axis=2)
    spend = dict(zip(settings, 100 * blocks, strict=True))
    media = media_rows(spend)
    ones = conversion_rows(np.ones(shape))
    channels = media_of(media, cells := cells_of(ones, media))
    truth, added = {}, np.zeros(shape)
    for one in channels:
        pressed = one.intensity(*settings[one.channel], 0, cells.size)
        truth[one.channel] = abs(rng.normal()) * 0.16 * pressed
        added += truth[one.channel]
    # Cells are in the order of their names.
    level = rng.uniform(*levels, (len(PLACES), 1))
    season = 1 + 0.15 * np.sin(np.arange(weeks) / 52 * 2 * np.pi)
    parts = {name: level * season * part for name, part in truth.items()}
    counts = rng.poisson(level * season * (1 + added))
    order = np.argsort(np.argsort(PLACES))  # places as named -> their cells
    return conversion_rows(counts[order]), media, {n: part.sum() for n, part in parts.items()}


@pytest.fixture(scope="module")
def panel():
    return hidden(1)


@pytest.fixture(scope="module")
def draws(panel):
    return fitted(*panel[:2])


def test_a_share_worked_by_hand():
    """Constant pressure is an intensity of 1; a coefficient of 0.25 is then 0.25 / 1.25 = 20%."""
    media = media_rows({"video": np.full((1, 8), 100.0)})
    second = media.assign(campaign="other", spend_micros=media["spend_micros"] // 4)
    counts = conversion_rows(np.full((1, 8), 10))
    draw = pd.DataFrame(
        [("lead", "video", 0, 0.5, 0.7, 0, 0.25)],
        columns=["kind", "channel", "draw", "kept", "power", "delay", "coefficient"],
    )
    shares = shares_of(draw, counts, pd.concat([media, second]))
    found = shares.groupby("campaign")["share"].unique()
    assert found["video_north"] == pytest.approx([0.16])
    assert found["other"] == pytest.approx([0.04])
    assert len(shares) == 16


def test_settings_are_weighed_as_if_all_were_tried():
    """Two channels have 81 settings; a walk over some of them leans to none in the mean."""
    off = []
    for seed in range(40, 52):
        conversions, media, _ = hidden(seed, settings={"directory": (0.3, 0.7), "yelp": (0.3, 0.7)})
        cells = cells_of(conversions, media)
        intensities, groups = Intensities(media_of(media, cells), cells), groups_of(cells)
        counts = groups.summed(counts_of(conversions, cells))
        courses, precision = courses_of(groups, counts.shape[1])
        panel = Panel(counts, courses, np.ones(counts.shape[1], dtype=bool))
        fits = Fits(panel, intensities, groups, Prior(np.zeros(2), np.eye(2) / 0.04, precision), ())
        one = [Setting(kept, power) for kept in KEPT[False] for power in POWERS]
        every = [Node(pair) for pair in product(one, one)]
        walk = walked(fits, np.random.default_rng(1))
        found = sum(weight * placed(node) for node, weight in walk)
        off.append(found - fits.weights(every) @ np.array([placed(node) for node in every]))
    assert np.mean(off, axis=0) == pytest.approx(0, abs=0.02)


def test_a_channel_is_given_the_same_whatever_its_name():
    """Three like channels, and what each is given under each other's names, of all conversions."""
    names = ("directory", "paid_search", "yelp")
    given = {name: [] for name in names}
    for seed in range(3000, 3004):
        conversions, media, _ = hidden(seed, settings=dict.fromkeys(names, (0.3, 0.7)))
        for turned in (names, names[1:] + names[:1], names[2:] + names[:2]):
            other = dict(zip(names, turned, strict=True))
            renamed = media.assign(channel=media["channel"].map(other))
            found = (
                increments(fitted(conversions, renamed)).mean() / conversions["conversions"].sum()
            )
            for name in names:
                given[name].append(found[name])
    # In each place each channel stood once, so that only the place differs.
    assert np.ptp([np.mean(shares) for shares in given.values()]) < 0.006


def test_evidence_that_is_no_number_stops_the_fit(monkeypatch):
    monkeypatch.setattr(Fits, "fit", lambda *_: SimpleNamespace(evidence=float("nan")))
    with pytest.raises(ArithmeticError, match="is no number"):
        Fits.__new__(Fits).weights([Node(()), Node(())])


def placed(node):
    return np.array([number for one in node.settings for number in (one.kept, one.power)])


def test_what_was_seen_fades_by_hand():
    course = np.zeros(8)
    course[4] = 8.0
    assert carried(course, 0.5).tolist() == [0, 0, 0, 0, 4, 2, 1, 0.5]


def test_a_holdout_worked_by_hand():
    """300 of 1,000 treated came and 20 of 100 held out: 10 points, so 100 who would not have."""
    arms = pd.DataFrame(
        [
            ("lead", "outreach_sms", "recall", "treated", 0, 1000, 300, 300, 0),
            ("lead", "outreach_sms", "recall", "holdout", 0, 100, 20, 20, 0),
        ],
        columns=ARMS,
    )
    [(channel, increment, error)] = holdout_increments(arms)
    assert channel == "outreach_sms"
    assert increment == pytest.approx(100.0)
    assert error == pytest.approx(1000 * (0.3 * 0.7 / 1000 + 0.2 * 0.8 / 100) ** 0.5)


def test_visits_that_follow_are_told_from_the_first_by_hand():
    """Who came within 90 days has 1 visit then and 3 in all, who did not has 0 and 1: 2 for 1."""
    arms = pd.DataFrame(
        [
            ("kept", "outreach_sms", "recall", "treated", 1, 300, 300, 300, 600),
            ("kept", "outreach_sms", "recall", "treated", 0, 700, 0, 0, 700),
            ("kept", "outreach_sms", "recall", "holdout", 1, 20, 20, 20, 40),
            ("kept", "outreach_sms", "recall", "holdout", 0, 80, 0, 0, 80),
        ],
        columns=ARMS,
    )
    [(_, increment, _)] = holdout_increments(arms)
    assert increment == pytest.approx(200.0)


def test_a_test_sees_its_days_and_places(panel):
    cells = cells_of(*panel[:2])
    weight = weeks_tested(cells, "south", "2025-01-08", "2025-01-14")  # Wednesday to Tuesday
    south = cells.locations.index("south")
    assert weight[south, :3] == pytest.approx([5 / 7, 2 / 7, 0])
    assert weight.sum() == pytest.approx(1.0)


def times(draws, centre, precision):
    """One normal for so many draws."""
    return np.tile(centre, (draws, 1)), np.tile(precision, (draws, 1, 1))


def test_draws_of_a_cut_normal_have_its_mean():
    rng = np.random.default_rng(3)
    found = truncated(*times(4000, [0.0, 5.0], np.diag([1.0, 100.0])), rng)
    assert found.min() >= 0
    assert found.mean(axis=0) == pytest.approx([(2 / np.pi) ** 0.5, 5.0], abs=0.03)


def test_the_chance_of_nothing_worked_by_hand():
    """A normal of 1 and 1, and odds of 3 over the density there: 3 * 0.2420 to Phi(1) = 0.8413."""
    rng = np.random.default_rng(4)
    found = truncated(*times(20_000, [1.0, 5.0], np.eye(2)), rng, np.array([3.0, 0.0]))
    nothing = 3 * 0.24197 / (3 * 0.24197 + 0.84134)
    assert (found[:, 0] == 0).mean() == pytest.approx(nothing, abs=0.01)
    assert (found[:, 1] > 0).all()
    # What is left is the same cut normal as without: 1 + phi(1) / Phi(1).
    assert found[found[:, 0] > 0, 0].mean() == pytest.approx(1 + 0.24197 / 0.84134, abs=0.03)


def of_messages(panel, treated, held_out):
    """Increments of messages to 4,000 people of whom so many came, and 1,000 who got none."""
    conversions, media, _ = panel
    sent = media[media["channel"] == media["channel"].iloc[0]].assign(
        channel="outreach_sms", spend_micros=0, messages=40
    )
    arms = [
        ("lead", "outreach_sms", "recall", "treated", 0, 4000, treated, treated, 0),
        ("lead", "outreach_sms", "recall", "holdout", 0, 1000, held_out, held_out, 0),
    ]
    return increments(fitted(conversions, pd.concat([media, sent]), arms))["outreach_sms"]


def test_messages_that_brought_nothing_may_have_brought_nothing(panel):
    none = of_messages(panel, 200, 50)
    assert none.quantile(0.05) == 0.0 < none.max()
    many = of_messages(panel, 600, 50)
    assert 250 < many.quantile(0.05) < 400 < many.quantile(0.95)


def test_intervals_hold_what_a_known_panel_hides():
    held, errors, equal = [], [], []
    for seed in range(2, 10):
        conversions, media, truth = hidden(seed)
        found = increments(fitted(conversions, media))
        low, high, mean = found.quantile(0.05), found.quantile(0.95), found.mean()
        whole, brought = conversions["conversions"].sum(), sum(truth.values())
        for channel, true in truth.items():
            held.append(low[channel] <= true <= high[channel])
            errors.append((mean[channel] - true) / whole)
            equal.append((brought / 3 - true) / whole)
    assert 0.75 <= np.mean(held) <= 1.0
    # Better than knowing the total and nothing of who it was.
    assert np.std(errors) < 0.75 * np.std(equal)


def test_channels_never_bring_less_than_nothing_or_more_than_came(panel, draws):
    found = increments(draws)
    assert (found >= 0).all(axis=None)
    assert (found.sum(axis=1) < panel[0]["conversions"].sum()).all()
    assert len(found) == 100


def test_the_same_panel_in_another_order_gives_the_same_draws(panel, draws):
    conversions, media, _ = panel
    again = fitted(conversions.sample(frac=1, random_state=1), media.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(again, draws)


def test_another_unit_of_money_changes_nothing(panel, draws):
    conversions, media, _ = panel
    cents = fitted(conversions, media.assign(spend_micros=media["spend_micros"] * 100))
    assert increments(cents).mean().to_numpy() == pytest.approx(
        increments(draws).mean().to_numpy(), rel=1e-6
    )


def test_a_channel_that_was_never_on_gets_nothing(panel):
    conversions, media, _ = panel
    off = media[media["channel"] == "video"].assign(channel="display", spend_micros=0)
    assert "display" not in set(fitted(conversions, pd.concat([media, off]))["channel"])


def test_a_test_pulls_towards_itself_and_narrows(panel, draws):
    before = increments(draws)["paid_search"]
    target = 0.5 * before.mean() + 100
    sure = ("paid_search", "lead", "", "2025-01-06", "2026-09-27", target, 0.1 * before.std())
    vague = (*sure[:-1], 100 * before.std())
    near = increments(fitted(*panel[:2], tests=[sure]))["paid_search"]
    far = increments(fitted(*panel[:2], tests=[vague]))["paid_search"]
    assert abs(near.mean() - target) < 0.25 * abs(before.mean() - target)
    assert near.std() < 0.35 * before.std()
    assert abs(far.mean() - before.mean()) < 0.25 * before.std()


@pytest.mark.parametrize("weeks", [0, 12])
def test_too_short_a_panel_says_nothing(panel, weeks):
    conversions, media, _ = panel
    early = [rows[rows["week"] < week(weeks)] for rows in (conversions, media)]
    assert fitted(*early).empty


def test_one_place_is_learned_from_its_weeks(panel):
    conversions, media, _ = panel
    alone = [rows[rows["location"] == "north"] for rows in (conversions, media)]
    found = fitted(*alone)
    assert set(found["places"]) == {1}
    assert set(found["channel"]) == {"directory", "paid_search", "video"}


@pytest.fixture(scope="module")
def built():
    """Two places, forty weeks; the north presses with search every other month."""
    rows, number = [], 0
    for w in range(40):
        monday = at("2025-01-06") + timedelta(weeks=w)
        on = (w // 8) % 2 == 0
        for place in ("north", "south"):
            pressed = on == (place == "north")
            rows.append(ad(f"search_{place}", monday, "90" if pressed else "10"))
            for _ in range(12 if pressed else 8):
                number += 1
                booked = monday + timedelta(hours=number % 150)
                visit = booked + timedelta(days=3)
                rows.append(
                    appointment(
                        f"a{number}", f"p{number}", booked, visit, location=place,
                        service_line="dental",
                    )
                )  # fmt: skip
    warehouse = Warehouse(threads=2)
    yield warehouse.build(*rows)
    warehouse.close()


def test_the_warehouse_adds_up(built):
    run_checks(built.connection)
    brought = dict(built.rows("select channel, conversions from incremental where kind = 'booked'"))
    [(booked,)] = built.rows("select sum(conversions) from conversions where kind = 'booked'")
    assert brought["paid_search"] > 0.02 * booked
    assert sum(brought.values()) == pytest.approx(booked, abs=1e-6)
    [(evidence, method)] = built.rows(
        "select evidence, method from incremental where kind = 'booked' and channel = 'paid_search'"
    )
    assert (evidence, method) == ("panel", "places and weeks")


def test_built_again_it_is_the_same(built):
    names = ("int_incremental", "incremental", "incremental_draws")
    before = [built.checksum(name) for name in names]
    built.rebuild()
    assert [built.checksum(name) for name in names] == before


def test_what_rounding_leaves_of_nothing_is_no_row(built):
    """Engines round the last digits each in their own way, and write the same rows all the same."""
    shares = built.frame("select * from int_incremental_shares")
    only = [one for one in MODELS_IN_ORDER if one.name == "int_incremental"]
    built.replace("int_incremental_shares", shares.assign(share=4e-12))
    build(built.connection, only)
    channels = built.rows("select distinct channel from int_incremental")
    built.replace("int_incremental_shares", shares)
    build(built.connection, only)
    assert channels == [("baseline",)]
    assert len(built.rows("select distinct channel from int_incremental")) > 1


def test_draws_are_multiples_with_mean_one(built):
    means = built.rows("select channel, avg(multiplier) from incremental_draws group by channel")
    assert {channel for channel, _ in means} == {"baseline", "paid_search"}
    assert [mean for _, mean in means] == pytest.approx([1.0, 1.0])
    low, high, mid = built.rows(
        "select low, high, conversions from incremental"
        " where kind = 'booked' and channel = 'paid_search'"
    )[0]
    assert 0 <= low < mid < high
    # The page makes the interval of any slice from draws, and that of the whole must be this one.
    drawn = built.frame(
        "select multiplier from incremental_draws where kind = 'booked' and channel = 'paid_search'"
    )
    ends = drawn_interval(np.array([mid]), mid * drawn.to_numpy("float64"))
    assert [low, high] == pytest.approx([ends.low[0], ends.high[0]], abs=2e-6)


def test_campaigns_get_what_they_pressed_where_they_are(built):
    places = built.rows(
        "select distinct campaign, location from int_incremental where channel = 'paid_search'"
    )
    assert set(places) == {("search_north", "north"), ("search_south", "south")}


def test_little_data_is_all_baseline():
    warehouse = Warehouse()
    when = at("2026-01-05")
    warehouse.build(ad("search", when, "5"), appointment("a", "p", when, when))
    found = warehouse.rows("select channel, conversions, evidence, method from incremental"
                           " where kind = 'booked' order by channel")  # fmt: skip
    assert found == [
        ("baseline", 1.0, "not identified", "none"),
        ("paid_search", 0.0, "not identified", "none"),
    ]

    # A channel that brought nothing in every draw is there, from nothing to nothing.
    nought = {"kept": 0.3, "power": 0.7, "delay": 0, "coefficient": 0.0, "increment": 0.0,
              "known": 0.9, "holdouts": 1, "lift_tests": 0, "places": 1, "weeks": 40}  # fmt: skip
    of_search = {"kind": "booked", "channel": "paid_search", "draw": range(100)}
    warehouse.replace("int_incremental_draws", pd.DataFrame(of_search | nought))
    marts = ("incremental_draws", "incremental")
    build(warehouse.connection, [one for one in MODELS_IN_ORDER if one.name in marts])
    assert warehouse.rows(
        "select conversions, low, high from incremental"
        " where kind = 'booked' and channel = 'paid_search'"
    ) == [(0.0, 0.0, 0.0)]
    warehouse.close()


def test_a_users_lift_test_is_heard_and_named(built):
    asked = (
        "select conversions, low, high, evidence from incremental"
        " where kind = 'booked' and channel = 'paid_search'"
    )
    [(before, low, high, _)] = built.rows(asked)
    test = ["paid_search", "booked", "", "", "2025-01-06", "2025-10-12", "10", "4", "dark", "", ""]
    empty = built.frame("select * from lift_tests")
    built.give("lift_tests", pd.DataFrame([test], columns=empty.columns))
    [(after, nearer, further, evidence)] = built.rebuild().rows(asked)
    built.give("lift_tests", empty)
    assert evidence == "panel and lift test"
    assert abs(after - 10) < 0.5 * abs(before - 10)
    assert further - nearer < high - low


def test_a_lift_test_of_nowhere_stops_the_refresh_unless_it_was_recorded(built):
    test = ["paid_search", "booked", "nroth", "", "2025-01-06", "2025-10-12", "10", "4", "", "", ""]
    empty = built.frame("select * from lift_tests")
    built.give("lift_tests", pd.DataFrame([test], columns=empty.columns))
    with pytest.raises(BadInput, match=r"lift_tests\.csv.*'nroth'.*north, south"):
        built.rebuild().whole()
    # One that was recorded cannot be corrected: it is not heard, and stops nothing.
    recorded = [*test[:-2], "3 dark", "yes"]
    built.give("lift_tests", pd.DataFrame([recorded], columns=empty.columns))
    asked = "select distinct lift_tests from int_incremental_draws where channel = 'paid_search'"
    assert built.rebuild().rows(asked) == [(0,)]
    built.write("delete from lift_tests")
    built.rebuild()
