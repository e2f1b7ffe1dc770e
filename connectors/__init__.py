"""Connectors: one file per source. Each yields contract rows and knows no warehouse."""

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)

# kind in `caretrace.toml` -> module; imported only when a source of that kind is configured, so
# that nobody needs a vendor's library for a source they do not have.
SOURCES = {
    "air_quality": "connectors.air_quality",
    "callrail": "connectors.callrail",
    "fhir": "connectors.fhir_server",
    "fhir_files": "connectors.fhir_files",
    "files": "connectors.files",
    "ga4": "connectors.ga4",
    "ga4_export": "connectors.ga4_export",
    "google_ads": "connectors.google_ads",
    "google_reviews": "connectors.google_reviews",
    "hubspot": "connectors.hubspot",
    "message_events": "connectors.message_events",
    "meta_ads": "connectors.meta_ads",
    "microsoft_ads": "connectors.microsoft_ads",
    "pollen": "connectors.pollen",
    "salesforce": "connectors.salesforce",
    "smtp_log": "connectors.smtp_log",
    "spend_sheet": "connectors.spend_sheet",
    "twilio": "connectors.twilio",
    "yelp": "connectors.yelp",
    "zendesk_sell": "connectors.zendesk_sell",
}

__all__ = [
    "SOURCES",
    "SourceBusy",
    "SourceChanged",
    "SourceError",
    "SourceMisconfigured",
    "SourceRefused",
    "SourceUnreachable",
]
