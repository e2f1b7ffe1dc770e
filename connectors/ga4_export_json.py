"""Lines of GA4's export in JSON, parsed many at once: outside of Python, so on every core, and
without holding up the sources that are read meanwhile.

BigQuery writes whole numbers as texts, other writers as numbers: which it is in a file is learned
from what the parser objects to. Lines that are not all alike, or not all JSON, are for the caller
to read one by one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from pyarrow import json

_BLOCK = 1 << 22  # of this many bytes each core parses one; a longer line is read by itself
_VALUE = ("event_params", "[]", "value")
_FRACTIONS = {(*_VALUE, "double_value"), (*_VALUE, "float_value")}
# What the parser says of a value of another kind than the one before; else it is not understood,
# and nothing is learned.
_OTHER = re.compile(r"Column\(/(?P<path>[^)]+)\) changed from \w+ to (?P<kind>string|number)")
Path = tuple[str, ...]


class Parser:
    """Parses lines into the columns at some paths, and remembers how numbers are written."""

    def __init__(self, paths: Iterable[Path]) -> None:
        values = ((*_VALUE, f"{kind}_value") for kind in ("string", "int", "double", "float"))
        every = (*paths, ("event_params", "[]", "key"), *values)
        self._kinds: dict[Path, pa.DataType] = {
            path: pa.float64() if path in _FRACTIONS else pa.string() for path in every
        }

    def parse(self, lines: Sequence[bytes]) -> pa.RecordBatch | None:
        """A row for each line; None where they are not all JSON of one shape."""
        data = b"\n".join(line.rstrip(b"\r\n") for line in lines)
        try:
            data.decode()  # the parser would let other bytes pass
        except UnicodeDecodeError:
            return None
        for _ in range(len(self._kinds)):
            try:
                found = _parsed(data, self._schema())
            except pa.ArrowException as error:
                if not self._learned(str(error)):
                    return None
                continue
            return found if found is not None and len(found) == len(lines) else None
        return None

    def _learned(self, words: str) -> bool:
        """Whether a complaint says of which kind a value is, and that was not known."""
        said = _OTHER.search(words)
        path = tuple(said["path"].split("/")) if said else ()
        if said is None or path not in self._kinds:
            return False
        kind = pa.string() if said["kind"] == "string" else pa.int64()
        known, self._kinds[path] = self._kinds[path], kind
        return known != kind and path not in _FRACTIONS

    def _schema(self) -> pa.Schema:
        tree: dict[str, object] = {}
        for path, kind in self._kinds.items():
            branch = tree
            for name in path[:-1]:
                branch = branch.setdefault(name, {})  # type: ignore[assignment]
            branch[path[-1]] = kind
        return pa.schema([(name, _type(part)) for name, part in tree.items()])


def _parsed(data: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    table = json.read_json(
        pa.BufferReader(data),
        json.ReadOptions(use_threads=True, block_size=_BLOCK),
        json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else None


def _type(part: object) -> pa.DataType:
    if not isinstance(part, Mapping):
        return part
    if "[]" in part:
        return pa.list_(_type(part["[]"]))
    return pa.struct([(name, _type(inner)) for name, inner in part.items()])
