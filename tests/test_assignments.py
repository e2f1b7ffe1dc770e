"""Arms are compared where somebody was left alone, and where it is known who came."""

from datetime import timedelta

import pytest
from outreach_fixture import publish
from warehouse_fixtures import Warehouse, appointment, at, message

from attribution.paths import Home
from outreach.outbox import Outbox
from outreach.results import outcomes

DAY = timedelta(days=1)
NOON = at("2025-06-02 17:00")


def told(who: str, flow: str, days: float, arm: str = "treated"):
    """Somebody whom a flow meant so many days before or after a day."""
    when = NOON + days * DAY
    sent = {"sent_at": when} if arm == "treated" else {}
    return message(f"{who} {days}", who, flow, when, arm=arm, **sent)


def visit(who: str, days: float):
    return appointment(f"{who} {days}", who, NOON + (days - 2) * DAY, NOON + days * DAY)


ROWS = [
    # Visits are known from 400 days before on.
    *(visit(who, -400) for who in ("eve", "r1", "r2", "r3")),
    told("before", "wellness_tips", -500),
    # Treated while nobody was held out, and again when somebody was.
    told("early", "wellness_tips", -200),
    told("early", "wellness_tips", 0),
    visit("early", -190),
    # The day counts, not the hour.
    told("same", "wellness_tips", -100.1),
    told("held", "wellness_tips", -100, "holdout"),
    told("late", "wellness_tips", -90),
    visit("late", -80),
    # Nobody is held out of films.
    told("first", "film", -500),
    told("second", "film", -200),
    told("r1", "spring_recall", -200),
    told("r2", "spring_recall", -100, "holdout"),
    told("r3", "spring_recall", -100),
    visit("eve", 100),
]


@pytest.fixture(scope="module")
def warehouse():
    of = ("flow_effects", "int_panel_holdouts", "reactivation", "int_return_spans")
    opened = Warehouse(of=of)
    yield opened.build(*ROWS)
    opened.close()


def test_effects_are_of_people_since_the_first_holdout_and_of_days_whose_visits_are_known(
    warehouse,
):
    found = warehouse.rows("select flow, arm, people, returned from flow_effects order by all")
    assert found == [
        ("film", "treated", 1, 0),
        ("spring_recall", "holdout", 1, 0),
        ("spring_recall", "treated", 1, 0),
        ("wellness_tips", "holdout", 1, 0),
        ("wellness_tips", "treated", 2, 1),
    ]


def test_the_panel_counts_whom_nothing_is_compared_with_apart(warehouse):
    found = warehouse.rows(
        "select campaign, arm, sum(people), sum(counted) from int_panel_holdouts"
        " where kind = 'kept' group by all order by all"
    )
    assert found == [
        ("film", "treated", 1, 0),
        ("spring_recall", "holdout", 1, 0),
        ("spring_recall", "treated", 1, 0),
        ("spring_recall", "untested", 1, 0),
        ("wellness_tips", "holdout", 1, 0),
        ("wellness_tips", "treated", 2, 1),
        ("wellness_tips", "untested", 1, 1),
    ]


def test_cohorts_of_before_the_first_holdout_stay_and_are_asked_like_others(warehouse):
    """They say what came; and what came after a message did not come unasked."""
    assert warehouse.rows(
        "select arm, sum(silent), sum(contacted) from reactivation where campaign <> ''"
        " group by arm order by arm"
    ) == [("holdout", 1, 0), ("treated", 2, 2)]
    assert warehouse.rows(
        "select arm, count(*) from int_return_spans where arm <> 'none' group by arm order by arm"
    ) == [("holdout", 1), ("treated", 1), ("untested", 1)]


def test_results_are_of_the_same_people(tmp_path):
    home = publish(Home(tmp_path / "home"), ROWS)
    with Outbox(home) as outbox:
        for flow, sizes in (("wellness_tips", [2, 1]), ("film", [1, 0])):
            measured, waiting = outcomes(home, flow, outbox, "kept")
            assert ([len(arm) for arm in measured[:2]], waiting) == (sizes, 0)
