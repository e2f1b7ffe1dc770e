"""Rows that are staged, and how they get into their raw table: of one key one, inserted or merged.

An `owner` is a source and its account; a `stamp` says which run loaded rows, and when.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from attribution.privacy import stored_fields
from attribution.raw import has_person
from connectors.contract import Row

Owner = tuple[str, str]


def stored_columns(row: type[Row]) -> list[str]:
    """What is stored of a row, beside whose it is and when it came."""
    own = [field.column for field in stored_fields(row)]
    return [*own, "identifier"] if has_person(row) else own


def staged(row: type[Row]) -> str:
    """The table in which rows wait."""
    return f"stage_{row.spec.table}"


def listed(names: Iterable[str]) -> str:
    """Columns as SQL lists them."""
    # Quoted: `at` is a reserved word.
    return ", ".join(f'"{name}"' for name in names)


def leave_one_a_key(connection: Connection, row: type[Row]) -> int:
    """Leave one staged row of each key; how many those are.

    A page can be served twice, and a file can hold one key twice: the newer row stays.
    """
    key, stage = listed(row.spec.key), staged(row)
    rows, keys = connection.exec_driver_sql(
        f"select count(*), count(distinct hash({key})) from {stage}"
    ).one()
    if rows > keys:
        connection.exec_driver_sql(
            f"delete from {stage} where arrival in (select arrival from (select arrival, "
            f"row_number() over (partition by {key} order by newness desc nulls last, arrival desc"
            f") as place from (select *, {_newness(row)} as newness from {stage}) as dated"
            ") as placed where place > 1)"
        )
    return int(keys)


def _newness(row: type[Row]) -> str:
    """SQL by which staged rows of one key are ordered, those of equal newness by arrival."""
    newer, permits = row.spec.newer, row.spec.permits
    if permits is None or newer is None:
        return f'"{newer}"' if newer else "0"
    # As if they were merged one by one: the first refusal after which nothing of later was said.
    permitted, since = permits
    each = f"partition by {listed(row.spec.key)}"
    return (
        f'case when count("{newer}") over ({each}) = count(*) over ({each}) then "{newer}" '
        f'when not "{permitted}" and coalesce("{since}" > max("{since}") over ({each} '
        f'order by arrival rows between 1 following and unbounded following), true) then "{since}" '
        "end"
    )


def has_rows(connection: Connection, row: type[Row], owner: Owner) -> bool:
    """Whether anything of a source's account was loaded before."""
    found = connection.exec_driver_sql(
        f"select 1 from raw_{row.spec.table} where source = ? and account = ? limit 1", owner
    )
    return found.first() is not None


def insert(
    connection: Connection, row: type[Row], owner: Owner, stamp: Mapping[str, object]
) -> None:
    """Load staged rows, of whose keys none is there."""
    names = listed(stored_columns(row))
    connection.exec_driver_sql(
        f"insert into raw_{row.spec.table} (source, account, {names}, run_id, loaded_at) "
        f"select ?, ?, {names}, ?, ? from {staged(row)}",
        (*owner, *stamp.values()),
    )


def merge(
    connection: Connection, row: type[Row], owner: Owner, stamp: Mapping[str, object]
) -> None:
    """Load staged rows by their keys: what is there already stays where it is the newer."""
    names = stored_columns(row)
    same = " and ".join(
        f'old."{name}" = new."{name}"' for name in ("source", "account", *row.spec.key)
    )
    newer, permits = row.spec.newer, row.spec.permits
    # A row without its order column is taken as news: it arrived later.
    unknown = f'(old."{newer}" is null or new."{newer}" is null)'
    if permits:
        permitted, since = permits
        unknown += f' and (old."{permitted}" or new."{since}" >= old."{since}")'
    wins = f' and ({unknown} or new."{newer}" >= old."{newer}")' if newer else ""
    settable = [*(n for n in names if n not in row.spec.key), "run_id", "loaded_at"]
    every = ["source", "account", *names, "run_id", "loaded_at"]
    connection.exec_driver_sql(
        f"merge into raw_{row.spec.table} as old using ("
        f"select ? as source, ? as account, {listed(names)}, ? as run_id, ? as loaded_at "
        f"from {staged(row)}) as new on {same} "
        f"when matched{wins} then update set "
        + ", ".join(f'"{name}" = new."{name}"' for name in settable)
        + f" when not matched then insert ({listed(every)}) "
        + "values ("
        + ", ".join(f'new."{name}"' for name in every)
        + ")",
        (*owner, *stamp.values()),
    )
