"""Time zones by name; which names there are is looked up once, as each look reads many files."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from connectors.errors import SourceChanged


@cache
def zones() -> frozenset[str]:
    """Every name that `zoneinfo` knows, such as `America/Chicago`."""
    return frozenset(available_timezones())


def zone_named(name: str, vendor: str) -> ZoneInfo:
    """The time zone that a vendor names; SourceChanged where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SourceChanged(
            f"{vendor} names a time zone that this machine does not know ({name[:40]}); update its "
            "time zone data (tzdata)."
        ) from None
