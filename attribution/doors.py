"""The door of an installation, for what is hashed elsewhere than when a source is loaded."""

from attribution.keys import Keyring, keyring
from attribution.paths import Home
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.settings import Settings
from attribution.source_settings import SourceSettings


def door(home: Home, settings: Settings, source: SourceSettings | None = None) -> Door:
    """The door as the refresh has it, for addresses that somebody names."""
    names = (source.patient_namespace, source.crm_namespace) if source else ("emr", "crm")
    return door_of(settings, keyring(home), names)


def door_of(settings: Settings, ring: Keyring, namespaces: tuple[str, str]) -> Door:
    """The door of a source whose patients and contacts have these namespaces."""
    return Door(
        ring.hashing[0],
        settings.region,
        *namespaces,
        placeholders(settings.home.folder),
        settings.identity.plus_addresses,
        settings.identity.gmail_dots,
        later=ring.hashing[1:],
    )
