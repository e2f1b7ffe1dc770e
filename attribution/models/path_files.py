"""Reading path files: CSV with `path` and `conversions`, and maybe `value` and `nulls`."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from attribution.errors import BadInput
from attribution.models.encoding import SEPARATOR, encode
from attribution.models.paths import Floats, Paths

Progress = Callable[[str, int, int], None]
NUMBERS = ("conversions", "value", "nulls")


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def read_paths(path: Path, progress: Progress = quiet, separator: str = SEPARATOR) -> Paths:
    """The journeys of a CSV file; `progress` hears the stage, and how many bytes of how many."""
    table = _read(path, progress)
    names = _columns(path, table.column_names)
    try:
        numbers = {name: _cast(table[names[name]], name) for name in NUMBERS if name in names}
        return encode(table[names["path"]], numbers, separator, first_row=2)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None


def _read(path: Path, progress: Progress) -> pa.Table:
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a CSV file of paths in it.")
    if not path.is_file():
        raise BadInput(f"There is no file {path}; name a CSV file of paths.")
    size = path.stat().st_size
    with path.open("rb") as file:
        opening = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").strip()
        if opening.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise BadInput(f"{path.name} is not UTF-8 text; save it as CSV in UTF-8.")
        if not opening:
            raise BadInput(f"{path.name} is empty: it needs a header and at least one row.")
        if size < 1 << 16 and not set(opening) & set(b"\r\n"):
            raise BadInput(f"{path.name} has no rows: it needs at least one below its header.")
    try:
        header = _header(path)
        with path.open("rb") as file:
            reader = pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=1 << 22),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
                ),
            )
            batches = []
            for batch in reader:
                batches.append(batch)
                progress("read", min(file.tell(), size), size)
            return pa.Table.from_batches(batches, reader.schema)
    except pa.ArrowInvalid as error:
        raise BadInput(_explained(path, str(error))) from None


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        reader = pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        )
        names: list[str] = reader.schema.names
        return names


def _explained(path: Path, reason: str) -> str:
    row = re.search(r"Row #(\d+)", reason)
    place = f"Row {int(row[1]):,} of {path.name}" if row else path.name
    width = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if width:
        return (
            f"{place} has {width[2]} fields where the header has {width[1]}; "
            "put quotes around a path that holds commas."
        )
    if "UTF" in reason.upper():
        return f"{place} is not UTF-8 text; save it as CSV in UTF-8."
    return f"{place} cannot be read as CSV; check its quotes and its header."


def _columns(path: Path, header: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in header:
        name = column.strip().casefold()
        if name in found and name in ("path", *NUMBERS):
            raise BadInput(f"{path.name} has two columns {name}; keep one.")
        found[name] = column
    if len(header) == 1 and (mark := next((m for m in ";\t|" if m in header[0]), "")):
        raise BadInput(
            f"The columns of {path.name} are separated by {mark!r}; save it with commas instead."
        )
    if missing := [name for name in ("path", "conversions") if name not in found]:
        raise BadInput(
            f"{path.name} has no column {' and no column '.join(missing)}; its header is "
            f"{', '.join(header)}."
        )
    return {name: found[name] for name in ("path", *NUMBERS) if name in found}


def _cast(column: pa.ChunkedArray, name: str) -> Floats:
    texts = pc.utf8_trim_whitespace(column)
    try:
        numbers: Floats = texts.cast(pa.float64()).to_numpy()
        return numbers
    except pa.ArrowInvalid:
        row = next(i for i, text in enumerate(texts.to_pylist()) if not _is_number(text))
        shown = "is empty" if not texts[row].as_py() else "is not a number"
        raise BadInput(
            f"Row {row + 2:,}, column {name}, {shown}; write a plain number such as 12.5, "
            "and 0 where there was nothing."
        ) from None


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(pa.scalar(text).cast(pa.float64()).as_py()))
    except pa.ArrowInvalid:
        return False
