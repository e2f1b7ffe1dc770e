"""Reads the people of a published generation for research: for the holder of a permit only."""

import hmac
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from attribution.paths import Home
from attribution.people import Permit, people
from attribution.raw import fetch
from attribution.research.lattice import Whole
from attribution.research.registry import Drawn, registry_key

# What is read: nothing of a person but this, and nothing that says who they are.
READ = (
    *("age", "age_in", "sex", "zip3", "first_visit", "visits", "service_line", "location"),
    *("condition", "treatment", "paid_micros", "first_channel", "lead_source", "lead_days"),
    *("emails", "texts", "other_messages", "responses", "pollen_visits", "high_pollen_visits"),
    *("air_visits", "poor_air_visits"),
)
_QUERY = f"select person_id, {', '.join(READ)} from research_people"
_BYTES = 8


def read(home: Home, generation: int, permit: Permit, drawn: Drawn | None = None) -> pa.Table:
    """Everybody of the table `research_people`, in no order.

    Columns: `READ`, `tag` (stands for the person in the registry of exports) and, where dates are
    shifted, `shift_weeks`, as likely each number from one end to the other.
    """
    with people(home, generation, permit).connect() as connection:
        table = fetch(connection, _QUERY)
    numbers = table["person_id"].to_numpy()
    table = table.drop_columns(["person_id"])
    table = table.append_column("tag", pa.array(tags(home, numbers)))
    if drawn is not None:
        weeks = _keyed(home, drawn.purpose, numbers) % (2 * drawn.weeks + 1) - drawn.weeks
        table = table.append_column("shift_weeks", pa.array(weeks))
    return table


def tags(home: Home, numbers: Whole) -> Whole:
    """What stands for people, by their numbers, in the registry of exports."""
    return _keyed(home, "research exports", numbers)


def _keyed(home: Home, purpose: str, numbers: Whole) -> Whole:
    """A number from 0 to 2^63 - 1 for each person, which nobody without the key tells from chance.

    BLAKE2b with a key (RFC 7693), made from the registry's own for one purpose.
    """
    key = hmac.digest(registry_key(home), f"caretrace {purpose}".encode(), "sha256")
    content = numbers.astype("<i8").tobytes()
    # A loop over local names: it runs once for each person.
    made = b"".join(
        blake2b(content[at : at + _BYTES], key=key, digest_size=_BYTES).digest()
        for at in range(0, len(content), _BYTES)
    )
    return (np.frombuffer(made, dtype="<u8") >> np.uint64(1)).astype(np.int64)
