"""Files: CSV, Parquet, XLSX and NDJSON in a folder, mapped to contract rows by caretrace.toml."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.blocks import classed, kept
from connectors.cast import absent, cast
from connectors.columns import arrow_schema
from connectors.contract import Field
from connectors.csv_reader import read_csv
from connectors.dialect import Fault, NoSuchCast
from connectors.drops import Drop, DropFile, Plan, kinds_of, matches, suffix_of
from connectors.errors import SourceMisconfigured
from connectors.mapping import FileMapping, file_mapping
from connectors.readers import (
    Block,
    Choose,
    Layout,
    mismatched,
    read_ndjson,
    read_parquet,
    unpacked,
)
from connectors.row_checks import contradictions
from connectors.shapes import shape_of
from connectors.source import Columns, Context, Item, Option, Rejected, See, Slice, unseen
from connectors.spans import Doubt, unlikely
from connectors.xlsx_reader import read_xlsx

OPTIONS = (
    Option("folder", "Folder that the files are dropped into.", path=True),
    Option(
        "files", "One table for each kind of file: match, row, columns (docs/sources-files.md)."
    ),
    Option("timezone", "Time zone of times written without one.", required=False),
)
_READERS = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".ndjson": read_ndjson,
    ".jsonl": read_ndjson,
    ".parquet": read_parquet,
    ".xlsx": read_xlsx,
}
_PACKED = {
    f"{text}{packed}"
    for text in (".csv", ".tsv", ".ndjson", ".jsonl")
    for packed in (".gz", ".zst")
}


def connect(context: Context) -> "Files":
    """Read the mappings; raises SourceMisconfigured with everything that is wrong with them."""
    tables = context.options.get("files")
    if not context.options.get("folder") or not isinstance(tables, list) or not tables:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs `folder` and at least one [[sources.{context.name}"
            ".files]] table; docs/sources-files.md shows one."
        )
    mappings, problems = [], []
    for number, table in enumerate(tables, start=1):
        mapping, found = file_mapping(table, context.options.get("timezone"))
        named = table.get("match", "") if isinstance(table, dict) else ""
        problems += [f"files[{number}] {named}: {problem}" for problem in found]
        if mapping is not None:
            mappings.append(mapping)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SourceMisconfigured(
            f"Source '{context.name}' has mappings that cannot be right:\n{lines}"
        )
    folder = Path(str(context.options["folder"])).expanduser()
    return Files(context.name, folder, tuple(mappings), context.see)


@dataclass(frozen=True, slots=True)
class Files:
    """A drop folder with its mappings."""

    name: str
    folder: Path
    mappings: tuple[FileMapping, ...]
    see: See = unseen

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each new file; a file that several mappings match is read for each."""
        return self._drop().slices(cursors)

    def probe(self) -> str:
        """How many files there are, and which no mapping reads."""
        drop = self._drop()
        read = [file for file, _ in drop.planned()]
        left = [file for file in drop.files() if self._plan(file) is None]
        said = f"{self.folder} holds {kinds_of(read)} to read"
        if left:
            said += f"; no mapping matches {left[0].name}"
            said += f" and {len(left) - 1} more" if len(left) > 1 else ""
        return f"{said}."

    def _drop(self) -> Drop:
        return Drop(self.name, self.folder, self._plan)

    def _plan(self, file: DropFile) -> Plan | None:
        if reader_of(file.name) is None:
            return None
        fitting = [m for m in self.mappings if matches(file.name, m.match)]
        if not fitting:
            return None
        rows = tuple(dict.fromkeys(mapping.row for mapping in fitting))
        key = "+".join(mapping.key for mapping in fitting)
        return Plan(rows, key, lambda f, stream: read(f, stream, fitting, self.see))


def reader_of(name: str) -> Callable[[str, BinaryIO, Layout, Choose], Iterator[Block]] | None:
    """What reads files of this name's format; None where nothing does."""
    suffix = suffix_of(name)
    if suffix not in _READERS and suffix not in _PACKED:
        return None
    return _READERS[f".{suffix.split('.')[1]}"]


def read(
    file: DropFile, stream: BinaryIO, mappings: Sequence[FileMapping], see: See = unseen
) -> Iterator[Item]:
    """The rows and rejects of one file."""
    form = f".{suffix_of(file.name).split('.')[1]}"
    sparse = form in (".ndjson", ".jsonl")
    for mapping in mappings:
        stream.seek(0)

        def choose(header: Sequence[str], mapping: FileMapping = mapping) -> Sequence[str]:
            chosen = mapping.choose(file.name, header, sparse=sparse)
            # Not before it is known for a header: the first row of another file may be values.
            see(mapping.match, {name for name in header if name}, whole=not sparse)
            return chosen

        source = unpacked(file.name, stream)
        for block in _READERS[form](file.name, source, mapping.layout, choose):
            yield from rows_of(file.name, block, mapping)


def rows_of(name: str, block: Block, mapping: FileMapping) -> Iterator[Item]:
    """The good rows of a block as columns, and the first fault of each other row."""
    table = mapping.row.spec.table
    for misfit in block.misfits:
        yield Rejected(name, misfit.number, "", misfit.shape, misfit.reason, table)
    block = _without_empty_rows(block)
    if not mapping.questions:
        yield from _rows(name, block, mapping)
        return
    told: set[tuple[int, str]] = set()
    for question, part in mapping.questions:
        for item in _rows(name, question.answered(block), part):
            # What is wrong with the whole response is not said again for each question.
            if isinstance(item, Rejected):
                if (item.row_number, item.column) in told:
                    continue
                told.add((item.row_number, item.column))
            yield item


def _rows(name: str, block: Block, mapping: FileMapping) -> Iterator[Item]:
    faults: list[Doubt] = []
    doubts: list[Doubt] = []
    if mapping.ledger is not None:
        block, unknown = mapping.ledger.money(block, mapping.header("amount"))
        faults += [(mapping.ledger.type or "", fault) for fault in unknown]
    size = len(block.numbers)
    if not size:
        return
    columns: dict[str, pa.Array] = {}
    for f in mapping.fields:
        columns[f.name], found = _column(name, f, block, mapping)
        if f.name in mapping.spans or f.name == "minutes_waited":
            label = mapping.spans[f.name].end if f.name in mapping.spans else mapping.header(f.name)
            columns[f.name], found = _likely(columns[f.name], found, label)
            doubts += found
        else:
            doubts += [each for each in found if each[1].doubt]
            faults += [each for each in found if not each[1].doubt]
    written = {f.name: _written(f, block, mapping) or [] for f in mapping.fields}
    wrong = contradictions(mapping.row, mapping.fields, columns, written)
    faults += [(mapping.header(field), fault) for field, fault in wrong]
    good = np.ones(size, dtype=bool)
    for column, fault in faults:
        new = fault.where & good
        good &= ~fault.where
        yield from _rejects(name, block, mapping, column, Fault(new, fault.reason))
    for column, fault in doubts:
        reason = f"{fault.reason}; the row was loaded without it"
        yield from _rejects(name, block, mapping, column, Fault(fault.where & good, reason))
    whole = pa.Table.from_arrays(list(columns.values()), schema=arrow_schema(mapping.row))
    if not good.all():
        whole = whole.filter(pa.array(good))
    if len(whole):
        yield Columns(mapping.row, whole)


def _column(
    name: str, f: Field, block: Block, mapping: FileMapping
) -> tuple[pa.Array, list[Doubt]]:
    size = len(block.numbers)
    header = mapping.header(f.name)
    if f.name in mapping.spans:
        return mapping.spans[f.name].minutes(block, mapping.dialect)
    if f.name in mapping.constants:
        return pa.repeat(mapping.constants[f.name], size), []
    if mapping.question is not None and f.name == "score":
        score, found = mapping.question.scored(block)
        return score, [(mapping.question.header, fault) for fault in found]
    parts = _written(f, block, mapping)
    if parts is None:
        return absent(f, size), []
    try:
        column, found = cast(f, parts, mapping.dialect)
    except NoSuchCast as error:
        what = f"has {header!r} as {parts[0].type}, which cannot become {f.name} ({f.kind})"
        mismatched(name, what, error)
    if f.name in mapping.patterns:
        column = classed(column, mapping.patterns[f.name], "other")
    if f.name in mapping.suffixes:
        column = pc.binary_join_element_wise(column, mapping.suffixes[f.name], "")
    if mapping.ledger is not None and f.name == "amount":
        column = mapping.ledger.signed(block, column)
    return column, [(header, fault) for fault in found if fault.where.any()]


def _written(f: Field, block: Block, mapping: FileMapping) -> Sequence[pa.Array] | None:
    """What the file has for a field, and in its place what the mapping has; None without column."""
    parts = block.columns.get(mapping.header(f.name))
    if parts is None or f.name not in mapping.values:
        return parts
    return [_replaced(part, mapping.values[f.name]) for part in parts]


def _likely(minutes: pa.Array, doubts: list[Doubt], column: str) -> tuple[pa.Array, list[Doubt]]:
    """Waits without those that nobody can have had: the visit is true all the same."""
    doubts = [*doubts, *((column, fault) for fault in unlikely(minutes))]
    wrong = np.zeros(len(minutes), dtype=bool)
    for _, fault in doubts:
        wrong |= fault.where
    return (pc.if_else(pa.array(wrong), None, minutes) if wrong.any() else minutes), doubts


def _replaced(part: pa.Array, values: Mapping[str, str]) -> pa.Array:
    """Texts for which the mapping has another; the others stay as they are."""
    text = part.cast(pa.string())
    place = pc.index_in(pc.utf8_trim_whitespace(text), value_set=pa.array(list(values)))
    return pc.coalesce(pc.take(pa.array(list(values.values()), pa.string()), place), text)


def _without_empty_rows(block: Block) -> Block:
    """Spreadsheets write rows of nothing below their last; such rows are not rejects."""
    empty = np.ones(len(block.numbers), dtype=bool)
    for parts in block.columns.values():
        for part in parts:
            if not empty.any():
                return block
            nothing = pc.is_null(part)
            if pa.types.is_string(part.type):
                nothing = pc.or_(nothing, pc.fill_null(pc.equal(part, ""), True))
            empty &= np.asarray(nothing)
    return kept(block, ~empty)


def _rejects(
    name: str, block: Block, mapping: FileMapping, column: str, fault: Fault
) -> Iterator[Rejected]:
    parts = block.columns.get(column, [])
    for place in np.flatnonzero(fault.where):
        values = (part[int(place)].as_py() for part in parts)
        value = next((str(v) for v in values if v is not None), "")
        number, own = int(block.numbers[place]), _key(block, mapping, int(place))
        table = mapping.row.spec.table
        yield Rejected(name, number, column, shape_of(value), fault.reason, table, own)


def _key(block: Block, mapping: FileMapping, place: int) -> str | None:
    """What a row is keyed by, where one column holds it as it is."""
    key, *more = mapping.row.spec.key
    if more or key in mapping.suffixes or key in mapping.values:
        return None
    parts = block.columns.get(mapping.header(key), [])
    found = (part[place].as_py() for part in parts)
    return next((str(value).strip() for value in found if value is not None), None)
