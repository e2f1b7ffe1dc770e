"""The way back: how far everybody came by hand, drops that add up, money against holdouts."""

from datetime import timedelta

import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, message, payment

from attribution import queries, return_queries, step_queries
from attribution.models.gain import brought, together
from attribution.step_queries import GROUPS, STAGES
from attribution.ui import formats
from attribution.ui.scope import scope_of
from attribution.ui.views.way_back import (
    PROTECTED,
    REASONS,
    build,
    disagreement,
    drops,
    figure,
    stages,
)
from connectors.contract import Person, Preference

DAY = timedelta(days=1)
SEEN = at("2024-01-10 15:00")
ASKED = at("2025-03-10 15:00")  # fourteen months later
LAST = at("2026-01-31 12:00")


def silent(who: str, arm: str = "", *rows, line: str = "dental", **more):
    """Someone last seen at SEEN, assigned at ASKED where an arm is given."""
    kept = appointment(f"{who} 0", who, SEEN - 5 * DAY, SEEN, service_line=line)
    told = {"sent_at": ASKED} if arm == "treated" else {}
    said = message(f"{who} m", who, "spring_recall", ASKED, arm=arm, **(told | more)) if arm else ()
    return [kept, *([said] if arm else []), *rows]


def visit(who: str, booked: int, starts: int, status: str = "fulfilled"):
    return appointment(f"{who} {starts}", who, ASKED + booked * DAY, ASKED + starts * DAY, status,
                       service_line="dental")  # fmt: skip


def said(who: str, allowed: bool, since=SEEN + DAY):
    return Preference(f"{who} {since}", "email", "marketing", allowed, since, patient_id=who)


ADDRESSED = ("jon", "kim", "ned", "una", "vic")
ARRIVED = {"delivered_at": ASKED, "opened_at": ASKED + DAY}


@pytest.fixture(scope="module")
def warehouse():
    made = Warehouse(of=("reactivation_steps", "reactivation"))
    made.build(
        *silent("ann", "treated", visit("ann", 5, 20), visit("ann", 60, 90), **ARRIVED),
        *silent("bob", "treated", visit("bob", 5, 20), **ARRIVED),
        *silent("cat", "treated", visit("cat", 5, 20, "noshow"), **ARRIVED),
        *silent("dan", "treated", **ARRIVED),
        *silent("eve", "treated", delivered_at=ASKED),
        *silent("fay", "treated", delivered_at=ASKED, unsubscribed_at=ASKED + DAY),
        *silent("gus", "treated", bounced_at=ASKED + DAY),
        *silent("hal", "treated", sent_at=None),
        *silent("moe", "treated", sent_at=None),
        *silent("ivy", "holdout", visit("ivy", 3, 9)),
        # What is said after that day, or was said before another word, tells nothing of it.
        *silent("jon", "", said("jon", True), said("jon", False, LAST)),
        *silent("ned", "", said("ned", True)),
        *silent("kim", "", said("kim", True), said("kim", False, SEEN + 2 * DAY)),
        # So does who answered a reminder that no more is wanted, and who told us so.
        *silent("una", "", said("una", True)),
        message(
            "una m",
            "una",
            "reminder",
            SEEN + 2 * DAY,
            channel="email",
            purpose="treatment",
            sent_at=SEEN + 2 * DAY,
            unsubscribed_at=SEEN + 3 * DAY,
        ),
        *silent("vic", "", said("vic", True)),
        *silent("lea", ""),
        *silent("max", "", line="orthopedics"),
        payment("p", "ann", ASKED + 30 * DAY, "80"),
        appointment("zoe 0", "zoe", LAST - DAY, LAST),
        # A slip in a year: nobody has been silent until then.
        appointment("zoe 1", "zoe", LAST, at("2099-01-31"), service_line="slips"),
        *(Person(who, email=f"{who}@example.org") for who in ADDRESSED),
    )
    made.write(
        "insert into identity select identifier || '@example.org', person_id from identity"
        f" where identifier in {ADDRESSED}"
    )
    made.write(
        "insert into raw_stopped values ('caretrace_outreach', 'vic@example.org', 'email', '',"
        f" '{(SEEN + 2 * DAY).isoformat()}')"
    )
    # Some caps are of another flow, one came too late: of those nothing is said here.
    for who, flow, days in (("ned", "spring_recall", 20), ("jon", "tips", 20),
                            ("jon", "spring_recall", 91), ("moe", "spring_recall", 70),
                            ("hal", "autumn_recall", 70)):  # fmt: skip
        when = SEEN + timedelta(days=365 + days)
        made.write(
            "insert into raw_capped values"
            f" ('caretrace_outreach', '{flow}', '{who}', '{when.isoformat()}')"
        )
    return made.rebuild()


def test_everybody_is_where_they_came_to(warehouse):
    rows = warehouse.rows(
        "select arm, reached, reason, sum(people) from reactivation_steps"
        " where months_silent = '12-18' group by 1, 2, 3 order by 1 desc, 2, 3"
    )
    assert rows == [
        ("treated", 3, "capped", 1),
        ("treated", 3, "not sent", 1),
        ("treated", 4, "bounced", 1),
        ("treated", 5, "no response", 1),
        ("treated", 5, "unsubscribed", 1),
        ("treated", 6, "did not book", 1),
        ("treated", 7, "missed it", 1),
        ("treated", 8, "no second visit", 1),
        ("treated", 9, "", 1),
        ("none", 1, "no recall", 1),
        ("none", 2, "no address", 1),
        ("none", 2, "opted out", 3),
        ("none", 3, "capped", 1),
        ("none", 3, "not chosen", 1),
        ("holdout", 3, "held out", 1),
    ]


def test_who_is_not_due_by_the_lapse_rules_is_not_called_back(warehouse):
    """Dental recall is every six months: after these due, then overdue, lapsed, lost."""
    assert warehouse.rows(
        "select distinct months_silent, state from reactivation_steps"
        " where service_line = 'dental' and arm = 'none' order by 1"
    ) == [("12-18", "due"), ("18-24", "lapsed"), ("24-36", "lapsed"), ("6-12", "active")]


def test_steps_hold_everybody_and_all_money_of_the_cohorts(warehouse):
    (steps,) = warehouse.rows(
        "select sum(people), sum(case when reached >= 4 then people end), sum(value_micros)"
        " from reactivation_steps"
    )
    (cohorts,) = warehouse.rows(
        "select sum(silent), sum(contacted), sum(value_micros) from reactivation"
    )
    assert steps == cohorts
    assert steps[2] == 80_000_000


found = st.lists(
    st.tuples(
        st.integers(1, 9), st.sampled_from(sorted(REASONS)), st.sampled_from("abc"),
        st.integers(1, 500),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@given(found)
@settings(max_examples=25)
def test_reasons_of_a_stage_add_up_to_its_drop(rows):
    """Exactly, whoever is left: what is told of a stage is made of the same people."""
    frame = pd.DataFrame(rows, columns=["reached", "reason", "campaign", "people"])
    frame.loc[frame["reached"] == len(STAGES), "reason"] = ""
    counted, lost = stages(frame).frame, drops(frame).frame
    people = dict(zip(counted["stage"], counted["people"], strict=True))
    after = dict(zip(counted["stage"], [*counted["people"][1:], None], strict=True))
    assert (counted["people"].diff().dropna() <= 0).all()
    assert people["Silent"] == frame["people"].sum()
    for stage in list(people)[:-1]:
        of_stage = lost[lost["stage"] == stage]
        assert of_stage["people"].sum() == people[stage] - after[stage]
        assert (of_stage["share"] <= 1).all()


@pytest.fixture(scope="module")
def marts(tmp_path_factory):
    return queries.marts(made_up.make_home(tmp_path_factory.mktemp("home")), 1, protected=False)


def scope(marts, **said):
    about = queries.about(marts)
    return scope_of(about, {"period": "all", **said}, service_lines=(), locations=())


def test_groups_add_up_to_all_who_were_silent(marts):
    view = build(marts, scope(marts))
    whole = dict(zip(STAGES, view.tables["way_back"].frame["people"], strict=True))
    for name in GROUPS:
        rows = view.tables[f"way_{name}"].frame
        for stage in STAGES:
            assert rows[f"way_{stage}"].sum() == whole[stage]
    assert not set(view.tables["drops"].frame["reason"]) - set(REASONS.values())


def test_of_whom_it_is_too_early_to_tell_is_said_below_the_way_back():
    kept = STAGES.index("kept") + 1
    rows = [(1, "not due", 40), (kept, "too early", 21), (kept, "no second visit", 3)]
    frame = pd.DataFrame([*rows, (len(STAGES), "", 1)], columns=["reached", "reason", "people"])
    said = figure(stages(frame).frame, drops(frame).frame).alt
    assert said.startswith(
        "Of 65 silent, 25 were contacted and kept a visit. Of 21 it is too early to tell"
    )
    late = frame.replace({"reason": {"too early": "no second visit"}})
    assert "too early" not in figure(stages(late).frame, drops(late).frame).alt


def test_the_contacted_of_the_way_back_are_those_of_the_campaigns(marts):
    chosen = scope(marts)
    cohorts = return_queries.reactivation(marts, chosen, "USD")
    told = build(marts, chosen).tables["way_back"].frame.set_index("stage")["people"]
    assert told["Contacted"] == cohorts["contacted"].sum()


def test_viewers_are_told_why_not(tmp_path):
    marts = queries.marts(made_up.make_home(tmp_path / "home"), 1, protected=True)
    assert build(marts, scope(marts)).empty == PROTECTED


def arms(*rows) -> pd.DataFrame:
    return pd.DataFrame(
        [("c", "outreach_sms", *row) for row in rows],
        columns=["campaign", "channel", "arm", "people", "value", "squares"],
    )


def test_money_brought_by_hand():
    """100 people of whom 20 paid 50, against 50 of whom 5 did: (10 - 5) times 100."""
    (row,) = brought(
        arms(("treated", 100, 1000.0, 50_000.0), ("holdout", 50, 250.0, 12_500.0))
    ).to_dict("records")
    assert row["brought"] == pytest.approx(500)
    treated = (50_000 - 1000**2 / 100) / 99 / 100
    held = (12_500 - 250**2 / 50) / 49 / 50
    assert row["high"] - row["brought"] == pytest.approx(196 * np.sqrt(treated + held), rel=1e-3)
    assert brought(arms(("treated", 9, 1.0, 1.0))).empty
    # Thirty of a thousand paid 50, none of eleven held out: seven in ten such holdouts are so.
    few = arms(("treated", 1000, 1500.0, 75_000.0), ("holdout", 11, 0.0, 0.0))
    (row,) = brought(few).to_dict("records")
    assert row["low"] < 0 < row["brought"] == pytest.approx(1500)


def test_an_interval_of_money_covers_the_truth():
    random = np.random.default_rng(6)
    worlds, rows = 400, []
    for arm, people, share in (("treated", 400, 0.15), ("holdout", 100, 0.10)):
        paid = random.gamma(2, 200, (worlds, people)) * (random.random((worlds, people)) < share)
        sums = (paid.sum(axis=1), (paid**2).sum(axis=1))
        rows += [(f"{n}", "", arm, people, *both) for n, both in enumerate(zip(*sums, strict=True))]
    found = brought(pd.DataFrame(rows, columns=arms().columns))
    truth = 400 * 0.05 * 400
    assert len(found) == worlds
    assert 0.90 < ((found["low"] <= truth) & (found["high"] >= truth)).mean() < 0.985


@pytest.mark.parametrize(
    ("credited", "words"),
    [(100.0, "too little"), (500.0, "agree"), (2000.0, "too much")],
)
def test_one_sentence_says_whether_credit_and_holdout_agree(credited, words):
    gains = pd.DataFrame(
        {"campaign": ["a", "b"], "brought": [250.0, 250.0], "low": [150.0, 150.0],
         "high": [350.0, 350.0], "credited": [credited / 2] * 2, "alone": [True, True]}
    )  # fmt: skip
    told = disagreement(gains, "Last touch", "USD")
    assert words in told
    assert "$500" in told
    assert together(gains)[2] == pytest.approx(500 + 100 * np.sqrt(2))
    assert told.count(".") <= 4  # one sentence, whatever its amounts
    more = pd.concat([gains, gains.assign(credited=9e6, alone=False)])
    assert disagreement(more, "Last touch", "USD") == told.replace(
        "these campaigns", "campaigns of these months alone"
    )


def test_a_campaign_that_goes_on_after_the_chosen_months_is_not_judged(marts, monkeypatch):
    own, chosen = step_queries.STEPS, scope(marts, period="custom", to="2026-03-02")
    short = sa.or_(own.c.campaign != "Knee follow-up", own.c.cohort_month <= chosen.until)
    rows = sa.select(*own.c).where(short).subquery("reactivation_steps")
    monkeypatch.setattr(step_queries, "STEPS", rows)
    found = step_queries.gains(marts, chosen, "USD").set_index("campaign")
    assert found["alone"].to_dict() == {name: name == "Knee follow-up" for name in found.index}
    view = build(marts, chosen)
    (knee,) = found[found["alone"]].to_dict("records")
    assert f"credits {formats.money(knee['credited'], 'USD')} to campaigns of these" in view.remark
    assert "of the one campaign" in view.figures["gains"].alt
    assert "2 of 3 campaigns assigned people in other months too" in view.notes[-1]
    # Nobody was assigned before the first of all weeks, nor after the last.
    assert step_queries.gains(marts, scope(marts), "USD")["alone"].all()


def test_credit_is_that_of_the_model_that_is_chosen(marts):
    first, last = (
        step_queries.gains(marts, scope(marts, model=name), "USD") for name in ("first", "last")
    )
    assert first["brought"].tolist() == last["brought"].tolist()
    assert {"credited", "low", "high"} <= set(first)


@pytest.mark.parametrize(("early", "told"), [(4, "too early"), (3, "0  ·  0.0%")])
def test_nobody_is_said_to_be_lost_before_it_can_be_known(early, told):
    counted = pd.DataFrame(
        {
            "stage": ["Silent", "Kept", "Retained"],
            "people": [9, 4, 0],
            "of_previous": [None, 4 / 9, 0.0],
        }
    )
    reasons = [REASONS[name] for name in ("too early", "no second visit")]
    lost = pd.DataFrame({"stage": "Kept", "people": [early, 4 - early], "reason": reasons})
    drawn = figure(counted, lost[lost["people"] > 0])
    assert drawn.spec["data"][0]["text"][-1] == told
    kept = STAGES.index("kept") + 1
    rows = [(1, "not due", 5), (kept, "too early", early), (kept, "no second visit", 4 - early)]
    last = stages(pd.DataFrame(rows, columns=["reached", "reason", "people"])).frame.iloc[-1]
    assert last[["of_previous", "of_silent"]].isna().tolist() == [early == 4] * 2
