"""What a report says is new and what was restated: of what it is about, and by how much."""

import csv
import io
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_fixture import ABOUT, LAST, SCOPE, two_generations

from attribution import queries
from attribution.amount_queries import credit_by_campaign
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports import catalog
from attribution.reports.assembling import Asked
from attribution.reports.contents import DOCUMENTS
from attribution.reports.document import Document
from attribution.reports.restated import Reported, compared
from attribution.ui import formats

NEWEST = replace(SCOPE, until=LAST + timedelta(weeks=1))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return two_generations(tmp_path_factory.mktemp("news") / "home")


def told_of(home: Home, scope: Scope) -> Document:
    return DOCUMENTS["channels"](Asked(home, 2, scope, ABOUT, protected=False, since_generation=1))


def test_what_is_new_and_restated_is_told_by_how_much(home):
    document = told_of(home, NEWEST)
    news = document.news
    added = LAST + timedelta(weeks=1, days=6)
    assert f"1 week to {added.day} {added:%b %Y} is new" in news[0]
    assert "+$1.00 spend" in news[1]
    assert "+2 booked visits" in news[1]
    assert "2 weeks" in news[1]
    table = document.sections[-1].table
    rows = {row["channel"]: row for row in table.frame.to_dict("records")}
    assert set(rows) == {"Display", "Email"}
    assert rows["Display"]["spend_restated"] == pytest.approx(1.0)
    assert rows["Display"]["weeks_restated"] == rows["Email"]["weeks_restated"] == 1
    assert rows["Email"]["booked_restated"] == pytest.approx(2.0)
    assert rows["Email"]["spend_restated"] == 0


def test_what_is_new_and_restated_is_of_what_the_report_is_about(home, tmp_path):
    own = tmp_path / "marts.duckdb"  # the other is open with other settings
    shutil.copyfile(home.generation(2) / "marts.duckdb", own)

    def asked(statement: str) -> Any:
        with duckdb.connect(str(own)) as marts:
            return marts.execute(statement).fetchone()[0]

    # The line whose spend on display was restated, and one whose is as it was.
    line, other = (
        asked(f"select service_line from spend where rowid = ({which})")
        for which in (
            f"select min(rowid) from spend where channel = 'display' and week = date '{LAST}'",
            f"select max(rowid) from spend where channel = 'display' and week = date '{LAST}'",
        )
    )
    for chosen, restated in ((line, True), (other, False)):
        news = told_of(home, replace(NEWEST, service_lines=(chosen,))).news
        new = asked(
            "select sum(spend_micros) / 1e6 from spend where currency = 'USD'"
            f" and service_line = '{chosen}' and week = date '{NEWEST.until}'"
        )
        assert f"{formats.money(new, 'USD')} spend" in news[0]
        assert ("+$1.00 spend" in news[1]) == restated
    # Bookings of two weeks before were restated: a report of two weeks does not tell of them.
    document = told_of(home, replace(NEWEST, since=LAST))
    assert "Of the week of" in document.news[1]
    assert document.sections[-1].table.frame["channel"].tolist() == ["Display"]
    # A week that the report does not cover is not new in it.
    assert "no week was added" in told_of(home, SCOPE).news[0]


def test_what_is_new_is_told_by_the_day_that_the_report_counts_by(home):
    counted = replace(NEWEST, basis="visit")
    by_visit, usual = (told_of(home, scope).news for scope in (counted, NEWEST))
    new = credit_by_campaign(
        queries.marts(home, 2, protected=False), replace(counted, since=NEWEST.until), "USD"
    )
    booked = new.loc[new["kind"] == "booked", "conversions"].sum()
    assert f"{formats.number(round(booked, 1))} booked visits" in by_visit[0]
    assert by_visit[0] != usual[0]
    assert "booked visits" not in by_visit[1]  # credit by other days was not restated


def test_folded_reports_compare_money_spent_alone(home):
    made = catalog.render(home, 2, "board", "csv", since_generation=1).content.decode("utf-8-sig")
    parts = {
        row["number"] for row in csv.DictReader(io.StringIO(made)) if row["part"] == "Restated"
    }
    assert parts == {"weeks_restated", "spend_restated"}


def test_a_report_outlives_its_generation_and_says_when_it_is_not_known(home, tmp_path):
    moved = Home(tmp_path / "home")
    shutil.copytree(home.folder, moved.folder)
    shutil.rmtree(moved.reported, ignore_errors=True)
    asked = Asked(moved, 2, SCOPE, ABOUT, protected=False, since_generation=1)
    catalog.render(moved, 1, "channels", "csv", small_cells=True)
    with_generation = DOCUMENTS["channels"](asked).news
    narrowed = replace(asked, scope=replace(SCOPE, service_lines=("cardiology",)))
    catalog.render(moved, 1, "channels", "csv", small_cells=True, said={"service": ["cardiology"]})
    of_one_line = DOCUMENTS["channels"](narrowed).news
    assert of_one_line != with_generation
    shutil.rmtree(moved.generation(1))
    assert DOCUMENTS["channels"](asked).news == with_generation
    assert DOCUMENTS["channels"](narrowed).news == of_one_line
    (unknown,) = DOCUMENTS["channels"](
        replace(asked, scope=replace(SCOPE, service_lines=("dermatology",)))
    ).news
    assert "no longer kept" in unknown
    shutil.rmtree(moved.reported)
    (said,) = DOCUMENTS["channels"](asked).news
    assert said.startswith("The last report was of generation 1, which is no longer kept")
    (same,) = DOCUMENTS["channels"](replace(asked, since_generation=2)).news
    assert "same data" in same
    (none,) = DOCUMENTS["channels"](replace(asked, since_generation=None)).news
    assert none == "This report is compared with no earlier one."


AMOUNT = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=6))
def test_restatement_is_now_less_then(pairs):
    weeks = [pd.Timestamp(LAST) - pd.Timedelta(weeks=i) for i in range(len(pairs))]

    def told(generation: int, side: int) -> Reported:
        frame = pd.DataFrame({"channel": "email", "week": weeks})
        for name in ("spend", "leads", "booked", "kept", "new_patients", "collected"):
            frame[name] = [pair[side] for pair in pairs]
        return Reported(generation, weeks[0], frame)

    found = compared(told(1, 0), told(2, 1), "USD", protected=False)
    moved = [b - a for a, b in pairs if abs(b - a) >= 0.005]
    if not any(abs(b - a) >= 1e-6 for a, b in pairs):
        assert found.table is None
        assert "Nothing that it told was restated." in found.sentences
        return
    assert not re.search(r"\+\$?0(?![.,\d])", " ".join(found.sentences))  # no change has no sign
    assert found.table is not None
    row = found.table.frame.to_dict("records")[0]
    assert row["spend_restated"] == pytest.approx(sum(moved), abs=1e-6)
    back = compared(told(2, 1), told(1, 0), "USD", protected=False).table.frame
    assert back["collected_restated"].tolist() == pytest.approx([-row["collected_restated"]])
