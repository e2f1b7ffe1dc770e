"""What viewers are told of conversions and credit: block by block of weeks, and never again.

Which cells stand by their names is in `attribution.viewer_cells`; here they are written.
"""

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution import viewer_cells
from attribution.errors import TransformError
from attribution.raw import lent
from attribution.small_cells import LEAST, OTHER
from attribution.viewer_cells import Told, block_of
from attribution.viewer_file import BEFORE, FEW, VIEWERS, create, frame_of

ALL = "(all)"  # what credit says of service lines and places

# Of conversions and their money, in the currency of reports.
_SUMS = """
            cast(sum(c.conversions) as bigint) as conversions,
            cast(sum(case when c.currency = report.currency then c.value_micros else 0 end)
                as bigint) as value_micros"""


def names_told(connection: Connection, mart: str) -> pd.DataFrame | None:
    """What was said of names before: first, second and allowed; None where nothing was."""
    frame = frame_of(connection, f"from {BEFORE}.told_names where mart = '{mart}'")
    if frame.empty:
        return None
    part = ["part"] if mart == "credit" else []
    return frame[[*part, "first", "second", "allowed"]]


def conversions(connection: Connection, since: str, until: str, names: pd.DataFrame | None) -> Told:
    """Conversions by service line and place, in the blocks from `since` until `until`."""
    told = viewer_cells.places(connection, since, until, names)
    _labelled(
        connection,
        "conversions",
        told,
        f"""
        select
            c.kind, l.told_service_line as service_line, l.told_location as location,
            l.block as week, report.currency,
            {_SUMS}
        from main.conversions as c
        cross join main.setting_report as report
        inner join labels as l
            on {block_of("c.week")} = l.block
            and c.service_line = l.service_line and c.location = l.location
        group by all
        """,
    )
    return told


def weekly(connection: Connection, since: str, until: str, _names: object) -> Told:
    """Conversions by week, of all service lines and places together."""
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
            {_SUMS}
        from main.conversions as c
        cross join main.setting_report as report
        inner join labels as l
            on {block_of("c.week")} = l.block and c.kind = l.kind
            and cast(c.week as varchar) = l.week
        group by all
        """,
    )
    return told


def credit(connection: Connection, since: str, until: str, names: pd.DataFrame | None) -> Told:
    """Credit of every model by channel and campaign."""
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
        raise TransformError(FEW.format(few=few, mart=mart, least=LEAST))
    connection.exec_driver_sql(f"create table {VIEWERS}.new_{mart} as {sql}")
    for table in ("labels", "cells", "people_in_cells"):
        connection.exec_driver_sql(f"drop table {table}")


_GRAIN = {
    "conversions": "kind, service_line, location, week, currency",
    "conversions_weekly": "kind, week, currency",
    "credit": "model, kind, channel, campaign, service_line, location, week, currency",
}


def carry_on(connection: Connection, mart: str, told: Told, *, keep: bool) -> None:
    """What was told before, and the new blocks after it."""
    own = f"{VIEWERS}.main"
    before = f" union all by name from {BEFORE}.{mart}" if keep else ""
    rows = f"from {own}.new_{mart}{before}"
    create(connection, mart, f"select * from ({rows})", _GRAIN[mart])
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
