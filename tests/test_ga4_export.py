"""GA4's BigQuery export: event tables in a folder, as visits, forms and sign-ins of people."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connector_fixtures import read
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.ga4_export import event, sample, write
from test_loading import Store

from connectors import ga4_export
from connectors.contract import Link, Touchpoint
from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.source import Columns, Context, Cursor, Rejected, Window

EVENTS = Path(__file__).parent / "data/ga4_export/event_data.csv"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)  # in New York
DAY = date(2026, 11, 24)
TABLE = "events_20261124.parquet"
BEGAN = int(NOON.timestamp())
LATER = timedelta(minutes=5)
GCLID = "Cj0KCQiA_test-gclid"
FORMATS = [TABLE, "events_20261124.ndjson", "events_20261124.json.gz"]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "drop"
    made.mkdir()
    return made


def source(folder, **options):
    given = {"folder": str(folder), "timezone": "America/New_York"} | options
    return ga4_export.connect(Context("web", "1", given, NOW, date(2026, 1, 1)))


def rows(items, row=Touchpoint):
    tables = [i.table for i in items if isinstance(i, Columns) and i.row is row]
    return sorted(
        (record for table in tables for record in table.to_pylist()),
        key=lambda r: (r["at"], r.get("kind") != "session", r.get("touch_id", "")),
    )


def rejects(items):
    return [item for item in items if isinstance(item, Rejected)]


def loaded(folder, **options):
    return rows(read(source(folder, **options).slices({})))


def traffic(touch):
    return tuple(touch[n] for n in ("utm_source", "utm_medium", "utm_campaign", "campaign_id"))


def at_session(*, minutes=0, **given):
    at = NOON + timedelta(minutes=minutes)
    return event(given.pop("name", "page_view"), at, session=given.pop("session", BEGAN), **given)


@pytest.mark.parametrize("name", FORMATS)
def test_a_visit_is_one_touch_with_its_first_time_and_source(folder, name):
    write(
        folder / name,
        [
            at_session(minutes=9, name="scroll"),
            at_session(name="session_start", source="yelp", medium="referral", campaign="listing"),
            at_session(minutes=1, source="google", medium="organic"),
            at_session(client="33.44", session=BEGAN),
        ],
    )
    first, second = loaded(folder)
    assert (first["at"], first["kind"], first["client_id"]) == (NOON, "session", "11.22")
    assert traffic(first) == ("yelp", "referral", "listing", None)
    assert traffic(second) == ("(direct)", "(none)", None, None)
    assert first["source_day"] == DAY
    assert first["touch_id"] != second["touch_id"]


CROSS = {"source": "google", "medium": "cpc", "campaign_name": "knee", "campaign_id": "77"}
MANUAL = {"source": "news", "medium": "email", "campaign_name": "fall"}
OWN = {"source": "param", "medium": "web", "campaign": "p"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"last_click": {"cross_channel_campaign": CROSS, "manual_campaign": MANUAL}, **OWN},
            ("google", "cpc", "knee", "77"),
        ),
        (
            {
                "last_click": {
                    "google_ads_campaign": {"campaign_id": "77", "campaign_name": "knee"},
                    "manual_campaign": {"source": "(not set)"},
                }
            },
            ("google", "cpc", "knee", "77"),
        ),
        ({"last_click": {"manual_campaign": MANUAL}}, ("news", "email", "fall", None)),
        ({"collected": {"gclid": GCLID}}, ("google", "cpc", None, None)),
        (
            {"collected": {"manual_source": "bing", "manual_medium": "cpc", "gclid": GCLID}},
            ("bing", "cpc", None, None),
        ),
        (OWN, ("param", "web", "p", None)),
    ],
)
@pytest.mark.parametrize("name", FORMATS[:2])
def test_the_source_is_that_of_the_best_record_taken_whole(folder, name, given, expected):
    write(folder / name, [at_session(**given)])
    assert traffic(loaded(folder)[0]) == expected


def test_ga4_s_last_click_can_be_left_aside(folder):
    carried_over = {"cross_channel_campaign": CROSS}
    write(folder / TABLE, [at_session(last_click=carried_over)])
    assert traffic(loaded(folder, traffic_source="collected")[0])[:2] == ("(direct)", "(none)")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (f"https://clinic.example/?utm_source=x&gclid={GCLID}", GCLID),
        (f"https://clinic.example/?msclkid={GCLID}&x=1#top", GCLID),
        (f"https://clinic.example/?fbclid={GCLID}", GCLID),
        (f"https://clinic.example/?gbraid={GCLID}", None),
        ("https://clinic.example/?gclid=short", None),
        ("https://clinic.example/?email=jane@example.org&mrn=1234567890123", None),
    ],
)
def test_of_a_page_s_address_only_the_click_id_is_taken(folder, page, expected):
    write(folder / TABLE, [at_session(page=page), at_session(minutes=1)])
    items = read(source(folder).slices({}))
    assert [touch["click_id"] for touch in rows(items)] == [expected]
    stored = str([item.table.to_pylist() for item in items if isinstance(item, Columns)])
    assert not any(word in stored for word in ("jane", "1234567890123", "clinic.example"))


def test_a_form_carries_the_lead_s_number_and_the_visit_s_source(folder):
    write(
        folder / TABLE,
        [
            at_session(name="session_start", collected={"gclid": GCLID}),
            at_session(minutes=4, name="generate_lead", lead_id="L-7"),
            at_session(minutes=5, name="generate_lead", lead_id="L-7"),  # the page was reloaded
            at_session(minutes=6, name="newsletter", lead_id="L-8"),
        ],
    )
    session, form = loaded(folder)
    assert (form["kind"], form["crm_id"], form["client_id"]) == ("form", "L-7", "11.22")
    assert form["at"] == NOON + timedelta(minutes=4)
    assert form["click_id"] == session["click_id"] == GCLID
    assert traffic(form) == traffic(session) == ("google", "cpc", None, None)


def test_a_form_without_consent_is_known_by_its_lead_alone(folder):
    write(
        folder / TABLE,
        [
            event("generate_lead", NOON, client=None, lead_id=4711, source="bing", medium="cpc"),
            event("generate_lead", NOON, client=None),
        ],
    )
    items = read(source(folder).slices({}))
    (form,) = rows(items)
    assert (form["crm_id"], form["client_id"], form["utm_source"]) == ("4711", None, "bing")
    assert [(r.column, r.reason[:22]) for r in rejects(items)] == [
        ("user_pseudo_id", "2 events have no clien")
    ]


def test_which_events_are_forms_and_where_the_number_is_can_be_set(folder):
    write(folder / TABLE, [at_session(name="book_visit", transaction_id="T-1")])
    found = loaded(folder, key_events=["book_visit"], lead_param="transaction_id")
    assert [(r["kind"], r["crm_id"]) for r in found] == [("session", None), ("form", "T-1")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lead_param": ""}, [("session", None), ("form", None)]),
        ({"key_events": []}, [("session", None)]),
        ({"lead_param": None, "key_events": None}, [("session", None), ("form", "L-1")]),
    ],
)
@pytest.mark.parametrize("name", FORMATS[:2])
def test_a_setting_that_is_given_empty_is_not_the_default(folder, name, given, expected):
    write(folder / name, [at_session(name="generate_lead", lead_id="L-1")])
    found = loaded(folder, **given)
    assert [(r["kind"], r["crm_id"]) for r in found] == expected


def test_a_sign_in_links_client_and_user(folder):
    write(folder / TABLE, [at_session(), at_session(minutes=1, user="U-1")])
    items = read(source(folder, user_id_is="patient_id").slices({}))
    (link,) = rows(items, Link)
    assert (link["kind"], link["client_id"], link["patient_id"]) == ("signed_in", "11.22", "U-1")
    assert (link["crm_id"], link["source_day"]) == (None, DAY)
    assert [touch["patient_id"] for touch in rows(items)] == ["U-1"]


def test_user_ids_are_not_read_unless_we_are_told_whose_they_are(folder):
    write(folder / TABLE, [at_session(user="U-1")])
    items = read(source(folder).slices({}))
    assert rows(items, Link) == []
    assert "U-1" not in str(rows(items))


def test_a_browser_of_many_people_joins_nobody(folder):
    """A kiosk, or staff who fill in the form for callers."""
    write(
        folder / TABLE,
        [
            at_session(minutes=n, name="generate_lead", session=BEGAN + n, lead_id=f"L-{n}")
            for n in range(4)
        ]
        + [at_session(client="9.9", name="generate_lead", lead_id="L-9")],
    )
    items = read(source(folder).slices({}))
    forms = [r for r in rows(items) if r["kind"] == "form"]
    assert {r["crm_id"]: r["client_id"] for r in forms} == {
        "L-0": None, "L-1": None, "L-2": None, "L-3": None, "L-9": "9.9",
    }  # fmt: skip
    assert [r.reason[:12] for r in rejects(items)] == ["1 browsers w"]


def test_a_visit_over_midnight_belongs_to_the_day_it_began(folder):
    midnight = datetime(2026, 11, 25, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    began = int(midnight.timestamp()) - 300
    late = {"session": began, "client": "5.5"}
    write(
        folder / TABLE,
        [event("session_start", midnight - LATER, source="bing", medium="cpc", **late)],
    )
    write(
        folder / "events_20261125.ndjson",
        [
            event("page_view", midnight + LATER, **late),
            event("generate_lead", midnight + LATER, lead_id="L-1", **late),
            event("session_start", midnight + LATER, session=began + 600, client="6.6"),
            # A clock that is slow: the visit began on this day, whatever its number says.
            event("session_start", midnight + LATER, session=began - 900, client="7.7"),
        ],
    )
    found = loaded(folder)
    assert sorted((r["kind"], r["client_id"]) for r in found) == [
        ("form", "5.5"), ("session", "5.5"), ("session", "6.6"), ("session", "7.7"),
    ]  # fmt: skip
    assert [r["at"] for r in found if r["client_id"] == "5.5" and r["kind"] == "session"] == [
        midnight - LATER
    ]


def test_the_files_of_a_table_are_one_day(folder):
    write(folder / "events_20261124/000.parquet", [at_session(name="session_start", **OWN)])
    write(folder / "events_20261124/001.parquet", [at_session(minutes=-1), at_session(minutes=3)])
    (piece,) = source(folder).slices({})
    assert (piece.name, piece.window) == ("daily events of 2026-11-24", Window(DAY, DAY))
    (touch,) = rows(piece.read())
    assert (touch["at"], touch["utm_source"]) == (NOON - timedelta(minutes=1), "param")


def test_an_intraday_table_is_read_until_the_daily_one_comes(folder):
    write(folder / "events_intraday_20261124.ndjson", [at_session(), at_session(client="2.2")])
    (early,) = source(folder).slices({})
    assert len(rows(early.read())) == 2
    (cursor,) = [item.value for item in early.read() if isinstance(item, Cursor)]
    write(folder / TABLE, [at_session()])
    (final,) = source(folder).slices({early.cursor_key: cursor})
    assert final.name == "daily events of 2026-11-24"
    (cursor,) = [item.value for item in final.read() if isinstance(item, Cursor)]
    (folder / TABLE).unlink()
    assert list(source(folder).slices({final.cursor_key: cursor})) == []


def test_the_same_content_is_read_once_and_other_settings_read_it_anew(folder):
    write(folder / TABLE, [at_session()])
    (piece,) = source(folder).slices({})
    (cursor,) = [item.value for item in piece.read() if isinstance(item, Cursor)]
    (folder / TABLE).rename(folder / "again_events_20261124.parquet")
    assert list(source(folder).slices({piece.cursor_key: cursor})) == []
    assert len(list(source(folder, lead_param="x").slices({piece.cursor_key: cursor}))) == 1


def test_a_day_exported_again_leaves_nothing_of_the_former(folder):
    store = Store()
    events = [
        at_session(client="1.1"),
        at_session(client="2.2", user="U"),
        at_session(client="2.2", name="generate_lead", lead_id="L"),
    ]
    write(folder / TABLE, events)
    other = [event("page_view", NOON + timedelta(days=1), session=BEGAN + 86_400, user="U")]
    write(folder / "events_20261125.parquet", other)
    reading = {"user_id_is": "patient_id"}

    def load():
        for piece in source(folder, **reading).slices(store.cursors("web", "1")):
            store.loader("web", "1").load(piece)

    count = "select count(*) from raw_{}"
    load()
    load()
    assert store.ask(count.format("touchpoint")) == [(4,)]
    assert store.ask(count.format("link")) == [(2,)]
    write(folder / TABLE, [at_session(client="1.1"), at_session(client="3.3")])
    load()
    assert store.ask(count.format("touchpoint")) == [(3,)]
    assert store.ask(count.format("link")) == [(1,)]
    store.engine.dispose()


def test_a_cut_line_is_one_reject_and_the_others_load(folder):
    path = write(folder / "events_20261124.ndjson", [at_session(), at_session(client="2.2")])
    text = path.read_bytes()
    path.write_bytes(text + text[:150] + b"\n[1, 2]\n" + b'{"event_name": "x"}\n')
    items = read(source(folder).slices({}))
    assert len(rows(items)) == 2
    assert [(r.row_number, r.column, r.reason) for r in rejects(items)] == [
        (3, "", "is no event in JSON"),
        (4, "", "is no event in JSON"),
        (5, "event_timestamp", "is no time in microseconds since 1970, from 2020 on"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PAR1 and no more", r"events_20261124\.parquet is no whole Parquet file"),
        (None, r"has no column event_timestamp and no event_name and no user_pseudo_id"),
    ],
)
def test_a_broken_file_ends_its_day_and_no_other(folder, content, sentence):
    if content is None:
        pq.write_table(pa.table({"order": [1]}), folder / TABLE)
    else:
        (folder / TABLE).write_bytes(content)
    write(folder / "events_20261125.parquet", [event("x", NOON, session=1)])
    broken, sound = source(folder).slices({})
    with pytest.raises(SourceChanged, match=sentence):
        list(broken.read())
    assert len(rows(sound.read())) == 1
    assert broken.cursor_key != sound.cursor_key


def test_a_table_may_have_columns_more_or_fewer(folder):
    table = pa.Table.from_pylist([at_session(source="yelp", medium="referral")])
    few = table.select(["event_timestamp", "event_name", "user_pseudo_id", "event_params"])
    pq.write_table(few.append_column("is_active_user", pa.array([True])), folder / TABLE)
    assert [traffic(touch)[0] for touch in loaded(folder)] == ["yelp"]


def test_repeated_records_may_be_wrapped(folder):
    """As BigQuery wrote Parquet before it inferred lists."""
    row = at_session(source="yelp", medium="referral")
    row["event_params"] = {"list": [{"element": each} for each in row["event_params"]]}
    pq.write_table(pa.Table.from_pylist([row]), folder / TABLE)
    assert [traffic(touch)[0] for touch in loaded(folder)] == ["yelp"]


def test_a_file_named_otherwise_merges_by_key(folder):
    write(folder / "export.parquet", [at_session()])
    (piece,) = source(folder).slices({})
    assert (piece.window, piece.cursor_key) == (None, "file:export.parquet")
    assert [touch["source_day"] for touch in rows(piece.read())] == [None]


@settings(max_examples=12)
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_the_order_of_events_and_files_makes_no_difference(tmp_path_factory, order, cut):
    events = [
        at_session(name="session_start", source="bing", medium="cpc"),
        at_session(minutes=1, collected={"gclid": GCLID}),
        at_session(minutes=2, last_click={"cross_channel_campaign": CROSS}),
        at_session(minutes=3, name="generate_lead", lead_id="L"),
        at_session(minutes=4, name="generate_lead", lead_id="L"),
        at_session(minutes=5, client="2.2", user="U"),
    ]
    folder = tmp_path_factory.mktemp("order")
    shuffled = [events[place] for place in order]
    for number, part in enumerate((shuffled[:cut], shuffled[cut:])):
        write(folder / f"events_20261124_{number}.parquet", part)
    plain = tmp_path_factory.mktemp("plain")
    write(plain / TABLE, events)
    options = {"user_id_is": "crm_id"}
    assert loaded(folder, **options) == loaded(plain, **options)


VISITS = st.lists(
    st.tuples(
        st.sampled_from(["1.1", "2.2", None]),
        st.sampled_from([BEGAN, BEGAN + 7, None]),
        st.integers(0, 50),  # minutes
        st.sampled_from([None, "bing", "yelp", "(not set)"]),
    ),
    max_size=12,
    unique_by=lambda each: each[:3],
)


@settings(max_examples=15)
@given(told=VISITS)
def test_visits_are_those_that_a_plain_loop_finds(tmp_path_factory, told):
    expected = {}
    for client, session, minutes, name in sorted(told, key=lambda each: each[2]):
        if client and session:
            visit = expected.setdefault(
                (client, session), [NOON + timedelta(minutes=minutes), None]
            )
            visit[1] = visit[1] or (None if name == "(not set)" else name)
    events = [
        at_session(client=c, session=s, minutes=m, **({"source": n} if n else {}))
        for c, s, m, n in told
    ]
    folder = tmp_path_factory.mktemp("visits")
    write(folder / "events_20261124.ndjson", events)
    found = sorted((r["client_id"], r["at"], r["utm_source"]) for r in loaded(folder))
    assert found == sorted(
        (client, at, name or "(direct)") for (client, _), (at, name) in expected.items()
    )


def test_probe_says_what_is_there(folder):
    with pytest.raises(SourceUnreachable, match="found no file to read"):
        source(folder).probe()
    write(folder / TABLE, [at_session()])
    write(folder / "events_intraday_20261125.ndjson", [at_session()])
    (folder / "notes.txt").write_text("x")
    assert source(folder).probe() == (
        f"{folder} holds 1 daily and 1 intraday event tables to read, 2026-11-24 to 2026-11-25."
    )


def test_settings_that_cannot_be_right_are_named_together(folder):
    with pytest.raises(SourceMisconfigured) as caught:
        source(folder, timezone="Boston", user_id_is="name", traffic_source="x", key_events="a")
    said = str(caught.value)
    assert all(w in said for w in ("timezone", "user_id_is", "traffic_source", "key_events"))
    with pytest.raises(SourceMisconfigured, match="folder is missing; timezone is missing"):
        source("", timezone="")


def test_the_sample_has_as_many_touches_as_it_says(folder):
    assert sample(date(2026, 11, 26), folder) == len(loaded(folder)) == 5


def fivetran():
    """Rows of Fivetran's flat table as events of the export.

    `name`, `timestamp` and `param_*` are the event's name, time and parameters; texts are UTC.
    """
    with EVENTS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            params = {
                k.removeprefix("param_"): v for k, v in row.items() if k[:6] == "param_" and v
            }
            session = params.pop("ga_session_id")
            collected = {
                "manual_source": row["collected_traffic_source_manual_source"] or None,
                "manual_medium": row["collected_traffic_source_manual_medium"] or None,
            }
            at = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            yield event(
                row["name"], at, client=row["user_pseudo_id"], user=row["user_id"],
                session=session, collected=collected, **params,
            )  # fmt: skip


@pytest.mark.parametrize("name", ["events_20240910.parquet", "events_20240910.ndjson"])
def test_the_real_sample_loads_without_a_reject(folder, name):
    events = list(fivetran())
    write(folder / name, events)
    told = {"key_events": ["purchase"], "user_id_is": "crm_id", "timezone": "UTC"}
    items = read(source(folder, **told).slices({}))
    assert rejects(items) == []
    touches = rows(items)
    # Two of the six are one visit.
    assert [t["client_id"] for t in touches if t["kind"] == "session"] == [
        "pseudo_123", "pseudo_456", "pseudo_789", "pseudo_123", "pseudo_124",
    ]  # fmt: skip
    assert [t["crm_id"] for t in touches if t["kind"] == "form"] == ["user_123"]
    assert {t["click_id"] for t in touches if t["click_id"]} == {"gclid_abc", "gclid_ghi"}
