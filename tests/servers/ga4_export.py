"""Tables of GA4's BigQuery export as files, in the shapes in which BigQuery writes them.

    write(folder / "events_20261124.parquet", [event("page_view", at, client="1.2", session=3)])

NDJSON has whole numbers as texts and leaves empty columns out, Parquet has every column.
"""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

VALUE = pa.struct(
    [("string_value", pa.string()), ("int_value", pa.int64()), ("float_value", pa.float64()),
     ("double_value", pa.float64())]
)  # fmt: skip
CAMPAIGN = ("campaign_id", "campaign_name", "source", "medium")
ADS = ("customer_id", "account_name", "campaign_id", "campaign_name", "ad_group_id")
COLLECTED = ("manual_campaign_id", "manual_campaign_name", "manual_source", "manual_medium",
             "manual_term", "manual_content", "gclid", "dclid", "srsltid")  # fmt: skip
PARAMS = pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))


def _texts(names: Iterable[str]) -> pa.DataType:
    return pa.struct([(name, pa.string()) for name in names])


SCHEMA = pa.schema(
    [
        ("event_date", pa.string()),
        ("event_timestamp", pa.int64()),
        ("event_name", pa.string()),
        ("event_params", PARAMS),
        ("event_bundle_sequence_id", pa.int64()),
        ("user_id", pa.string()),
        ("user_pseudo_id", pa.string()),
        ("privacy_info", _texts(("analytics_storage", "ads_storage", "uses_transient_token"))),
        ("user_properties", PARAMS),
        ("device", _texts(("category", "operating_system", "language"))),
        ("geo", _texts(("city", "country", "region"))),
        ("traffic_source", _texts(("name", "medium", "source"))),
        ("stream_id", pa.string()),
        ("platform", pa.string()),
        ("collected_traffic_source", _texts(COLLECTED)),
        (
            "session_traffic_source_last_click",
            pa.struct(
                [
                    ("manual_campaign", _texts(CAMPAIGN)),
                    ("google_ads_campaign", _texts(ADS)),
                    ("cross_channel_campaign", _texts((*CAMPAIGN, "default_channel_group"))),
                ]
            ),
        ),
        ("batch_event_index", pa.int64()),
    ]
)


def event(
    name: str,
    at: datetime,
    *,
    client: str | None = "11.22",
    session: int | str | None = None,
    user: str | None = None,
    page: str = "https://clinic.example/knee-pain",
    collected: dict[str, str] | None = None,
    last_click: dict[str, dict[str, str]] | None = None,
    **params: str | float,
) -> dict[str, Any]:
    """One event as a row of the table; `session` may be the second in which it began."""
    given: dict[str, Any] = {"page_location": page, "engagement_time_msec": 1200, **params}
    if session is not None:
        given["ga_session_id"] = session
    return {
        "event_date": at.strftime("%Y%m%d"),
        "event_timestamp": int(at.timestamp() * 1_000_000),
        "event_name": name,
        "event_params": [{"key": key, "value": _value(value)} for key, value in given.items()],
        "event_bundle_sequence_id": 7,
        "user_id": user,
        "user_pseudo_id": client,
        "geo": {"city": "Boston", "country": "United States", "region": "Massachusetts"},
        "device": {"category": "mobile", "operating_system": "iOS", "language": "en-us"},
        "platform": "WEB",
        "collected_traffic_source": collected,
        "session_traffic_source_last_click": last_click,
        "batch_event_index": 1,
    }


def write(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    """The events as a file, of the format that its name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(events), schema=SCHEMA), path)
        return path
    text = "".join(f"{json.dumps(_as_bigquery(each))}\n" for each in events).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def sample(today: date, folder: Path) -> int:
    """Two days before `today` in UTC: four visits and a lead; returns how many touches."""
    for back in (2, 1):
        day = today - timedelta(days=back)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        began = int(noon.timestamp())
        paid = {"gclid": f"Cj0KCQ-sample-{back}"}
        events = [
            event("session_start", noon, client="1.1", session=began, collected=paid),
            event("page_view", noon + timedelta(seconds=9), client="1.1", session=began),
            event("session_start", noon, client=f"2.{back}", session=began, source="yelp",
                  medium="referral"),
        ]  # fmt: skip
        if back == 1:
            sent = noon + timedelta(minutes=4)
            events.append(event("generate_lead", sent, client="1.1", session=began, lead_id="L-1"))
        write(folder / f"events_{day:%Y%m%d}.{'parquet' if back == 1 else 'ndjson'}", events)
    return 5


def _value(value: str | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"string_value": value}
    return {"int_value": value} if isinstance(value, int) else {"double_value": value}


def _as_bigquery(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _as_bigquery(v) for k, v in value.items() if v is not None and v != []}
    if isinstance(value, list):
        return [_as_bigquery(each) for each in value]
    return str(value) if type(value) is int else value
