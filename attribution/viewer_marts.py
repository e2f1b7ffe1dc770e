"""The marts that viewers read: those of the generation with every small cell folded.

They are written beside the marts, into a file of the same tables, so that pages and reports ask
either in the same words. What is told is in `attribution.viewer_cells` and, of marts that are
declared here, in `attribution.small_cells`. A mart that is in none of the lists below is empty for
viewers: nobody has shown yet that it is safe.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution import viewer_cells, viewer_paths, viewer_patients
from attribution.errors import TransformError
from attribution.raw import fetch, lent
from attribution.small_cells import LEAST, OTHER, Cube, protected
from attribution.transform import checksum
from attribution.viewer_cells import WEEKS, Told, block_of

VIEWERS, BEFORE = "viewers", "before"  # how the file, and the one published before, are attached
ALL = "(all)"  # what credit says of service lines and places
VERSION = "2"  # of these rules; all blocks are told anew when it changes

# Nothing in these is counted of people: money spent, traffic, how models fared, differences of
# shares of many, rows of sources.
AS_THEY_ARE = (
    "sessions",
    "unmapped",
    "rejected",
    "coverage",
    "incremental_draws",
    "flow_lifts",
    "reviews",  # what a site shows to everybody, of nobody in particular
)
CUBES = (
    Cube(
        "reactivation",
        keys=("channel", "campaign", "months_silent", "service_line", "location"),
        counts=("silent", "contacted", "engaged", "booked", "kept"),
        parts=(
            ("silent", "contacted"),
            ("contacted", "engaged"),
            ("silent", "booked"),
            ("engaged_or_booked", "booked"),
            ("booked", "kept"),
        ),
        by=("cohort_month", "arm", "currency"),
        untold=("retained",),
    ),
    Cube(
        # Of one flow and channel in four weeks, each person is in one cell: people have one wish.
        "engagement",
        keys=("channel_wish",),
        counts=("sent", "delivered", "responded"),
        parts=(("sent", "delivered"), ("delivered", "responded")),
        by=("flow", "channel", "purpose", "topic", "weeks", "week"),
        untold=("opened", "machine_opened", "clicked", "replied", "opted_out"),
    ),
    Cube(
        "fatigue",
        keys=(),
        counts=("people", "responders"),
        parts=(("people", "responders"),),
        by=("window_days", "channel", "had"),
        # Messages beside people would say how many people had two.
        untold=(
            *("messages", "responded", "opted_out", "messages_squared", "responded_squared"),
            *("opted_out_squared", "messages_responded", "messages_opted_out"),
        ),
    ),
    Cube(
        "experience",
        keys=("service_line", "location"),
        # Each person is in one class: what is left of all of them is one or two of the others.
        counts=("people", "promoters", "passives", "detractors", "answered"),
        parts=(("people", "answered"),),
        by=("kind", "month"),
    ),
)
# Of the messages that bring silent patients back `reactivation` tells already, and nothing twice.
ASKED = {
    "engagement": "where weeks = 4 and topic <> 'reactivation' and week + interval '21' day <= ("
    "select cast(value as date) from main.about where key = 'last_week')",
}
# The tables, beside the marts, whose rows say by what rules all the others were counted.
RULES = (
    *("setting_report", "setting_credit", "setting_model", "setting_uncounted", "setting_kept"),
    *("campaign_rules", "channel_rules", "platform_rules", "lapse_rules", "setting_silence"),
)
# All that is read here and is no mart: where the private store is elsewhere, it must come along.
BESIDE = (
    *RULES,
    *("int_conversions", "int_shares", "int_channel_map", "int_won_paths", "int_lost_paths"),
)


def write(connection: Connection, marts: Mapping[str, Sequence[str]], *, follows: bool) -> None:
    """Write every table of `marts` into the attached file, each in the order of its grain.

    `follows` says that the generation published before is attached too: what it told stands.
    Raises TransformError where a cell of fewer than `LEAST` people would be told.
    """
    said = _said(connection, "main")
    rules = _rules(connection)
    earlier = _said(connection, f"{BEFORE}.main") if follows else {}
    if earlier.get("rules") != rules:
        earlier = {}
    since, until = _reach(said, earlier)
    named = {}
    numbers = {"cells": int(earlier.get("cells", 0)), "folded": int(earlier.get("folded", 0))}
    for mart, tell in (
        ("conversions", _conversions),
        ("conversions_weekly", _weekly),
        ("credit", _credit),
    ):
        told = tell(connection, since, until, _names(connection, mart) if earlier else None)
        named[mart] = told
        numbers["cells"] += told.cells
        numbers["folded"] += told.folded
    for mart, told in named.items():
        _carry_on(connection, mart, told, keep=bool(earlier))
    for cube in CUBES:
        if cube.name in marts:
            _cube(connection, cube, follows=bool(earlier))
    if set(viewer_patients.MARTS) <= set(marts):
        _patients(connection, follows=bool(earlier))
    ways = set(viewer_paths.MARTS) <= set(marts)
    quarter = _paths(connection, said, earlier) if ways else ""
    _spend(connection)
    _incremental(connection)
    if "removal_effect" in marts:
        _removal_effects(connection)
    for mart in AS_THEY_ARE:
        if mart in marts:
            _create(connection, mart, f"select * from main.{mart}")
    _about(connection, said, until, {"rules": rules, "told_quarter": quarter, **numbers})
    present = _tables(connection)
    for mart in marts:
        if mart not in present:
            _create(connection, mart, f"select * from main.{mart} where false")


def _said(connection: Connection, schema: str) -> dict[str, str]:
    rows = connection.exec_driver_sql(f"select key, value from {schema}.about").all()
    return {str(key): str(value) for key, value in rows}


def _rules(connection: Connection) -> str:
    return " ".join([VERSION, *(checksum(connection, table) for table in RULES)])


def _reach(said: Mapping[str, str], earlier: Mapping[str, str]) -> tuple[str, str]:
    """The first and the last block that are told now and were not before."""
    first, last = (pd.Timestamp(said.get(key, "2018-01-01")) for key in ("first_week", "last_week"))
    blocks = pd.date_range("2018-01-01", last, freq=f"{WEEKS * 7}D")
    over = blocks[blocks + pd.Timedelta(weeks=WEEKS - 1) <= last]
    if "told_until" in earlier:
        over = over[over > pd.Timestamp(earlier["told_until"])]
    else:
        over = over[over + pd.Timedelta(weeks=WEEKS) > first]
    if not len(over):
        return "9999-01-01", earlier.get("told_until", "2018-01-01")
    return f"{over[0]:%Y-%m-%d}", f"{over[-1]:%Y-%m-%d}"


def _names(connection: Connection, mart: str) -> pd.DataFrame | None:
    frame = _frame(connection, f"from {BEFORE}.told_names where mart = '{mart}'")
    if frame.empty:
        return None
    part = ["part"] if mart == "credit" else []
    return frame[[*part, "first", "second", "allowed"]]


def _conversions(
    connection: Connection, since: str, until: str, names: pd.DataFrame | None
) -> Told:
    told = viewer_cells.places(connection, since, until, names)
    _labelled(
        connection,
        "conversions",
        told,
        f"""
        select
            c.kind, l.told_service_line as service_line, l.told_location as location,
            l.block as week, report.currency,
            cast(sum(c.conversions) as bigint) as conversions,
            cast(sum(case when c.currency = report.currency then c.value_micros else 0 end)
                as bigint) as value_micros
        from main.conversions as c
        cross join main.setting_report as report
        inner join labels as l
            on {block_of("c.week")} = l.block
            and c.service_line = l.service_line and c.location = l.location
        group by all
        """,
    )
    return told


def _weekly(connection: Connection, since: str, until: str, _names: object) -> Told:
    told = viewer_cells.weeks(connection, since, until)
    _labelled(
        connection,
        "conversions_weekly",
        told,
        f"""
        select
            c.kind,
            coalesce(try_cast(l.told_week as date), l.block) as week,
            report.currency,
            cast(sum(c.conversions) as bigint) as conversions,
            cast(sum(case when c.currency = report.currency then c.value_micros else 0 end)
                as bigint) as value_micros
        from main.conversions as c
        cross join main.setting_report as report
        inner join labels as l
            on {block_of("c.week")} = l.block and c.kind = l.kind
            and cast(c.week as varchar) = l.week
        group by all
        """,
    )
    return told


def _credit(connection: Connection, since: str, until: str, names: pd.DataFrame | None) -> Told:
    told = viewer_cells.credited(connection, since, until, names)
    # A channel without touches, which the incremental model credits, is a cell by itself: what it
    # is given is a share of the whole block, and says nothing of whom.
    _labelled(
        connection,
        "credit",
        told,
        f"""
        select
            c.model, c.kind,
            case
                when l.channel is not null then l.told_channel
                when stands.stands = 0 then '{OTHER}'
                else c.channel
            end as channel,
            case
                when l.channel is not null then l.told_campaign
                when stands.stands is not null then '{OTHER}'
                else c.campaign
            end as campaign,
            '{ALL}' as service_line, '{ALL}' as location, parts.block as week, report.currency,
            cast(sum(cast(c.conversions as decimal(38, 12))) as double) as conversions,
            cast(sum(case when c.currency = report.currency then c.value_micros else 0 end)
                as bigint) as value_micros
        from main.credit as c
        cross join main.setting_report as report
        inner join (select distinct kind, block from labels) as parts
            on {block_of("c.week")} = parts.block and c.kind = parts.kind
        left join labels as l
            on parts.block = l.block and c.kind = l.kind
            and c.channel = l.channel and c.campaign = l.campaign
        left join (
            select
                kind, block, channel,
                max(case when told_channel = channel then 1 else 0 end) as stands
            from labels group by all
        ) as stands
            on parts.block = stands.block and c.kind = stands.kind and c.channel = stands.channel
        where l.channel is not null or c.model = 'incremental'
        group by all
        """,
    )
    return told


def _labelled(connection: Connection, mart: str, told: Told, sql: str) -> None:
    labels = told.labels
    if labels.empty:
        # Of no block: the columns have a type all the same.
        labels = labels.astype("str").assign(block=pd.to_datetime(pd.Series(dtype="str")))
    labels = labels.assign(block=pd.to_datetime(labels["block"]).dt.date)
    known = {"block": pa.date32()}
    schema = pa.schema([(f"{name}", known.get(f"{name}", pa.string())) for name in labels])
    with lent(connection, pa.Table.from_pandas(labels, schema, preserve_index=False)) as incoming:
        connection.exec_driver_sql(f"create or replace temp table labels as from {incoming}")
    few = viewer_cells.unsafe(connection, told)
    if few:
        raise TransformError(_FEW.format(few=few, mart=mart, least=LEAST))
    connection.exec_driver_sql(f"create table {VIEWERS}.new_{mart} as {sql}")
    connection.exec_driver_sql("drop table labels")


_FEW = (
    "{few} cells of {mart} would tell viewers of fewer than {least} people; nothing was published. "
    "Report it: it is a fault of the program."
)
_GRAIN = {
    "conversions": "kind, service_line, location, week, currency",
    "conversions_weekly": "kind, week, currency",
    "credit": "model, kind, channel, campaign, service_line, location, week, currency",
}


def _carry_on(connection: Connection, mart: str, told: Told, *, keep: bool) -> None:
    """What was told before, and the new blocks after it."""
    own = f"{VIEWERS}.main"
    before = f" union all by name from {BEFORE}.{mart}" if keep else ""
    rows = f"from {own}.new_{mart}{before}"
    _create(connection, mart, f"select * from ({rows})", _GRAIN[mart])
    connection.exec_driver_sql(f"drop table {own}.new_{mart}")
    names = told.names.rename(columns={"kind": "part"}).assign(mart=mart)
    if "part" not in names:
        names = names.assign(part="")
    columns = ("mart", "part", "first", "second", "allowed")
    schema = pa.schema([(n, pa.bool_() if n == "allowed" else pa.string()) for n in columns])
    with lent(connection, pa.Table.from_pandas(names, schema, preserve_index=False)) as incoming:
        connection.exec_driver_sql(
            f"create table if not exists {own}.told_names as from {incoming} limit 0"
        )
        connection.exec_driver_sql(f"insert into {own}.told_names from {incoming}")


def _cube(connection: Connection, cube: Cube, *, follows: bool) -> None:
    """Write a declared mart."""
    grain = ", ".join((*cube.by, *cube.keys))
    asked = ASKED.get(cube.name, "")
    frame = _frame(connection, f"from main.{cube.name} {asked} order by {grain}")
    known = follows and cube.name in _tables(connection, BEFORE)
    before = _frame(connection, f"from {BEFORE}.{cube.name}") if known else None
    if before is not None:
        before = before.assign(**dict.fromkeys(cube.untold, 0))
    if cube.name == "reactivation":
        frame = _as_steps(frame)
        before = None if before is None else _as_steps(before)
    rows = protected(cube, frame, before)
    if cube.name == "reactivation":
        rows = rows.drop(columns="engaged_or_booked")
    _prove(cube, rows if cube.name != "reactivation" else _as_steps(rows))
    _write(connection, cube, rows)


def _patients(connection: Connection, *, follows: bool) -> None:
    """Write the marts of patients, each of which is folded on the cells of another."""
    follows = follows and set(viewer_patients.MARTS) <= _tables(connection, BEFORE)
    frames = [
        {
            name: _frame(connection, f"from {place}.{name} {only}")
            for name, only in viewer_patients.ASKED.items()
        }
        for place in ("main", BEFORE)[: 1 + follows]
    ]
    for cube, rows in viewer_patients.told(*frames):
        _prove(cube, rows)
        _write(connection, cube, rows)


def _paths(connection: Connection, said: Mapping[str, str], earlier: Mapping[str, str]) -> str:
    """Write the ways of quarters that are over, after those that were told; the last of them."""
    since = earlier.get("told_quarter", "")
    told = viewer_paths.tell(connection, since or "2000-01-01", said["last_day"])
    for mart, rows in told.items():
        columns = ", ".join(
            f"cast({name} as {kind}) as {name}" for name, kind in _types(connection, mart)
        )
        before = f" union all by name from {BEFORE}.{mart}" if since else ""
        with lent(connection, pa.Table.from_pandas(rows, preserve_index=False)) as incoming:
            _create(connection, mart, f"select {columns} from {incoming}{before}")
    newest = told["path_lags"]["quarter"].max() if len(told["path_lags"]) else None
    return since if newest is None else f"{pd.Timestamp(newest):%Y-%m-%d}"


def _write(connection: Connection, cube: Cube, rows: pd.DataFrame) -> None:
    with lent(connection, pa.Table.from_pandas(rows, preserve_index=False)) as incoming:
        columns = ", ".join(
            f"cast({'null' if name in cube.untold else name} as {kind}) as {name}"
            for name, kind in _types(connection, cube.name)
        )
        grain = ", ".join((*cube.by, *cube.keys))
        _create(connection, cube.name, f"select {columns} from {incoming}", grain)


def _as_steps(frame: pd.DataFrame) -> pd.DataFrame:
    """With those who were engaged or, where nobody was contacted, booked by themselves.

    Whoever is kept again is not told: it comes late, and few at a time.
    """
    steps = frame[["engaged", "booked"]].max(axis=1).where(frame["contacted"] == 0)
    return frame.assign(
        engaged_or_booked=steps.fillna(frame["engaged"]).astype("int64"), retained=0
    )


def _prove(cube: Cube, rows: pd.DataFrame) -> None:
    """The cheap law that always holds, whoever made the rows: nought or enough people."""
    counted = cube.counted(rows)
    few = int((((counted != 0) & (counted < LEAST)).any(axis=1)).sum())
    if few:
        raise TransformError(_FEW.format(few=few, mart=cube.name, least=LEAST))


def _frame(connection: Connection, sql: str) -> pd.DataFrame:
    frame: pd.DataFrame = fetch(connection, sql).to_pandas()
    return frame


def _types(connection: Connection, mart: str) -> list[tuple[str, str]]:
    described = connection.exec_driver_sql(f"describe main.{mart}").all()
    return [(str(name), str(kind)) for name, kind, *_ in described]


def _spend(connection: Connection) -> None:
    """Spend, under the service lines and places that have names there."""
    known = f"select distinct %s from {VIEWERS}.conversions"
    columns = ", ".join(
        f"case when {name} in (select {name} from main.conversions)"
        f" and {name} not in ({known % name}) then '{OTHER}' else {name} end as {name}"
        for name in ("service_line", "location")
    )
    grain = "channel, campaign, service_line, location, week, currency"
    _create(
        connection,
        "spend",
        f"select channel, campaign, {columns}, week, currency,"
        " cast(sum(spend_micros) as bigint) as spend_micros,"
        " cast(sum(impressions) as bigint) as impressions, cast(sum(clicks) as bigint) as clicks"
        " from main.spend group by all",
        grain,
    )


def _removal_effects(connection: Connection) -> None:
    """Removal effects of the channels that are told by their names.

    An effect times all conversions is about how many ran through a channel: of one that is folded
    everywhere that would be its small cell again.
    """
    _create(
        connection,
        "removal_effect",
        f"""
        select effects.* from main.removal_effect as effects
        inner join (
            select distinct kind, channel from {VIEWERS}.credit where model <> 'incremental'
        ) as told
            on effects.kind = told.kind and effects.channel = told.channel
        """,
        "kind, channel",
    )


def _incremental(connection: Connection) -> None:
    """What the incremental model says, as shares of what viewers are told was converted."""
    _create(
        connection,
        "incremental",
        f"""
        select
            i.* replace (
                coalesce(i.share * told.conversions, 0) as conversions,
                cast(coalesce(i.value_micros * told.conversions / nullif(whole.conversions, 0), 0)
                    as bigint) as value_micros,
                i.low * told.conversions / nullif(whole.conversions, 0) as low,
                i.high * told.conversions / nullif(whole.conversions, 0) as high
            )
        from main.incremental as i
        left join (
            select kind, cast(sum(conversions) as double) as conversions
            from {VIEWERS}.conversions group by kind
        ) as told on i.kind = told.kind
        left join (
            select kind, sum(conversions) as conversions from main.incremental group by kind
        ) as whole on i.kind = whole.kind
        """,
        "kind, channel",
    )


def _about(
    connection: Connection, said: Mapping[str, str], until: str, more: Mapping[str, object]
) -> None:
    kept = {key: said[key] for key in ("currency", "timezone", "visits_since") if key in said}
    last = pd.Timestamp(until) + pd.Timedelta(weeks=WEEKS - 1)
    first = _frame(connection, f"select min(week) as week from {VIEWERS}.conversions")["week"].iloc[
        0
    ]
    kept |= {
        "first_week": f"{pd.Timestamp(first):%Y-%m-%d}" if pd.notna(first) else said["first_week"],
        "last_week": f"{last:%Y-%m-%d}",
        "last_day": f"{last + pd.Timedelta(days=6):%Y-%m-%d}",
        "told_until": until,
        "weeks_together": str(WEEKS),
        **{key: str(value) for key, value in more.items()},
    }
    rows = pa.table({"key": list(kept), "value": list(kept.values())})
    with lent(connection, rows) as incoming:
        _create(connection, "about", f"from {incoming}", "key")


def _create(connection: Connection, mart: str, sql: str, grain: str = "all") -> None:
    connection.exec_driver_sql(f"create table {VIEWERS}.{mart} as {sql} order by {grain}")


def _tables(connection: Connection, place: str = VIEWERS) -> set[str]:
    rows = connection.exec_driver_sql(
        f"select table_name from duckdb_tables() where database_name = '{place}'"
    ).all()
    return {str(name) for (name,) in rows}
