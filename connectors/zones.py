"""The names of time zones there are, looked up once: each look reads hundreds of files."""

from functools import cache
from zoneinfo import available_timezones


@cache
def zones() -> frozenset[str]:
    """Every name that `zoneinfo` knows, such as `America/Chicago`."""
    return frozenset(available_timezones())
