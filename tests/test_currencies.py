"""Amounts of different currencies are never added, and what a message costs is of its own kind."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest
from outreach_fixture import CONFIG, ago, publish
from warehouse_fixtures import Warehouse, ad, appointment, at, message, payment

from attribution import queries
from attribution.mix_tests import points
from attribution.models.credit_dates import VISIT
from attribution.paths import Home
from attribution.queries import About, Marts, Scope
from attribution.ui.views.notes import other_currencies
from connectors.contract import Message
from outreach.outbox import Outbox
from outreach.results import outcomes

DAY = timedelta(days=1)
NOON = at("2024-05-15 12:00")


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=("unmapped", "flow_effects", "reach_costs"))
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


def test_reaching_a_silent_person_costs_all_that_they_were_sent(warehouse):
    """A flow writes three times, for a cent each; half of those it writes to were not silent yet.

    Tips go by the same channel, and a mailing of the campaign is paid for in another currency.
    """
    rows = []
    for who, days in (("ann", 400), ("bea", 300), ("cleo", 30), ("dora", 20)):
        visited = NOON - days * DAY
        rows.append(appointment(f"a{who}", who, visited - DAY, visited))
        for turn, flow in enumerate(("recall_1", "recall_1", "recall_1", "tips")):
            sent = NOON + turn * DAY
            rows.append(
                message(f"m{who}{turn}", who, flow, sent, sent_at=sent, currency="USD",
                        cost=Decimal("0.01" if flow == "recall_1" else "9"))
            )  # fmt: skip
    rows.append(ad("recall_1", NOON, "50", currency="EUR", network="outreach", medium="email"))
    warehouse.build(*rows)
    assert warehouse.rows("select * from reach_costs") == [
        ("outreach_email", "recall_1", "USD", 2, 6, 60_000)
    ]


def test_a_lift_test_of_payments_is_worth_what_they_bring_in_the_currency_of_reports(tmp_path):
    """Half of all payments are in euros, so each brings half as many dollars; 20 in four weeks."""
    home = made_up.make_home(tmp_path)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        database.execute(
            "insert into conversions select * replace ('EUR' as currency) from conversions"
            " where kind = 'collected'"
        )
    test = {
        "channel": "video", "kind": "collected", "location": "", "service_line": "",
        "first_day": "2026-03-02", "last_day": "2026-03-29", "increment": 20, "standard_error": 5,
    }  # fmt: skip
    found = points(
        queries.marts(home, 1, protected=False), pd.DataFrame([test]), "collected", ["video"]
    )
    paid = made_up.tables()["conversions"].query("kind == 'collected'")
    worth = paid["value_micros"].sum() / 1e6 / (2 * paid["conversions"].sum())
    assert found["delta_y"].tolist() == pytest.approx([20 / 4 * worth])


def test_pages_say_what_was_collected_in_other_currencies(tmp_path):
    """It is in no total, and a total that is too small must not pass for all there is."""
    home, week = Home(tmp_path), date(2024, 5, 13)
    home.generation(1).mkdir(parents=True)
    columns = "'hip' as service_line, 'North' as location, date '2024-05-13' as week"
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        for table, rest in {
            "spend": "'USD' as currency, 5000000 as spend_micros",
            "conversions": "'collected' as kind, 'EUR' as currency, 1 as conversions, 1 as people,"
            " 9120000000 as value_micros",
            "credit_dates": "'visit' as basis, 'collected' as kind, 'CAD' as currency,"
            " 1 as position_conversions, 63000000 as position_value",
        }.items():
            database.execute(
                f"create table {table} as select {columns}, 'x' as channel, 'x' as campaign, {rest}"
            )
    marts, known = Marts(home, 1, protected=False), About("USD", week, week, 1)
    said = "collected is in other currencies than USD and in no total here."
    scope = Scope(week, week)
    assert other_currencies(marts, scope, known) == (f"€9,120 {said}",)
    [by_visit] = other_currencies(marts, replace(scope, basis=VISIT), known)
    assert by_visit.endswith(f"63.00 {said}")
    assert not other_currencies(marts, replace(scope, service_lines=("heart",)), known)
