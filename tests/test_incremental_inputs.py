"""Incremental credit from data that are not whole: weeks, flows, money, tests, campaigns."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from test_incremental import (
    conversion_rows,
    fitted,
    hidden,
    increments,
    media_rows,
    week,
)
from warehouse_fixtures import Warehouse, ad, appointment, at, message, touch

from attribution.errors import BadInput
from attribution.models.incremental import led_by_media
from attribution.models.incremental_design import Intensities, cells_of, media_of, spending_of
from attribution.models.incremental_evidence import covered, holdout_increments
from attribution.models.incremental_shares import _left, _mean_shares, shares_of


@pytest.fixture(scope="module")
def whole():
    return hidden(3)


def brought(conversions, media):
    found = increments(fitted(conversions, media))
    return found.mean(), found.std()


def test_weeks_before_the_first_conversion_are_not_weeks_of_none(whole):
    conversions, media, _ = whole
    late = conversions[conversions["week"] >= week(40)]
    clipped, spread = brought(late, media[media["week"] >= week(30)])
    found, spread_too = brought(late, media)
    assert (abs(found - clipped) < 1.2 * spread).all()
    assert (spread_too < 2 * spread).all()
    assert abs(found.sum() - clipped.sum()) < 0.06 * late["conversions"].sum()


def test_a_year_of_media_before_the_first_conversion_changes_little(whole):
    conversions, media, _ = whole
    earlier = media[media["week"] < week(52)]
    earlier = earlier.assign(
        week=[day - timedelta(weeks=52) for day in earlier["week"]],
        spend_micros=earlier["spend_micros"] * np.where(earlier["channel"] == "video", 3, 1),
    )
    clipped, spread = brought(conversions, media)
    found, _ = brought(conversions, pd.concat([earlier, media]))
    assert (abs(found - clipped) < spread).all()
    assert abs(found.sum() - clipped.sum()) < 0.06 * conversions["conversions"].sum()


def test_weeks_after_the_last_conversion_are_not_weeks_of_none(whole):
    conversions, media, _ = whole
    early = conversions[conversions["week"] < week(82)]
    clipped, spread = brought(early, media[media["week"] < week(82)])
    draws = fitted(early, media)
    found = increments(draws).mean()
    assert (abs(found - clipped) < 1.2 * spread).all()
    assert abs(found.sum() - clipped.sum()) < 0.06 * early["conversions"].sum()
    assert set(draws["weeks"]) == {82}


def test_a_kind_of_few_weeks_says_nothing(whole):
    conversions, media, _ = whole
    assert fitted(conversions[conversions["week"] >= week(65)], media).empty


def test_money_of_another_currency_is_not_added():
    rows = media_rows({"directory": np.full((1, 4), 10.0), "video": np.full((1, 4), 30.0)})
    some = rows[rows["channel"] == "video"].assign(currency="JPY", spend_micros=10**12)
    only = some.assign(channel="display")
    free = some.assign(channel="outreach_sms", currency="", spend_micros=0, messages=5)
    found = spending_of(pd.concat([rows, some, only, free]), "USD")
    assert found["directory"] == 40e6
    assert found["video"] == 120e6
    assert found["outreach_sms"] == 0
    assert np.isnan(found["display"])


def test_a_channel_of_another_currency_can_be_fitted(whole):
    conversions, media, _ = whole
    yen = media["channel"] == "video"
    media = media.assign(
        currency=np.where(yen, "JPY", "USD"),
        spend_micros=np.where(yen, media["spend_micros"] * 150, media["spend_micros"]),
    )
    found, _ = brought(conversions, media)
    plain, spread = brought(*whole[:2])
    assert (abs(found - plain) < spread).all()
    # In no currency of the report, all are of one size.
    assert np.isfinite(brought(conversions, media.assign(currency="JPY"))[0]).all()


@pytest.mark.parametrize(("kept", "delay"), [(0.0, 0), (0.0, 4), (0.6, 8)])
def test_campaigns_share_all_that_their_channel_has(kept, delay):
    """One campaign stops early, another runs late, and nothing is left between with kept 0."""
    early, late = np.zeros((1, 20)), np.zeros((1, 20))
    early[0, 4:7], late[0, 15:] = 100.0, 50.0
    media = pd.concat(
        [
            media_rows({"video": early}),
            media_rows({"video": late}).assign(campaign="late", location="unassigned"),
            media_rows({"paid_search": np.full((1, 20), 10.0)}),
        ]
    )
    counts = conversion_rows(np.full((2, 20), 10))
    draws = pd.DataFrame(
        [
            ("lead", channel, draw, kept, 0.7, delay + 2 * draw * (delay > 0), 0.25)
            for channel in ("paid_search", "video")
            for draw in (0, 1)
        ],
        columns=["kind", "channel", "draw", "kept", "power", "delay", "coefficient"],
    )
    cells = cells_of(counts, media)
    expected = _mean_shares(draws, Intensities(media_of(media, cells), cells)).sum(axis=(1, 2))
    found = shares_of(draws, counts, media).groupby("channel")["share"].sum()
    assert found["video"] > 0
    assert found.to_numpy() == pytest.approx(expected, abs=1e-9)
    if delay:
        # What comes late is the early campaign's until the other one begins.
        between = shares_of(draws, counts, media).query("channel == 'video'")
        days = between[between["week"] == pd.Timestamp(week(10))]
        assert set(days["campaign"]) == {"video_north"}


def test_where_nothing_is_left_campaigns_share_by_all_their_weeks():
    early, late = np.zeros((1, 20)), np.zeros((1, 20))
    early[0, 4:7], late[0, 15:17] = 100.0, 50.0
    media = pd.concat([media_rows({"video": early}), media_rows({"video": late})])
    media["campaign"] = ["early"] * 3 + ["late"] * 2
    counts = conversion_rows(np.full((1, 20), 10))
    [one] = media_of(media, cells_of(counts, media))
    first, last = _left(one, 0.0, 0.0)
    assert first[0, 10] == pytest.approx(3 * last[0, 10])
    assert last[0, 10] > 0
    assert first[0, 1] > 0  # media begin with the early one
    assert last[0, 1] == 0


TEST = {"channel": "video", "kind": "lead", "location": "north", "service_line": "",
        "first_day": "2025-02-01", "last_day": "2025-03-01"}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"location": "nroth"}, r"lift_tests\.csv.*location 'nroth'.*north"),
        ({"service_line": "Teeth"}, r"lift_tests\.csv.*service line 'Teeth'.*dental"),
        ({"first_day": "2015-02-01", "last_day": "2015-03-01"}, r"lift_tests\.csv.*2015-02-01"),
        ({"first_day": "2035-02-01", "last_day": "2035-03-01"}, r"outside the weeks of media"),
        # Of what it found in all, nobody knows how much was found in the weeks that are known.
        ({"first_day": "2025-01-05"}, r"2025-01-05 to 2025-03-01, outside the weeks of media"),
        ({"first_day": "2026-09-28", "last_day": "2026-09-29"}, r"2025-01-06 to 2026-09-27"),
    ],
)
def test_a_test_that_cannot_be_heard_is_refused(whole, changed, words):
    conversions, media, _ = whole
    ends = {"first_day": "2025-01-06", "last_day": "2026-09-27"}
    right = pd.DataFrame([TEST, TEST | {"location": ""}, TEST | ends])
    assert covered(conversions, media, right).equals(right)
    wrong = pd.DataFrame([TEST | changed])
    with pytest.raises(BadInput, match=words):
        covered(conversions, media, wrong)
    # Nothing to know it by.
    assert covered(conversions.iloc[:0], media.iloc[:0], wrong).equals(wrong)
    # A recorded test was right once, and cannot be corrected: it is left out, with all its places.
    recorded = {"test": "3 Video dark", "is_recorded": True}
    every = pd.DataFrame([TEST | {"test": "", "is_recorded": False}, TEST | recorded])
    assert covered(conversions, media, every).equals(every)
    gone = pd.concat([every, pd.DataFrame([TEST | changed | recorded])], ignore_index=True)
    assert covered(conversions, media, gone).equals(every[:1])


def test_a_test_whose_last_days_are_not_loaded_yet_waits(whole):
    """Wherever it stands: a file's would stop each refresh until they are."""
    conversions, media, _ = whole
    early = TEST | {"last_day": "2026-09-28", "test": "", "is_recorded": False}
    rows = [early, TEST | {"test": "dark", "is_recorded": False}, early | {"test": "dark"}]
    for some, heard in ((rows[:1], 0), (rows[:2], 1), (rows, 0)):
        assert len(covered(conversions, media, pd.DataFrame(some))) == heard


def test_touches_of_years_without_media_lead_to_nothing_that_counts():
    """Of ten leads a week media led to four, in the year before media are told as in theirs."""
    leads = conversion_rows(np.full((1, 104), 10))
    media = media_rows({"video": np.full((1, 104), 5.0)})
    journeys = leads.assign(channel="video", has_media=1, journeys=4)
    others = journeys.assign(channel="direct", has_media=0)
    told = media[media["week"] >= week(52)]
    assert led_by_media(leads, pd.concat([journeys, others]), told) == {"lead": 0.4}


@pytest.fixture(scope="module")
def record():
    """A booking that search led to long before media are told, one in their weeks, and one to come.

    Of the last nobody tells when it was booked, and a flight is booked for its week too.
    """
    early, later, ahead = at("2021-03-03"), at("2025-03-03"), at("2096-03-06")
    warehouse = Warehouse(of=("int_panel_journeys", "int_incremental", "incremental"))
    warehouse.build(
        ad("search", later, "5"),
        ad("flight", ahead, "900"),
        touch("tahead", "ahead", ahead - timedelta(days=3)),
        appointment("aahead", "ahead", ahead, ahead, "booked"),
        *(
            row
            for key, when in (("early", early), ("later", later))
            for row in (
                touch(f"t{key}", key, when),
                appointment(f"a{key}", key, when + timedelta(days=1), when + timedelta(days=2)),
            )
        ),
    )
    yield warehouse
    warehouse.close()


def test_journeys_are_counted_by_week(record):
    asked = "select week, has_media, journeys from int_panel_journeys where kind = 'booked'"
    assert sorted(record.rows(asked)) == [
        (at("2021-03-01").date(), 1, 1), (at("2025-03-03").date(), 1, 1),
    ]  # fmt: skip


def test_weeks_to_come_are_no_part_of_the_panel_and_are_baseline(record):
    last = at("2025-03-03").date()
    for panel in ("int_panel_conversions", "int_panel_media"):
        assert record.rows(f"select max(week) from {panel}") == [(last,)]
    ahead = "select channel, conversions from int_incremental where kind = 'booked'"
    assert record.rows(f"{ahead} and week > date '{last}'") == [("baseline", 1)]
    told = record.rows("select channel, conversions from incremental where kind = 'booked'")
    assert sorted(told) == [("baseline", 3.0), ("paid_search", 0.0)]


def test_people_of_a_flow_without_a_holdout_are_counted():
    """Of 40 treated 30 came, of 20 held out 5: half of the 40, and so of the 60 beside them.

    And of the 20 whom the same flow treated the year before, when nobody was held out.
    """
    when = at("2025-03-03")
    before = when - timedelta(days=365)
    rows = [ad("search", when, "5"), appointment("a", "a", before, before)]

    def treated(flow, number, came, when=when, **more):
        for n in range(number):
            key = f"{flow}{more.get('arm', 'treated')[0]}{when.year}{n}"
            rows.append(
                message(f"m{key}", key, flow, when, purpose="marketing",
                        **({"arm": "treated", "sent_at": when} | more))
            )  # fmt: skip
            if n < came:
                booked = when + timedelta(days=2)
                rows.append(appointment(f"a{key}", key, booked, booked + timedelta(days=3)))

    treated("tested", 40, 30)
    treated("tested", 20, 5, arm="holdout", sent_at=None)
    treated("untested", 60, 9)
    treated("tested", 20, 20, before + timedelta(hours=1))
    treated("texted", 30, 3, channel="sms")
    warehouse = Warehouse()
    warehouse.build(*rows)
    arms = warehouse.frame("select * from int_panel_holdouts where kind = 'booked'")
    warehouse.close()
    assert set(arms["channel"]) == {"outreach_email"}  # no text was held back from anybody
    [(_, increment, _)] = holdout_increments(arms)
    assert increment == pytest.approx(40 * (0.75 - 0.25) * 120 / 40)
