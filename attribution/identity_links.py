"""Which identifiers each source has on which record, as SQL written from the contract."""

from collections.abc import Iterator

from attribution.privacy import STRENGTH, stored_fields
from attribution.raw import has_person
from connectors.contract import ROWS

# The day of a row, for "since when"; a row of a kind that is not named here has none.
_SINCE = {
    "touchpoint": "at",
    "contact": "created_at",
    "deal": "created_at",
    "person": "updated_at",
    "link": "at",
    "appointment": "booked_at",
    "encounter": "starts_at",
    "payment": "posted_at",
    "call": "started_at",
    "message": "assigned_at",
    "preference": "since",
    "feedback": "at",
}


def holding_sql() -> str:
    """The model `stg_holding`: a row for every identifier on every record of every source."""
    tables = [f"raw_{row.spec.table}" for row in ROWS if has_person(row)]
    selects = "\n    union all\n".join(_selects())
    return f"""\
-- Which identifiers each source has on each of its records, and since when.
-- grain: source, record, identifier
-- inputs: {", ".join(tables)}
--
-- A record is all that one source says under one number or address: the strongest of its rows.

with

said as (

{selects}

),

final as (

    select
        source,
        record,
        identifier,
        min(kind) as kind,
        min(first_day) as first_day
    from said
    group by source, record, identifier

)

select * from final
"""


def _selects() -> Iterator[str]:
    for row in ROWS:
        if not has_person(row):
            continue
        at = _SINCE.get(row.spec.table)
        day = (
            f"""min(cast(raw."{at}" at time zone 'UTC' as date))""" if at else "cast(null as date)"
        )
        for spec in stored_fields(row):
            if spec.identifier in STRENGTH:
                yield (
                    "    select\n"
                    "        raw.source,\n"
                    "        raw.identifier as record,\n"
                    f"        raw.{spec.name} as identifier,\n"
                    f"        '{spec.identifier}' as kind,\n"
                    f"        {day} as first_day\n"
                    f"    from raw_{row.spec.table} as raw\n"
                    f"    where raw.{spec.name} is not null\n"
                    f"    group by raw.source, raw.identifier, raw.{spec.name}"
                )
