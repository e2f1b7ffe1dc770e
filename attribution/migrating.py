"""Moving an installation from one engine to another, and proving that nothing was lost.

Every table of the published generation's private store, and with it every mart, is carried over;
then each is fetched again from both engines, and is the same only if the checksums of its rows are.
The old store is not touched. Until the new one is proved, nothing reads it.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine

from attribution import audit, generations, sql_models, warehouse
from attribution.checksums import checksum
from attribution.engines.carrying import carry
from attribution.engines.duckdb import open_writer
from attribution.errors import BadInput, StorageError
from attribution.lock import only_one
from attribution.paths import Home
from attribution.raw import columns, tables
from attribution.warehouse_url import DUCKDB, POSTGRESQL, SPARK, VARIABLE, kind_of, read, url_of

Say = Callable[[str], None]
# So many rows are compared before the file that they are compared in is closed.
_ROWS_HELD = 100_000


def migrate(home: Home, to: str, say: Say) -> int:
    """Carry the published generation's private store to the engine that `to` names.

    Returns how many tables were carried and proved. Raises BadInput where there is nothing to
    carry or the other engine holds an installation already, StorageError where a table came to be
    another than it was: then nothing of it is left there.
    """
    number = generations.current_generation(home)
    if number is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh` first.")
    target_url, source_url = read(to), url_of(home)
    if target_url == source_url:
        raise BadInput("This is where the installation is already, so there is nothing to carry.")
    if {kind_of(source_url), kind_of(target_url)} == {DUCKDB, SPARK}:
        raise BadInput(
            "DuckDB and Spark both begin from the file in the home folder, so nothing need be "
            f"carried. Set {VARIABLE} and run `caretrace refresh`, which makes all models anew."
        )
    source, target = warehouse.warehouse_at(source_url), warehouse.warehouse_at(target_url)
    models = sql_models.load_models()
    layers = tuple(
        tuple(model.name for model in models if model.layer == layer)
        for layer in ("marts", "people")
    )
    with only_one(home), source.alone(home), _opened(source, home, number) as old:
        with old.connect() as connection:
            names = [name for name in tables(connection) if columns(connection, name)]
            say(f"Carrying {len(names):,} tables of generation {number}.")
            moved = target.receive(home, number, connection, names)
        try:
            rows = _proved(home.generation(number), old, moved.engine, names)
        except BaseException:
            moved.discard()
            raise
        moved.accept(*layers)
    audit.record(home, audit.operator(), audit.MIGRATED, f"generation {number}", tables=len(names))
    say(f"{len(names):,} tables with {rows:,} rows are the same in both places.")
    for sentence in _told(source_url, home.generation(number) / generations.PRIVATE):
        say(sentence)
    return len(names)


def _told(source: URL, store: Path) -> Iterator[str]:
    """What to do next, what becomes of the old store, and how to go back; never an address."""
    yield (
        f"Next: set {VARIABLE} to what you gave with --to, wherever it is set, and run `caretrace "
        "refresh`. Pages need no restart."
    )
    if kind_of(source) == POSTGRESQL:
        yield (
            "The old store was not changed. Nothing reads it from then on, and it stays until you "
            "drop its database."
        )
        place = "an empty database"
    else:
        yield (
            f"The old store, {store}, was not changed. Nothing reads it from then on, and the "
            "fourth refresh from now removes it with its generation."
        )
        place = "what it names now"
    yield (
        f"To go back: before that refresh, leave {VARIABLE} as it is; after it, run `caretrace "
        f"migrate --to` {place}."
    )


def _proved(place: Path, old: Engine, new: Engine, names: Sequence[str]) -> int:
    """Compare every table in a folder; returns how many rows they have together."""
    rows = freed = 0
    with _scratch(place) as engine, old.connect() as a, new.connect() as b, ExitStack() as held:
        # To open the file for each table would take longer than to compare most of them; but what
        # was dropped takes room in it for as long as anybody has it open.
        held.enter_context(engine.connect())
        for name in names:
            with engine.begin() as scratch:
                was = _sum_of(scratch, a, name, like=None)
                became = _sum_of(scratch, b, name, like=name)
            if was != became:
                raise StorageError(
                    f"The table {name} is not the same in both places, so nothing was moved: what "
                    "was carried is taken away again, and the old store still stands. Report it."
                )
            rows += int(was.split("-")[0], 16)
            if rows - freed > _ROWS_HELD:
                held.close()
                held.enter_context(engine.connect())
                freed = rows
    return rows


def _sum_of(scratch: Connection, store: Connection, name: str, *, like: str | None) -> str:
    """The checksum of a table, read anew from its engine; with the types that it had before.

    Types differ between engines where values do not: a day there is a midnight here.
    """
    driver: Any = scratch.connection.driver_connection
    if like is None:
        carry(store, driver, name)
        return checksum(scratch, f'"{name}"')
    driver.execute(f'create table kept_shape as from "{name}" limit 0')
    carry(store, driver, name)
    listed = ", ".join(f'"{column}"' for column in columns(scratch, "kept_shape"))
    driver.execute(f'insert into kept_shape select {listed} from "{name}"')
    found = checksum(scratch, "kept_shape")
    driver.execute("drop table kept_shape")
    driver.execute(f'drop table "{name}"')
    return found


@contextmanager
def _scratch(place: Path) -> Iterator[Engine]:
    """A DuckDB in a generation's folder, for as long as tables are compared.

    What is left of it where that is killed goes with the generation: it holds people's rows.
    """
    with tempfile.TemporaryDirectory(prefix="compared", dir=place) as folder:
        engine = open_writer(
            Path(folder) / "compared.duckdb", memory="1GB", spill=Path(folder) / "spill"
        )
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def _opened(store: warehouse.Warehouse, home: Home, number: int) -> Iterator[Engine]:
    engine = store.open_private(home, number)
    try:
        yield engine
    finally:
        engine.dispose()
