"""Reading frames of paths: `path` and `conversions`, and maybe `value` and `nulls`."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from attribution.errors import BadInput
from attribution.models.encoding import COLUMNS, SEPARATOR, counted, encode, place
from attribution.models.paths import Floats, Paths


def encode_frame(frame: pd.DataFrame, separator: str = SEPARATOR) -> Paths:
    """Journeys of a frame with columns `path`, `conversions` and optionally `value`, `nulls`."""
    if not isinstance(frame, pd.DataFrame):
        raise BadInput(
            "Paths are read from a pandas DataFrame with columns path and conversions, "
            f"and not from {type(frame).__name__}."
        )
    found = {str(name).strip().casefold(): at for at, name in enumerate(frame.columns)}
    names = [str(name).strip().casefold() for name in frame.columns]
    if missing := [name for name in COLUMNS[:2] if name not in found]:
        raise BadInput(
            f"The frame has no column {' and no column '.join(missing)}; it has "
            f"{', '.join(map(str, frame.columns)) or 'no columns at all'}."
        )
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise BadInput(f"The frame has two columns {twice[0]}; keep one.")
    texts = frame.iloc[:, found["path"]]
    numbers = {
        name: _numbers(frame.iloc[:, found[name]], name) for name in COLUMNS[1:] if name in found
    }
    return encode(_texts(texts), numbers, separator)


def _texts(column: "pd.Series[Any]") -> pa.Array:
    """Paths as texts; an empty path is none."""
    if pd.api.types.infer_dtype(column, skipna=True) != "string":
        strange = ~(column.isna() | column.map(lambda text: isinstance(text, str)).astype(bool))
        if strange.any():
            raise BadInput(f"{place(int(np.argmax(strange)), counted, 'path')} is not a text.")
        column = column.astype("str")
    try:
        return pa.array(column, type=pa.string(), from_pandas=True).fill_null("")
    except UnicodeEncodeError as error:
        row = next(at for at, text in enumerate(column) if text == error.object)
        raise BadInput(f"{place(row, counted, 'path')} cannot be written as UTF-8.") from None


def _numbers(column: "pd.Series[Any]", name: str) -> Floats:
    found = pd.to_numeric(column, errors="coerce")
    if {column.dtype.kind, found.dtype.kind} & set("mMc"):
        raise BadInput(f"Column {name} holds {column.dtype} and not plain numbers.")
    numbers: Floats = found.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers
