"""The fields of a spend sheet, and where and how a sheet has them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.cast import absent, cast
from connectors.contract import Field, Kind
from connectors.dialect import Dialect, Fault, NoSuchCast
from connectors.files import reader_of
from connectors.moments import pattern_of
from connectors.readers import Block, Layout, Misfit, mismatched, unpacked
from connectors.row_checks import priced_otherwise


def _field(name: str, kind: Kind = "text", *, needed: bool = False, default: Any = None) -> Field:
    return Field(name, kind, needed, default, None, private=False, one_of=None)


FIELDS = (
    _field("medium", needed=True),
    _field("campaign", needed=True),
    _field("spend", "money", needed=True),
    _field("week", "day"),
    _field("start", "day"),
    _field("end", "day"),
    _field("vendor"),
    _field("market"),
    _field("campaign_id"),
    _field("currency"),
    _field("impressions", "integer", default=0),
    _field("number"),
    _field("code"),
    _field("code_until", "day"),
    _field("service_line"),
    _field("location"),
)
_NAMES = tuple(field.name for field in FIELDS)
# One of each group must be in the sheet's header.
_PERIODS = ("week", "start")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a sheet: a column for each field, and what is wrong with which row."""

    columns: dict[str, pa.Array]
    faults: list[tuple[Field, Fault]]
    numbers: npt.NDArray[np.int64]
    misfits: list[Misfit]
    raw: Block
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SheetMapping:
    """How sheets are laid out, and how their values are written."""

    headers: Mapping[str, str]  # field -> header of its column
    values: Mapping[str, Mapping[str, str]]
    currency: str | None
    layout: Layout
    dialect: Dialect

    def blocks(self, name: str, stream: BinaryIO) -> Iterator[Rows]:
        """The rows of one sheet, cast; SourceChanged where its header cannot be right."""
        reader = reader_of(name)
        assert reader is not None  # noqa: S101 - only such files are asked for
        stream.seek(0)
        for block in reader(name, unpacked(name, stream), self.layout, self._chooser(name)):
            yield self._cast(name, block)

    def _chooser(self, name: str) -> Any:
        def choose(header: Sequence[str]) -> list[str]:
            named = {f: h for f, h in self.headers.items() if h in header}
            missing = [
                f"no column {self.headers[f.name]!r} (for {f.name})"
                for f in FIELDS
                if f.name not in named and (f.required or self.headers[f.name] != f.name)
            ]
            if not any(period in named for period in _PERIODS):
                missing.append("neither a week nor a start of its flights")
            twice = [f"{header.count(h)} columns {h!r}" for h in named.values() if
                     header.count(h) > 1]  # fmt: skip
            if missing or twice:
                mismatched(name, f"has {' and '.join([*missing, *twice])}")
            return list(dict.fromkeys(named.values()))

        return choose

    def _cast(self, name: str, block: Block) -> Rows:
        columns, faults = {}, []
        for field in FIELDS:
            column, found = self._column(name, field, block)
            columns[field.name] = column
            faults += [(field, fault) for fault in found if fault.where.any()]
        if self.currency is not None:
            columns["currency"] = pc.fill_null(columns["currency"], self.currency)
        written = {field.name: self._written(field, block) or [] for field in FIELDS}
        for field in FIELDS:
            faults += [(field, f) for _, f in priced_otherwise([field], columns, written)]
        return Rows(columns, faults, block.numbers, block.misfits, block, self.headers)

    def _column(self, name: str, field: Field, block: Block) -> tuple[pa.Array, list[Fault]]:
        parts = self._written(field, block)
        if parts is None:
            return absent(field, len(block.numbers)), []
        try:
            return cast(field, parts, self.dialect)
        except NoSuchCast as error:
            header = self.headers[field.name]
            what = f"has {header!r} as {parts[0].type}, which cannot become {field.name}"
            mismatched(name, f"{what} ({field.kind})", error)

    def _written(self, field: Field, block: Block) -> Sequence[pa.Array] | None:
        parts = block.columns.get(self.headers[field.name])
        if parts is None or field.name not in self.values:
            return parts
        return [_replaced(part, self.values[field.name]) for part in parts]


def sheet_mapping(chosen: Mapping[str, Any]) -> tuple[SheetMapping | None, list[str]]:
    """Read the settings of a source of sheets; or everything that is wrong with them."""
    problems = []
    for part in ("columns", "values"):
        given = chosen[part] or {}
        if not isinstance(given, Mapping):
            return None, [f"{part} must be a table"]
        problems += [
            f"{part}: {name} is none of {', '.join(_NAMES)}" for name in given if name not in _NAMES
        ]
    values = chosen["values"] or {}
    problems += [
        f"values.{name} must be a table of texts"
        for name, texts in values.items()
        if not isinstance(texts, Mapping) or not all(isinstance(v, str) for v in texts.values())
    ]
    decimal, header_row = str(chosen["decimal"]), chosen["header_row"]
    if decimal not in (".", ","):
        problems.append('decimal must be "." or ","')
    if type(header_row) is not int or header_row < 1:
        problems.append("header_row must be 1 or more")
    currency = chosen["currency"]
    if currency is not None and not _is_currency(str(currency)):
        problems.append(f"currency {currency!r} is no code of three letters such as USD")
    problems += _wrong_format(chosen["date_format"])
    if problems:
        return None, problems
    layout = Layout(
        encoding=str(chosen["encoding"]),
        delimiter=chosen["delimiter"],
        header_row=header_row,
        sheet=chosen["sheet"],
    )
    dialect = Dialect(
        decimal=decimal,
        thousands="." if decimal == "," else ",",
        date_format=chosen["date_format"],
        timezone=str(chosen["timezone"]),
    )
    headers = {name: name for name in _NAMES}
    headers |= {name: str(header) for name, header in (chosen["columns"] or {}).items()}
    return SheetMapping(headers, values, currency, layout, dialect), []


def _wrong_format(written: str | None) -> list[str]:
    try:
        if written is not None:
            pattern_of(written)
    except ValueError as error:
        return [f"date_format {error}"]
    return []


def _is_currency(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def _replaced(part: pa.Array, values: Mapping[str, str]) -> pa.Array:
    """Texts for which the settings have another; the others stay as they are."""
    text = part.cast(pa.string())
    place = pc.index_in(pc.utf8_trim_whitespace(text), value_set=pa.array(list(values)))
    return pc.coalesce(pc.take(pa.array(list(values.values()), pa.string()), place), text)
