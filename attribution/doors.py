"""The door of an installation, for what is hashed elsewhere than when a source is loaded."""

from attribution.keys import keyring
from attribution.paths import Home
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.settings import Settings
from attribution.source_settings import SourceSettings


def door(home: Home, settings: Settings, source: SourceSettings | None = None) -> Door:
    """The door as the refresh has it, for addresses that somebody names."""
    ring = keyring(home)
    return Door(
        ring.hashing[0],
        settings.region,
        source.patient_namespace if source else "emr",
        source.crm_namespace if source else "crm",
        placeholders(home.folder),
        settings.identity.plus_addresses,
        settings.identity.gmail_dots,
        later=ring.hashing[1:],
    )
