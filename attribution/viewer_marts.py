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

from attribution import viewer_blocks, viewer_paths, viewer_patients, viewer_shares
from attribution.checksums import checksum
from attribution.errors import BadInput
from attribution.raw import lent
from attribution.small_cells import Cube, protected
from attribution.viewer_cells import WEEKS
from attribution.viewer_file import (
    BEFORE,
    VIEWERS,
    create,
    frame_of,
    prove,
    tables_in,
    types_of,
    write_cube,
)

VERSION = "3"  # of these rules; all blocks are told anew when it changes
_BLOCKS_SINCE = "2018-01-01"  # as in `viewer_cells`
_NEVER = "9999-01-01"

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
        # Of one window, in which each person is in one cell: had in 90 days is had in 30 and more.
        "fatigue",
        keys=("channel", "had"),
        counts=("most_people", "most_responders"),
        parts=(("most_people", "most_responders"),),
        by=("window_days",),
        untold=(
            *("people", "messages", "responded", "opted_out", "messages_squared"),
            *("responded_squared", "opted_out_squared", "messages_responded"),
            "messages_opted_out",
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
# Flows that ask for answers, by their name; as `experience` knows them.
ASKS = "nps|survey|feedback|check_?in"
# Nothing is told twice: of messages that bring silent patients back `reactivation` tells already,
# and `experience` of those that ask for answers.
ASKED = {
    "engagement": "where weeks = 4 and topic <> 'reactivation'"
    f" and not regexp_matches(lower(flow), '{ASKS}') and week + interval '21' day <= ("
    "select cast(value as date) from main.about where key = 'last_week')",
    "fatigue": "where window_days = 30 and most_people > 0",
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
    Raises TransformError where a cell of fewer than `LEAST` people would be told, and BadInput
    where no source has ever told of a day.
    """
    said = _said(connection, "main")
    if "last_week" not in said:
        raise BadInput(
            "No source has brought anything that happened on a day, so there is nothing to show. "
            "Correct what `caretrace doctor` names, and run `caretrace refresh` again."
        )
    rules = _rules(connection)
    earlier = _said(connection, f"{BEFORE}.main") if follows else {}
    if earlier.get("rules") != rules:
        earlier = {}
    since, until = _reach(said, earlier)
    named = {}
    numbers = {"cells": int(earlier.get("cells", 0)), "folded": int(earlier.get("folded", 0))}
    for mart, tell in (
        ("conversions", viewer_blocks.conversions),
        ("conversions_weekly", viewer_blocks.weekly),
        ("credit", viewer_blocks.credit),
    ):
        names = viewer_blocks.names_told(connection, mart) if earlier else None
        named[mart] = told = tell(connection, since, until or since, names)
        numbers["cells"] += told.cells
        numbers["folded"] += told.folded
    for mart, told in named.items():
        viewer_blocks.carry_on(connection, mart, told, keep=bool(earlier))
    for cube in CUBES:
        if cube.name in marts:
            _cube(connection, cube, follows=bool(earlier))
    if set(viewer_patients.MARTS) <= set(marts):
        _patients(connection, follows=bool(earlier))
    ways = set(viewer_paths.MARTS) <= set(marts)
    quarter = _paths(connection, said, earlier) if ways else ""
    viewer_shares.spend(connection)
    viewer_shares.incremental(connection)
    if "removal_effect" in marts:
        viewer_shares.removal_effects(connection)
    for mart in AS_THEY_ARE:
        if mart in marts:
            create(connection, mart, f"select * from main.{mart}")
    _about(connection, said, until, {"rules": rules, "told_quarter": quarter, **numbers})
    present = tables_in(connection)
    for mart in marts:
        if mart not in present:
            create(connection, mart, f"select * from main.{mart} where false")


def _said(connection: Connection, schema: str) -> dict[str, str]:
    rows = connection.exec_driver_sql(f"select key, value from {schema}.about").all()
    return {str(key): str(value) for key, value in rows if value is not None}


def _rules(connection: Connection) -> str:
    return " ".join([VERSION, *(checksum(connection, table) for table in RULES)])


def _reach(said: Mapping[str, str], earlier: Mapping[str, str]) -> tuple[str, str]:
    """The first block that is told now and was not before, and the last that is told at all.

    The first is one that never comes where there is none, the last '' where none is over yet.
    """
    last = pd.Timestamp(said["last_week"])
    blocks = pd.date_range(_first_block(said), last, freq=f"{WEEKS * 7}D")
    over = blocks[blocks + pd.Timedelta(weeks=WEEKS - 1) <= last]
    if "told_until" in earlier:
        over = over[over > pd.Timestamp(earlier["told_until"])]
    if not len(over):
        return _NEVER, earlier.get("told_until", "")
    return f"{over[0]:%Y-%m-%d}", f"{over[-1]:%Y-%m-%d}"


def _first_block(said: Mapping[str, str]) -> pd.Timestamp:
    """The block in which the data begin."""
    first = max(pd.Timestamp(said.get("first_week", _BLOCKS_SINCE)), pd.Timestamp(_BLOCKS_SINCE))
    block = pd.Timedelta(weeks=WEEKS)
    return pd.Timestamp(_BLOCKS_SINCE) + (first - pd.Timestamp(_BLOCKS_SINCE)) // block * block


def _cube(connection: Connection, cube: Cube, *, follows: bool) -> None:
    """Write a declared mart."""
    grain = ", ".join((*cube.by, *cube.keys))
    asked = ASKED.get(cube.name, "")
    frame = frame_of(connection, f"from main.{cube.name} {asked} order by {grain}")
    known = follows and cube.name in tables_in(connection, BEFORE)
    before = frame_of(connection, f"from {BEFORE}.{cube.name}") if known else None
    if before is not None:
        before = before.assign(**dict.fromkeys(cube.untold, 0))
    if cube.name == "reactivation":
        frame = _as_steps(frame)
        before = None if before is None else _as_steps(before)
    rows = protected(cube, frame, before)
    if cube.name == "reactivation":
        rows = rows.drop(columns="engaged_or_booked")
    prove(cube, rows if cube.name != "reactivation" else _as_steps(rows))
    write_cube(connection, cube, rows)


def _patients(connection: Connection, *, follows: bool) -> None:
    """Write the marts of patients, each of which is folded on the cells of another."""
    follows = follows and set(viewer_patients.MARTS) <= tables_in(connection, BEFORE)
    frames = [
        {
            name: frame_of(connection, f"from {place}.{name} {only}")
            for name, only in viewer_patients.ASKED.items()
        }
        for place in ("main", BEFORE)[: 1 + follows]
    ]
    for cube, rows in viewer_patients.told(*frames):
        prove(cube, rows)
        write_cube(connection, cube, rows)


def _paths(connection: Connection, said: Mapping[str, str], earlier: Mapping[str, str]) -> str:
    """Write the ways of quarters that are over, after those that were told; the last of them."""
    since = earlier.get("told_quarter", "")
    told = viewer_paths.tell(connection, since or "2000-01-01", said["last_day"])
    for mart, rows in told.items():
        columns = ", ".join(
            f"cast({name} as {kind}) as {name}" for name, kind in types_of(connection, mart)
        )
        before = f" union all by name from {BEFORE}.{mart}" if since else ""
        with lent(connection, pa.Table.from_pandas(rows, preserve_index=False)) as incoming:
            create(connection, mart, f"select {columns} from {incoming}{before}")
    newest = told["path_lags"]["quarter"].max() if len(told["path_lags"]) else None
    return since if newest is None else f"{pd.Timestamp(newest):%Y-%m-%d}"


def _as_steps(frame: pd.DataFrame) -> pd.DataFrame:
    """With those who were engaged or, where nobody was contacted, booked by themselves.

    Whoever is kept again is not told: it comes late, and few at a time.
    """
    steps = frame[["engaged", "booked"]].max(axis=1).where(frame["contacted"] == 0)
    return frame.assign(
        engaged_or_booked=steps.fillna(frame["engaged"]).astype("int64"), retained=0
    )


def _last_day(week: pd.Timestamp) -> str:
    """The last day of a week."""
    return f"{week + pd.Timedelta(days=6):%Y-%m-%d}"


def _about(
    connection: Connection, said: Mapping[str, str], until: str, more: Mapping[str, object]
) -> None:
    kept = {key: said[key] for key in ("currency", "timezone", "visits_since") if key in said}
    end = pd.Timedelta(weeks=WEEKS - 1)
    last = pd.Timestamp(until) + end if until else pd.Timestamp(said["last_week"])
    weeks = frame_of(connection, f"select min(week) as first from {VIEWERS}.conversions")
    first = weeks["first"].iloc[0]
    kept |= {
        "first_week": f"{pd.Timestamp(first):%Y-%m-%d}" if pd.notna(first) else said["first_week"],
        "last_week": f"{last:%Y-%m-%d}",
        "last_day": _last_day(last),
        **({"told_until": until} if until else {"told_after": _last_day(_first_block(said) + end)}),
        "weeks_together": str(WEEKS),
        **{key: str(value) for key, value in more.items()},
    }
    rows = pa.table({"key": list(kept), "value": list(kept.values())})
    with lent(connection, rows) as incoming:
        create(connection, "about", f"from {incoming}", "key")
