"""The raw files of ad platforms, the media agency and the web site."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import xlsxwriter

from attribution.demo import words
from attribution.demo.formats import (
    Tables,
    dollars,
    in_utc,
    text,
    whole,
    write_csv,
    write_parquet,
    written,
)
from attribution.demo.formats import words as said


def write_ads(drop: Path, spend: pd.DataFrame) -> None:
    """One export for each platform, and the agency's workbook for the rest."""
    google = spend[spend["network"].isin(["google", "youtube"])]
    for year, part in google.groupby(pd.DatetimeIndex(google["day"]).year, sort=True):
        write_csv(
            drop / "google_ads" / f"google_ads_{year}.csv",
            {
                "Day": written(part["day"], "%Y-%m-%d"),
                "Campaign ID": text(part["campaign_id"]),
                "Campaign": text(part["campaign"]),
                "Campaign type": said(part["medium"], words.GOOGLE_TYPES),
                "Ad group ID": text(part["ad_group_id"]),
                "Ad group": text(part["ad_group"]),
                "Currency code": text(part["currency"]),
                "Cost": dollars(part["spend"]),
                "Impr.": whole(part["impressions"]),
                "Clicks": whole(part["clicks"]),
                "Conversions": dollars(part["claimed_conversions"]),
                "Conv. value": dollars(part["claimed_value"]),
            },
        )
    _write_meta(drop / "meta_ads" / "meta_ads.csv", spend[spend["network"] == "facebook"])
    _write_microsoft(drop / "microsoft_ads" / "bericht.csv", spend[spend["network"] == "bing"])
    offline = spend[~spend["network"].isin(["google", "youtube", "facebook", "bing"])]
    _write_offline(drop / "media_agency" / "offline_media.xlsx", offline)


def _write_meta(path: Path, part: pd.DataFrame) -> None:
    write_csv(
        path,
        {
            "Reporting starts": written(part["day"], "%m/%d/%Y"),
            "Campaign name": text(part["campaign"]),
            "Campaign ID": text(part["campaign_id"]),
            "Ad set name": text(part["ad_group"]),
            "Ad set ID": text(part["ad_group_id"]),
            "Currency": text(part["currency"]),
            "Amount spent": dollars(part["spend"]),
            "Impressions": whole(part["impressions"]),
            "Link clicks": whole(part["clicks"]),
            "Leads": whole(part["claimed_conversions"]),
            "Leads conversion value": dollars(part["claimed_value"]),
        },
    )


def _write_microsoft(path: Path, part: pd.DataFrame) -> None:
    write_csv(
        path,
        {
            "Datum": written(part["day"], "%d.%m.%Y"),
            "Kampagnen-ID": text(part["campaign_id"]),
            "Kampagne": text(part["campaign"]),
            "Anzeigengruppen-ID": text(part["ad_group_id"]),
            "Anzeigengruppe": text(part["ad_group"]),
            "Währung": text(part["currency"]),
            "Ausgaben": dollars(part["spend"], comma=True),
            "Impressionen": whole(part["impressions"]),
            "Klicks": whole(part["clicks"]),
            "Conversions": dollars(part["claimed_conversions"], comma=True),
            "Umsatz": dollars(part["claimed_value"], comma=True),
        },
        delimiter=";",
        encoding="latin-1",
    )


def _write_offline(path: Path, part: pd.DataFrame) -> None:
    """The agency bills by the week: each week's cost stands on its Monday."""
    path.parent.mkdir(parents=True, exist_ok=True)
    day = pd.DatetimeIndex(part["day"])
    monday = day - pd.to_timedelta(day.day_of_week, unit="D")
    keys = ["monday", "network", "medium", "campaign_id", "campaign"]
    weekly = (
        part.assign(monday=monday)
        .groupby(keys, as_index=False)[["spend", "impressions", "clicks"]]
        .sum()
    )
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    book.set_properties({"created": pd.Timestamp("2024-01-01").to_pydatetime()})
    sheet = book.add_worksheet("Media plan")
    date_format = book.add_format({"num_format": "yyyy-mm-dd"})
    money = book.add_format({"num_format": "#,##0.00"})
    sheet.write_row(0, 0, ["Meridian Media: booked and billed, all placements"])
    header = ["Week of", "Vendor", "Type", "Code", "Placement", "Net cost", "Contacts", "Clicks"]
    sheet.write_row(2, 0, header)
    for number, row in enumerate(weekly.itertuples(index=False), start=3):
        sheet.write_datetime(number, 0, row[0].to_pydatetime(), date_format)
        for column, value in enumerate(row[1:5], start=1):
            sheet.write_string(number, column, str(value))
        sheet.write_number(number, 5, round(float(row[5]), 2), money)
        sheet.write_number(number, 6, int(row[6]))
        sheet.write_number(number, 7, int(row[7]))
    book.close()


def write_claims(drop: Path, claims: pd.DataFrame) -> None:
    """Each platform's report of its conversions, by action and by what it counts."""
    google = claims[claims["network"].isin(["google", "youtube"])]
    write_csv(
        drop / "google_ads" / "google_conversions.csv",
        {
            "Day": written(google["day"], "%Y-%m-%d"),
            "Campaign ID": text(google["campaign_id"]),
            "Campaign": text(google["campaign"]),
            "Campaign type": said(google["medium"], words.GOOGLE_TYPES),
            "Ad group ID": text(google["ad_group_id"]),
            "Conversion action": text(google["action"]),
            "Window": text(google["attribution_window"]),
            "Ad event": said(google["counted_by"], words.GOOGLE_EVENTS),
            "All conv.": dollars(google["conversions"]),
            "All conv. value": dollars(google["value"]),
            "Currency code": text(google["currency"]),
        },
    )
    meta = claims[claims["network"] == "facebook"]
    write_csv(
        drop / "meta_ads" / "meta_conversions.csv",
        {
            "Reporting starts": written(meta["day"], "%m/%d/%Y"),
            "Campaign name": text(meta["campaign"]),
            "Campaign ID": text(meta["campaign_id"]),
            "Ad set ID": text(meta["ad_group_id"]),
            "Result indicator": text(meta["action"]),
            "Attribution window": text(meta["attribution_window"]),
            "Counted": text(meta["counted_by"]),
            "Results": whole(meta["conversions"]),
            "Results value": dollars(meta["value"]),
            "Currency": text(meta["currency"]),
        },
    )
    bing = claims[claims["network"] == "bing"]
    write_csv(
        drop / "microsoft_ads" / "zielvorhaben.csv",
        {
            "Datum": written(bing["day"], "%d.%m.%Y"),
            "Kampagnen-ID": text(bing["campaign_id"]),
            "Kampagne": text(bing["campaign"]),
            "Anzeigengruppen-ID": text(bing["ad_group_id"]),
            "Ziel": text(bing["action"]),
            "Zeitfenster": text(bing["attribution_window"]),
            "Conversions": dollars(bing["conversions"], comma=True),
            "Umsatz": dollars(bing["value"], comma=True),
            "Währung": text(bing["currency"]),
        },
        delimiter=";",
        encoding="latin-1",
    )


def write_web(folder: Path, tables: Tables) -> None:
    """The analytics export by day, and the event table by person."""
    counted = tables["web_sessions"]
    write_csv(
        folder / "ga4_traffic.csv",
        {
            "date": written(counted["day"], "%Y%m%d"),
            "sessionSource": text(counted["utm_source"]),
            "sessionMedium": text(counted["utm_medium"]),
            "sessionCampaignId": text(counted["campaign_id"]),
            "sessionCampaignName": text(counted["utm_campaign"]),
            "landingGroup": text(counted["landing_group"]),
            "sessions": whole(counted["sessions"]),
            "engagedSessions": whole(counted["engaged_sessions"]),
            "keyEvents": whole(counted["key_events"]),
        },
    )
    events = tables["touchpoint"]
    columns = {
        "event_id": text(events["touch_id"]),
        "event_time": pa.array(in_utc(events["at"])),
        "event_name": said(events["kind"], words.EVENTS).dictionary_encode(),
        "user_pseudo_id": text(events["client_id"]),
        "click_ref": text(events["click_id"]),
        "form_email": text(events["email"]),
        "portal_mrn": text(events["patient_id"]),
        "source": text(events["utm_source"]).dictionary_encode(),
        "medium": text(events["utm_medium"]).dictionary_encode(),
        "campaign": text(events["utm_campaign"]).dictionary_encode(),
        "page_topic": text(events["service_line"]).dictionary_encode(),
        "page_clinic": text(events["location"]).dictionary_encode(),
    }
    write_parquet(folder / "touchpoints.parquet", columns)
