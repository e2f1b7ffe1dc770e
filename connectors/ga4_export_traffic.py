"""Where an exported event came from: of the four places that say it, the first that does.

Each event says its source in up to four records, and one record is taken whole: a campaign of one
with the medium of another would be a source that never was.
"""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

_CLICK = "session_traffic_source_last_click"
_COLLECTED = "collected_traffic_source"
# Where a value lies in an event -> the name of its column here.
NESTED = {
    (_CLICK, "cross_channel_campaign", "source"): "cross_source",
    (_CLICK, "cross_channel_campaign", "medium"): "cross_medium",
    (_CLICK, "cross_channel_campaign", "campaign_name"): "cross_campaign",
    (_CLICK, "cross_channel_campaign", "campaign_id"): "cross_campaign_id",
    (_CLICK, "google_ads_campaign", "campaign_name"): "ads_campaign",
    (_CLICK, "google_ads_campaign", "campaign_id"): "ads_campaign_id",
    (_CLICK, "manual_campaign", "source"): "manual_source",
    (_CLICK, "manual_campaign", "medium"): "manual_medium",
    (_CLICK, "manual_campaign", "campaign_name"): "manual_campaign",
    (_CLICK, "manual_campaign", "campaign_id"): "manual_campaign_id",
    (_COLLECTED, "manual_source"): "collected_source",
    (_COLLECTED, "manual_medium"): "collected_medium",
    (_COLLECTED, "manual_campaign_name"): "collected_campaign",
    (_COLLECTED, "manual_campaign_id"): "collected_campaign_id",
    (_COLLECTED, "gclid"): "collected_gclid",
    (_COLLECTED, "dclid"): "collected_dclid",
}
PARAMS = (
    "ga_session_id", "page_location", "source", "medium", "campaign", "campaign_id", "gclid",
)  # fmt: skip
TRAFFIC = ("utm_source", "utm_medium", "utm_campaign", "campaign_id")
EVENTS = pa.schema(
    [
        ("at", pa.int64()),  # microseconds since 1970
        *((name, pa.string()) for name in ("event", "client", "user", "session", "lead")),
        ("level", pa.int8()),  # which record its source is of; null where none says it
        *((name, pa.string()) for name in (*TRAFFIC, "click")),
    ]
)
_NOTHING = pa.array(["", "(not set)", "(data not available)", "(other)"])
# Ids of one click. `gbraid` and `wbraid` stand for many people's, `srsltid` for a listing's.
_CLICK_ID = r"[?&](?:gclid|dclid|msclkid|fbclid|ttclid)=(?P<id>[0-9A-Za-z._-]{10,})"


def flat(raw: Mapping[str, pa.Array], *, last_click: bool) -> pa.Table:
    """Events with one source each, in the columns of `EVENTS`."""
    size = len(raw["number"])
    level = pa.nulls(size, pa.int8())
    traffic = [pa.nulls(size, pa.string()) for _ in TRAFFIC]
    records = list(_records(raw)) if last_click else list(_records(raw))[3:]
    # From the last to the first, so that the first that says something stays.
    for number, (says, columns) in reversed(list(enumerate(records))):
        level = pc.if_else(says, pa.scalar(number, pa.int8()), level)
        traffic = [pc.if_else(says, c, t) for c, t in zip(columns, traffic, strict=True)]
    lead = raw.get("lead", pa.nulls(size, pa.string()))
    people = (raw["user_pseudo_id"], raw["user_id"], raw["ga_session_id"], lead)
    columns = [
        raw["event_timestamp"],
        raw["event_name"],
        *(_meant(column) for column in people),
        level,
        *traffic,
        _click_ids(raw),
    ]
    return pa.Table.from_arrays(columns, schema=EVENTS)


def _records(raw: Mapping[str, pa.Array]) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
    """Each record that may say the source: where it does, and what."""

    def record(prefix: str) -> list[pa.Array]:
        names = ("source", "medium", "campaign", "campaign_id")
        return [_meant(raw[f"{prefix}{name}"]) for name in names]

    google = [pa.scalar("google"), pa.scalar("cpc")]
    cross, manual, collected = record("cross_"), record("manual_"), record("collected_")
    yield pc.is_valid(cross[0]), cross
    ads = [_meant(raw["ads_campaign"]), _meant(raw["ads_campaign_id"])]
    yield pc.is_valid(ads[1]), [*google, *ads]
    yield pc.is_valid(manual[0]), manual
    # Auto-tagging says that it was an ad of Google's, and leaves the utm parameters empty.
    tagged = pc.and_(pc.is_valid(_meant(raw["collected_gclid"])), pc.is_null(collected[0]))
    yield tagged, [*google, *collected[2:]]
    yield pc.is_valid(collected[0]), collected
    own = record("")
    yield pc.is_valid(own[0]), own


def _meant(column: pa.Array) -> pa.Array:
    """Values without the placeholders that stand for none."""
    return pc.if_else(pc.is_in(column, value_set=_NOTHING), None, column)


def _click_ids(raw: Mapping[str, pa.Array]) -> pa.Array:
    page = raw["page_location"]
    tagged = pc.fill_null(pc.match_substring_regex(page, r"cl(?:k)?id="), False)
    found = pc.struct_field(pc.extract_regex(page.filter(tagged), _CLICK_ID), "id")
    ids = pc.replace_with_mask(pa.nulls(len(page), pa.string()), tagged, found)
    named = (raw["collected_gclid"], raw["gclid"])
    return pc.coalesce(*map(_meant, named), ids, _meant(raw["collected_dclid"]))
