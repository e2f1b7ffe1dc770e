"""The files of a research export: Parquet and CSV, codebook, disclosure report, manifest.

Nothing in them says when they were written, by which program's user, or from what: the only
metadata are those that the formats need. All can be read by their owner only.
"""

import csv
import io
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from attribution.research.words import in_words

PARQUET, CSV, CODEBOOK = "people.parquet", "people.csv", "codebook.csv"
REPORT, FIGURES, MANIFEST = "disclosure.md", "disclosure.json", "manifest.json"
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows


def contents(
    table: pa.Table, codebook: Sequence[Mapping[str, str]], disclosure: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files by name, without the manifest."""
    return {
        PARQUET: _parquet(table),
        CSV: as_csv(table),
        CODEBOOK: _rows(codebook),
        FIGURES: as_json(disclosure),
        REPORT: in_words(disclosure).encode(),
    }


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def as_json(content: Mapping[str, Any]) -> bytes:
    """A document as text, keys in the order given."""
    return (json.dumps(content, indent=2, default=str) + "\n").encode()


def write_folder(files: Mapping[str, bytes], out: Path) -> None:
    """Write all files into a new folder, which appears when it is whole."""
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    partial.mkdir(mode=0o700)
    try:
        for name, content in files.items():
            _write(partial / name, content)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_zip(files: Mapping[str, bytes], out: Path) -> None:
    """Write all files into one zip file, which appears when it is whole."""
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        _write(partial, zipped(files))
        partial.rename(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def zipped(files: Mapping[str, bytes]) -> bytes:
    """All files as one zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content, compresslevel=1)
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(
        table.replace_schema_metadata(None), sink, compression="zstd", store_schema=False
    )
    return sink.getvalue()


def as_csv(table: pa.Table) -> bytes:
    """The table as CSV, RFC 4180, UTF-8."""
    words = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    sink = io.BytesIO()
    # Every value is a word of the codebook, a day or hexadecimal digits: none starts a formula.
    pa.csv.write_csv(table.cast(pa.schema(words)), sink)
    return sink.getvalue()


def _rows(rows: Sequence[Mapping[str, str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode("utf-8")
