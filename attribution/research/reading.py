"""Reads the people of a published generation for research: for the holder of a permit only."""

import hmac
from dataclasses import dataclass

import pyarrow as pa

from attribution.paths import Home
from attribution.people import Permit, people
from attribution.privacy import load_key
from attribution.raw import fetch
from attribution.research.rules import Determination

# What is read: nothing of a person but this, and nothing that says who they are.
READ = (
    *("age", "age_in", "sex", "zip3", "first_visit", "visits", "service_line", "location"),
    *("condition", "treatment", "paid_micros", "first_channel", "lead_source", "lead_days"),
    *("emails", "texts", "other_messages", "responses", "pollen_visits", "high_pollen_visits"),
    *("air_visits", "poor_air_visits"),
)
# SHA-256 twice, each time after a key as long as a block of it: NMAC (Bellare et al. 1996), by the
# engine, because a million calls from Python take longer than all the rest.
_KEYED = "sha256('{outer}' || sha256('{inner}' || cast(person_id as varchar)))"
_NUMBER = "cast('0x' || substr({digest}, 1, 15) as bigint)"


@dataclass(frozen=True, slots=True)
class _Keys:
    inner: str
    outer: str

    def number(self) -> str:
        """SQL for a number below 2^60 that nobody without the key can tell from chance."""
        return _NUMBER.format(digest=_KEYED.format(inner=self.inner, outer=self.outer))


def read(
    home: Home, generation: int, permit: Permit, determination: Determination | None = None
) -> pa.Table:
    """Everybody of the table `research_people`, in no order.

    Columns: `READ`, `tag` (stands for the person in the registry of exports) and, under a
    determination, `shift_weeks`.
    """
    tag = _keys(home, "research exports").number()
    drawn = ""
    if determination is not None:
        own = _keys(home, f"dates by {determination.by} on {determination.on}").number()
        span = 2 * determination.weeks + 1
        drawn = f", cast({own} % {span} as integer) - {determination.weeks} as shift_weeks"
    with people(home, generation, permit).connect() as connection:
        return fetch(
            connection, f"select {', '.join(READ)}, {tag} as tag{drawn} from research_people"
        )


def _keys(home: Home, purpose: str) -> _Keys:
    """Two keys of 64 hexadecimal digits, a block of SHA-256 each."""
    key = load_key(home)
    inner, outer = (
        hmac.digest(key, f"caretrace {purpose} {place}".encode(), "sha256").hex()
        for place in ("inner", "outer")
    )
    return _Keys(inner, outer)
