"""Files of GA4's BigQuery export as flat events: only what tells a visit and its source.

The export nests: `event_params` is a list of keys with values of four types, traffic sources are
records of records, and which of them are there depends on the year and on the kind of table. What
is not known is not read. Of a page's address only the click id is taken, within this file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.drops import JSON, suffix_of
from connectors.errors import SourceChanged
from connectors.ga4_export_json import Parser
from connectors.ga4_export_traffic import NESTED, PARAMS, flat
from connectors.readers import BATCH, changed, lines, unpacked
from connectors.source import Rejected

FORMATS = {".parquet", *JSON}
_NEEDED = ("event_timestamp", "event_name", "user_pseudo_id")
_OWN = (*_NEEDED, "user_id")
_VALUES = ("string_value", "int_value", "double_value", "float_value")
# GA4 is of 2020; a clock of the future is the visitor's.
_FIRST, _LAST = 1_577_836_800_000_000, 4_102_444_800_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of an event besides its time, name and visitor."""

    lead_param: str
    last_click: bool  # GA4's own last click of the session before what the event itself says

    @property
    def params(self) -> dict[str, str]:
        """Event parameter -> name of its column."""
        named = {name: name for name in PARAMS}
        return named | ({self.lead_param: "lead"} if self.lead_param else {})


def read_events(name: str, stream: BinaryIO, wanted: Wanted) -> Iterator[pa.Table | Rejected]:
    """The events of one file, in parts, and the rows that are none."""
    parquet = suffix_of(name) == ".parquet"
    read = _parquet if parquet else _ndjson
    for part in read(name, unpacked(name, stream), wanted):
        if isinstance(part, Rejected):
            yield part
        else:
            yield from _checked(name, part, wanted)


def _checked(
    name: str, raw: Mapping[str, pa.Array], wanted: Wanted
) -> Iterator[pa.Table | Rejected]:
    """Events that have a time and a name, and why the others are none."""
    at, event = raw["event_timestamp"], raw["event_name"]
    timed = pc.and_(pc.greater_equal(at, _FIRST), pc.less(at, _LAST))
    timed, named = pc.fill_null(timed, False), pc.fill_null(pc.not_equal(event, ""), False)
    for column, right, reason in (
        ("event_timestamp", timed, "is no time in microseconds since 1970, from 2020 on"),
        ("event_name", pc.or_(named, pc.invert(timed)), "is empty"),
    ):
        for number in raw["number"].filter(pc.invert(right)).to_pylist():
            yield Rejected(name, number, column, "", reason, "touchpoint")
    events = flat(raw, last_click=wanted.last_click)
    good = pc.and_(timed, named)
    yield events if pc.all(good).as_py() else events.filter(good)


def _parquet(
    name: str, stream: BinaryIO, wanted: Wanted
) -> Iterator[Rejected | dict[str, pa.Array]]:
    try:
        file = pq.ParquetFile(stream, pre_buffer=False)
    except pa.ArrowException as error:
        changed(name, "is no whole Parquet file (its footer is missing or damaged)", error)
    present = file.schema_arrow.names
    _is_export(name, present)
    tops = {*_OWN, "event_params", *(path[0] for path in NESTED)}
    first = 1
    try:
        for batch in file.iter_batches(BATCH // 8, columns=[n for n in present if n in tops]):
            numbers = pa.array(np.arange(first, first + len(batch)))
            yield {"number": numbers, **_columns(batch, wanted)}
            first += len(batch)
    except (pa.ArrowException, OSError, TypeError, KeyError, AttributeError) as error:
        changed(name, f"is damaged after row {first:,}", error)


def _is_export(name: str, present: list[str]) -> None:
    missing = [column for column in _NEEDED if column not in present]
    if missing:
        raise SourceChanged(
            f"{name} has no column {' and no '.join(missing)}, so it is no table of GA4's BigQuery "
            "export. Nothing of it was loaded; drop the tables events_* as they are exported."
        )


def _columns(batch: pa.RecordBatch, wanted: Wanted) -> dict[str, pa.Array]:
    found = {name: _at(batch, (name,)) for name in _OWN}
    found["event_timestamp"] = _micros(found["event_timestamp"])
    found |= {name: _text(found[name]) for name in _OWN[1:]}
    found |= {name: _text(_at(batch, path)) for path, name in NESTED.items()}
    if "event_params" in batch.schema.names:
        return found | _params(_listed(batch.column("event_params")), wanted.params)
    return found | {name: pa.nulls(len(batch), pa.string()) for name in wanted.params.values()}


def _at(batch: pa.RecordBatch, path: tuple[str, ...]) -> pa.Array:
    """The column at a path; nothing where the file has no such column."""
    if path[0] not in batch.schema.names:
        return pa.nulls(len(batch), pa.string())
    column = batch.column(path[0])
    for name in path[1:]:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(name) < 0:
            return pa.nulls(len(batch), pa.string())
        column = pc.struct_field(column, name)
    return column


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):  # a whole number that was once a fraction's neighbour
        whole = pc.cast(column, pa.int64(), safe=False)
        column = pc.if_else(pc.equal(whole, column), whole, None)
    return column if column.type == pa.string() else column.cast(pa.string())


def _micros(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    return column if column.type == pa.int64() else column.cast(pa.int64())


def _listed(column: pa.Array) -> pa.Array:
    """A repeated record as a list: some writers put it into `list` and `element`."""
    if pa.types.is_struct(column.type) and column.type.get_field_index("list") >= 0:
        return pc.struct_field(column, "list")
    return column


def _params(column: pa.Array, wanted: Mapping[str, str]) -> dict[str, pa.Array]:
    size = len(column)
    owner, params = pc.list_parent_indices(column), pc.list_flatten(column)
    for wrapper in ("element", "item"):
        if params.type.get_field_index(wrapper) >= 0:
            params = pc.struct_field(params, wrapper)
    key = pc.struct_field(params, "key").cast(pa.string())
    among = pc.is_in(key, value_set=pa.array(list(wanted)))
    key, owner = key.filter(among), np.asarray(owner.filter(among))
    value = pc.struct_field(params, "value")
    kinds = [name for name in _VALUES if value.type.get_field_index(name) >= 0]
    texts = [_text(pc.struct_field(value, name).filter(among)) for name in kinds]
    text = pc.coalesce(*texts) if texts else pa.nulls(len(key), pa.string())
    found = {}
    for param, name in wanted.items():
        places = np.flatnonzero(np.asarray(pc.equal(key, param)))
        at = np.zeros(size, dtype=np.int64)
        at[owner[places]] = places
        none = np.ones(size, dtype=bool)
        none[owner[places]] = False
        found[name] = pc.take(text, pa.array(at, mask=none))
    return found


def _ndjson(
    name: str, stream: BinaryIO, wanted: Wanted
) -> Iterator[Rejected | dict[str, pa.Array]]:
    columns = [*_OWN, *NESTED.values(), *wanted.params.values()]
    row_of = _rows(wanted)
    parser = Parser([*((column,) for column in _OWN), *NESTED])
    numbered = enumerate(lines(name, stream), start=1)
    any_line = any_event = False
    while batch := list(islice(numbered, BATCH // 4)):
        batch = [(number, line) for number, line in batch if line.strip()]
        if (found := _at_once(parser, batch, wanted)) is not None:
            any_line = True
            any_event = any_event or found["event_timestamp"].null_count < len(batch)
            yield found
            continue
        rows, numbers = [], []
        for number, line in batch:
            any_line = True
            try:
                rows.append(row_of(orjson.loads(line)))
            except (ValueError, TypeError, AttributeError):
                shape = f"line of {len(line.strip()):,} bytes"
                yield Rejected(name, number, "", shape, "is no event in JSON", "touchpoint")
                continue
            numbers.append(number)
        if not rows:
            continue
        values = dict(zip(columns, zip(*rows, strict=True), strict=True))
        any_event = any_event or any(values["event_timestamp"])
        kinds = dict.fromkeys(columns, pa.string()) | {"event_timestamp": pa.int64()}
        yield {
            "number": pa.array(numbers),
            **{column: pa.array(values[column], kinds[column]) for column in columns},
        }
    if any_line and not any_event:
        _is_export(name, [])


def _at_once(
    parser: Parser, batch: list[tuple[int, bytes]], wanted: Wanted
) -> dict[str, pa.Array] | None:
    """Lines as columns, if they are all as BigQuery writes them."""
    parsed = parser.parse([line for _, line in batch]) if batch else None
    if parsed is None:
        return None
    try:
        return {"number": pa.array([number for number, _ in batch]), **_columns(parsed, wanted)}
    except pa.ArrowException:  # a time that is no number
        return None


def _rows(wanted: Wanted) -> Callable[[dict[str, Any]], list[Any]]:
    """What makes a row of a record: numbers come as texts, empty columns not at all."""
    own = len(_OWN)
    width = own + len(NESTED) + len(wanted.params)
    place = {name: own + len(NESTED) + number for number, name in enumerate(wanted.params)}
    nested: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for number, path in enumerate(NESTED):
        nested.setdefault(path[0], []).append((own + number, path[1:]))

    def row_of(record: dict[str, Any]) -> list[Any]:
        row: list[Any] = [None] * width
        at = record.get("event_timestamp")
        row[0] = None if at is None else min(max(int(at), 0), _LAST)
        for number in range(1, own):
            row[number] = _said(record.get(_OWN[number]))
        for top, paths in nested.items():
            if whole := record.get(top):
                for number, path in paths:
                    part = whole
                    for name in path:
                        part = part.get(name) if part else None
                    row[number] = _said(part)
        for param in record.get("event_params") or ():
            if (found := place.get(param.get("key"))) is not None:
                value = param.get("value") or {}
                said = (value[kind] for kind in _VALUES if value.get(kind) is not None)
                row[found] = _said(next(said, None))
        return row

    return row_of


def _said(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, dict | list):
        raise TypeError(type(value).__name__)
    return str(value)
