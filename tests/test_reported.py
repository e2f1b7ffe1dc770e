"""Which weeks are reported to their end: of each kind of conversion, and of spend."""

from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest
from warehouse_fixtures import Warehouse, ad, appointment, at, payment

from attribution.cohort_queries import reported_weeks
from attribution.paths import SQL, Home
from attribution.queries import About, Marts, reported_until

SUNDAY = at("2024-06-30 12:00")  # to which visits reach
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@pytest.fixture(scope="module")
def warehouse():
    """Visits go on to a Sunday; payments are those of a file that ends on a Tuesday before."""
    opened = Warehouse(of=("int_reported", "conversions", "credit", "spend"))
    yield opened
    opened.close()


def build(warehouse, *, spent):
    """The same rows, with money spent to a day."""
    visits = [
        appointment(f"v{week}", "ann", SUNDAY - week * WEEK - DAY, SUNDAY - week * WEEK)
        for week in range(12)
    ]
    # Whatever is dated in days to come shows nothing of the days before.
    slip = pd.Timestamp.now("UTC").normalize().to_pydatetime() + 400 * DAY
    warehouse.build(
        *visits,
        payment("slip", "ann", slip, "30"),
        *(payment(f"p{back}", "ann", SUNDAY - back * DAY, "30") for back in (40, 26, 20, 19)),
        *(ad("c", day, "9") for day in (SUNDAY - 80 * DAY, spent)),
    )


@pytest.mark.parametrize(
    ("spent", "last"),
    [
        (SUNDAY, date(2024, 6, 24)),
        (SUNDAY + 3 * DAY, date(2024, 6, 24)),
        (SUNDAY - 4 * WEEK - DAY, date(2024, 5, 20)),
        (SUNDAY - 5 * WEEK, date(2024, 6, 24)),  # paused
    ],
)
def test_a_source_that_ends_early_ends_with_its_last_whole_week(warehouse, spent, last):
    build(warehouse, spent=spent)
    told = dict(warehouse.rows("select kind, last_week from int_reported"))
    # Nothing was paid after Tuesday, 11 June: of that week two days are known.
    assert told == {
        # Nobody was new but in the first week, which the visits since then show.
        **dict.fromkeys(("booked", "kept", "new_patient"), date(2024, 6, 24)),
        "collected": date(2024, 6, 3),
        "spend": last,
    }


@pytest.mark.parametrize(
    ("newest", "together", "last"),
    [
        ("2024-06-24", 1, "2024-06-24"),
        ("2024-06-17", 1, "2024-06-10"),
        ("2024-06-03", 4, "2024-06-03"),  # the first week of the last block
        ("2024-05-27", 4, "2024-04-29"),
    ],
)
def test_a_block_of_weeks_that_ends_early_is_no_more_whole_than_a_week(newest, together, last):
    known = About("USD", date(2024, 1, 1), date(2024, 6, 24), 0)
    found = reported_until(pd.Timestamp(newest), known, together=together)
    assert found == pd.Timestamp(last)


def test_a_forecast_learns_from_no_week_of_which_a_part_is_reported(warehouse):
    build(warehouse, spent=SUNDAY)
    rows = warehouse.frame((SQL / "intermediate" / "int_forecasts.sql").read_text("utf-8"))
    told = rows[rows["weeks_ahead"].isna()]
    ends = pd.to_datetime(told["week"]).groupby(told["metric"]).max().dt.date.to_dict()
    assert ends["collected"] == date(2024, 6, 3)
    assert ends["kept"] == ends["spend"] == date(2024, 6, 24)


def test_of_spend_that_was_paused_weeks_of_nought_are_known(warehouse):
    build(warehouse, spent=SUNDAY - 10 * WEEK)
    rows = warehouse.frame((SQL / "intermediate" / "int_forecasts.sql").read_text("utf-8"))
    whole = rows[rows["metric"].eq("spend") & rows["dimension"].eq("total")]
    told = dict(zip(pd.to_datetime(whole["week"]).dt.date, whole["value"], strict=True))
    assert told[date(2024, 4, 15)] == 9e6
    assert told[date(2024, 6, 24)] == 0


def test_pages_say_so_too(tmp_path):
    """A payment of the year to come does not show that all weeks before are told."""
    home = Home(tmp_path)
    home.generation(1).mkdir(parents=True)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        database.execute("create table about (key text, value text)")
        facts = [("currency", "USD"), ("first_week", "2024-01-01"), ("last_week", "2024-06-24")]
        database.executemany("insert into about values (?, ?)", facts)
        database.execute("create table spend as select date '2024-06-24' as week")
        database.execute(
            "create table conversions as from (values ('collected', date '2024-06-10'),"
            " ('collected', date '2025-06-09'), ('kept', date '2024-07-01')) as t (kind, week)"
        )
    ends = reported_weeks(Marts(home, 1, protected=False))
    told = {name: end.date() for name, end in ends.items()}
    whole = date(2024, 6, 24)
    assert told == {"collected": date(2024, 6, 3), "kept": date(2024, 7, 1), "spend": whole}
