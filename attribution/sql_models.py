"""The SQL models: one file each, read and ordered by their inputs.

A model is one file; its table has the file's name. Its header says what it holds in a sentence,
its grain (proved unique after it is built) and its inputs (which order the build):

    -- What was converted, week by week.
    -- grain: kind, week
    -- inputs: int_conversions

Where Python solves what SQL counted, `beside` names whole tables that it reads too. A model whose
work would grow out of memory is built for a part of its rows after the other, as many as the rows
of some tables need: `parts: a and b by column` names them and a column that is never null, and its
SQL reads those rows where `column % 1 = 0`. `times 3` at the end: its rows are so narrow that
three times as many fit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pandas as pd

from attribution.errors import TransformError
from attribution.identity_links import holding_sql
from attribution.models.arm_lift import lifts_of
from attribution.models.checks import (
    dates_equal_credit,
    journey_shares_add_up,
    positions_equal_credit,
)
from attribution.models.claim_credit import claim_credit_sql
from attribution.models.credit import credit_groups_sql, credit_leans_sql, credit_sql
from attribution.models.credit_dates import credit_dates_sql
from attribution.models.drivers import experience_drivers
from attribution.models.forecast_table import no_forecasts
from attribution.models.incremental import draws_of
from attribution.models.incremental_shares import shares_of
from attribution.models.journey_credit import journey_credit_sql
from attribution.models.learned import markov_weights, shapley_weights
from attribution.models.maturity import cohort_maturity
from attribution.models.mix import mix_draws
from attribution.models.orders import markov_orders
from attribution.models.positions import channel_shares_sql, companions_sql, positions_sql
from attribution.models.returning import return_calibration, return_chances
from attribution.models.shares import shares_sql
from attribution.paths import SQL

LAYERS = ("staging", "intermediate", "marts", "people")

Solve = Callable[..., pd.DataFrame]
# What SQL counts and Python solves: the model's rows go through the function, which has a few.
SOLVED: dict[str, Solve] = {
    # A refresh puts its own in the place of this one (attribution/forecasting.py).
    "int_forecasts": no_forecasts,
    "int_incremental_draws": draws_of,
    "int_incremental_shares": shares_of,
    "int_markov_orders": markov_orders,
    "int_markov": markov_weights,
    "int_shapley_rate": shapley_weights,
    "int_maturity": cohort_maturity,
    "int_mix_draws": mix_draws,
    "int_return_chances": return_chances,
    "int_return_calibration": return_calibration,
    "int_flow_lifts": lifts_of,
    "int_experience_drivers": experience_drivers,
}
# Models whose SQL is written, from the registry of credit models or from the contract.
WRITTEN: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("int_shares", "intermediate", shares_sql),
    ("credit", "marts", credit_sql),
    ("credit_dates", "marts", credit_dates_sql),
    ("credit_groups", "marts", credit_groups_sql),
    ("credit_leans", "marts", credit_leans_sql),
    ("claim_credit", "marts", claim_credit_sql),
    ("int_channel_shares", "intermediate", channel_shares_sql),
    ("positions", "marts", positions_sql),
    ("companions", "marts", companions_sql),
    ("journey_credit", "people", journey_credit_sql),
    ("stg_holding", "staging", holding_sql),
)
WRITTEN_CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("journey_shares_add_up", journey_shares_add_up),
    ("positions_equal_credit", positions_equal_credit),
    ("dates_equal_credit", dates_equal_credit),
)


@dataclass(frozen=True, slots=True)
class Model:
    """One table (or one check) and the SELECT that makes it; `solve` turns its rows into others."""

    name: str
    layer: str
    sentence: str
    grain: tuple[str, ...]
    inputs: tuple[str, ...]
    sql: str
    solve: Solve | None = None
    beside: tuple[str, ...] = ()
    parts: str = ""  # "table and table by column"

    @property
    def query(self) -> str:
        """The SELECT as a part of a larger statement."""
        return self.sql.strip().rstrip(";")


def read_model(name: str, layer: str, sql: str) -> Model:
    """A model from its text; the header is the comment at the top."""
    header: list[str] = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        if line.startswith("--  ") and header:
            header[-1] += " " + line.removeprefix("--").strip()
        else:
            header.append(line.removeprefix("--").strip())
    said = {
        word: tuple(part.strip() for part in line.removeprefix(f"{word}:").split(","))
        for word in ("grain", "inputs", "beside", "parts")
        for line in header
        if line.startswith(f"{word}:")
    }
    missing = [word for word in ("grain", "inputs") if word not in said and layer != "checks"]
    if not header or not header[0].endswith(".") or missing:
        needs = " and ".join(missing) or "first sentence"
        raise TransformError(f"{layer}/{name}.sql has no {needs} in its header; add it at the top.")
    grain, inputs, beside = (said.get(word, ()) for word in ("grain", "inputs", "beside"))
    parts = ", ".join(said.get("parts", ()))
    return Model(name, layer, header[0], grain, inputs, sql, beside=beside, parts=parts)


def load_models(folder: Path = SQL) -> list[Model]:
    """Every model of `folder` and the one made from the credit registry, in building order."""
    models = [
        read_model(path.stem, layer, path.read_text("utf-8"))
        for layer in LAYERS
        for path in sorted((folder / layer).glob("*.sql"))
    ]
    models = [replace(model, solve=SOLVED.get(model.name)) for model in models]
    made = [read_model(name, layer, write()) for name, layer, write in WRITTEN]
    return in_order([*models, *made])


def load_checks(folder: Path = SQL) -> list[Model]:
    """Every check of `folder` and those written: a query that must return no rows."""
    checks = [
        read_model(path.stem, "checks", path.read_text("utf-8"))
        for path in sorted((folder / "checks").glob("*.sql"))
    ]
    return [*checks, *(read_model(name, "checks", write()) for name, write in WRITTEN_CHECKS)]


def in_order(models: Iterable[Model]) -> list[Model]:
    """Models so that each comes after those it reads."""
    by_name: dict[str, Model] = {}
    for model in models:
        if model.name in by_name:
            raise TransformError(f"Two SQL models are called {model.name}; rename one.")
        by_name[model.name] = model
    graph = {name: {*model.inputs, *model.beside} & set(by_name) for name, model in by_name.items()}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        ring = " reads ".join(error.args[1])
        raise TransformError(f"SQL models go round in a ring: {ring}; break it.") from error


def made_from(models: Sequence[Model], name: str) -> list[Model]:
    """A model and every one that reads it, whichever way round, in the order of `models`."""
    names = {name}
    for model in models:
        if names & {*model.inputs, *model.beside}:
            names.add(model.name)
    return [model for model in models if model.name in names]


def solved_by(models: Sequence[Model], name: str, solve: Solve) -> list[Model]:
    """The models, one of them solved by another function."""
    return [replace(m, solve=solve) if m.name == name else m for m in models]
