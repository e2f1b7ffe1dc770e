"""The credit engine alone: from touchpoints in DuckDB to credit, in units of one pass over them.

    python benchmarks/engine.py 10 50

G is the processor time of one `group by person_id` over the same touchpoints in the same run. For
each size in millions of touchpoints (four a person in half a year, 20 channels, and 1.5% as many
conversions, each within 20 days after a touch of its person, lookback 30 days) the SQL of the
product is timed as it stands in `sql` and in the registry of credit models:

- rules over all conversions: journeys, shares and credit under the seven rules;
- sort, rules and exact Markov of order 1 to 3: that, the touches of journeys that led to nothing,
  their states, and the removal effects of every kind and order;
- all models over all conversions: the same under every model that shares journeys;
- learned models: the journeys that led to nothing, states and sets, Markov and Shapley, solved;
- rules over every journey (`--every`): the seven rules where every person's touches are a journey,
  as if each had converted after the last of them;
- a cut of stored credit by two dimensions, at ten million rows.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

from attribution.model_tables import in_parts
from attribution.models import WEIGHED
from attribution.models.chains import solutions
from attribution.models.credit import credit_sql
from attribution.models.learned import chain_of, markov_weights, shapley_weights
from attribution.models.orders import markov_orders
from attribution.models.parameters import KINDS, CreditSettings, setting_tables
from attribution.models.shares import shares_sql
from attribution.sql_models import load_models

TOUCHES = """
create table int_touches as
select
    (hash(i, 3) % {people})::bigint as person_id,
    timestamptz '2024-01-01 00:00:00+00' + to_seconds((hash(i, 1) % 15552000)::bigint)
        as touched_at,
    1 as tie,
    (1 + hash(i, 4) % 60)::int as map_id,
    (1 + hash(i, 4) % 20)::int as channel_id,
    hash(i, 4) % 20 = 7 as is_direct,
    1 as line_id
from range({touches}) as t(i)
"""
CONVERSIONS = """
create table int_conversions as
select
    row_number() over (order by mark) as conversion_id,
    'kept' as kind,
    person_id,
    touched_at + to_seconds((hash(mark, 6) % 1728000)::bigint) as decided_at,
    decided_at - interval 30 day as opens_at,
    null::timestamptz as closed_at,
    false as drops_direct,
    false as collapses,
    0 as gap_seconds,
    null::timestamptz as lead_at,
    null::timestamptz as booked_at,
    list_value('ortho', 'dental', 'skin', 'primary')[1 + (hash(mark, 7) % 4)::int]
        as service_line,
    list_value('north', 'south', 'east')[1 + (hash(mark, 8) % 3)::int] as "location",
    date_trunc('week', decided_at)::date as "week",
    'USD' as currency,
    1::bigint as conversions,
    (hash(mark, 9) % 500000000)::bigint as value_micros
from (select *, person_id * 31 + epoch(touched_at)::bigint as mark from int_touches) as marked
where hash(mark, 77) % 1000 < 15
"""
# Of every person one, after the last touch: whoever never came is given credit for as well.
EVERY = """
create or replace table int_conversions as
select
    row_number() over () as conversion_id,
    'kept' as kind,
    person_id,
    max(touched_at) as decided_at,
    max(touched_at) - interval 400 day as opens_at,
    null::timestamptz as closed_at,
    false as drops_direct,
    false as collapses,
    0 as gap_seconds,
    null::timestamptz as lead_at,
    null::timestamptz as booked_at,
    'ortho' as service_line,
    'north' as "location",
    date '2024-01-01' as "week",
    'USD' as currency,
    1::bigint as conversions,
    1000000::bigint as value_micros
from int_touches
group by person_id
"""
MAP = """
create table int_channel_map as
select
    i::int as map_id,
    (1 + i % 20)::int as channel_id,
    'channel_' || (i % 20) as channel,
    'campaign ' || i as campaign
from range(1, 61) as t(i)
"""
INCREMENTAL = """
create table int_incremental as
select
    kind, '' as channel, '' as campaign, service_line, "location", "week", currency,
    conversions::decimal(38, 12) as conversions, value_micros
from int_conversions limit 0
"""
SLICES = """
create table credit as
select
    list_value('first', 'last', 'linear', 'markov', 'position')[1 + (i % 5)::int] as model,
    list_value('lead', 'booked', 'kept', 'collected')[1 + (hash(i, 1) % 4)::int] as kind,
    'channel_' || (hash(i, 2) % 20) as channel,
    'campaign ' || (hash(i, 3) % 400) as campaign,
    'line ' || (hash(i, 4) % 12) as service_line,
    'place ' || (hash(i, 5) % 20) as "location",
    date '2024-01-01' + 7 * (i // 96154)::int as "week",
    'USD' as currency,
    (hash(i, 6) % 1000) / 100.0::double as conversions,
    (hash(i, 7) % 90000000)::bigint as value_micros
from range(10000000) as t(i)
order by model, kind, channel, campaign, service_line, "location", "week"
"""
RULES = {name: model for name, model in WEIGHED.items() if name not in ("shapley_sum",)}
RULES = {name: model for name, model in RULES.items() if not model.learned}
SOLVED = {
    "int_markov_orders": markov_orders,
    "int_markov": markov_weights,
    "int_shapley_rate": shapley_weights,
}
COUNTED = (
    *("int_kinds", "int_lost_spans", "int_lost_touches", "int_lost_journeys"),
    *("int_states", "int_markov_orders", "int_group_states", "int_markov"),
    *("int_group_sets", "int_shapley_rate"),
    "int_learned_weights",
)


class Engine:
    """A store with made-up touchpoints, and what each part of the engine takes of the processor."""

    def __init__(self, folder: Path, memory: str) -> None:
        self.store = duckdb.connect(str(folder / "engine.duckdb"))
        self.store.execute(f"set threads = 2; set memory_limit = '{memory}'")
        self.store.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        self.store.execute("set enable_progress_bar = false")
        self.models = {model.name: model for model in load_models()}

    def fill(self, touches: int) -> None:
        self.store.execute(TOUCHES.format(touches=touches, people=touches // 4))
        for statement in (CONVERSIONS, MAP, INCREMENTAL):
            self.store.execute(statement)
        lookback = CreditSettings(lookback_days=dict.fromkeys(KINDS, 30))
        for name, frame in setting_tables(lookback).items():
            self.store.register("frame", frame)
            self.store.execute(f"create table {name} as from frame")
            self.store.unregister("frame")

    def build(self, name: str, sql: str | None = None) -> None:
        """A model's table, of the same parts of people as in a refresh."""
        if name in SOLVED:
            frame = SOLVED[name](self.store.execute(self.models[name].query).df())
            self.store.register("frame", frame)
            sql = "from frame"
        first, *others = [sql] if sql else in_parts(self.models[name], self.count)
        self.store.execute(f"create or replace table {name} as {first}")
        for other in others:
            self.store.execute(f"insert into {name} {other}")

    def count(self, sql: str) -> int:
        (found,) = self.store.execute(sql).fetchone() or (0,)
        return int(found)

    def pass_over_people(self) -> float:
        """G: the quickest of three."""
        count = "select count(*) from (select person_id, count(*) from int_touches group by 1)"
        return min(timed(lambda: self.store.execute(count).fetchall()) for _ in range(3))

    def removal_effects(self, order: int) -> None:
        """Exact, of each kind of conversion: what `learn_markov` solves, of everybody at once."""
        before = [f"before_{place}" for place in range(1, 5)]
        kept = ", ".join(
            column if place < order else f"0 as {column}" for place, column in enumerate(before)
        )
        states = self.store.execute(
            f"select kind, is_won, is_last, channel_id, {kept}, sum(journeys)::bigint as journeys"
            " from int_states group by all order by all"
        ).df()
        for _, rows in states.groupby("kind"):
            chain, channels = chain_of(rows, order)
            if chain.converting.any():
                for part in solutions(chain, np.arange(-1, len(channels))):
                    assert (part.chance[0] <= 1).all()


def timed(work: object) -> float:
    """Processor seconds of a call, all threads."""
    began = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - began


def measure(millions: float, memory: str, *, every: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(Path(scratch), memory)
        engine.fill(int(millions * 1_000_000))
        unit = engine.pass_over_people()
        say(f"{millions:g} million touchpoints, G", unit, unit)
        journeys = timed(lambda: engine.build("int_journey_touches"))
        rules = timed(lambda: engine.build("int_shares", shares_sql(RULES)))
        rules += timed(lambda: engine.build("credit", credit_sql(RULES)))
        say("rules over all conversions", journeys + rules, unit)
        took = {name: timed(lambda name=name: engine.build(name)) for name in COUNTED}
        sort = sum(took[name] for name in COUNTED[: COUNTED.index("int_lost_journeys")])
        sort += took["int_states"]
        solved = [timed(lambda order=order: engine.removal_effects(order)) for order in (1, 2, 3)]
        say("sort, rules and exact Markov 1 to 3", journeys + rules + sort + sum(solved), unit)
        learned = sum(took.values())
        say("learned models, counted and solved", learned, unit)
        for name, seconds in took.items():
            if seconds > unit / 2:
                say(f"  of them {name}", seconds, unit)
        shared = sum(
            timed(lambda name=name: engine.build(name)) for name in ("int_shares", "credit")
        )
        say("all models over all conversions", journeys + shared, unit)
        say("from touchpoints to credit under all models", journeys + learned + shared, unit)
        groups = timed(lambda: engine.build("credit_groups"))
        groups += timed(lambda: engine.build("credit_leans"))
        say("what intervals need", groups, unit)
        if every:
            engine.store.execute(EVERY)
            whole = timed(lambda: engine.build("int_journey_touches"))
            whole += timed(lambda: engine.build("int_shares", shares_sql(RULES)))
            whole += timed(lambda: engine.build("credit", credit_sql(RULES)))
            say("rules over every journey", whole, unit)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  peak memory {peak:.2f} GiB", flush=True)


def say(what: str, seconds: float, unit: float) -> None:
    print(f"  {what}: {seconds:.2f} CPU s, {seconds / unit:.1f} G", flush=True)


def slices() -> None:
    """Stored credit by two dimensions: the worst of all pairs, cold and warm."""
    with tempfile.TemporaryDirectory() as scratch:
        store = duckdb.connect(str(Path(scratch) / "slices.duckdb"))
        store.execute("set threads = 2; set enable_progress_bar = false")
        store.execute(SLICES)
        names = ("kind", "channel", "campaign", "service_line", '"location"', '"week"')
        took = {}
        for number, one in enumerate(names):
            for other in names[number + 1 :]:
                query = (
                    f"select {one}, {other}, sum(conversions), sum(value_micros) from credit"
                    " where model = 'markov' group by 1, 2"
                )
                took[one, other] = min(
                    wall(lambda query=query: store.execute(query).fetchall()) for _ in range(3)
                )
        worst = max(took, key=lambda pair: took[pair])
        middle = sorted(took.values())[len(took) // 2]
        print(
            f"stored credit by two dimensions, 10 million rows: median {1000 * middle:.0f} ms, "
            f"worst {1000 * took[worst]:.0f} ms ({' by '.join(worst)})"
        )


def wall(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", nargs="+", type=float)
    parser.add_argument("--memory", default="1200MB", help="what the engine may take (1200MB)")
    parser.add_argument("--every", action="store_true", help="rules over every journey too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.millions[0], options.memory, every=options.every)
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for millions in options.millions:  # a process each, so that its peak memory is its own
        command = [sys.executable, __file__, str(millions), "--memory", options.memory, "--here"]
        command += ["--every"] if options.every else []
        subprocess.run(command, check=True)
    slices()


if __name__ == "__main__":
    main()
