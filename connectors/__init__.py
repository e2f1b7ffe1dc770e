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
    "callrail": "connectors.callrail",
    "files": "connectors.files",
    "fhir": "connectors.fhir_server",
    "fhir_files": "connectors.fhir_files",
    "ga4": "connectors.ga4",
    "google_ads": "connectors.google_ads",
    "google_reviews": "connectors.google_reviews",
    "hubspot": "connectors.hubspot",
    "meta_ads": "connectors.meta_ads",
    "microsoft_ads": "connectors.microsoft_ads",
    "yelp": "connectors.yelp",
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
