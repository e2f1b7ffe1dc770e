"""Joining on the engine: the rounds in SQL, so that disk and not memory is what they need.

Identifiers are the codes of table `node`, and a group is called by the least of its codes, as in
memory. `settled` says which group carried an identifier when its round came (-1: it joins nobody),
and `merged` into which that group has gone since; who is in neither is a group of their own. Both
are only added to and pointed elsewhere, so a round reads the rows of its own kind of identifier.
"""

from sqlalchemy import Connection

from attribution.identity_graph import born, edges
from attribution.identity_joining import (
    CHAIN,
    CONTACT,
    EMAIL,
    EMAIL_NAME,
    LIMITED,
    NAMED,
    NAMES,
    PHONE,
    YEARS,
    join,
)
from attribution.identity_labels import label_components
from attribution.settings import IdentitySettings

Keyed = str  # a query: record, key


def join_on_engine(connection: Connection, settings: IdentitySettings) -> None:
    """Write `grouped` (code, group_id; -1 joins nobody) and `refused` (code, reason), of `node`.

    `edge` (a, b, kind, strength, born) is there as well: identifiers that share a row, `a` the
    stronger of `strength` and born in that year (0: nobody knows), `b` of `kind`.
    """
    way = _OnEngine(connection, tell_apart=settings.tell_apart)
    join(way, settings)
    way.finish()


class _OnEngine:
    """The steps of `identity_joining.join`, as statements."""

    def __init__(self, connection: Connection, *, tell_apart: bool) -> None:
        self._connection = connection
        self._make("birth", born())
        self._make("edge", _EDGE.format(edges=edges(), born="born" if tell_apart else "0"))
        self._make("both_known", _BOTH)
        self._make("settled", "select code, code as group_id from node where code < 0")
        self._make("merged", "select code as group_id, code as label from node where code < 0")
        self._make("refused", "select code, 0 as reason from node where code < 0")
        self._make(
            "held", "select code as group_id, 0 as reason, 0 as namespace, 0 as most from refused"
        )

    def believe(self) -> None:
        self._make("met", f"select a, b from edge where kind <= {CONTACT}")
        self._label()
        self._run("insert into merged select node, label from labels where node <> label")

    def limit(self, strength: int, most: int) -> None:
        self._run(_LIMIT.format(reason=LIMITED[strength], strength=strength, most=most))

    def contacts_with(self, kind: int) -> Keyed:
        return (
            f"select a as record, b as key from edge where kind = {kind} and strength = {CONTACT}"
        )

    def contacts_with_both(self) -> Keyed:
        return _BY_NAME

    def born_with(self, kind: int) -> Keyed:
        key = f"cast(b as bigint) * {YEARS} + born"
        return f"select a as record, {key} as key from edge where kind = {kind} and born > 0"

    def records_with_both(self) -> Keyed:
        return "select record, pair as key from both_known"

    def unite(self, keyed: Keyed, most: int | None = None) -> None:
        self._make("sharing", _SHARING.format(keyed=keyed))
        if most:
            self._run(_TOO_OFTEN.format(most=most))
        self._unite()

    def carry(self, kind: int) -> None:
        name, dated = "0", "0"
        if kind in NAMED:
            self._make("named", f"select distinct a as code from edge where kind = {NAMED[kind]}")
            name, dated = "case when named.code is null then 0 else 1 end", "least(born, 1)"
        named = "left join named on edge.a = named.code" if kind in NAMED else ""
        self._make("carried", _CARRIED.format(kind=kind, name=name, dated=dated, join=named))
        self._make(
            "span",
            "select code, min(group_id) as lowest, max(group_id) as highest from carried "
            "group by code",
        )
        self._make("sharing", _SEVERAL)
        self._unite()
        self._run("insert into refused select cast(key as integer), reason from vetoed")
        self._run(_SETTLE)

    def finish(self) -> None:
        """The group of every identifier; and nothing else stays but why some join nobody."""
        self._make("grouped", _GROUPED)
        for table in _ON_THE_WAY:
            self._run(f"drop table if exists {table}")

    def _unite(self) -> None:
        """Join groups that share a key, except where a limit forbids it: `vetoed` says which."""
        self._make("vetoed", _VETOED)
        self._make("met", _MET)
        if not self._connection.exec_driver_sql("select count(*) from met").scalar_one():
            return
        self._label()
        self._make("chained", _CHAINED)
        self._run(_VETO_CHAINS)
        self._make("united", _UNITED)
        self._run("update merged set label = united.label from united where merged.label = node")
        self._run("insert into merged select node, label from united")
        self._run("update held set group_id = united.label from united where group_id = node")

    def _label(self) -> None:
        label_components(self._connection, "met", "labels", "temp table")

    def _make(self, table: str, query: str) -> None:
        self._run(f"create or replace temp table {table} as {query}")

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)


_ON_THE_WAY = (
    *("birth", "both_known", "settled", "merged", "held", "met", "labels", "sharing", "named"),
    *("carried", "span", "vetoed", "chained", "united"),
)


def _now(code: str) -> tuple[str, str]:
    """The group that an identifier is in by now, and the joins that this needs."""
    return (
        f"coalesce(merged.label, settled.group_id, {code})",
        (
            f"left join settled on {code} = settled.code "
            f"left join merged on coalesce(settled.group_id, {code}) = merged.group_id"
        ),
    )


_OF_A, _JOIN_A = _now("edge.a")
_OF_NODE, _JOIN_NODE = _now("node.code")
_OF_RECORD, _JOIN_RECORD = _now("said.record")

_EDGE = """
select pair.a, pair.b, pair.kind, pair.strength, coalesce({born}, 0) as born
from ({edges}) as pair
left join birth on pair.a = birth.code
"""
# An e-mail of one record only joins no two, whatever phone is beside it.
_BOTH = f"""
select record, strength, pair, name from (
    select
        record, strength, pair, name,
        min(born) over (partition by pair) as first_year,
        max(born) over (partition by pair) as last_year
    from (
        select
            mail.record,
            mail.strength,
            cast(mail.email as bigint) * 2147483648 + phone.b as pair,
            name.b as name,
            nullif(mail.born, 0) as born
        from (
            select
                a as record, b as email, strength, born,
                count(*) over (partition by b) as records
            from edge
            where kind = {EMAIL} and strength <= {CONTACT}
        ) as mail
        inner join edge as phone on mail.record = phone.a and phone.kind = {PHONE}
        left join edge as name on mail.record = name.a and name.kind = {EMAIL_NAME}
        where mail.records > 1
    ) as known
) as dated
where first_year is null or first_year = last_year
"""
_BY_NAME = f"""
select record, key from (
    select record, strength, dense_rank() over (order by pair, name) as key
    from (
        select record, strength, pair, case when lowest < highest then name end as name
        from (
            select
                record, strength, pair, name,
                min(name) over (partition by pair) as lowest,
                max(name) over (partition by pair) as highest
            from both_known
        ) as told
        where name is not null or lowest is null or lowest = highest
    ) as apart
) as numbered
where strength = {CONTACT}
"""
_LIMIT = f"""
insert into held
select distinct {_OF_NODE} as group_id, {{reason}}, namespace, {{most}}
from node
{_JOIN_NODE}
where node.strength = {{strength}} and {_OF_NODE} >= 0
"""
_SHARING = f"""
select distinct {_OF_RECORD} as group_id, said.key, 0 as named, 0 as dated
from ({{keyed}}) as said
{_JOIN_RECORD}
"""
_TOO_OFTEN = """
delete from sharing where key in (
    select key from sharing group by key having count(*) > {most}
)
"""
_CARRIED = f"""
select edge.b as code, {_OF_A} as group_id, {{name}} as named, {{dated}} as dated
from edge
{_JOIN_A}
{{join}}
where edge.kind = {{kind}} and {_OF_A} >= 0
"""
_SEVERAL = """
select carried.group_id, carried.code as key, max(named) as named, max(dated) as dated
from carried
inner join span on carried.code = span.code
where span.lowest < span.highest
group by carried.group_id, carried.code
"""
# Names and years first, then limits in their order.
_VETOED = f"""
select key, case when min(reason) = 0 then {NAMES} else min(reason) end as reason from (
    select key, 0 as reason from sharing group by key having sum(named) > 1 or sum(dated) > 1
    union all
    select sharing.key, held.reason
    from sharing
    inner join held on sharing.group_id = held.group_id
    group by sharing.key, held.reason, held.namespace
    having count(*) > min(held.most) and count(distinct held.group_id) > 1
) as forbidden
group by key
"""
_MET = """
select lowest as a, group_id as b from (
    select sharing.group_id, min(sharing.group_id) over (partition by sharing.key) as lowest
    from sharing
    left join vetoed on sharing.key = vetoed.key
    where vetoed.key is null
) as allowed
where lowest < group_id
"""
_CHAINED = """
select distinct label from (
    select labels.label
    from labels
    inner join held on labels.node = held.group_id
    group by labels.label, held.reason, held.namespace
    having count(*) > min(held.most) and count(distinct held.group_id) > 1
) as forbidden
"""
_VETO_CHAINS = f"""
insert into vetoed
select distinct sharing.key, {CHAIN}
from sharing
inner join labels on sharing.group_id = labels.node
inner join chained on labels.label = chained.label
left join vetoed on sharing.key = vetoed.key
where vetoed.key is null
"""
_UNITED = """
select labels.node, labels.label
from labels
left join chained on labels.label = chained.label
where chained.label is null and labels.node <> labels.label
"""
_SETTLE = """
insert into settled
select span.code, case when vetoed.key is null then span.lowest else -1 end
from span
left join vetoed on span.code = vetoed.key
"""
_GROUPED = f"""
select node.code, {_OF_NODE} as group_id
from node
{_JOIN_NODE}
"""
