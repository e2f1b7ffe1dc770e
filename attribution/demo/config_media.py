"""The part of the demo's caretrace.toml that maps ad platforms, the web site and calls."""

ADS = """
[sources.google_ads]
kind = "files"
folder = {drop[google_ads]}
timezone = "America/Chicago"
[[sources.google_ads.files]]
match = "google_ads_*.csv"
row = "ad_spend"
constants = {{ timezone = "America/Chicago", network = "google" }}
values.medium = {{ Search = "cpc", Display = "display", Video = "video" }}
[sources.google_ads.files.columns]
day = "Day"
campaign_id = "Campaign ID"
campaign = "Campaign"
ad_group_id = "Ad group ID"
ad_group = "Ad group"
medium = "Campaign type"
currency = "Currency code"
spend = "Cost"
impressions = "Impr."
clicks = "Clicks"
claimed_conversions = "Conversions"
claimed_value = "Conv. value"
[[sources.google_ads.files]]
match = "google_conversions.csv"
row = "claimed_conversions"
constants = {{ timezone = "America/Chicago", network = "google", dated = "touch" }}
[sources.google_ads.files.columns]
day = "Day"
campaign_id = "Campaign ID"
campaign = "Campaign"
ad_group_id = "Ad group ID"
medium = "Campaign type"
action = "Conversion action"
attribution_window = "Window"
counted_by = "Ad event"
conversions = "All conv."
value = "All conv. value"
currency = "Currency code"
[sources.google_ads.files.values]
medium = {{ Search = "cpc", Display = "display", Video = "video" }}
counted_by = {{ Clicks = "click", "View-throughs" = "view" }}

[sources.meta_export]
kind = "files"
folder = {drop[meta_ads]}
[[sources.meta_export.files]]
match = "meta_ads.csv"
row = "ad_spend"
date_format = "%m/%d/%Y"
constants = {{ timezone = "America/Chicago", network = "facebook", medium = "paid_social" }}
[sources.meta_export.files.columns]
day = "Reporting starts"
campaign_id = "Campaign ID"
campaign = "Campaign name"
ad_group_id = "Ad set ID"
ad_group = "Ad set name"
currency = "Currency"
spend = "Amount spent"
impressions = "Impressions"
clicks = "Link clicks"
claimed_conversions = "Leads"
claimed_value = "Leads conversion value"
[[sources.meta_export.files]]
match = "meta_conversions.csv"
row = "claimed_conversions"
date_format = "%m/%d/%Y"
[sources.meta_export.files.constants]
timezone = "America/Chicago"
network = "facebook"
medium = "paid_social"
dated = "conversion"
[sources.meta_export.files.columns]
day = "Reporting starts"
campaign_id = "Campaign ID"
campaign = "Campaign name"
ad_group_id = "Ad set ID"
action = "Result indicator"
attribution_window = "Attribution window"
counted_by = "Counted"
conversions = "Results"
value = "Results value"
currency = "Currency"

[sources.microsoft_ads]
kind = "files"
folder = {drop[microsoft_ads]}
[[sources.microsoft_ads.files]]
match = "bericht.csv"
row = "ad_spend"
encoding = "latin-1"
delimiter = ";"
decimal = ","
date_format = "%d.%m.%Y"
constants = {{ timezone = "America/Chicago", network = "bing", medium = "cpc" }}
[sources.microsoft_ads.files.columns]
day = "Datum"
campaign_id = "Kampagnen-ID"
campaign = "Kampagne"
ad_group_id = "Anzeigengruppen-ID"
ad_group = "Anzeigengruppe"
currency = "Währung"
spend = "Ausgaben"
impressions = "Impressionen"
clicks = "Klicks"
claimed_conversions = "Conversions"
claimed_value = "Umsatz"
[[sources.microsoft_ads.files]]
match = "zielvorhaben.csv"
row = "claimed_conversions"
encoding = "latin-1"
delimiter = ";"
decimal = ","
date_format = "%d.%m.%Y"
[sources.microsoft_ads.files.constants]
timezone = "America/Chicago"
network = "bing"
medium = "cpc"
counted_by = "click"
dated = "touch"
[sources.microsoft_ads.files.columns]
day = "Datum"
campaign_id = "Kampagnen-ID"
campaign = "Kampagne"
ad_group_id = "Anzeigengruppen-ID"
action = "Ziel"
attribution_window = "Zeitfenster"
conversions = "Conversions"
value = "Umsatz"
currency = "Währung"

[sources.media_agency]
kind = "files"
folder = {drop[media_agency]}
[[sources.media_agency.files]]
match = "*.xlsx"
row = "ad_spend"
sheet = "Media plan"
header_row = 3
constants = {{ timezone = "America/Chicago", currency = "USD" }}
[sources.media_agency.files.columns]
day = "Week of"
campaign_id = "Code"
campaign = "Placement"
ad_group_id = ""
ad_group = ""
network = "Vendor"
medium = "Type"
spend = "Net cost"
impressions = "Contacts"
clicks = "Clicks"
"""

WEB = """
[sources.website]
kind = "files"
folder = {drop[website]}
timezone = "America/Chicago"
[[sources.website.files]]
match = "ga4_traffic.csv"
row = "web_sessions"
date_format = "%Y%m%d"
constants = {{ timezone = "America/Chicago" }}
[sources.website.files.columns]
day = "date"
utm_source = "sessionSource"
utm_medium = "sessionMedium"
campaign_id = "sessionCampaignId"
utm_campaign = "sessionCampaignName"
landing_group = "landingGroup"
engaged_sessions = "engagedSessions"
key_events = "keyEvents"
[[sources.website.files]]
match = "touchpoints.parquet"
row = "touchpoint"
[sources.website.files.columns]
touch_id = "event_id"
at = "event_time"
kind = "event_name"
email = "form_email"
patient_id = "portal_mrn"
client_id = "user_pseudo_id"
click_id = "click_ref"
utm_source = "source"
utm_medium = "medium"
utm_campaign = "campaign"
service_line = "page_topic"
location = "page_clinic"
[sources.website.files.values.kind]
ad_impression = "impression"
ad_click = "click"
session_start = "session"
generate_lead = "form"
newsletter_open = "email_open"
newsletter_click = "email_click"
mail_drop = "direct_mail"
physician_referral = "referral"

[sources.call_tracking]
kind = "files"
folder = {drop[call_tracking]}
timezone = "America/Chicago"
[[sources.call_tracking.files]]
match = "*.csv"
row = "call"
datetime_format = "%m/%d/%Y %I:%M %p"
values.answered = {{ "Answered Call" = "yes", "Missed Call" = "no" }}
[sources.call_tracking.files.columns]
call_id = "Call ID"
started_at = "Start Time"
seconds = "Duration (seconds)"
answered = "Call Status"
phone = "Phone Number"
client_id = "GA Client ID"
first_time_caller = "First-Time Caller"
tags = "Tags"
service_line = "Department"
location = "Office"
"""
