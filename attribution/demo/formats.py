"""How foreign systems write columns: their dates, numbers and words."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from attribution.demo.market import TIMEZONE

Tables = Mapping[str, pd.DataFrame]


def text(column: pd.Series) -> pa.Array:
    """Texts, with nothing where there is none."""
    return pa.array(column.astype(object), pa.string(), from_pandas=True)


def written(column: pd.Series, form: str) -> pa.Array:
    """Moments in a strftime format."""
    moments = pa.array(column.astype("datetime64[s]"), from_pandas=True)
    return pc.strftime(moments, format=form)


def in_utc(column: pd.Series) -> pd.Series:
    """Wall-clock times of the health system as instants."""
    local = column.astype("datetime64[us]").dt.tz_localize(TIMEZONE)
    return local.dt.tz_convert("UTC")


def instants(column: pd.Series) -> pa.Array:
    """The same as ISO 8601 texts."""
    moments = pa.array(in_utc(column), pa.timestamp("s", tz="UTC"), from_pandas=True)
    return pc.strftime(moments, format="%Y-%m-%dT%H:%M:%SZ")


def words(column: pd.Series, foreign: Mapping[str, str]) -> pa.Array:
    """Our words as the other system says them."""
    return text(column.map(dict(foreign)).where(column.notna()))


def flags(column: pd.Series, yes: str, no: str) -> pa.Array:
    """Truth as two words."""
    return pa.array(np.where(column.to_numpy(dtype=bool), yes, no))


def dollars(column: pd.Series, *, comma: bool = False) -> pa.Array:
    """Amounts with two decimals, with a comma where the country has one."""
    values = pa.array(column.astype(float), from_pandas=True)
    exact = pc.round(values, 2).cast(pa.decimal128(14, 2)).cast(pa.string())
    return pc.replace_substring(exact, ".", ",") if comma else exact


def whole(column: pd.Series) -> pa.Array:
    """Numbers without decimals."""
    return pa.array(column.astype(float), from_pandas=True).cast(pa.int64())


def write_csv(
    path: Path, columns: Mapping[str, pa.Array], *, delimiter: str = ",", encoding: str = "utf-8"
) -> None:
    """Write a file with a header; only what needs quotes has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(
        delimiter=delimiter, quoting_style="needed", include_header=False
    )
    arrow_csv.write_csv(pa.table(dict(columns)), sink, options)
    header = delimiter.join(columns) + "\n"
    body = sink.getvalue().to_pybytes()
    if encoding != "utf-8":
        body = body.decode().encode(encoding)
    path.write_bytes(header.encode(encoding) + body)


def write_parquet(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """Write a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, compression="zstd", row_group_size=200_000)
