"""Audiences: whom a flow means, asked of the private store of the published generation.

Each is one SELECT with `person_id`, `occasion` and whatever its templates say. It runs read-only,
with everything but the data switched off; no row of it leaves this package but into the outbox.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from attribution import warehouse
from attribution.errors import BadInput, Busy
from attribution.keys import keyring
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from attribution.rehashing import stamp
from outreach.flow import Flow

NEEDED = {"person_id", "occasion"}


@contextmanager
def private_store(home: Home, generation: int) -> Iterator[Any]:
    """The driver's connection to the private store of a generation, for the length of a block.

    Raises Busy where it is hashed under another key than what outreach keeps: nobody would be
    found, and no refusal either.
    """
    engine = warehouse.open_private(home, generation)
    names = keyring(home).names
    try:
        with engine.connect() as connection:
            under = stamp(connection) or names[0]
    finally:
        engine.dispose()
    if under != names[-1]:
        raise Busy(
            "Other keys are taking over. Run `caretrace keys rotate`, which goes on where "
            "it was stopped, then begin again."
        )
    with warehouse.asked(home, generation) as driver:
        yield driver


def generation_of(home: Home) -> int:
    """The published generation; raises where there is none yet."""
    number = warehouse.current_generation(home)
    if number is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    return number


class Published:
    """The private store of whatever generation is published when it is asked."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._number: int | None = None
        self._open: Any = None

    def __enter__(self) -> "Published":
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def number(self) -> int:
        """The generation that is published now."""
        return generation_of(self._home)

    def driver(self) -> Any:
        """The private store that is published now."""
        number = self.number()
        if number != self._number:
            self._let_go()
            self._open = private_store(self._home, number)
            self._driver = self._open.__enter__()
            self._number = number
        return self._driver

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None


def ask(driver: Any, flow: Flow, settings: Outreach, now: datetime) -> dict[str, str]:
    """Run a flow's audience into the temporary table `asked`; its columns and their types.

    Raises BadInput where it cannot be run, lacks a column, or names somebody twice.
    """
    zone = driver.execute("select timezone from setting_report").fetchone()[0]
    given = {**flow.parameters, "now": now, "timezone": zone}
    driver.register("told_providers", _providers(settings))
    try:
        sql = f"create or replace temp table asked as {flow.sql.strip().rstrip(';')}"
        driver.execute(sql, {name: given[name] for name in flow.asked})
        described = driver.execute("describe asked").fetchall()
    except duckdb.Error as error:
        # Its first line names tables and columns, never a row.
        reason = str(error).splitlines()[0]
        raise BadInput(f"The audience {flow.audience} cannot be asked: {reason}") from None
    finally:
        driver.unregister("told_providers")
    columns = {str(row[0]): str(row[1]) for row in described}
    if missing := sorted(NEEDED - columns.keys()):
        raise BadInput(f"The audience {flow.audience} has no column {' and no '.join(missing)}.")
    twice = driver.execute(
        "select count(*) from (select 1 from asked where person_id is not null"
        " group by person_id, occasion having count(*) > 1) as twice"
    ).fetchone()[0]
    if twice:
        raise BadInput(
            f"The audience {flow.audience} names {twice:,} people twice for one occasion, who "
            "would be written to twice. Give it one row for each person and occasion."
        )
    return columns


def people_by_now(driver: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with the person whom their record means in this store.

    They were planned by another: a refresh since may have joined two people into one.
    """
    owners = pa.table({"owner": pa.array([row["owner"] for row in rows], pa.string())})
    driver.register("owners", owners)
    try:
        meant = dict(
            driver.execute(
                "select owners.owner, identity.person_id from owners "
                "inner join identity on owners.owner = identity.identifier"
            ).fetchall()
        )
    finally:
        driver.unregister("owners")
    return [row | {"person_id": meant.get(row["owner"], row["person_id"])} for row in rows]


def demo_now(driver: Any) -> datetime:
    """When it is in a simulated health system: the evening of its last kept visit."""
    at: datetime = driver.execute("select max(visited_at) from int_visits").fetchone()[0]
    return at


def _providers(settings: Outreach) -> pa.Table:
    known: Mapping[str, Mapping[str, str]] = settings.providers
    return pa.table(
        {
            "provider": pa.array(list(known), pa.string()),
            "has_video": pa.array([bool(each.get("video")) for each in known.values()], pa.bool_()),
        }
    )
