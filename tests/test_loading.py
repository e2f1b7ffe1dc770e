"""Loading: what a slice replaces, what it merges, and that it counts whole or not at all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from servers.clinic import (
    CANARY_EMAIL,
    CANARY_MRN,
    CANARY_PHONE,
    MONDAY,
    MONTH,
    ad,
    at,
    contact,
    payment,
    people,
)
from servers.scripted import slice_of
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution import warehouse
from attribution.loading import Loader
from attribution.privacy import Door
from attribution.raw import cursors, ensure_raw_tables
from connectors.columns import to_table
from connectors.contract import (
    ROWS,
    AdSpend,
    Contact,
    Feedback,
    Link,
    Payment,
    Person,
    Preference,
    Touchpoint,
)
from connectors.errors import SourceChanged, SourceUnreachable
from connectors.source import Columns, Cursor, Rejected, Total, Window

DOOR = Door(b"k" * 32)
DAY = timedelta(days=1)


class Store:
    """Raw tables in memory, and a loader for one source."""

    def __init__(self) -> None:
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("set timezone = 'UTC'")
            connection.exec_driver_sql("set preserve_insertion_order = false")
            ensure_raw_tables(connection)

    def loader(self, source="ads", account="1", run_id="run", on_rows=lambda _rows: None):
        return Loader(self.engine, Lock(), DOOR, source, account, run_id, on_rows)

    def load(self, *items, source="ads", account="1", **piece):
        return self.loader(source, account).load(slice_of(*items, **piece))

    def ask(self, sql):
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).fetchall()]

    def cursors(self, source="ads", account="1"):
        with self.engine.begin() as connection:
            return cursors(connection, source, account)


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.engine.dispose()


SPEND = "select day, campaign_id, spend_micros from raw_ad_spend order by all"
CONTACTS = "select contact_id, location from raw_contact order by all"


def crm_id(value):
    return DOOR.hash("crm_id", value)


def test_a_restated_day_replaces_the_old_one(store):
    store.load(ad(MONDAY, spend="10"), window=MONTH)
    store.load(ad(MONDAY, spend="12.345678"), window=MONTH)
    assert store.ask(SPEND) == [(MONDAY, "brand", 12_345_678)]


def test_rows_deleted_upstream_vanish(store):
    store.load(ad(MONDAY), ad(MONDAY, "old"), ad(MONDAY + DAY, "old"), window=MONTH)
    store.load(ad(MONDAY), window=MONTH)
    assert store.ask(SPEND) == [(MONDAY, "brand", 10_000_000)]


def test_an_empty_window_empties_it(store):
    store.load(ad(MONDAY), window=MONTH)
    store.load(rows=(AdSpend,), window=MONTH)
    assert store.ask(SPEND) == []


def test_other_windows_accounts_and_sources_are_untouched(store):
    before = Window(MONTH.since - 7 * DAY, MONTH.since - DAY)
    store.load(ad(before.until), window=before)
    store.load(ad(MONDAY), account="2", window=MONTH)
    store.load(ad(MONDAY), source="other", window=MONTH)
    store.load(rows=(AdSpend,), window=MONTH)
    assert len(store.ask(SPEND)) == 3


def test_a_row_outside_the_window_is_refused(store):
    with pytest.raises(SourceChanged, match="holds a row of 2026-02-02, which was not asked for"):
        store.load(ad(MONTH.until + DAY), window=MONTH)
    assert store.ask(SPEND) == []


def test_without_a_window_days_merge_on_their_key(store):
    store.load(ad(MONDAY, spend="1"), ad(MONDAY + DAY, spend="2"))
    store.load(ad(MONDAY, spend="3"))
    assert [micros for _, _, micros in store.ask(SPEND)] == [3_000_000, 2_000_000]


@pytest.mark.parametrize(
    ("days", "winner"),
    [((1, 2), 1), ((2, 1), 0), ((1, 1), 1), ((3, 1, 2), 0), ((1, 3, 3), 2)],
    ids=["newer wins", "older does not", "same stamp: the later", "in any order", "last of equals"],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one slice", "across slices"])
def test_of_two_rows_with_one_key_the_newer_stays(store, days, winner, together):
    rows = [contact("c", day, location=str(n)) for n, day in enumerate(days)]
    for slice_rows in [rows] if together else [[row] for row in rows]:
        store.load(*slice_rows)
    assert store.ask(CONTACTS) == [(crm_id("c"), str(winner))]


def test_without_a_stamp_the_later_arrival_stays(store):
    rows = [Person(patient_id="p", zip3=str(n)) for n in range(3)]
    store.load(*rows)
    assert store.ask("select zip3 from raw_person") == [("2",)]
    store.load(rows[0])
    assert store.ask("select zip3 from raw_person") == [("0",)]


# Rows that tell when something was: of one key, on some day, as changed on some other.
DATED = {
    Preference: lambda **told: Preference("k", "any", "marketing", True, told.pop("at"), **told),
    Touchpoint: lambda **told: Touchpoint(touch_id="k", kind="event", **told),
    Link: lambda **told: Link(link_id="k", kind="merged", **told),
    Feedback: lambda **told: Feedback("k", told.pop("at"), "nps", 9, 10, **told),
}
dated = pytest.mark.parametrize("kind", DATED, ids=lambda kind: kind.spec.table)


def told(kind, day, changed):
    when = None if changed is None else at(changed)
    return DATED[kind](at=at(day), updated_at=when)


def day_of(store, kind):
    column = "since" if kind is Preference else "at"
    ((found,),) = store.ask(f'select raw."{column}" from raw_{kind.spec.table} as raw')
    return (found - at(0)).days


def test_rows_are_ordered_by_when_they_were_changed_never_by_what_they_tell_of():
    assert {row.spec.newer for row in ROWS} == {None, "updated_at", "withdrawn_at"}


@dated
@pytest.mark.parametrize("changed", [(31, 40), (None, None)], ids=["told when", "not told"])
def test_a_correction_may_tell_of_an_earlier_day(store, kind, changed):
    """As a permission of April of which May says that it is of March."""
    for together in (False, True):
        rows = [told(kind, day, when) for day, when in zip((31, 20), changed, strict=True)]
        for some in [rows] if together else [[row] for row in rows]:
            store.load(*some)
        assert day_of(store, kind) == 20


@dated
def test_what_is_older_still_loses_where_the_source_tells_changes(store, kind):
    for day, changed in ((20, 40), (31, 31)):
        store.load(told(kind, day, changed))
    assert day_of(store, kind) == 20


@settings(max_examples=15)
@given(
    kind=st.sampled_from(list(DATED)),
    came=st.lists(
        st.tuples(st.integers(0, 9), st.none() | st.integers(0, 3)), min_size=1, max_size=5
    ),
)
def test_the_same_deliveries_again_change_nothing(kind, came):
    """Law: what is stored is what changed last, or came last where that is not told; replayed
    from the start, as after a restart, it is the same.
    """
    store = Store()
    stands = None
    for day, changed in came:
        if stands is None or None in (changed, stands[1]) or changed >= stands[1]:
            stands = day, changed
    for _ in range(2):
        for day, changed in came:
            store.load(told(kind, day, changed))
        assert day_of(store, kind) == stands[0]
    store.engine.dispose()


def test_the_later_of_many_duplicates_stays(store):
    # More than the engine stores as one block, so that it would show if it changed the order.
    keys = 40_000
    first = [payment(str(n), "1") for n in range(keys)]
    again = [payment(str(n), "2") for n in range(keys)]
    tables = [Columns(Payment, to_table(Payment, rows)) for rows in (first, again)]
    store.load(*tables, rows=(Payment,))
    assert store.ask("select count(*), sum(amount_micros) from raw_payment") == [
        (keys, 2_000_000 * keys)
    ]


def test_a_day_told_anew_replaces_its_keyset_rows(store):
    def touch(key, day=MONDAY):
        return Touchpoint(key, at(0), "session", source_day=day)

    inside = {"window": Window(MONDAY, MONDAY), "rows": (Touchpoint,)}
    store.load(touch("other", None), touch("moved", MONDAY + DAY), rows=(Touchpoint,))
    store.load(touch("gone"), touch("stays"), **inside)
    store.load(touch("stays"), touch("moved"), **inside)
    assert store.ask("select count(*) from raw_touchpoint") == [(3,)]
    assert store.ask(
        "select source_day, count(*) from raw_touchpoint group by 1 order by 1 nulls last"
    ) == [(MONDAY, 2), (None, 1)]
    with pytest.raises(SourceChanged, match="was not asked for"):
        store.load(touch("late", MONDAY + DAY), **inside)


def test_the_cursor_moves_with_the_rows(store):
    store.load(ad(MONDAY), Cursor("a"), Cursor("b"), name="days", window=MONTH)
    store.load(contact("1"), Cursor("c"), name="contacts")
    store.load(contact("1"), name="contacts")
    assert store.cursors() == {"days": "b", "contacts": "c"}
    assert store.cursors(account="2") == {}


def unreachable(*items):
    """Items, and then an answer that breaks off."""
    yield from items
    raise SourceUnreachable("broke off")


def test_a_read_that_raises_leaves_everything_as_it_was(store):
    store.load(ad(MONDAY), Cursor("a"), name="days", window=MONTH)
    piece = replace(
        slice_of(rows=(AdSpend,), name="days", window=MONTH),
        read=lambda: unreachable(ad(MONDAY, "new"), Rejected("f", 1, "c", "s", "r"), Cursor("b")),
    )
    with pytest.raises(SourceUnreachable):
        store.loader().load(piece)
    assert store.ask(SPEND) == [(MONDAY, "brand", 10_000_000)]
    assert store.cursors() == {"days": "a"}
    assert store.ask("select count(*) from raw_rejected") == [(0,)]


def test_what_follows_a_commit_is_done_after_it_only(store):
    done = []
    read_rows = slice_of(contact("1"), after_commit=lambda: done.append(store.ask(CONTACTS)))
    store.loader().load(read_rows)
    assert done == [[(crm_id("1"), None)]]
    with pytest.raises(SourceChanged):
        store.load(ad(MONDAY), rows=(Contact,), after_commit=lambda: done.append("no"))
    assert len(done) == 1


def test_a_different_count_of_rows_is_refused(store):
    with pytest.raises(SourceChanged, match="1 rows were read but the source counts 2"):
        store.load(ad(MONDAY), Total(AdSpend, "*", 2), Cursor("a"), window=MONTH)
    assert (store.ask(SPEND), store.cursors()) == ([], {})


def test_rejected_rows_count_as_read(store):
    rejected = Rejected("f.csv", 2, "spend", "text of 3", "not a number", "ad_spend")
    loaded = store.load(ad(MONDAY), rejected, Total(AdSpend, "*", 2), window=MONTH)
    assert (loaded.rows, loaded.rejected) == (1, 1)


def test_a_different_sum_is_loaded_and_noted(store):
    loaded = store.load(
        ad(MONDAY, spend="10", clicks=3),
        Total(AdSpend, "spend", 10.0),
        Total(AdSpend, "clicks", 4),
        window=MONTH,
    )
    assert loaded.message == "slice: clicks adds up to 3.00, the source says 4.00."
    assert len(store.ask(SPEND)) == 1


def test_rejects_are_those_of_the_last_reading(store):
    bad = [Rejected("f.csv", n, "spend", "text of 3", "not a number", "ad_spend") for n in (2, 3)]
    store.load(*bad, rows=(AdSpend,), name="f.csv")
    store.load(bad[0], rows=(AdSpend,), name="g.csv")
    store.load(bad[0], rows=(AdSpend,), name="f.csv")
    found = store.ask("select slice, file, row_number, column_name from raw_rejected order by all")
    assert found == [("f.csv", "f.csv", 2, "spend"), ("g.csv", "f.csv", 2, "spend")]


def test_a_row_without_its_key_is_rejected_and_the_others_load(store):
    loaded = store.load(payment("1"), payment("  "), payment("2"))
    assert (loaded.rejected, store.ask("select count(*) from raw_payment")) == (1, [(2,)])
    found = store.ask("select row_number, table_name, column_name, shape from raw_rejected")
    assert found == [(2, "payment", "payment_id", "empty")]


def test_a_kind_of_row_that_was_not_announced_is_refused(store):
    with pytest.raises(SourceChanged, match="not expected to hold ad_spend"):
        store.load(ad(MONDAY), rows=(Contact,))


def test_no_identifier_is_stored_in_clear(home):
    building = warehouse.begin(home)
    loader = Loader(building.engine, building.commits, DOOR, "emr", "1", "run")
    loader.load(slice_of(*people(), contact("1", email=CANARY_EMAIL, phone=CANARY_PHONE)))
    before = building.folder / "private.duckdb.wal"
    logged = before.read_bytes() if before.exists() else b""
    building.copy_marts({})
    building.close()
    stored = logged + b"".join(p.read_bytes() for p in home.folder.rglob("*") if p.is_file())
    assert len(stored) > 10_000
    for secret in (CANARY_EMAIL, CANARY_MRN, CANARY_PHONE, "5035550142", "canary.bird"):
        assert secret.encode() not in stored


def test_ids_keep_their_leading_zeros_and_length(store):
    store.load(ad(MONDAY, "00123"), ad(MONDAY, "23842912345678901"), window=MONTH)
    assert [name for _, name, _ in store.ask(SPEND)] == ["00123", "23842912345678901"]


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("0.1", 100_000),
        ("-12.005", -12_005_000),
        ("92233720368.547758", 92_233_720_368_547_758),
        ("0.0000005", 0),
        ("0.0000015", 2),
    ],
)
def test_money_is_stored_as_whole_micros(store, amount, micros):
    store.load(payment("1", amount))
    assert store.ask("select amount_micros from raw_payment") == [(micros,)]


@pytest.mark.parametrize(
    ("zone", "wall", "fold", "utc"),
    [
        ("America/New_York", "2026-11-01 01:30", 0, "2026-11-01 05:30"),
        ("America/New_York", "2026-11-01 01:30", 1, "2026-11-01 06:30"),
        ("America/New_York", "2026-03-08 02:30", 0, "2026-03-08 07:30"),
        ("Pacific/Kiritimati", "2026-01-01 01:00", 0, "2025-12-31 11:00"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", 1, "2026-04-04 15:15"),
    ],
)
def test_instants_are_stored_in_utc(store, zone, wall, fold, utc):
    when = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone), fold=fold)
    store.load(Touchpoint(touch_id="t", at=when, kind="click"))
    stored = store.ask("select strftime(raw.at, '%Y-%m-%d %H:%M') from raw_touchpoint as raw")
    assert stored == [(utc,)]


def test_an_instant_without_a_zone_is_not_guessed_at(store):
    naive = datetime.fromisoformat("2026-01-01")
    with pytest.raises(ValueError, match="without a time zone"):
        store.load(Touchpoint(touch_id="t", at=naive, kind="click"))


def test_columns_that_the_contract_gained_are_added_to_old_tables(store):
    store.load(contact("1", location="main"))
    store.ask("alter table raw_contact drop column service_line")
    store.ask("alter table raw_contact drop column lead_at")
    with store.engine.begin() as connection:
        ensure_raw_tables(connection)
    store.load(contact("2", location="main", service_line="dental", lead_at=at(0)))
    found = store.ask("select service_line, lead_at is null from raw_contact order by all")
    assert found == [("dental", False), (None, True)]


def test_the_strongest_identifier_stands_for_the_row(store):
    store.load(contact("7", email="a@x.org", patient_id="P1"), contact("8", email="a@x.org"))
    assert set(store.ask("select identifier from raw_contact")) == {
        (DOOR.hash("patient_id", "P1"),),
        (crm_id("8"),),
    }


class Upstream(RuleBasedStateMachine):
    """A source that edits, deletes, restates and delays, refreshed now and then.

    Law: after a refresh the store holds exactly what the source showed: of days, what it says now
    of each window that was read; of records, the newest state of each that it ever showed.
    """

    days = st.integers(0, 9)
    names = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.spend: dict[tuple[int, str], int] = {}
        self.shown_days: dict[tuple[int, str], int] = {}
        self.records: dict[str, tuple[int, int]] = {}
        self.shown: dict[str, tuple[int, int]] = {}
        self.late: list[tuple[str, int, int]] = []
        self.clock = 0

    @initialize()
    def fill(self):
        self.spend = {(day, "a"): 1 for day in range(10)}

    @rule(day=days, name=names, amount=st.integers(0, 99))
    def restate(self, day, name, amount):
        self.spend[day, name] = amount

    @rule(day=days, name=names)
    def delete(self, day, name):
        self.spend.pop((day, name), None)

    @rule(name=names, amount=st.integers(0, 99), late=st.booleans())
    def edit(self, name, amount, late):
        self.clock += 1
        if late:
            self.late.append((name, self.clock, amount))
        else:
            self.records[name] = (self.clock, amount)

    @rule(first=days, length=st.integers(0, 9), twice=st.booleans())
    def read_days(self, first, length, twice):
        window = Window(MONDAY + first * DAY, MONDAY + (first + length) * DAY)
        inside = {k: v for k, v in self.spend.items() if first <= k[0] <= first + length}
        rows = [ad(MONDAY + day * DAY, name, str(v)) for (day, name), v in inside.items()]
        self.store.load(*rows * (2 if twice else 1), rows=(AdSpend,), window=window)
        outside = {k: v for k, v in self.shown_days.items() if not first <= k[0] <= first + length}
        self.shown_days = outside | inside

    @rule(deliver=st.booleans(), data=st.data())
    def read_records(self, deliver, data):
        showing = [(name, *state) for name, state in self.records.items()]
        if deliver:
            showing += self.late
            self.late = []
        showing = data.draw(st.permutations(showing))
        self.store.load(*(self.row(*state) for state in showing), rows=(Payment,))
        for name, stamp, amount in showing:
            if stamp >= self.shown.get(name, (0, 0))[0]:
                self.shown[name] = (stamp, amount)

    @rule()
    def break_off(self):
        doomed = replace(
            slice_of(rows=(AdSpend, Payment), window=MONTH),
            read=lambda: unreachable(ad(MONDAY, "doomed"), self.row("doomed", 1, 1)),
        )
        with pytest.raises(SourceUnreachable):
            self.store.loader().load(doomed)

    @staticmethod
    def row(name, stamp, amount):
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=stamp)
        return payment(name, str(Decimal(amount)), updated_at=when)

    @invariant()
    def nothing_is_lost_or_doubled(self):
        found = [(d, c, m) for d, c, m in self.store.ask(SPEND)]
        expected = sorted(
            (MONDAY + day * DAY, name, v * 1_000_000) for (day, name), v in self.shown_days.items()
        )
        assert found == expected
        paid = self.store.ask("select payment_id, amount_micros from raw_payment")
        assert sorted(paid) == sorted(
            (DOOR.hash("record", name), amount * 1_000_000)
            for name, (_, amount) in self.shown.items()
        )

    def teardown(self):
        self.store.engine.dispose()


Upstream.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_no_row_is_lost_or_doubled = Upstream.TestCase


def test_a_slice_of_one_of_several_accounts_replaces_its_own_rows_only(store):
    for account in ("north", "south", "north"):
        piece = slice_of(ad(MONDAY), Cursor(account), name=account, window=MONTH, account=account)
        store.loader().load(piece)
    store.loader().load(slice_of(rows=(AdSpend,), name="south", window=MONTH, account="south"))
    assert store.ask("select account, count(*) from raw_ad_spend group by 1") == [("north", 1)]
    assert store.cursors() == {"north": "north", "south": "south"}
