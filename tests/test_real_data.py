"""Files of other people's systems, through the connector or the mapping that a user would take.

`docs/real-data.md` says of every file under `shared/data` what becomes of it. FHIR, Salesforce, GA4
and most of HubSpot are in the tests of those connectors.
"""

import csv
import gzip
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

import pytest
from conftest import ROOT, SHARED
from connector_fixtures import of
from servers.google_ads import Customer, GoogleAdsServer
from servers.google_ads import spend as google_spend
from servers.hubspot import HubSpotServer
from servers.hubspot_objects import activity, stamp
from servers.meta import MetaServer

from connectors import files, google_ads, hubspot, meta_ads
from connectors.contract import AdSpend, Contact, Link, Preference, Touchpoint
from connectors.errors import SourceMisconfigured
from connectors.patience import Patience
from connectors.source import Columns, Context, Rejected

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADS, HUBSPOT = SHARED / "ads_fivetran", SHARED / "crm_hubspot_fivetran"
QUICK = Patience(attempts=2, first_wait=0.001, jitter=0, socket_seconds=10, call_seconds=20,
                 sleep=lambda _seconds: None)  # fmt: skip


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(module, options, *, first_day, now=NOW):
    opened = module.connect(Context("real", "1", options, now, first_day, lambda *_: None))
    return [item for piece in opened.slices({}) for item in piece.read()]


def moved(rows):
    """How far to move days so that the last of them was yesterday: who asks goes back by months."""
    return timedelta(days=(NOW.date() - max(date.fromisoformat(r["date"]) for r in rows)).days - 1)


def summed(rows, key, amounts):
    found = defaultdict(lambda: [0] * len(amounts))
    for row in rows:
        for place, amount in enumerate(amounts):
            found[key(row)][place] += Decimal(row[amount] or 0)
    return found


def test_googles_campaigns_and_ad_groups_add_up(monkeypatch):
    monkeypatch.setattr(google_ads, "PATIENCE", QUICK)
    groups, campaigns = (
        lines(ADS / "google_ads_ad_group_stats_data.csv"),
        lines(ADS / "google_ads_campaign_stats_data.csv"),
    )
    grouped = {row["campaign_id"] for row in groups}
    later, got = moved(groups + campaigns), ("cost_micros", "impressions", "clicks", "conversions")
    told = [
        *summed(groups, lambda r: (r["date"], r["campaign_id"], r["id"]), got).items(),
        # A campaign that has ad groups is told by them.
        *summed((r for r in campaigns if r["id"] not in grouped),
                lambda r: (r["date"], r["id"], ""), got).items(),
    ]  # fmt: skip
    rows = [
        google_spend(
            date.fromisoformat(day) + later, campaign, group, spend=cost / 1_000_000,
            impressions=int(seen), clicks=int(clicked), claimed_conversions=float(claimed),
        )
        for (day, campaign, group), (cost, seen, clicked, claimed) in told
    ]  # fmt: skip
    with GoogleAdsServer(Customer(rows=rows)) as server:
        options = {"customer_ids": ["1234567890"], **server.options}
        items = read(google_ads, options, first_day=min(row.day for row in rows))
    spent = of(AdSpend, items)
    assert of(Rejected, items) == []
    assert len(spent) == len(rows)
    of_groups = sum(Decimal(row["cost_micros"]) for row in groups)
    of_others = sum(Decimal(r["cost_micros"]) for r in campaigns if r["id"] not in grouped)
    assert sum(row.spend for row in spent) * 1_000_000 == of_groups + of_others


def test_metas_ads_add_up_to_their_ad_sets(monkeypatch):
    monkeypatch.setattr(meta_ads, "PATIENCE", QUICK)
    ads = lines(ADS / "facebook_ads_basic_ad_data.csv")
    home = {r["id"]: r for r in lines(ADS / "facebook_ads_ad_history_data.csv")}
    names = {r["id"]: r["name"] for r in lines(ADS / "facebook_ads_campaign_history_data.csv")}
    later = moved(ads)
    told = summed(
        ads, lambda r: (r["date"], home[r["ad_id"]]["ad_set_id"]),
        ("spend", "impressions", "inline_link_clicks"),
    )  # fmt: skip
    campaign = {row["ad_set_id"]: row["campaign_id"] for row in home.values()}
    rows = [
        AdSpend(
            day=date.fromisoformat(day) + later, timezone="America/New_York",
            campaign_id=campaign[ad_set], campaign=names[campaign[ad_set]], ad_group_id=ad_set,
            ad_group="set", network="meta", medium="paid_social", currency="USD", spend=spend,
            impressions=int(seen), clicks=int(clicked), claimed_conversions=0.0,
            claimed_value=Decimal(0),
        )
        for (day, ad_set), (spend, seen, clicked) in told.items()
    ]  # fmt: skip
    with MetaServer(rows) as server:
        options = {"ad_account": "1234", "endpoint": server.url, "access_token": server.token}
        items = read(meta_ads, options, first_day=min(row.day for row in rows))
    assert of(Rejected, items) == []
    assert {row.ad_group_id for row in of(AdSpend, items)} == set(campaign)
    assert sum(row.spend for row in of(AdSpend, items)) == sum(Decimal(r["spend"]) for r in ads)


def by_mapping(folder, *mappings):
    options = {"folder": str(folder), "timezone": "UTC", "files": list(mappings)}
    items = read(files, options, first_day=date(2015, 1, 1))
    tables = [item.table.to_pylist() for item in of(Columns, items)]
    return [row for table in tables for row in table], of(Rejected, items)


@pytest.mark.parametrize("by", ["country", "region"])
def test_metas_breakdowns_load_by_a_mapping(by):
    name = f"facebook_ads_demographics_{by}_data.csv"
    rows, rejected = by_mapping(ADS, {
        "match": name, "row": "ad_spend",
        "columns": {"day": "date", "campaign_id": "account_id", "campaign": "account_id",
                    "ad_group_id": by, "ad_group": by, "clicks": "inline_link_clicks"},
        "constants": {"network": "meta", "medium": "paid_social", "currency": "USD",
                      "timezone": "UTC"},
    })  # fmt: skip
    said = lines(ADS / name)
    assert (len(rows), rejected) == (len(said), [])
    assert sum(row["spend_micros"] for row in rows) == sum(
        Decimal(row["spend"]) * 1_000_000 for row in said
    )


def test_weekly_spend_of_a_table_with_a_column_for_each_channel():
    """Robyn's simulated weeks: each column is read by a mapping of its own."""
    path = SHARED / "mmm_robyn" / "dt_simulated_weekly.csv"
    said = lines(path)
    channels = {"tv_S": "tv", "ooh_S": "billboard", "print_S": "print", "facebook_S": "paid_social",
                "search_S": "cpc"}  # fmt: skip
    rows, rejected = by_mapping(path.parent, *(
        {
            "match": path.name, "row": "ad_spend", "columns": {"day": "DATE", "spend": column},
            "constants": {"campaign_id": medium, "campaign": medium, "network": medium,
                          "medium": medium, "ad_group_id": "", "ad_group": "", "currency": "EUR",
                          "timezone": "UTC"},
        }
        for column, medium in channels.items()
    ))  # fmt: skip
    assert (len(said), len(rows), rejected) == (208, 5 * 208, [])
    for column, medium in channels.items():
        weeks = [row["spend_micros"] for row in rows if row["campaign_id"] == medium]
        # The file has more digits than a millionth.
        exact = sum(Decimal(row[column]) for row in said) * 1_000_000
        assert abs(sum(weeks) - exact) <= len(said) / 2


def test_sessions_without_a_day_and_a_person_are_refused_by_name():
    """UCI's sessions have a month without a year: no day can be made of it."""
    with gzip.open(SHARED / "sessions_uci" / "online_shoppers_intention.csv.gz", "rt") as file:
        header = next(csv.reader(file))
    assert "Month" in header
    assert not [name for name in header if re.search("date|user|client|time", name, re.I)]
    mapping = {
        "match": "*.gz", "row": "web_sessions",
        "constants": {"timezone": "UTC", "utm_source": "x", "utm_medium": "x", "campaign_id": "",
                      "utm_campaign": "", "landing_group": "", "sessions": 1,
                      "engaged_sessions": 1, "key_events": 0},
    }  # fmt: skip
    with pytest.raises(SourceMisconfigured, match="day has no column and no constant"):
        by_mapping(SHARED / "sessions_uci", mapping | {"columns": {"day": ""}})


def test_hubspots_merges_lists_and_e_mails(monkeypatch):
    """Merges as the audit has them, members of a list, and an e-mail that came in."""
    monkeypatch.setattr(hubspot, "PATIENCE", QUICK)
    merges = lines(HUBSPOT / "contact_merge_audit_data.csv")
    members = [
        row
        for row in lines(HUBSPOT / "contact_list_member_data.csv")
        if row["contact_list_id"] == "1070" and row["_fivetran_deleted"] == "false"
    ]
    (mail,) = lines(HUBSPOT / "engagement_email_data.csv")
    made = datetime(2020, 1, 1, tzinfo=UTC)
    with HubSpotServer() as server:
        server.scopes = {"contacts", "emails", "lists"}
        for merge in merges:
            at = datetime.fromisoformat(merge["timestamp"]).replace(tzinfo=UTC)
            server.restate(Contact(merge["canonical_vid"], made, made))
            properties = server.objects["contacts"][merge["canonical_vid"]]["properties"]
            properties["hs_merged_object_ids"] = merge["vid_to_merge"]
            properties["hs_calculated_merged_vids"] = (
                f"{merge['vid_to_merge']}:{round(at.timestamp() * 1000)}"
            )
        server.lists["1070"] = [
            (row["contact_id"], datetime.fromisoformat(row["added_at"]).replace(tzinfo=UTC))
            for row in members
        ]
        changed = datetime.fromisoformat(mail["property_hs_lastmodifieddate"]).replace(tzinfo=UTC)
        server.objects["emails"][mail["engagement_id"]] = activity(
            datetime.fromisoformat(mail["property_hs_timestamp"]).replace(tzinfo=UTC), ("5555",),
            hs_email_direction="INCOMING_EMAIL", hs_lastmodifieddate=stamp(changed),
        )  # fmt: skip
        options = {
            "access_token": server.token, "endpoint": server.url, "load": ["contacts", "emails"],
            "suppression_lists": ["1070"],
        }  # fmt: skip
        items = read(
            hubspot, options, first_day=date(2019, 12, 1), now=datetime(2022, 4, 1, tzinfo=UTC)
        )
    assert of(Rejected, items) == []
    assert {(row.crm_id, row.other_crm_id) for row in of(Link, items)} == {
        (row["canonical_vid"], row["vid_to_merge"]) for row in merges
    }
    suppressed = {row.crm_id for row in of(Preference, items) if row.crm_id}
    assert suppressed == {row["contact_id"] for row in members}
    (came,) = of(Touchpoint, items)
    assert (came.kind, came.crm_id) == ("chat", "5555")


def test_what_becomes_of_every_file_is_written_down():
    """Each file has a line, each line a file, and the lines say how many rows there are."""
    said = (ROOT / "docs" / "real-data.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([^`]+)` \| ([\d,]+)", said, flags=re.M))
    found = dict.fromkeys(told, 0)
    for path in SHARED.glob("*/*"):
        name = path.relative_to(SHARED).as_posix()
        line = next((pattern for pattern in told if fnmatchcase(name, pattern)), None)
        assert line is not None, name
        with (gzip.open if name.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
            found[line] += sum(1 for _ in csv.DictReader(file)) if ".csv" in name else 1
    assert found == {line: int(count.replace(",", "")) for line, count in told.items()}
