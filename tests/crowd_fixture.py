"""One crowd on which engines must agree: ties, pauses, refunds, direct visits, nothing at all.

What laws of credit find on DuckDB holds on another engine where both make the same tables of it.
"""

from datetime import timedelta
from random import Random

import pandas as pd
from credit_reference import CHANNEL
from engines_fixture import difference
from motley_fixture import motley
from sqlalchemy import Connection
from warehouse_fixtures import Warehouse, appointment, at, payment, touch

from attribution import transform
from attribution.models.parameters import CreditSettings
from attribution.raw import columns, fetch, lent, tables
from connectors.contract import Row

_START = at("2022-01-01")
_STATUS = ("proposed", "booked", "fulfilled", "fulfilled", "arrived", "noshow")
_AMOUNTS = ("0", "0.01", "33.33", "100", "-20", "123456.789012")


def crowd(people: int, seed: int = 20261127) -> list[Row]:
    """Touches, appointments and payments of so many people, many of them in the same moment."""
    random = Random(seed)
    rows: list[Row] = []

    def when(days: int) -> object:
        return _START + timedelta(hours=6 * random.randrange(days * 4))

    for number in range(people):
        who, days = f"person {number}", random.choice((2, 75, 1250))
        rows += [
            touch(
                f"{who} t{i}", who, when(days), random.choice(sorted(CHANNEL)),
                kind=random.choice(("form", "session")),
            )
            for i in range(random.randrange(12))
        ]  # fmt: skip
        for i in range(random.randrange(4)):
            booked = when(days)
            starts = booked + timedelta(days=random.randrange(90))
            rows.append(appointment(f"{who} a{i}", who, booked, starts, random.choice(_STATUS)))
        rows += [
            payment(
                f"{who} p{i}", who, when(days), random.choice(_AMOUNTS),
                appointment_id=f"{who} a{random.randrange(4)}",
            )
            for i in range(random.randrange(4))
        ]  # fmt: skip
    return rows


def taken_to(there: Connection, people: int, each: int) -> Warehouse:
    """A crowd and rows of every kind, in memory, and all that models read on another engine too."""
    # Days that are thousands of half-lives: a weight beyond the least number there is.
    store = Warehouse(CreditSettings(half_life_days=0.01))
    loaded = [name for name in tables(store.connection) if columns(store.connection, name)]
    store.build(*crowd(people), *motley(people, each))
    for name in loaded:
        with lent(there, fetch(store.connection, f"select * from {name}")) as incoming:
            there.exec_driver_sql(f"create table {name} as select * from {incoming}")
    return store


def differing(store: Warehouse, there: Connection) -> dict[str, str]:
    """What differs of each table that was built, here and on another engine.

    Every check is asked on both, and raises where it finds a row.
    """
    transform.build(there, store.models)
    for connection in (store.connection, there):
        transform.run_checks(connection)
    found: dict[str, str] = {}
    for model in store.models:
        asked = f"select * from {model.name}"
        one, other = (
            pd.DataFrame(fetch(connection, asked).to_pandas())
            for connection in (store.connection, there)
        )
        if words := difference(one, other, model.grain):
            found[model.name] = words
    return found
