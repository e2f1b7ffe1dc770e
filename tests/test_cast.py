"""Strict casting: what is accepted, what is refused, and that nothing is guessed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.cast import cast
from connectors.contract import BY_TABLE, Field, Kind, contract_fields
from connectors.dialect import Dialect, NoSuchCast
from connectors.moments import pattern_of
from connectors.shapes import shape_of

GERMAN = Dialect(decimal=",", thousands=".")


def field(kind: Kind) -> Field:
    return Field("x", kind, False, None, None, False, None)


def field_of(table: str, name: str) -> Field:
    return next(f for f in contract_fields(BY_TABLE[table]) if f.name == name)


def one(f: Field, value: object, dialect: Dialect | None = None) -> object:
    """The stored value, or the reason that there is none."""
    column = value if isinstance(value, pa.Array) else pa.array([value], pa.string())
    result, faults = cast(f, [column], dialect or Dialect())
    reasons = [fault.reason for fault in faults if fault.where[0]]
    return reasons[0] if reasons else result[0].as_py()


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("12", 12_000_000),
        ("$1,234.56", 1_234_560_000),
        ("(12.00)", -12_000_000),
        ("-$5", -5_000_000),
        ("$-5", -5_000_000),
        ("($1,000.50)", -1_000_500_000),
        ("12 €", 12_000_000),
        ("USD 12.5", 12_500_000),
        ("-0", 0),
        (".5", 500_000),
        ("+3", 3_000_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("  7.10 ", 7_100_000),
        ("20.8373114038425", 20_837_311),
        ("0.00000050000000000001", 1),
    ],
)
def test_money_is_read_as_it_is_written(text, micros):
    assert one(field("money"), text) == micros


@pytest.mark.parametrize(
    "text",
    ["NaN", "sNaN", "inf", "1e400", "1e3", "1_000", "１２３", "1.234,56", "1,23", "12.3.4", "--5",
     "(-3)", "1234567890123", "12%", "\u200b12", "-", "$", "12USD34"],
)  # fmt: skip
def test_money_that_is_none_is_refused(text):
    assert one(field("money"), text) == "is not an amount of money"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1.234,56", 1_234_560_000),
        ("1234,5", 1_234_500_000),
        ("12,00 €", 12_000_000),
        ("1.234", 1_234_000_000),
        ("1.23", "is not an amount of money"),
        ("1,234.56", "is not an amount of money"),
    ],
)
def test_a_decimal_comma_is_read_where_it_is_declared(text, result):
    assert one(field("money"), text, GERMAN) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1,234", 1234),
        ("12.0", 12),
        ("00123", 123),
        ("-7", -7),
        ("1.5", "is not a whole number"),
        ("1_000", "is not a whole number"),
        ("１２３", "is not a whole number"),
        ("9" * 39, "is not a whole number"),
    ],
)
def test_whole_numbers(text, result):
    assert one(field("integer"), text) == result


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "1,2", "0x1F", "１"])
def test_numbers_that_are_none_are_refused(text):
    assert one(field("number"), text) in ("is not a number", "is too large a number")


@pytest.mark.parametrize("text", ["NA", "null", "None", "nan", "00123", "02134", "9" * 39])
def test_text_stays_what_it_is(text):
    assert one(field("text"), text) == text


def test_a_nul_in_a_text_is_refused():
    assert one(field("text"), "a\x00b") == "holds a control character"


@pytest.mark.parametrize(
    ("text", "result"),
    [("YES", True), ("0", False), ("", None), ("?", "is neither true nor false")],
)
def test_flags(text, result):
    assert one(field("flag"), text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2026-02-28", date(2026, 2, 28)),
        ("2026-02-30", "is not a day as YYYY-MM-DD"),
        ("01/02/2026", "is not a day as YYYY-MM-DD"),
        ("2026-01-05T10:00:00Z", "is not a day as YYYY-MM-DD"),
        ("0026-01-05", "is outside the years 1900-2199"),
    ],
)
def test_days_are_iso_unless_a_format_is_declared(text, result):
    assert one(field("day"), text) == result


@pytest.mark.parametrize(
    ("written", "text", "result"),
    [
        ("%d/%m/%Y", "01/02/2026", date(2026, 2, 1)),
        ("%m/%d/%Y", "01/02/2026", date(2026, 1, 2)),
        ("%m/%d/%y", "1/2/26", date(2026, 1, 2)),
        ("%d-%b-%Y", "05-Mar-2026", date(2026, 3, 5)),
        ("%d/%m/%Y", "30/02/2026", "is not a day as %d/%m/%Y"),
        ("%d/%m/%Y", "2026-01-05", "is not a day as %d/%m/%Y"),
    ],
)
def test_an_ambiguous_day_is_read_only_by_its_format(written, text, result):
    assert one(field("day"), text, Dialect(date_format=written)) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2026-01-05T10:00:00Z", datetime(2026, 1, 5, 10, tzinfo=UTC)),
        ("2026-01-05 10:00:00.1234567+0530", datetime(2026, 1, 5, 4, 30, 0, 123456, tzinfo=UTC)),
        ("2026-01-05T10:00", "has no time zone, and the mapping gives none"),
        ("2026-02-30T10:00:00Z", "is not a time as YYYY-MM-DDTHH:MM:SS+00:00"),
        ("2026-01-05T25:00:00Z", "is not a time as YYYY-MM-DDTHH:MM:SS+00:00"),
        ("1767607200", "is not a time as YYYY-MM-DDTHH:MM:SS+00:00"),
    ],
)
def test_instants(text, result):
    assert one(field("instant"), text) == result


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-05 10:00", 15),
        ("2026-07-05 10:00", 14),
        ("2026-11-01 01:30", 5),  # the hour that comes twice: the first is meant
        ("2026-03-08 02:30", 7),  # the hour that does not come: the moment after it
    ],
)
def test_a_time_without_a_zone_is_read_in_the_declared_one(text, hour):
    found = one(field("instant"), text, Dialect(timezone="America/New_York"))
    assert isinstance(found, datetime)
    assert found.astimezone(UTC).hour == hour


def test_forms_of_one_column_may_differ():
    column = pa.array(["2026-01-05T10:00:00Z", "2026-01-05 10:00", "2026-01-05", None, "soon"])
    found, faults = cast(field("instant"), [column], Dialect(timezone="UTC"))
    assert [v and v.hour for v in found.to_pylist()] == [10, 10, 0, None, None]
    assert [list(f.where) for f in faults if f.where.any()] == [[False] * 4 + [True]]


def test_a_format_that_could_mislead_is_refused():
    with pytest.raises(ValueError, match="does not say the month"):
        pattern_of("%d/%Y")
    with pytest.raises(ValueError, match="%I and %p"):
        pattern_of("%d/%m/%Y %I:%M")


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (pa.array([1.5]), "money", 1_500_000),
        (pa.array([0.1 + 0.2]), "money", 300_000),
        (pa.array([float("nan")]), "money", "is not an amount of money"),
        (pa.array([Decimal("1.2345675")]), "money", 1_234_568),
        (pa.array([-(2**60)]), "money", "is too large an amount"),
        (pa.array([12.0]), "text", "12"),
        (pa.array([23842912345678901]), "text", "23842912345678901"),
        (pa.array([2.38e16]), "text", "was stored as a floating number and has lost digits"),
        (pa.array([12.5]), "integer", "is not a whole number"),
        (pa.array([1]), "flag", True),
        (pa.array([2]), "flag", "is neither true nor false"),
        (pa.array([datetime.fromisoformat("2026-01-05")]), "day", date(2026, 1, 5)),
        (pa.array([datetime.fromisoformat("2026-01-05T09:00")]), "day", "is a time, not a day"),
        (pa.array(["a"]).dictionary_encode(), "text", "a"),
        (pa.nulls(1), "money", None),
    ],
)  # fmt: skip
def test_a_files_own_types_are_kept(value, kind, result):
    assert one(field(kind), value) == result


def test_a_cell_of_another_nature_is_a_fault_of_its_row():
    parts = [pa.array([1.5, None]), pa.array([None, True])]
    found, faults = cast(field("money"), parts, Dialect())
    assert found[0].as_py() == 1_500_000
    assert [list(f.where) for f in faults if f.where.any()] == [[False, True]]


@pytest.mark.parametrize(("name", "lost"), [("patient_id", False), ("payment_id", True)])
def test_a_rounded_number_costs_the_row_only_as_its_own_id(name, lost):
    found, faults = cast(field_of("payment", name), [pa.array([2.38e16, 5.0])], Dialect())
    told = next(fault for fault in faults if fault.where[0])
    assert told.doubt is not lost
    assert lost or found.to_pylist() == [None, "5"]


def test_a_column_of_another_nature_is_no_cast():
    with pytest.raises(NoSuchCast):
        cast(field("instant"), [pa.array([5])], Dialect())


@pytest.mark.parametrize(
    ("table", "name", "value", "result"),
    [
        ("appointment", "status", "NoShow", "noshow"),
        ("payment", "currency", "usd", "USD"),
        ("payment", "currency", "dollars", "is no currency code of three letters"),
        ("person", "birth_year", "1980", 1980),
        ("person", "birth_year", "19800131", "is no year from 1900 to 2199"),
        ("person", "birth_year", "9999", "is no year from 1900 to 2199"),
        ("person", "birth_year", "80", "is no year from 1900 to 2199"),
        ("ad_spend", "timezone", "Mars/Base", "is no time zone name such as America/New_York"),
        ("person", "zip3", "02134-1234", "021"),
        ("person", "zip3", "2134", "is no postal code: it seems to have lost its leading zeros"),
        ("ad_spend", "clicks", "", 0),
        ("ad_spend", "campaign_id", "", "is empty"),
    ],
)
def test_the_contract_is_held(table, name, value, result):
    assert one(field_of(table, name), value) == result


@given(st.decimals(min_value=-(10**11), max_value=10**11, places=6))
def test_every_amount_survives_both_notations(amount):
    plain = f"{amount:f}"
    assert one(field("money"), plain) == int(amount * 1_000_000)
    german = f"{amount:,.6f}".translate(str.maketrans(",.", ".,"))
    assert one(field("money"), german, GERMAN) == int(amount * 1_000_000)


FIRST, LAST = map(datetime.fromisoformat, ("1900-01-02", "2199-12-30"))


@given(st.datetimes(FIRST, LAST, timezones=st.just(UTC)))
def test_every_instant_survives(moment):
    assert one(field("instant"), moment.isoformat()) == moment
    written = Dialect(datetime_format="%d.%m.%Y %I:%M:%S.%f %p", timezone="UTC")
    text = moment.strftime("%d.%m.%Y %I:%M:%S.%f %p")
    assert one(field("instant"), text, written) == moment


@given(st.text())
def test_a_shape_never_gives_the_value_away(value):
    assert shape_of(value) == shape_of("".join(sorted(value)))


def test_a_shape_helps_to_find_the_fault():
    assert shape_of("02134-77") == "text of 8, digits and signs"
    assert shape_of("") == "empty"
    assert shape_of("a\u200bb") == "text of 3, letters, unseen characters and some not ASCII"
