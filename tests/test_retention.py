"""How long what is kept: periods, and settings that cannot be."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_store import raw_store
from servers.scripted import Scripted, slice_of, slices

from attribution.deletions import prepare
from attribution.paths import Home
from attribution.retention import DATED, KINDS, Period, retention
from connectors.contract import (
    BY_TABLE,
    Appointment,
    Contact,
    Message,
    MessageEvent,
    Payment,
    Person,
    Preference,
    Withdrawn,
    contract_fields,
)
from connectors.source import Cursor

TODAY = date(2026, 6, 1)
OLD, NEW = datetime(2025, 1, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)
DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize(
    ("said", "today", "first"),
    [
        ("90 days", date(2026, 3, 31), date(2025, 12, 31)),
        ("1 week", date(2026, 1, 1), date(2025, 12, 25)),
        ("1 month", date(2026, 3, 31), date(2026, 2, 28)),
        ("1 month", date(2024, 3, 31), date(2024, 2, 29)),
        ("12 months", date(2026, 1, 15), date(2025, 1, 15)),
        ("13 months", date(2026, 1, 15), date(2024, 12, 15)),
        ("1 year", date(2024, 2, 29), date(2023, 2, 28)),
        ("3 years", date(2026, 7, 4), date(2023, 7, 4)),
        ("9999 years", date(2026, 7, 4), date.min),
    ],
)
def test_a_period_reaches_back_to_a_day(said, today, first):
    assert retention({"touchpoint": said}).since("touchpoint", today) == first


@given(DAYS, st.integers(1, 400))
def test_twelve_months_are_a_year_and_more_reaches_further_back(today, count):
    assert Period(12 * count, "month").before(today) == Period(count, "year").before(today)
    for unit in ("day", "week", "month"):
        assert Period(count + 1, unit).before(today) < Period(count, unit).before(today) < today
    month = Period(1, "month").before(today)
    assert timedelta(28) <= today - month <= timedelta(31)


def test_what_is_not_named_is_kept_for_good():
    assert not retention({})
    assert retention({"call": "1 year"}).since("payment", date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"audit": "7 years"}, "the audit log is never purged"),
        ({"preference": "7 years"}, "a forgotten opt-out"),
        ({"person": "7 years"}, "caretrace forget"),
        ({"tocuhpoint": "7 years"}, "tocuhpoint is none of"),
        ({"call": "7"}, "call must be a period"),
        ({"call": 7}, "call must be a period"),
        ({"call": "0 days"}, "call must be a period"),
        ({"call": "1 fortnight"}, "call must be a period"),
    ],
)
def test_what_cannot_be_is_told(table, problem):
    with pytest.raises(ValueError, match=problem):
        retention(table | {"payment": "1 year"})


def test_every_dated_table_has_its_day_and_is_of_the_contract():
    for table, column in DATED.items():
        kinds = {spec.name: spec.kind for spec in contract_fields(BY_TABLE[table])}
        assert kinds[column] in ("day", "instant")
    assert len(set(KINDS)) == len(KINDS)


def loaded(store, *rows):
    store.refresh(Scripted(None, slices(slice_of(*rows, Cursor("1")))))


def left(store, table, column):
    return [row[0] for row in store.ask(f"select {column} from raw_{table} order by 1")]


def test_what_was_withdrawn_stays_withdrawn_as_long_as_it_is_there():
    """Else a permission, a visit or a payment that was taken back would count again."""
    visit = Appointment("a", "P", NEW, NEW, "booked", updated_at=OLD)
    old, new = (
        Payment(n, at, "USD", Decimal(1), updated_at=OLD) for n, at in (("old", OLD), ("new", NEW))
    )
    wish = Preference("w", "email", "marketing", True, OLD, "consent", email="ann@example.org")
    gone = [
        Withdrawn(table, number, OLD, "deleted")
        for table, number in (("appointment", "a"), ("payment", "old"), ("payment", "new"),
                              ("payment", "never told"), ("preference", "w"),
                              ("preference", "never told"))
    ]  # fmt: skip
    with raw_store() as store:
        loaded(store, visit, old, new, wish, *gone)
        assert store.purge(retention({"withdrawn": "1 year"}), TODAY) == {"withdrawn": 1}
        assert left(store, "withdrawn", "table_name") == [
            "appointment", "payment", "payment", "preference", "preference",
        ]  # fmt: skip
        both = retention({"withdrawn": "1 year", "payment": "1 year"})
        assert store.purge(both, TODAY) == {"withdrawn": 1, "payment": 1}
        assert left(store, "withdrawn", "table_name") == [
            "appointment", "payment", "preference", "preference",
        ]  # fmt: skip


def test_a_message_that_was_refused_or_bounced_outlives_its_time():
    """Consent reads there who may not be written to, and where something arrived again."""
    ann, bob = "ann@example.org", "bob@example.org"

    def message(number, **more):
        return Message(number, "news", OLD, "email", **{"email": ann, **more})

    def event(number, what, **more):
        return MessageEvent(number, number, OLD, what, "email", "news", **{"email": ann, **more})

    with raw_store() as store:
        loaded(
            store,
            message("arrived", delivered_at=OLD),
            message("bounced", email=bob, bounced_at=OLD),
            message("refused", unsubscribed_at=OLD),
            message("mended", email=bob, delivered_at=OLD),
            *(event(what, what) for what in ("sent", "delivered", "unsubscribed", "complained")),
            event("bounced", "bounced", email=None, phone="+1 503 555 0142"),
            event("mended", "delivered", email=bob),
        )
        kept = retention({"message": "1 year", "message_event": "1 year"})
        assert store.purge(kept, TODAY) == {"message": 1, "message_event": 2}
        numbers = "case when delivered_at is not null then 'mended' when bounced_at is not null "
        numbers += "then 'bounced' else 'refused' end"
        assert left(store, "message", numbers) == ["bounced", "mended", "refused"]
        assert left(store, "message_event", "event") == [
            "bounced", "complained", "delivered", "unsubscribed",
        ]  # fmt: skip


def test_birthdays_that_an_earlier_version_kept_as_years_go_at_the_next_refresh(tmp_path):
    born = {"a": 1980, "b": 19800131, "c": 198001, "d": 80, "e": 1890, "f": None}
    with raw_store() as store:
        people = [Person(number, birth_year=year) for number, year in born.items()]
        loaded(store, *people, Contact("c", NEW, NEW, birth_year=19800131))
        prepare(Home(tmp_path), store)
        assert store.ask("select birth_year from raw_person where birth_year is not null "
                         "order by birth_year") == [(1890,), (1980,)]  # fmt: skip
        assert store.ask("select birth_year from raw_contact") == [(None,)]
        assert store.ask("select count(*) from raw_person") == [(len(born),)]
        # Their bytes go with the file that holds them; the second time there is nothing to do.
        store.ask("drop table to_rewrite")
        prepare(Home(tmp_path), store)
        assert store.ask(
            "select count(*) from duckdb_tables() where table_name = 'to_rewrite'"
        ) == [(0,)]
