"""Rejects: each stands until its row loads, its days are read again, or its person is forgotten."""

from datetime import date, timedelta

import pytest
from servers.clinic import MONDAY, ad, contact, payment
from servers.scripted import slice_of
from test_loading import DOOR, Store

from attribution.erasing import erase
from attribution.keys import Keyring
from attribution.rehashing import bring_up
from attribution.tombstones import Forgotten
from connectors.contract import AdSpend, Contact, Payment, Withdrawn
from connectors.source import Rejected, Window

LISTED = "select table_name, reason from raw_rejected order by all"


@pytest.fixture
def store():
    made = Store()
    yield made
    made.engine.dispose()


def bad(table="payment", record=None, reason="is no amount", **more):
    return Rejected("page", 1, "amount", "text of 3", reason, table, record, **more)


def test_a_row_that_loads_at_last_is_no_reject_any_more(store):
    store.load(bad(record="P1"), bad(record="P2"), rows=(Payment,), name="changed on Monday")
    store.load(payment("P1"), name="changed on Tuesday")
    assert store.ask(LISTED) == [("payment", "is no amount")]
    (left,) = store.ask("select record from raw_rejected")
    assert left == (DOOR.hash("record", "P2"),)


def test_the_row_of_another_source_or_table_takes_nothing_back(store):
    store.load(bad(record="1"), rows=(Payment,), name="a")
    store.load(payment("1"), source="other", name="b")
    store.load(contact("1"), name="c")
    assert len(store.ask(LISTED)) == 1


def test_a_row_that_is_rejected_again_is_listed_once(store):
    store.load(bad(record="P1"), rows=(Payment,), name="a")
    store.load(bad(record="P1", reason="is no currency"), rows=(Payment,), name="b")
    assert store.ask(LISTED) == [("payment", "is no currency")]


def test_a_record_that_is_withdrawn_is_no_reject_any_more(store):
    store.load(bad(record="P1"), rows=(Payment,), name="a")
    gone = Withdrawn("payment", "P1", payment("P1").posted_at, "deleted")
    store.load(gone, rows=(Payment, Withdrawn), name="b")
    assert store.ask(LISTED) == []


def test_a_doubt_about_a_row_that_loads_with_it_stays(store):
    store.load(contact("1"), bad("contact", "1", "the row was loaded without it"), rows=(Contact,))
    assert store.ask(LISTED) == [("contact", "the row was loaded without it")]


@pytest.mark.parametrize("kind", ["window", "asked"])
def test_summaries_of_days_do_not_pile_up_over_refreshes(store, kind):
    for back in (3, 2, 1, 0):
        until = MONDAY + timedelta(days=20 - back)
        days = Window(until - timedelta(days=13), until)
        said = bad("ad_spend", reason=f"{back} events without a number")
        rows = (AdSpend,)
        store.load(said, rows=rows, name=f"to {until}", cursor_key="leads", **{kind: days})
    assert store.ask(LISTED) == [("ad_spend", "0 events without a number")]


def test_days_that_were_not_read_again_keep_their_rejects(store):
    month = Window(MONDAY, MONDAY + timedelta(days=27))
    rejects = [
        bad("ad_spend", reason="old", day=MONDAY),
        bad("ad_spend", reason="new", day=MONDAY + timedelta(days=20)),
    ]
    store.load(*rejects, rows=(AdSpend,), name="month", cursor_key="spend", window=month)
    store.load(bad("ad_spend", reason="other"), rows=(AdSpend,), name="else", window=month)
    again = Window(MONDAY + timedelta(days=14), month.until)
    store.load(ad(again.since), name="again", cursor_key="spend", window=again)
    assert store.ask(LISTED) == [("ad_spend", "old"), ("ad_spend", "other")]


def test_rows_are_counted_once_each(store):
    loaded = store.load(payment("1"), payment("1"), payment(" "), payment("2"))
    assert (loaded.rows, loaded.rejected) == (2, 1)


def test_what_was_kept_out_of_somebody_forgotten_goes_with_them(store):
    store.load(bad("contact", "7"), bad(record="P1"), rows=(Contact, Payment))
    with store.engine.begin() as connection:
        erase(connection, Forgotten((DOOR.hash("crm_id", "7"),), ()))
    assert store.ask(LISTED) == [("payment", "is no amount")]


def test_a_reject_is_still_taken_back_after_the_key_was_changed(store):
    store.load(bad(record="P1"), rows=(Payment,), name="a")
    ring = Keyring((b"k" * 32, b"n" * 32), (), (1, 1))
    with store.engine.begin() as connection:
        bring_up(connection, Keyring((b"k" * 32,), ()))
        assert bring_up(connection, ring)
    later = store.loader()
    later.door = type(DOOR)(b"k" * 32, later=(b"n" * 32,))
    later.load(slice_of(payment("P1"), name="b"))
    assert store.ask(LISTED) == []


def test_the_day_of_a_reject_is_no_timestamp(store):
    store.load(bad("ad_spend", day=date(2026, 11, 2)), rows=(AdSpend,), name="a")
    assert store.ask("select first_day, last_day from raw_rejected") == [(date(2026, 11, 2),) * 2]
