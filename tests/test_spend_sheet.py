"""Spend sheets: offline media spread over days to the micro, and what replaces what."""

import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from warehouse_fixtures import Warehouse, at, call, contact, touch

from attribution.loading import Loader
from attribution.privacy import Door
from attribution.raw import ensure_raw_tables
from connectors import spend_sheet
from connectors.contract import AdSpend, TrackingCode
from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.source import Columns, Context, Cursor, Rejected
from connectors.spend_sheet_rows import number_of
from connectors.spreading import each_day, spread

HEADER = "medium,campaign,market,week,spend,currency,number,code,service_line,location,impressions"
RADIO = "Radio,Spring knees,North,2026-03-02,700.00,USD,(503) 555-0142,KNEE26,orthopedics,North,701"
MONDAY = date(2026, 3, 2)


def source(folder, **options):
    given = {"folder": str(folder), "timezone": "America/New_York", **options}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return spend_sheet.connect(Context("offline", "media", given, now, date(2024, 1, 1)))


def drop(folder, *lines, name="media.csv", header=HEADER):
    (folder / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def load(opened, cursors=None):
    """Spend, codes, rejects and the cursor that one refresh leaves; None where none was read."""
    found = {AdSpend: [], TrackingCode: []}
    rejected, cursor = [], None
    for piece in opened.slices(cursors or {}):
        for item in piece.read():
            if isinstance(item, Columns):
                found[item.row] += item.table.to_pylist()
            elif isinstance(item, Rejected):
                rejected.append(item)
            elif isinstance(item, Cursor):
                cursor = item.value
    return found[AdSpend], found[TrackingCode], rejected, cursor


def by_day(rows):
    days = defaultdict(int)
    for row in rows:
        days[row["day"]] += row["spend_micros"]
    return dict(days)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(10**18), 10**18), st.integers(0, 20_000), st.integers(1, 731)),
        min_size=1,
        max_size=8,
    )
)
def test_days_add_up_to_the_amount_and_differ_by_one_unit_at_most(spans):
    amounts, first, lengths = (np.array(part, dtype=np.int64) for part in zip(*spans, strict=True))
    span, day, place = each_day(first, first + lengths - 1)
    shares = spread(amounts, lengths, span, place)
    for number, (amount, start, length) in enumerate(spans):
        mine = shares[span == number].tolist()
        assert (sum(mine), len(mine)) == (amount, length)
        assert max(mine) - min(mine) <= 1
        assert day[span == number].tolist() == list(range(start, start + length))


def test_a_week_is_spread_over_its_seven_days(tmp_path):
    drop(tmp_path, RADIO)
    spend, _, rejected, _ = load(source(tmp_path))
    assert rejected == []
    assert by_day(spend) == {MONDAY + timedelta(days=n): 100_000_000 for n in range(7)}
    assert sum(row["impressions"] for row in spend) == 701
    first = spend[0]
    assert (first["network"], first["medium"], first["campaign"]) == (
        "radio", "radio", "Spring knees",
    )  # fmt: skip
    assert (first["ad_group"], first["service_line"], first["location"], first["timezone"]) == (
        "North", "orthopedics", "North", "America/New_York",
    )  # fmt: skip


def test_a_flight_runs_from_its_start_to_its_end_and_may_overlap_weeks(tmp_path):
    header = "medium,campaign,start,end,spend,currency"
    drop(
        tmp_path,
        "tv,Hearts,2026-02-26,2026-03-07,100.00,USD",
        "tv,Hearts,2026-03-05,,0.01,USD",
        header=header,
    )
    spend, _, rejected, _ = load(source(tmp_path))
    days = by_day(spend)
    assert rejected == []
    assert (min(days), max(days), len(days)) == (date(2026, 2, 26), date(2026, 3, 7), 10)
    assert days[date(2026, 3, 5)] == 10_010_000
    assert sum(days.values()) == 100_010_000
    assert len(spend) == 10  # one row a day: rows of one flight add up


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
def test_every_format_gives_the_same_days(tmp_path, form):
    if form == "csv":
        drop(tmp_path, "billboard,Ring road,2026-03-02,70,USD", header=SHORT)
    elif form == "parquet":
        columns = {"medium": ["billboard"], "campaign": ["Ring road"], "week": [MONDAY],
                   "spend": [70.0], "currency": ["USD"]}  # fmt: skip
        pq.write_table(pa.table(columns), tmp_path / "media.parquet")
    else:
        stream = io.BytesIO()
        with xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd"}) as book:
            sheet = book.add_worksheet("Plan")
            sheet.write_row(0, 0, SHORT.split(","))
            sheet.write_row(1, 0, ["billboard", "Ring road"])
            sheet.write_datetime(1, 2, date(2026, 3, 2))
            sheet.write_row(1, 3, [70, "USD"])
        (tmp_path / "media.xlsx").write_bytes(stream.getvalue())
    spend, _, rejected, _ = load(source(tmp_path))
    assert rejected == []
    assert by_day(spend) == {MONDAY + timedelta(days=n): 10_000_000 for n in range(7)}


SHORT = "medium,campaign,week,spend,currency"


def test_headers_words_and_dates_are_those_of_the_agency(tmp_path):
    drop(
        tmp_path,
        "Hörfunk;Knie;02.03.2026;1.400,00",
        header="Gattung;Kampagne;Woche ab;Netto",
        name="plan.csv",
    )
    opened = source(
        tmp_path,
        columns={"medium": "Gattung", "campaign": "Kampagne", "week": "Woche ab", "spend": "Netto"},
        values={"medium": {"Hörfunk": "radio"}},
        currency="EUR",
        decimal=",",
        delimiter=";",
        date_format="%d.%m.%Y",
    )
    spend, _, rejected, _ = load(opened)
    assert rejected == []
    assert {(row["medium"], row["currency"]) for row in spend} == {("radio", "EUR")}
    assert sum(by_day(spend).values()) == 1_400_000_000


def test_names_that_differ_in_spelling_alone_are_one_flight(tmp_path):
    drop(
        tmp_path,
        "TV,Hearts,North,2026-03-02,7,USD,,,,,",
        "television,hearts ,north,2026-03-02,7,usd,,,,,",
        "tv,Hearts,South,2026-03-02,7,USD,,,,,",
    )
    spend, *_ = load(source(tmp_path))
    keys = {(row["campaign_id"], row["ad_group_id"]) for row in spend}
    assert {campaign for campaign, _ in keys} == {"tv/hearts"}
    assert len(keys) == 2
    assert sum(by_day(spend).values()) == 21_000_000


WRONG = [
    (",Hearts,,2026-03-02,7,USD,,,,,", "medium", "is empty"),
    ("tv,,,2026-03-02,7,USD,,,,,", "campaign", "is empty"),
    ("tv,Hearts,,,7,USD,,,,,", "week", "is empty, and so is the start"),
    ("tv,Hearts,,2.3.26,7,USD,,,,,", "week", "is not a day as YYYY-MM-DD"),
    ("tv,Hearts,,2026-03-02,,USD,,,,,", "spend", "is empty"),
    ("tv,Hearts,,2026-03-02,seven,USD,,,,,", "spend", "is not an amount of money"),
    ("tv,Hearts,,2026-03-02,CAD 7,USD,,,,,", "spend", "names another currency"),
    ("tv,Hearts,,2026-03-02,7,,,,,,", "spend", "without a currency"),
    ("tv,Hearts,,2026-03-02,7,US,,,,,", "currency", "no currency code"),
    ("tv,Hearts,,2026-03-02,7,USD,555,,,,", "number", "is no phone number of US"),
    ("tv,Hearts,,2026-03-02,7,USD,,,,,-1", "impressions", "is below nought"),
    ("Grand total,,,,7,USD,,,,,", "medium", "is a total of other rows"),
    ("tv,Subtotal,,,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("tv,Total:,,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("tv,Total 3/2026,,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("tv,Total March,,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("tv,Total South,South,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("tv,Total North,,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows"),
    ("Total FM,Spring,,2026-03-02,7,USD,,,,,", "medium", "is a total of other rows"),
    *(
        (f"tv,Total {what},,2026-03-02,7,USD,,,,,", "campaign", "is a total of other rows")
        for what in ("paid search", "digital", "YTD", "planned", "actual", "to date", "FY26",
                     "FY 2026", "2026 YTD")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "column", "reason"), WRONG)
def test_a_row_that_cannot_be_right_is_kept_out_and_explained(tmp_path, line, column, reason):
    drop(tmp_path, RADIO, line)
    spend, _, (rejected,), _ = load(source(tmp_path))
    assert len(spend) == 7
    assert (rejected.row_number, rejected.column, rejected.table) == (3, column, "ad_spend")
    assert reason in rejected.reason


@pytest.mark.parametrize(
    "campaign",
    ["Total knee", "Total 360 care", "Total joint replacement", "Total allergy", "Totally"],
)
def test_a_campaign_may_be_of_a_total_joint(tmp_path, campaign):
    drop(tmp_path, f"tv,{campaign},South,2026-03-02,7,USD,,,,,")
    spend, _, rejected, _ = load(source(tmp_path))
    assert ({row["campaign"] for row in spend}, rejected) == ({campaign}, [])


def test_words_for_what_was_spent_are_no_currency(tmp_path):
    drop(tmp_path, "tv,Hearts,,2026-03-02,VOID,USD,,,,,", "tv,Hearts,,2026-03-02,NET 7,USD,,,,,")
    opened = source(tmp_path, values={"spend": {"VOID": "0", "NET 7": "7"}})
    spend, _, rejected, _ = load(opened)
    assert (sum(by_day(spend).values()), rejected) == (7_000_000, [])


FLIGHTS = "medium,campaign,start,end,week,spend,currency"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tv,a,2026-03-02,2026-03-01,,7,USD", "is before the start"),
        ("tv,a,2026-03-02,2029-03-01,,7,USD", "more than two years"),
        ("tv,a,2026-03-02,2026-03-03,2026-03-02,7,USD", "stands beside a start"),
    ],
)
def test_a_flight_that_cannot_be_is_kept_out(tmp_path, line, reason):
    drop(tmp_path, line, header=FLIGHTS)
    spend, _, (rejected,), _ = load(source(tmp_path))
    assert spend == []
    assert reason in rejected.reason


def test_lines_of_nothing_are_no_rejects(tmp_path):
    drop(tmp_path, RADIO, ",,,,,,,,,,", RADIO.replace("Spring", "Autumn"))
    spend, _, rejected, _ = load(source(tmp_path))
    assert (len(spend), rejected) == (14, [])


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("campaign,week,spend,currency", "no column 'medium'"),
        ("medium,campaign,spend,currency", "neither a week nor a start"),
        ("medium,campaign,week,spend,spend,currency", "2 columns 'spend'"),
    ],
)
def test_a_sheet_of_another_layout_is_refused_whole(tmp_path, header, what):
    drop(tmp_path, RADIO, name="a.csv")
    drop(tmp_path, "x,x,x,x,x,x"[: 2 * header.count(",") + 1], header=header, name="b.csv")
    with pytest.raises(SourceChanged, match=what):
        load(source(tmp_path))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": {"cost": "Net"}}, "columns: cost is none of medium, campaign"),
        ({"values": {"medium": "radio"}}, "values.medium must be a table of texts"),
        ({"decimal": "'"}, "decimal must be"),
        ({"header_row": 0}, "header_row must be 1 or more"),
        ({"currency": "dollars"}, "is no code of three letters"),
        ({"timezone": "Boston"}, "'Boston' is no name such as America/New_York"),
        ({"date_format": "%d.%m."}, "does not say the year"),
    ],
)
def test_settings_that_cannot_be_right_are_named(tmp_path, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(tmp_path, **options)


def test_probe_says_what_there_is_to_read(tmp_path):
    with pytest.raises(SourceUnreachable, match=r"found no file to read in .*: it is empty"):
        source(tmp_path).probe()
    drop(tmp_path, RADIO, WRONG[0][0])
    (tmp_path / "notes.docx").write_bytes(b"x")
    said = source(tmp_path).probe()
    assert said.endswith("holds 1 .csv: 1 row of spend, 1 of them not as agreed.")


def test_what_has_not_changed_is_not_read_again(tmp_path):
    drop(tmp_path, RADIO)
    *_, cursor = load(source(tmp_path))
    assert list(source(tmp_path).slices({"sheets": cursor})) == []
    assert list(source(tmp_path, region="DE").slices({"sheets": cursor})) != []
    drop(tmp_path, RADIO.replace("700", "701"))
    assert list(source(tmp_path).slices({"sheets": cursor})) != []


def test_an_empty_folder_takes_nothing_back(tmp_path):
    """The folder may be one that is not mounted: it is told, and what was loaded stands."""
    with pytest.raises(SourceUnreachable, match="Mount the folder"):
        list(source(tmp_path).slices({"sheets": "before"}))


def test_of_two_sheets_the_later_name_counts_for_a_flight_and_day(tmp_path):
    drop(tmp_path, RADIO, RADIO.replace("03-02", "03-09"), name="2026-03.csv")
    drop(tmp_path, RADIO.replace("700.00", "70.00"), name="2026-03-corrected.csv")
    drop(tmp_path, RADIO.replace("700.00", "7.00"), name="2026-02-late.csv")
    spend, *_ = load(source(tmp_path))
    weeks = [sum(r["spend_micros"] for r in spend if (r["day"] < MONDAY + 7 * DAY) is early)
             for early in (True, False)]  # fmt: skip
    assert weeks == [700_000_000, 700_000_000]
    (tmp_path / "2026-03.csv").rename(tmp_path / "2026-01.csv")
    spend, *_ = load(source(tmp_path))
    assert sum(by_day(spend).values()) == 770_000_000


DAY = timedelta(days=1)


def test_numbers_and_codes_say_whose_they_are_from_when(tmp_path):
    drop(tmp_path, RADIO.replace("KNEE26", "KNEE26|/Knee"), RADIO.replace("03-02", "03-09"))
    _, codes, _, _ = load(source(tmp_path))
    said = {(c["kind"], c["code"], c["valid_from"]) for c in codes}
    assert said == {
        ("number", "+15035550142", MONDAY), ("number", "+15035550142", MONDAY + 7 * DAY),
        ("code", "knee26", MONDAY), ("code", "/knee", MONDAY),
        ("code", "knee26", MONDAY + 7 * DAY),
    }  # fmt: skip
    assert {(c["campaign"], c["campaign_id"], c["medium"]) for c in codes} == {
        ("Spring knees", "radio/spring_knees", "radio")
    }


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("1-800-GOT-KNEE", "US", "+18004685633"),
        ("(503) 555-0142", "US", "+15035550142"),
        ("030 901820", "DE", "+4930901820"),
        ("+44 20 7946 0018", "US", "+442079460018"),
        ("12", "US", None),
        ("no number", "US", None),
    ],
)
def test_a_vanity_number_is_written_as_everywhere(written, region, number):
    assert number_of(written, region) == number


def test_what_a_corrected_sheet_no_longer_says_is_gone(tmp_path):
    """Through the loader, with another source of the same kind of rows beside it."""
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.begin() as connection:
        ensure_raw_tables(connection)

    def refresh(name="offline"):
        loader = Loader(engine, Lock(), Door(b"k" * 32), name, "media", "run")
        for piece in source(tmp_path).slices({}):
            loader.load(piece)

    def stored(what="source, campaign, spend_micros", table="ad_spend"):
        with engine.begin() as connection:
            rows = connection.exec_driver_sql(
                f"select {what}, count(*) from raw_{table} group by all order by all"
            )
            return [tuple(row) for row in rows]

    drop(tmp_path, RADIO, RADIO.replace("Spring", "Autumn"))
    refresh("other")
    refresh()
    drop(tmp_path, RADIO.replace("700.00", "70.00").replace("KNEE26", "HIP26"))
    refresh()
    assert stored() == [
        ("offline", "Spring knees", 10_000_000, 7),
        ("other", "Autumn knees", 100_000_000, 7),
        ("other", "Spring knees", 100_000_000, 7),
    ]
    assert stored("source, code", "tracking_code")[:2] == [
        ("offline", "+15035550142", 1), ("offline", "hip26", 1),
    ]  # fmt: skip
    engine.dispose()


# --- joined to the flight -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


def code(kind, value, first, campaign, **more):
    return TrackingCode(kind, value, first, f"radio/{campaign}", campaign, "radio", "radio", **more)


def flight(campaign, day=MONDAY):
    return AdSpend(
        day, "UTC", f"radio/{campaign}", campaign, "", "", "radio", "radio", "USD", Decimal(7),
        service_line="orthopedics",
    )  # fmt: skip


def touches(warehouse, *rows):
    warehouse.build(*rows)
    return warehouse.rows(
        "select channel, campaign from int_touches inner join int_channel_map using (map_id)"
        " order by touched_at"
    )


def test_a_call_to_the_number_of_a_flight_is_the_flight_s(warehouse):
    noon = at("2026-03-04 12:00")
    found = touches(
        warehouse,
        code("number", "+15035550142", MONDAY, "knees"),
        flight("knees"),
        call("early", "ann", noon - 3 * DAY, tracking_number="+15035550142"),
        call("dialled", "bob", noon, tracking_number="+1 (503) 555-0142"),
        call("national", "cat", noon + DAY, tracking_number="503-555-0142"),
        call("other", "dan", noon + 2 * DAY, tracking_number="+15035550143"),
        call("tagged", "eve", noon + 3 * DAY, tracking_number="+15035550142",
             utm_source="google", utm_medium="cpc", utm_campaign="Brand"),
    )  # fmt: skip
    assert found == [
        ("call", "(none)"), ("offline_media", "knees"), ("offline_media", "knees"),
        ("call", "(none)"), ("paid_search", "Brand"),
    ]  # fmt: skip


def test_a_code_in_the_campaign_is_the_flight_s(warehouse):
    noon = at("2026-03-04 12:00")
    found = touches(
        warehouse,
        code("code", "knee26", MONDAY, "knees"),
        flight("knees"),
        touch("t", "ann", noon, "qr/print", utm_campaign="KNEE26"),
        contact("bob", noon + DAY, utm_campaign="knee26", first_touch_at=noon + DAY),
        touch("u", "cat", noon + 2 * DAY, "google/cpc", utm_campaign="KNEE2"),
    )
    assert found == [
        ("offline_media", "knees"), ("offline_media", "knees"), ("paid_search", "KNEE2"),
    ]  # fmt: skip


def test_a_number_goes_to_the_campaign_that_was_given_it_last(warehouse):
    weeks = [at("2026-03-04") + 7 * n * DAY for n in range(5)]
    number = "+15035550142"
    found = touches(
        warehouse,
        code("number", number, MONDAY, "knees"),
        code("number", number, MONDAY + 7 * DAY, "hips", valid_until=MONDAY + 13 * DAY),
        code("number", number, MONDAY + 21 * DAY, "hips"),
        code("number", number, MONDAY + 28 * DAY, "hips"),
        code("number", number, MONDAY + 28 * DAY, "knees"),
        flight("knees"),
        flight("hips"),
        *(call(f"{n}", f"p{n}", when, tracking_number=number) for n, when in enumerate(weeks)),
    )
    assert [campaign for _, campaign in found] == ["knees", "hips", "(none)", "hips", "(none)"]


def test_money_is_for_the_service_line_that_the_sheet_names(warehouse):
    warehouse.build(flight("knees"))
    assert warehouse.rows("select service_line, location, spend_micros from spend") == [
        ("orthopedics", "unassigned", 7_000_000)
    ]
