"""Amounts of different currencies are never added, and what a message costs is of its own kind."""

from datetime import timedelta

import duckdb
import marts_fixture as made_up
import pytest
from outreach_fixture import CONFIG, ago, publish
from warehouse_fixtures import Warehouse, ad, appointment, at, message, payment

from attribution import queries, return_queries
from attribution.paths import Home
from connectors.contract import Message
from outreach.outbox import Outbox
from outreach.results import outcomes

DAY = timedelta(days=1)
NOON = at("2024-05-15 12:00")


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=("unmapped", "flow_effects"))
    yield opened
    opened.close()


def test_what_rules_do_not_know_costs_what_was_paid_in_the_currency_of_reports(warehouse):
    warehouse.build(ad("a", NOON, "7"), ad("a", NOON + DAY, "5", currency="EUR"))
    assert warehouse.rows("select sum(spend_micros) from int_combinations") == [(7_000_000,)]


def test_what_a_flow_brought_within_days_that_are_known_is_in_the_currency_of_reports(warehouse):
    warehouse.build(
        message("m", "ann", "tips", NOON, sent_at=NOON),
        payment("p", "ann", NOON + DAY, "12"),
        payment("q", "ann", NOON + DAY, "30", currency="EUR"),
        payment("r", "ann", NOON - DAY, "50", currency="EUR"),
        # Ads go on where visits are not loaded any more: of ben a third of the time is known.
        message("n", "ben", "tips", NOON + 90 * DAY, sent_at=NOON + 90 * DAY),
        ad("a", NOON + 200 * DAY, "5"),
        appointment("y", "eve", NOON - 2 * DAY, NOON - DAY),
        appointment("z", "eve", NOON, NOON + 120 * DAY),
    )
    asked = "select people, waiting, cents, before_cents from int_flow_effects"
    assert warehouse.rows(asked) == [(1, 1, 1_200, 0)]


def test_results_of_a_flow_are_too(tmp_path):
    home = publish(
        Home(tmp_path / "home"),
        [
            Message("m", "tips", ago(200), "email", patient_id="ann", sent_at=ago(200)),
            payment("p", "ann", ago(150), "12"),
            payment("q", "ann", ago(150), "30", currency="EUR"),
            # By the clock ben's days are over, and of the last of them nothing is loaded.
            Message("n", "tips", ago(150), "email", patient_id="ben", sent_at=ago(150)),
            appointment("y", "eve", ago(220), ago(210)),
            appointment("z", "eve", ago(110), ago(105)),
        ],
        CONFIG,
    )
    with Outbox(home) as outbox:
        measured, waiting = outcomes(home, "tips", outbox, "money")
    assert [list(arm) for arm in measured[:2]] == [[12.0], []]
    assert waiting == 1


def test_a_message_costs_what_campaigns_for_silent_patients_paid(tmp_path):
    """Tips go by the same channel, and to many more."""
    home = made_up.make_home(tmp_path / "home")
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as marts:
        marts.execute("delete from spend where channel = 'outreach_email'")
        marts.execute("update reactivation set contacted = 0")
        marts.execute(
            "update reactivation set contacted = 20, channel = 'outreach_email',"
            " campaign = 'recall' where rowid = 0"
        )
        for campaign, micros in (("recall", 4_000_000), ("tips", 9_000_000)):
            marts.execute(
                "insert into spend by name (select * replace ("
                f"'outreach_email' as channel, '{campaign}' as campaign, {micros} as spend_micros,"
                " 'USD' as currency) from spend where channel <> 'outreach_email' limit 1)"
            )
    costs = return_queries.message_costs(queries.Marts(home, 1, protected=False), "USD")
    assert costs["outreach_email"] == 0.2
