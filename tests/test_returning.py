"""Returning: stretches of silence worked by hand, laws of chances, of lifts and of a budget."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, message, payment

from attribution.models.parameters import setting_stop
from attribution.models.persuading import return_lift
from attribution.models.returning import (
    CELL,
    learned,
    return_calibration,
    return_chances,
    trials,
    unasked,
    unasked_share,
)
from attribution.ui.views.reach import options, planned
from connectors.contract import Person, Preference

DAY = timedelta(days=1)
PEOPLE = ("anna", "bea", "cleo", "dora", "emma", "fay", "gus", "hal", "ida", "jo", "kim")
COLUMNS = [
    *("basis", "in_step", "out_step", "arm", "returned", "is_ripe"), *CELL[1:],
    *("people", "value_micros"),
]  # fmt: skip


def cells(*rows: tuple) -> pd.DataFrame:
    """Cells of one kind of people: basis, in_step, out_step, returned, people, value."""
    full = [(*row[:3], "none", row[3], row[3], "1", "30-44", "dental", *row[4:]) for row in rows]
    return pd.DataFrame(full, columns=COLUMNS)


def test_steps_at_risk_by_hand():
    found = trials(cells(("all", 12, 13, True, 4, 0), ("all", 12, 14, False, 10, 0)))
    assert found.cells["step"].tolist() == [12, 13, 14]
    assert found.returned.tolist() == [0, 4, 0]
    # All came into sight in the twelfth step, and ten were last seen in the fourteenth: half of
    # each.
    assert found.stayed.tolist() == [7, 10, 5]


def test_whoever_returns_in_the_step_they_come_into_sight_in_was_at_risk():
    found = trials(cells(("all", 13, 13, True, 4, 0), ("all", 13, 13, False, 4, 0)))
    assert (found.returned.tolist(), found.stayed.tolist()) == ([4], [0])


def test_who_was_not_yet_silent_counts_from_six_months_on():
    assert trials(cells(("all", 0, 12, False, 4, 0))).stayed.tolist() == [2]
    assert trials(cells(("all", 0, 12, True, 3, 0))).cells["step"].tolist() == [12]
    assert trials(cells(("all", 0, 11, True, 3, 0))).cells.empty


def in_arms(*rows: tuple) -> pd.DataFrame:
    """Cells in arms: arm, in_step, out_step, returned, people."""
    made = cells(*(("all", *row[1:4], row[4], 0) for row in rows))
    return made.assign(arm=[row[0] for row in rows])


def test_the_share_that_came_unasked_is_the_chance_of_those_held_out_over_that_of_the_others():
    found = in_arms(
        ("treated", 20, 25, False, 60_000), ("treated", 22, 22, True, 6_000),
        ("holdout", 20, 25, False, 20_000), ("holdout", 22, 22, True, 1_000),
    )  # fmt: skip
    # Seen for five steps each, and those who came for half of one in which they came into sight.
    treated, held_out = 6_000 / (6_000 + 300_000), 1_000 / (1_000 + 100_000)
    assert unasked_share(found) == pytest.approx(held_out / treated, abs=0.003)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=15, deadline=None)
def test_a_share_is_one_and_takes_nobody_away(treated, back, held_out, held_back):
    found = in_arms(
        ("treated", 20, 25, False, treated), ("treated", 22, 24, True, back),
        ("holdout", 20, 25, False, held_out), ("holdout", 22, 24, True, held_back),
    )  # fmt: skip
    share = unasked_share(found)
    assert 0 < share <= 1
    after = unasked(found, share)
    assert after["people"].sum() == pytest.approx(found["people"].sum())
    assert after.loc[after["returned"], "people"].sum() == pytest.approx(share * back + held_back)


def test_where_nobody_was_held_out_every_return_counts():
    assert unasked_share(in_arms(("treated", 20, 22, True, 50))) == 1
    # Of whom a flow treated before it held anybody out, the same part came unasked.
    untested = in_arms(("untested", 20, 22, True, 50))
    assert unasked_share(untested) == 1
    assert unasked(untested, 0.4).query("returned")["people"].sum() == pytest.approx(20)


def test_a_message_that_brings_many_does_not_change_what_is_expected_unasked():
    """Half are written to, which doubles their chance; three tenths are held out beside them."""
    alone = simulated(0.02, 20_000, 5)
    written = [simulated(0.04, 10_000, 6).assign(arm="treated"), simulated(0.02, 6_000, 7)]
    written[1] = written[1].assign(arm="holdout")
    chosen = [each[each["basis"].isin(["all", "before"])] for each in written]
    found = return_chances(pd.concat([simulated(0.02, 4_000, 8), *chosen], ignore_index=True))
    expected = return_chances(alone).query("basis == 'today'")["chance"].iloc[0]
    told = found.query("basis == 'today'")["chance"].iloc[0]
    assert told == pytest.approx(expected, abs=0.012)


def simulated(hazard: float, people: int, seed: int, lost: float = 0.0) -> pd.DataFrame:
    """Cells of people who return with the same chance in each step, some lost on the way."""
    rng = np.random.default_rng(seed)
    ends = 12 + rng.geometric(hazard, people) - 1
    gone = np.where(rng.random(people) < lost, 12 + rng.integers(0, 24, people), 80)
    out = np.minimum(ends, np.minimum(gone, 80))
    returned = (ends <= gone) & (ends < 80)
    found = pd.DataFrame({"out_step": out, "returned": returned})
    counted = found.groupby(["out_step", "returned"]).size()
    rows = [(int(step), bool(back), int(n)) for (step, back), n in counted.items()]
    past = [("all", 0, step, back, n, n * 10**6 * back) for step, back, n in rows]
    before = [("before", *row[1:]) for row in past]
    after = [("after", 16, step - 16, back, n, 0) for step, back, n in rows if step >= 16]
    return cells(*past, *before, *after, ("today", 20, 20, False, 5, 0))


@pytest.mark.parametrize("lost", [0.0, 0.5])
def test_a_steady_chance_is_found_though_messages_end_the_look_at_many(lost):
    found = return_chances(simulated(0.025, 40_000, 3, lost))
    now = found[found["basis"] == "today"].iloc[0]
    assert now["chance"] == pytest.approx(1 - 0.975**12, abs=0.015)
    assert now["value_micros"] == pytest.approx(10**6, rel=0.01)


def test_a_return_that_has_not_had_its_180_days_says_nothing_of_its_worth():
    looked = simulated(0.025, 4_000, 3)
    late = looked.assign(value_micros=0, is_ripe=False)
    for past, worth in (([looked], 10**6), ([looked, late], 10**6), ([late], None)):
        found = return_chances(pd.concat(past, ignore_index=True))
        (told,) = found.loc[found["basis"] == "today", "value_micros"]
        assert told is pd.NA if worth is None else told == pytest.approx(worth, rel=1e-6)


def test_calibration_tells_what_came_with_an_interval_that_holds_it():
    looked = simulated(0.025, 40_000, 4, 0.3)
    found = return_calibration(
        return_chances(looked).query("basis == 'after'").drop(columns=["basis", "value_micros"]),
        looked,
    )
    (row,) = found.to_dict("records")
    assert row["low"] < 1 - 0.975**12 < row["high"]
    assert row["low"] < row["observed"] < row["high"]
    assert abs(row["predicted"] - row["observed"]) < 0.02


def test_where_nobody_ever_returned_nothing_is_told():
    found = return_chances(
        cells(
            ("all", 12, 24, False, 9, 0),
            ("today", 16, 16, False, 2, 0),
            ("before", 12, 18, False, 9, 0),
        )
    )
    assert found["chance"].isna().all()
    assert return_calibration(found.drop(columns=["basis", "value_micros"]), cells()).empty


@given(
    st.lists(
        st.tuples(
            st.integers(12, 60), st.integers(0, 40), st.booleans(), st.sampled_from("12"),
            st.sampled_from(["dental", "spine"]), st.integers(1, 500),
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_chances_are_chances_and_do_not_mind_the_order_of_rows(rows):
    frame = pd.DataFrame(
        [
            ("all", first, first + lasted, "none", back, back, visits, "45-64", line, people, 0)
            for first, lasted, back, visits, line, people in rows
        ],
        columns=COLUMNS,
    )
    # Somebody is at risk whatever is drawn: of nobody nothing is learned.
    frame.loc[len(frame)] = ("all", 12, 18, "none", True, True, "1", "45-64", "dental", 1, 0)
    hazard, again = learned(frame), learned(frame.iloc[::-1])
    facts = frame[CELL[1:]]
    steps = frame["in_step"].to_numpy(np.float64)
    for horizon in (1, 12):
        chance = hazard.within(steps, facts, horizon)
        assert ((chance >= 0) & (chance <= 1)).all()
        assert chance == pytest.approx(again.within(steps, facts, horizon), abs=1e-6)
    assert (hazard.within(steps, facts, 12) >= hazard.within(steps, facts, 6) - 1e-12).all()


def campaigns(*rows: tuple) -> pd.DataFrame:
    names = ["channel", "campaign", "months_silent"]
    counts = ["treated", "treated_kept", "held_out", "held_out_kept"]
    return pd.DataFrame(rows, columns=[*names, *counts])


def test_a_lift_that_stands_alone_is_the_difference():
    found = return_lift(campaigns(("outreach_email", "a", "6-12", 1000, 120, 500, 30)))
    (row,) = found.to_dict("records")
    assert row["lift"] == pytest.approx(0.06, abs=1e-3)
    error = np.sqrt(0.12 * 0.88 / 1000 + 0.06 * 0.94 / 500)
    assert row["high"] - row["lift"] == pytest.approx(1.96 * error, rel=0.05)


def test_small_groups_lean_on_the_others_and_large_ones_do_not():
    found = return_lift(
        campaigns(
            ("outreach_email", "a", "6-12", 20_000, 1_000, 20_000, 200),
            ("outreach_email", "b", "12-18", 20_000, 1_200, 20_000, 200),
            ("outreach_email", "c", "18-24", 20, 8, 20, 0),
        )
    ).set_index("months_silent")
    assert found.loc["6-12", "lift"] == pytest.approx(0.04, abs=0.004)
    assert found.loc["12-18", "lift"] == pytest.approx(0.05, abs=0.004)
    assert 0.04 < found.loc["18-24", "lift"] < 0.2  # of 0.4 seen


def test_no_holdout_no_lift():
    assert return_lift(campaigns(("outreach_sms", "a", "36+", 50, 5, 0, 0))).empty


groups = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400), st.floats(1, 900)), min_size=1, max_size=5
)


@given(groups, st.floats(0, 500), st.floats(0, 500))
@settings(max_examples=25, deadline=None)
def test_a_larger_budget_reaches_more_and_none_is_overspent(people, budget, more):
    silent = pd.DataFrame(
        [
            (f"{number}", "dental", email + sms, email, sms, 1.0, value)
            for number, (email, sms, value) in enumerate(people)
        ],
        columns=["months_silent", "service_line", "people", "email_people", "sms_people",
                 "returns", "value"],
    )  # fmt: skip
    lifts = pd.DataFrame(
        [
            (channel, f"{number}", 0.01 * (number + 1), -0.01, 0.1)
            for number in range(len(people))
            for channel in ("outreach_email", "outreach_sms")
        ],
        columns=["channel", "months_silent", "lift", "low", "high"],
    )
    every = options(silent, lifts, {"outreach_email": 0.5, "outreach_sms": 0.9})
    small, large, all_ = (planned(every, each) for each in (budget, budget + more, None))
    assert small["cost"].sum() <= budget + 1e-6
    assert small["gain"].sum() <= large["gain"].sum() + 1e-6 <= all_["gain"].sum() + 2e-6
    assert (small["gain"] >= 0).all()
    assert not all_.duplicated(["months_silent", "service_line"]).any()


def said(who: str, channel: str, allowed: bool, since: str) -> Preference:
    return Preference(f"{who} {channel}", channel, "marketing", allowed, at(since), patient_id=who)


@pytest.fixture(scope="module")
def warehouse():
    with_rows = Warehouse(of=("int_return_cells", "int_return_spans", "int_return_scores"))
    first = at("2025-01-10 15:00")
    back = at("2025-11-20 15:00")
    with_rows.build(
        # Comes back after ten months, booked ten days ahead.
        appointment("a1", "anna", first - 5 * DAY, first),
        appointment("a2", "anna", back - 10 * DAY, back),
        payment("p1", "anna", back + 3 * DAY, "120"),
        payment("p2", "anna", back + 185 * DAY, "500"),
        # Is written to after eight months and comes at once: asked, not by herself.
        appointment("b1", "bea", first - 5 * DAY, first),
        appointment("b2", "bea", first + 250 * DAY, first + 251 * DAY),
        message("m1", "bea", "recall_1", first + 245 * DAY, sent_at=first + 245 * DAY,
                purpose="marketing", arm="treated"),
        # Is still away, and has nothing booked; the last one has.
        appointment("c1", "cleo", first - 5 * DAY, first),
        appointment("d1", "dora", first - 5 * DAY, first),
        appointment("d2", "dora", at("2026-05-28"), at("2026-06-25"), "booked"),
        # Of the next one nobody tells when it was booked.
        appointment("h1", "hal", first - 5 * DAY, first),
        appointment("h2", "hal", at("2096-06-25"), at("2096-06-25"), "booked"),
        # Called off the next one.
        appointment("g1", "gus", first - 5 * DAY, first),
        appointment("g2", "gus", at("2026-05-28"), at("2026-06-25"), "cancelled"),
        # Is held out, and comes after that all the same.
        appointment("f1", "fay", first - 5 * DAY, first),
        message("m2", "fay", "recall_1", first + 245 * DAY, sent_at=None, purpose="marketing",
                arm="holdout"),
        # Came back less than half a year before the last day, so more may be paid for it.
        appointment("j1", "jo", first - 5 * DAY, first),
        appointment("j2", "jo", at("2026-03-20"), at("2026-03-22")),
        # Has died, nobody knows when.
        appointment("i1", "ida", first - 5 * DAY, first),
        Person("ida", deceased=True),
        # Makes the record reach the end of May 2026.
        appointment("e1", "emma", at("2026-05-29"), at("2026-05-31 12:00")),
        # Who may be reached how: by words for every channel, the last of which counts.
        said("anna", "Any", True, "2024-02-01"),
        Person("anna", email="family@example.org"),
        said("bea", "email", True, "2023-02-01"), said("bea", "any", False, "2025-02-01"),
        said("cleo", "text", True, "2024-02-01"), said("cleo", "phone", True, "2024-02-01"),
        said("fay", "all", False, "2024-02-01"), said("fay", "e-mail", True, "2024-02-01"),
        said("fay", "sms", True, "2024-02-02"),
        said("gus", "", False, "2024-02-01"), said("gus", "email", True, "2025-02-01"),
        said("gus", "phone", True, "2025-02-01"),
        # Who said so to a message, of whatever purpose, takes no more that way.
        appointment("k1", "kim", first - 5 * DAY, first),
        said("kim", "all", True, "2024-02-01"),
        message("m3", "kim", "reminder", first, sent_at=first, unsubscribed_at=first + DAY,
                purpose="treatment", arm="treated"),
    )  # fmt: skip
    return with_rows


def spans(warehouse: Warehouse, who: str) -> list[tuple]:
    return warehouse.rows(
        "select date_diff('day', visited_at, entered_at), date_diff('day', visited_at, left_at),"
        " arm, returned, is_silent, value_micros from int_return_spans"
        f" where person_id = {1 + PEOPLE.index(who)} order by visited_at, entered_at"
    )


def test_a_return_ends_a_silence_at_its_booking(warehouse):
    assert spans(warehouse, "anna")[0] == (0, 304, "none", True, False, 120 * 10**6)


def test_the_90_days_after_a_choice_are_a_part_of_their_own(warehouse):
    assert spans(warehouse, "bea")[:2] == [
        (0, 245, "none", False, False, 0),
        (245, 250, "treated", True, False, 0),
    ]
    assert [span[:4] for span in spans(warehouse, "fay")] == [
        (0, 245, "none", False),
        (245, 335, "holdout", False),
        (335, 447, "none", False),
    ]


def test_whoever_has_a_visit_ahead_is_not_silent(warehouse):
    assert [span[4] for span in spans(warehouse, "cleo")] == [True]
    assert [span[4] for span in spans(warehouse, "dora")] == [False]
    assert [span[4] for span in spans(warehouse, "hal")] == [False]
    assert [span[4] for span in spans(warehouse, "gus")] == [True]
    now = warehouse.rows("select in_step, people from int_return_cells where basis = 'today'")
    assert sorted(now) == [(0, 1), (4, 1), (12, 1), (17, 1), (33, 4)]  # all but those two


def test_a_return_is_ripe_when_its_180_days_are_over(warehouse):
    counted = "select is_ripe, sum(people) from int_return_cells where returned and basis = 'all'"
    assert dict(warehouse.rows(f"{counted} group by is_ripe")) == {True: 2, False: 1}


def test_the_dead_do_not_teach_that_the_living_stay_away(warehouse):
    assert spans(warehouse, "ida") == []


@pytest.mark.parametrize("for_all", [True, False])
def test_who_takes_what_is_what_outreach_would_send(warehouse, for_all):
    """What was told to us directly is heard, also of an address that is nobody's own."""
    warehouse.give("setting_stop", setting_stop(for_all))
    warehouse.write("delete from raw_stopped")
    for told in (("family@example.org", "email", ""), ("cleo", "sms", "treatment")):
        row = ("caretrace_outreach", *told, "2025-02-01")
        warehouse.write(f"insert into raw_stopped values {row}")
    warehouse.rebuild()
    found = warehouse.rows("select person_id, takes_email, takes_sms from int_return_scores")
    takes = {PEOPLE[person - 1]: (email, sms) for person, email, sms in found}
    # At one moment the refusal counts, and who may be called may not be texted.
    assert takes == {
        "anna": (0, 1), "bea": (0, 0), "cleo": (0, int(not for_all)), "fay": (0, 1), "gus": (1, 0),
        "kim": (int(not for_all), 1),
    }  # fmt: skip
