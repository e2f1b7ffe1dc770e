"""A refresh of few models, for tests of all that stands round them: loads, locks, kills, disks.

What a refresh goes on from is what was loaded, the vault and the ledger; every model is made of
those anew. So where models are not what is tested, these stand for all.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pytest
from warehouse_fixtures import MODELS_IN_ORDER, made_of

from attribution import sql_models, viewer_marts, warehouse
from attribution.paths import Home

# All that marts are made of beside the vault; when it was loaded says nothing of what it is.
_ROWS = "select columns(c -> c not in ('run_id', 'loaded_at')) from {name} order by all"


def stored(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every raw table of the published generation, whichever refresh loaded them.

    Models are the same, byte for byte, where these are: so few of them and all of these stand for
    a comparison of everything.
    """
    path = home.generation(warehouse.current_generation(home) or 0) / "private.duckdb"
    with duckdb.connect(str(path), read_only=True) as store:
        names = store.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, 'raw_')"
        ).fetchall()
        return {name: store.execute(_ROWS.format(name=name)).fetchall() for (name,) in names}


_WHOLE = [
    (owner, name, getattr(owner, name))
    for owner, name in (
        (sql_models, "load_models"),
        (sql_models, "load_checks"),
        (viewer_marts, "write"),
    )
]
# Of each layer one or more, and of each system of the small clinic.
FEW = ("spend", "conversions", "links")


def build_only(names: Iterable[str] = FEW) -> None:
    """From now on a refresh of this process builds these models, and what they are made of.

    It runs the checks of no other models, and tells viewers nothing.
    """
    few = made_of(names)
    left_out = {model.name for model in MODELS_IN_ORDER} - {model.name for model in few}
    checks = [check for check in sql_models.load_checks() if not left_out & {*check.inputs}]
    sql_models.load_models = lambda: few
    sql_models.load_checks = lambda: checks
    viewer_marts.write = lambda *_marts, **_how: None


@contextmanager
def few_models(names: Iterable[str] = FEW) -> Iterator[None]:
    """The same, until the end of the block."""
    with all_models():
        build_only(names)
        yield


@contextmanager
def all_models() -> Iterator[None]:
    """Every model until the end of the block, whatever is left out around it."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, whole in _WHOLE:
            patch.setattr(owner, name, whole)
        yield
