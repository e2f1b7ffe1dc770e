"""The step of a refresh that takes away what must not stay: the forgotten, and what is too old.

It comes after the sources were loaded, so that nothing which they tell again slips in, and before
anything is made of the rows. Where rows went, the private store is written into a new file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from attribution import erasing, generations, retention, warehouse
from attribution.errors import BadInput
from attribution.kept_books import Books, old_payloads, purge_payloads
from attribution.keys import Keyring, keyring
from attribution.lock import only_one
from attribution.paths import Home
from attribution.raw import columns
from attribution.rehashing import bring_up, bring_up_vault
from attribution.retention import PAYLOADS, RUNS, Retention
from attribution.settings import Settings
from attribution.tombstones import Forgotten, bury_records, forgotten
from attribution.vault import open_vault
from connectors.contract import ROWS, contract_fields
from outreach.aging import drop_addresses
from outreach.forgetting import forget as forget_messages

_MARK = "to_rewrite"
_BORN = (1850, 2200)  # wider than what is read now: who was born in 1890 keeps their year


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went: rows of the forgotten, and what was past its time by kind."""

    forgotten: int = 0
    past: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.forgotten + sum(self.past.values())

    @property
    def sentence(self) -> str:
        """What the ledger says: counts, and nothing of anybody."""
        parts = [f"{number:,} of {kind}" for kind, number in self.past.items()]
        told = [f"Past their time: {', '.join(parts)}."] if parts else []
        told += [f"{self.forgotten:,} rows of forgotten people."] if self.forgotten else []
        return " ".join(told) or "Nothing was due."


def prepare(home: Home, building: warehouse.Building) -> tuple[Keyring, Forgotten]:
    """Bring the private store and the vault up to the newest key; who is to be kept out.

    What an earlier version stored and this one would not goes too.
    """
    ring = keyring(home)
    with building.connect() as connection:
        anew = bring_up(connection, ring)
        if drop_birthdays(connection) or anew:
            _mark(connection)
    with open_vault(home) as vault:
        bring_up_vault(vault, ring)
        return ring, forgotten(vault)


def drop_birthdays(connection: Connection) -> int:
    """Empty birth years that are none: earlier versions stored whole birthdays as such."""
    gone = 0
    for row in ROWS:
        if any(f.name == "birth_year" for f in contract_fields(row)):
            table = f"raw_{row.spec.table}"
            wrong = f"birth_year not between {_BORN[0]} and {_BORN[1]}"
            # Asked first: where nothing is wrong, no engine writes anything.
            found = connection.exec_driver_sql(f"select count(*) from {table} where {wrong}")
            if number := int(found.scalar_one()):
                connection.exec_driver_sql(f"update {table} set birth_year = null where {wrong}")
                gone += number
    return gone


def delete(
    home: Home,
    building: warehouse.Building,
    kept: Retention,
    today: date | None = None,
) -> Deleted:
    """Take away what must not stay of a generation that is being built,
    and of the books.
    """
    today = today or datetime.now(UTC).date()
    with open_vault(home) as vault:
        buried = forgotten(vault)
        with building.connect() as connection:
            past = dict(retention.purge(connection, kept, today))
            gone, more = erasing.erase(connection, buried) if buried else (0, [])
            if buried.pending:
                # Now: what outreach sent them would be told to the warehouse again in a moment.
                forget_messages(home, buried.numbers, buried.people)
            if kept.since("contact", today) is not None:
                drop_addresses(connection, home)
            if past or gone:
                _mark(connection)
            marked = _marked(connection)
        if more:
            bury_records(vault, more)
    if marked:
        building.rewrite()
        with building.connect() as connection:
            connection.exec_driver_sql(f"drop table {_MARK}")
    past |= purge_books(home, kept, today)
    return Deleted(gone, past)


def purge_books(home: Home, kept: Retention, today: date) -> dict[str, int]:
    """Delete payloads and books of runs that are past their time; how many of each."""
    found = {}
    if (since := kept.since(PAYLOADS, today)) is not None:
        found[PAYLOADS] = purge_payloads(home, since)
    if (since := kept.since(RUNS, today)) is not None:
        with Books(home) as books:
            found[RUNS] = books.purge_runs(since)
    return {kind: number for kind, number in found.items() if number}


def past(settings: Settings, today: date | None = None) -> dict[str, int]:
    """What is past its time in the published generation and the books, by kind; nothing goes."""
    home, kept = settings.home, settings.retention
    today = today or datetime.now(UTC).date()
    generation = warehouse.current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    engine = warehouse.open_private(home, generation)
    try:
        with engine.connect() as connection:
            found = retention.counts(connection, kept, today)
    finally:
        engine.dispose()
    if (since := kept.since(PAYLOADS, today)) is not None:
        found[PAYLOADS] = old_payloads(home, since)
    if (since := kept.since(RUNS, today)) is not None:
        with Books(home) as books:
            found[RUNS] = books.old_runs(since)
    return {kind: number for kind, number in found.items() if number}


def earlier(home: Home) -> int:
    """How many generations there are beside the published one, which may hold what was due."""
    return sum(number != warehouse.current_generation(home) for number in generations.numbers(home))


def purge_earlier(home: Home) -> int:
    """Remove the generations before the published one, which hold what is past its time; how many.

    Also where nothing of the published one is: a refresh has taken that away, or a purge that was
    killed before it came to them.
    """
    with only_one(home):
        number = warehouse.current_generation(home)
        return 0 if number is None else warehouse.drop_others(home, number)


def due(home: Home, kept: Retention) -> bool:
    """Whether a refresh has anything of the kind to look at."""
    if kept or not home.vault.exists():
        return bool(kept)
    with open_vault(home) as vault:
        return bool(forgotten(vault))


def _mark(connection: Connection) -> None:
    """Note that the file holds bytes of what was deleted; a killed refresh must not lose that."""
    connection.exec_driver_sql(f"create table if not exists {_MARK} (due boolean)")


def _marked(connection: Connection) -> bool:
    return bool(columns(connection, _MARK))
