"""What viewers are told of the ways by which people came: about how many took each of them.

Ways cut the same conversions as credit does: all ways that begin with a channel are what *first*
gives to it, and all that end with it are what *last* gives. So it is not enough that enough people
took each way that is told: what credit says of a channel, less the ways told of it, would be the
few that are left. Therefore a way is told

- of all service lines and places together, for quarters that are over, once;
- where nobody or at least eleven people took it, others as 'other' within their first channel;
- to the nearest `ABOUT` journeys, so that whatever is taken from anything else is off by as much;
- by name only while that stays so for whoever knows how many began and ended with each channel.

Means and medians are told with few digits: a long fraction gives away what it was divided by.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.raw import fetch, lent
from attribution.small_cells import LEAST, OTHER, Ints, Label, Numbers, fold

MARTS = ("paths", "path_lags")
# An odd number, so that as many counts are told as each of its multiples, as many to either side.
ABOUT = 25
EVERY = "(all)"  # service lines
# What the marts call ways that are told together.
TOGETHER = "other"
_ALL_OTHERS = (TOGETHER, "", "", "")
_HALF = ABOUT // 2
_STEPS = ("step_1", "step_2", "step_3", "step_4")
_PART = ("kind", "quarter")
_QUARTER_DAYS = 92


def about(counts: "pd.Series[int]") -> "pd.Series[int]":
    """Counts to the nearest `ABOUT`."""
    return ((counts + _HALF) // ABOUT) * ABOUT


def tell(connection: Connection, since: str, last_day: str) -> dict[str, pd.DataFrame]:
    """The rows of `paths` and `path_lags` for quarters after `since` that end by `last_day`."""
    rows = _ways(connection, since, last_day)
    names = _names(rows)
    schema = pa.schema(
        [
            *(("kind", pa.string()), ("quarter", pa.date32())),
            *((name, pa.string()) for name in _STEPS),
            *((f"told_{name}", pa.string()) for name in _STEPS),
        ]
    )
    with lent(connection, pa.Table.from_pandas(names, schema, preserve_index=False)) as incoming:
        connection.exec_driver_sql(f"create or replace temp table ways_told as from {incoming}")
    try:
        paths = fetch(connection, _PATHS.format(least=LEAST)).to_pandas()
    finally:
        connection.exec_driver_sql("drop table ways_told")
    lags = fetch(connection, _LAGS.format(between=_between(since, last_day))).to_pandas()
    return {"paths": _rounded(paths), "path_lags": _rounded_lags(lags)}


def _between(since: str, last_day: str) -> str:
    return (
        f"quarter > date '{since}'"
        f" and quarter + interval '3' month <= date '{last_day}' + interval '1' day"
    )


def _ways(connection: Connection, since: str, last_day: str) -> pd.DataFrame:
    """Each way of each kind and quarter: how many people took it as their first, and journeys.

    Columns: kind, quarter, the four steps, people, journeys, lost_people, lost_journeys. A person
    is counted in one way, so that people of several ways add up.
    """
    lookback = connection.exec_driver_sql("select min(lookback_days) from setting_credit").scalar()
    # How often at most one person can give up within a quarter.
    often = 2 + _QUARTER_DAYS // max(1, int(lookback or 1))
    sql = _WAYS.format(between=_between(since, last_day), often=often)
    frame: pd.DataFrame = fetch(connection, sql).to_pandas()
    return frame


_NAMED = """
    select {alias}.*, first.channel as name_1, coalesce(second.channel, '') as name_2,
        coalesce(third.channel, '') as name_3, coalesce(fourth.channel, '') as name_4
    from {rows} as {alias}
    inner join channels as first on {alias}.step_1 = first.channel_id
    left join channels as second on {alias}.step_2 = second.channel_id
    left join channels as third on {alias}.step_3 = third.channel_id
    left join channels as fourth on {alias}.step_4 = fourth.channel_id
"""
_CHANNELS = "channels as (select distinct channel_id, channel from int_channel_map)"
# Only these texts of ours go into the two below.
_WAYS = f"""
    with {_CHANNELS},
    won as (
        select kind, quarter, step_1, step_2, step_3, step_4, journeys,
            case when row_number() over (
                partition by kind, quarter, who order by conversion_id
            ) = 1 then 1 else 0 end as people
        from int_won_paths where {{between}}
    ),
    counted as (
        select kind, quarter, step_1, step_2, step_3, step_4,
            sum(people) as people, sum(journeys) as journeys, 0 as lost_journeys
        from won group by 1, 2, 3, 4, 5, 6
        union all
        select kind, quarter, step_1, step_2, step_3, step_4,
            0, 0, sum(journeys)
        from int_lost_paths where {{between}} group by 1, 2, 3, 4, 5, 6
    ),
    named as ({_NAMED.format(alias="counted", rows="counted")})
    select kind, quarter, name_1 as step_1, name_2 as step_2, name_3 as step_3, name_4 as step_4,
        cast(sum(people) as bigint) as people, cast(sum(journeys) as bigint) as journeys,
        cast(floor(sum(lost_journeys) / {{often}}.0) as bigint) as lost_people,
        cast(sum(lost_journeys) as bigint) as lost_journeys
    from named group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
"""  # noqa: S608
_PATHS = f"""
    with {_CHANNELS},
    taken as (
        select kind, quarter, 'converted' as outcome, step_1, step_2, step_3, step_4,
            journeys, journeys * touches as touches, days, who
        from int_won_paths
        union all
        select kind, quarter, 'lost', step_1, step_2, step_3, step_4, journeys, touches, null, null
        from int_lost_paths
    ),
    named as ({_NAMED.format(alias="taken", rows="taken")})
    select named.kind, named.quarter, named.outcome, told_step_1 as step_1, told_step_2 as step_2,
        told_step_3 as step_3, told_step_4 as step_4,
        cast(sum(named.journeys) as bigint) as journeys,
        cast(sum(named.touches) as double) / sum(named.journeys) as touches,
        median(named.days) as median_days,
        count(distinct named.who) as people
    from named
    inner join ways_told as w
        on named.kind = w.kind and named.quarter = w.quarter
        and name_1 = w.step_1 and name_2 = w.step_2 and name_3 = w.step_3 and name_4 = w.step_4
    group by all
    having named.outcome = 'lost' or count(distinct named.who) >= {{least}}
    order by all
"""  # noqa: S608
_LAGS = """
    with measured as (
        select kind, quarter, 'days' as measure, journeys, days as amount
        from int_won_paths where {between}
        union all
        select kind, quarter, 'touches', journeys, cast(touches as double)
        from int_won_paths where {between}
    )
    select kind, quarter, measure, cast(sum(journeys) as bigint) as journeys,
        cast(sum(case when amount <= 1 then journeys else 0 end) as bigint) as short_journeys,
        quantile_cont(amount, 0.1) as p10, quantile_cont(amount, 0.25) as p25,
        quantile_cont(amount, 0.5) as p50, quantile_cont(amount, 0.75) as p75,
        quantile_cont(amount, 0.9) as p90
    from measured group by all order by all
"""


def _names(ways: pd.DataFrame) -> pd.DataFrame:
    """Under which steps each way is told; ways that cannot be told at all are left out."""
    rows = []
    for part, inside in ways.groupby(list(_PART), sort=True):
        steps = [tuple(row) for row in inside[list(_STEPS)].itertuples(index=False)]
        # Whoever took a way may be counted in another one, where all of them took it later.
        counts = zip(
            _some(inside["people"], inside["journeys"]),
            _some(inside["lost_people"], inside["lost_journeys"]),
            strict=True,
        )
        journeys = dict(zip(steps, inside["journeys"].astype("int64"), strict=True))
        told = labels(dict(zip(steps, counts, strict=True)), journeys)
        rows += [(*part, *way, *told[way]) for way in steps if way in told]
    columns = [*_PART, *_STEPS, *(f"told_{step}" for step in _STEPS)]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(quarter=pd.to_datetime(frame["quarter"]).dt.date)


def _some(people: "pd.Series[int]", journeys: "pd.Series[int]") -> list[int]:
    return [int(n) for n in people.where(journeys == 0, people.clip(lower=1))]


def labels(
    counts: Mapping[Label, Sequence[int]], journeys: Mapping[Label, int]
) -> dict[Label, Label]:
    """Under which steps each way of a kind and quarter is told.

    `counts` are of people, each in one way only; `journeys` of those who converted. Ways are
    four steps, '' where there are fewer. Ways that are not named are told as their first channel
    and others, and those of small channels as others altogether.
    """
    tree: dict[Label, Label] = {(way[0], " ".join(way[1:])): way for way in counts}
    folded = fold({key: Numbers(tuple(counts[way])) for key, way in tree.items()})
    ends = _ends(counts, folded, tree)
    named = {way for key, way in tree.items() if folded.get(key) == key}
    # Of each pair of channels there could be ways that nobody names.
    channels = len({step for way in counts for step in way if step})
    for cell, number in Counter(ends[way] for way in named).items():
        if number >= _possible(channels, same=cell[0] == cell[1]):
            named.remove(min((w for w in named if ends[w] == cell), key=lambda w: (journeys[w], w)))
    while plain := _plain(ends, journeys, named):
        for x, y in plain:
            beside = [way for way in named if ends[way][0] == x or ends[way][1] == y]
            named -= {min(beside, key=lambda way: (journeys[way], way))} if beside else set()
    told: dict[Label, Label] = {}
    for key, (first, _) in folded.items():
        if tree[key] in named:
            told[tree[key]] = tree[key]
        else:
            told[tree[key]] = (first, TOGETHER, "", "") if first != OTHER else _ALL_OTHERS
    return told


def _ends(
    counts: Mapping[Label, Sequence[int]],
    folded: Mapping[Label, Label],
    tree: Mapping[Label, Label],
) -> dict[Label, tuple[str, str]]:
    """By which first and last channel credit would count each way, small channels together."""
    lasts: dict[Label, int] = {}
    for way, (people, *_) in counts.items():
        lasts[(_end(way),)] = lasts.get((_end(way),), 0) + people
    told = fold({last: Numbers((people,)) for last, people in lasts.items()})
    return {
        way: (folded.get(key, (OTHER,))[0], told.get((_end(way),), (OTHER,))[0])
        for key, way in tree.items()
    }


def _plain(
    ends: Mapping[Label, tuple[str, str]],
    journeys: Mapping[Label, int],
    named: Collection[Label],
) -> list[tuple[str, str]]:
    """The pairs of first and last channel of which the few that are not named could be told.

    Of ways that are not named there could be more from x to y, as many fewer from x to others and
    from others to y, and as many more among those others: what began and ended with each channel,
    and every way that is named, would be as they are. Or the other way round. Where these are
    fewer than `LEAST` numbers, and ways from x or to y are named, the few are plain.
    """
    hidden: dict[tuple[str, str], int] = {}
    for way, cell in ends.items():
        hidden[cell] = hidden.get(cell, 0) + (0 if way in named else journeys[way])
    firsts, lasts = ({ends[way][place] for way in named} for place in (0, 1))
    begun, ended = Counter[str](), Counter[str]()
    for (x, y), size in hidden.items():
        begun[x] += size
        ended[y] += size
    every = sum(hidden.values())
    found = []
    for (x, y), size in hidden.items():
        if not 0 < size < LEAST or not (x in firsts or y in lasts):
            continue
        more = min(begun[x], ended[y]) - size
        fewer = min(size, every - begun[x] - ended[y] + size)
        if more + fewer + 1 < LEAST:
            found.append((x, y))
    return sorted(found)


def _possible(channels: int, *, same: bool) -> int:
    """How many ways of up to four steps there are from a channel to itself, or to another."""
    back, on, ways = 1, 0, [1, 0]
    for _ in _STEPS[1:]:
        back, on = (channels - 1) * on, back + (channels - 2) * on
        ways = [ways[0] + back, ways[1] + on]
    return ways[0] if same else ways[1]


def _end(way: Label) -> str:
    return " ".join(way).split()[-1]


def bounds(counts: Ints) -> tuple[Ints, Ints]:
    """The least and the most that counts can be that are told to the nearest `ABOUT`."""
    near = (counts + _HALF) // ABOUT * ABOUT
    return np.maximum(near - _HALF, 0), near + _HALF


def _rounded(paths: pd.DataFrame) -> pd.DataFrame:
    journeys = about(paths["journeys"].astype("int64"))
    shown = paths.assign(
        service_line=EVERY,
        journeys=journeys,
        touches=(paths["touches"].astype("float64").round(1) * journeys).round(),
        median_days=paths["median_days"].astype("float64").round(),
    )
    return shown[shown["journeys"] > 0].drop(columns="people").reset_index(drop=True)


def _rounded_lags(lags: pd.DataFrame) -> pd.DataFrame:
    """Percentiles in whole numbers, where enough people are beyond the outermost of them."""
    enough = lags["journeys"].astype("float64") * 0.1 >= LEAST
    percentiles = {
        name: lags[name].astype("float64").round().where(enough)
        for name in ("p10", "p25", "p50", "p75", "p90")
    }
    shown = lags.assign(
        service_line=EVERY,
        journeys=about(lags["journeys"].astype("int64")),
        short_journeys=about(lags["short_journeys"].astype("int64")),
        **percentiles,
    )
    return shown[shown["journeys"] > 0].reset_index(drop=True)
