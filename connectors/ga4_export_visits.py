"""Visits, submitted forms and sign-ins out of a day's exported events.

Events are reduced as they are read, so that what is held grows with visits and not with events. A
visit is one `ga_session_id` of one client; it has the time of its first event, and the source of
the first event that says one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.columns import arrow_schema
from connectors.contract import Link, Row, Touchpoint
from connectors.ga4_export_traffic import TRAFFIC
from connectors.source import Columns, Item, Rejected

# A browser of more people than this in a day is a kiosk's, or of staff who fill in for others.
MOST_PEOPLE = 3
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the settings say that events and ids mean."""

    key_events: tuple[str, ...]
    user_id_is: str | None  # crm_id, patient_id, or None: it is not read
    zone: ZoneInfo


@dataclass(slots=True)
class Visits:
    """What is known of the events so far; `day` is that of the tables, None if they say none."""

    name: str
    meaning: Meaning
    day: date | None
    _parts: dict[str, list[pa.Table]] = field(default_factory=dict)
    _left_out: dict[str, int] = field(default_factory=dict)

    def add(self, events: pa.Table) -> None:
        """Reduce some more events."""
        if self.meaning.user_id_is is None:
            at = events.schema.get_field_index("user")
            events = events.set_column(at, "user", pa.nulls(len(events), pa.string()))
        key = pc.binary_join_element_wise(events["client"], events["session"], ".")
        events = events.append_column("key", key)
        wanted = pc.is_in(events["event"], value_set=pa.array(self.meaning.key_events, pa.string()))
        self._forms(events.filter(wanted))
        placed = pc.is_valid(key)
        strangers = events["client"].null_count
        self._count("user_pseudo_id", strangers)
        self._count("ga_session_id", key.null_count - strangers)
        visited = events.filter(placed)
        began = pc.equal(visited["event"], "session_start")
        self._keep("began", _earliest(visited.filter(began).select(["key", "at"])))
        self._keep("visit", _earliest(visited.select(["key", "at", "client", "session"])))
        sourced = visited.filter(pc.is_valid(visited["level"]))
        self._keep("source", _earliest(sourced.select(["key", "at", "level", *TRAFFIC])))
        for name in ("click", "user"):
            some = visited.filter(pc.is_valid(visited[name]))
            self._keep(name, _earliest(some.select(["key", "at", name])))
        self._sign_ins(events)

    def items(self) -> Iterator[Item]:
        """The rows of all events, and how many events are nobody's."""
        if not self._parts:
            return
        shared = self._shared()
        yield from self._columns(Touchpoint, self._visit_rows(shared))
        yield from self._columns(Touchpoint, self._form_rows(shared))
        if self.meaning.user_id_is is not None:
            yield from self._columns(Link, self._link_rows(shared))
        for column, count in self._left_out.items():
            if count:
                reason = _REASONS[column].format(count)
                yield Rejected(self.name, 0, column, "", reason, "touchpoint")

    def _forms(self, forms: pa.Table) -> None:
        someone = pc.coalesce(forms["lead"], forms["user"], forms["client"])
        forms = forms.append_column("someone", someone).filter(pc.is_valid(someone))
        place = pc.binary_join_element_wise(
            forms["event"], forms["someone"], pc.coalesce(forms["client"], ""), "\x1f"
        )
        key = forms.schema.get_field_index("key")
        forms = forms.append_column("visit", forms["key"]).set_column(key, "key", place)
        # Without a lead's number two forms of one visitor are two; with it, one that came twice.
        numbered = pc.is_valid(forms["lead"])
        again = pc.binary_join_element_wise(place, forms["at"].cast(pa.string()), "\x1f")
        forms = forms.set_column(key, "key", pc.if_else(numbered, place, again))
        self._keep("form", _earliest(forms))

    def _sign_ins(self, events: pa.Table) -> None:
        """Who was known by which client: by a user's number, or by the number of a lead."""
        for kind, name in (("signed", "user"), ("led", "lead")):
            both = pc.and_(pc.is_valid(events["client"]), pc.is_valid(events[name]))
            met = events.filter(both)
            key = pc.binary_join_element_wise(met["client"], met[name], "\x1f")
            at = met.schema.get_field_index("key")
            met = met.set_column(at, "key", key).select(["key", "at", "client", name])
            self._keep(kind, _earliest(met.rename_columns(["key", "at", "client", "id"])))

    def _shared(self) -> pa.Array:
        """Clients that more people used than one browser has."""
        met = [table.select(["client"]) for table in (self._all("signed"), self._all("led"))]
        uses = pa.concat_tables(met).group_by("client").aggregate([([], "count_all")])
        shared = uses.filter(pc.greater(uses["count_all"], MOST_PEOPLE))["client"]
        self._count("client", len(shared))
        return shared.combine_chunks()

    def _visit_rows(self, shared: pa.Array) -> dict[str, pa.Array]:
        visits = self._all("visit")
        visits = visits.filter(pc.invert(self._continued(visits)))
        known = {name: self._of(visits["key"], name, name) for name in ("click", "user")}
        signed = pc.is_valid(known["user"])
        return {
            "touch_id": pc.binary_join_element_wise("session", visits["key"], ":"),
            "at": visits["at"],
            "kind": pa.repeat("session", len(visits)),
            "client_id": _unless(visits["client"], signed, shared),
            "click_id": known["click"],
            **self._person(known["user"]),
            **self._traffic(visits["key"]),
        }

    def _form_rows(self, shared: pa.Array) -> dict[str, pa.Array]:
        forms = self._all("form")
        person = self._person(forms["user"])
        crm = person.get("crm_id", pa.nulls(len(forms), pa.string()))
        person["crm_id"] = pc.coalesce(forms["lead"], crm)
        named = pc.or_(pc.is_valid(forms["lead"]), pc.is_valid(forms["user"]))
        of_visit = self._traffic(forms["visit"], forms)
        return {
            "touch_id": pc.binary_join_element_wise(
                forms["key"], forms["at"].cast(pa.string()), "\x1f"
            ),
            "at": forms["at"],
            "kind": pa.repeat("form", len(forms)),
            "client_id": _unless(forms["client"], named, shared),
            "click_id": pc.coalesce(self._of(forms["visit"], "click", "click"), forms["click"]),
            **person,
            **of_visit,
        }

    def _link_rows(self, shared: pa.Array) -> dict[str, pa.Array]:
        met = self._all("signed")
        met = met.filter(pc.invert(pc.is_in(met["client"], value_set=shared)))
        # With its day in it, a link told on two days is not lost when one of them is told anew.
        day = "" if self.day is None else self.day.isoformat()
        return {
            "link_id": pc.binary_join_element_wise(met["key"], day, "\x1f"),
            "at": met["at"],
            "kind": pa.repeat("signed_in", len(met)),
            "client_id": met["client"],
            **self._person(met["id"]),
        }

    def _continued(self, visits: pa.Table) -> pa.Array:
        """Visits that began before the day: they are in the table of the day before.

        The number of a session is the second in which the visitor's clock began it.
        """
        never = pa.repeat(False, len(visits))
        if self.day is None:
            return never
        midnight = datetime.combine(self.day, datetime.min.time(), self.meaning.zone)
        since, until = (int((midnight - back).timestamp()) for back in (_DAY, 0 * _DAY))
        timed = pc.fill_null(pc.match_substring_regex(visits["session"], r"^\d{10}$"), False)
        second = pc.if_else(timed, visits["session"], None).cast(pa.int64())
        before = pc.and_(pc.greater_equal(second, since), pc.less(second, until))
        began = pc.is_in(visits["key"], value_set=self._all("began")["key"].combine_chunks())
        return pc.fill_null(pc.and_(before, pc.invert(began)), False)

    def _traffic(self, key: pa.ChunkedArray, own: pa.Table | None = None) -> dict[str, pa.Array]:
        """The source of each visit; of those without one it is a direct visit."""
        told = {name: self._of(key, "source", name) for name in ("level", *TRAFFIC)}
        said = pc.is_valid(told["level"])
        if own is not None:
            told = {n: pc.if_else(said, told[n], own[n]) for n in told}
            said = pc.or_(said, pc.is_valid(own["level"]))
        direct = {"utm_source": "(direct)", "utm_medium": "(none)"}
        return {
            name: pc.if_else(said, told[name], pa.scalar(direct.get(name), pa.string()))
            for name in TRAFFIC
        }

    def _person(self, user: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        return {} if self.meaning.user_id_is is None else {self.meaning.user_id_is: user}

    def _of(self, key: pa.ChunkedArray, part: str, column: str) -> pa.ChunkedArray:
        """A column of a part for each of these keys."""
        table = self._all(part)
        places = pc.index_in(key, value_set=table["key"].combine_chunks())
        return pc.take(table[column].combine_chunks(), places)

    def _columns(self, row: type[Row], found: dict[str, pa.Array]) -> Iterator[Columns]:
        size = len(found["at"])
        if not size:
            return
        found["at"] = found["at"].cast(pa.timestamp("us", tz="UTC"))
        found["source_day"] = pa.repeat(pa.scalar(self.day, pa.date32()), size)
        arrays = [
            found[f.name] if f.name in found else pa.nulls(size, f.type) for f in arrow_schema(row)
        ]
        yield Columns(row, pa.Table.from_arrays(arrays, schema=arrow_schema(row)))

    def _keep(self, part: str, table: pa.Table) -> None:
        self._parts.setdefault(part, []).append(table)

    def _all(self, part: str) -> pa.Table:
        """All of a part, reduced over the reads; the last time it is as it is kept."""
        tables = self._parts[part]
        if len(tables) > 1:
            self._parts[part] = tables = [_earliest(pa.concat_tables(tables))]
        return tables[0]

    def _count(self, column: str, count: int) -> None:
        self._left_out[column] = self._left_out.get(column, 0) + count


_REASONS = {
    "user_pseudo_id": "{:,} events have no client id, as of visitors who did not consent: they are "
    "nobody's visits",
    "ga_session_id": "{:,} events with a client id have no session id, as those sent by a server: "
    "they are no visits",
    "client": "{:,} browsers were used by more people in a day than one has: they join nobody",
}


def _earliest(table: pa.Table) -> pa.Table:
    """For each key its first row: of the best level where there are levels, then by time."""
    if not len(table):
        return table
    code = np.asarray(pc.dictionary_encode(table["key"].combine_chunks()).indices)
    order = [np.asarray(table["at"]), code]
    if "level" in table.schema.names and "event" not in table.schema.names:
        order.insert(1, np.asarray(table["level"]))
    place = np.lexsort(order)
    first = np.ones(len(place), dtype=bool)
    first[1:] = code[place][1:] != code[place][:-1]
    return table.take(place[first])


def _unless(client: pa.Array, named: pa.Array, shared: pa.Array) -> pa.Array:
    """The client ids, but of shared browsers only where nobody is named."""
    joining = pc.and_(named, pc.is_in(client, value_set=shared))
    return pc.if_else(joining, None, client)
