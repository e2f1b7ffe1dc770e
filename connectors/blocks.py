"""What a file's block of rows says in one column, and the block without some of its rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.moments import Mask
from connectors.readers import Block


def said(block: Block, column: str) -> pa.Array:
    """A column as trimmed text, null where nothing is written."""
    parts = block.columns.get(column) or [pa.nulls(len(block.numbers), pa.string())]
    return pc.coalesce(*(trimmed(part) for part in parts))


def trimmed(part: pa.Array) -> pa.Array:
    """Values as text without surrounding space, null where nothing is left."""
    text = pc.utf8_trim_whitespace(part.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def kept(block: Block, rows: Mask) -> Block:
    """Only these rows of a block."""
    if rows.all():
        return block
    mask = pa.array(rows)
    columns = {name: [part.filter(mask) for part in parts] for name, parts in block.columns.items()}
    return Block(columns, block.numbers[rows])


def classed(text: pa.Array, patterns: Mapping[str, str], otherwise: str) -> pa.Array:
    """The class of the first pattern that is found in a text; empty stays empty."""
    found = [pc.match_substring_regex(text, pattern, ignore_case=True) for pattern in patterns]
    cases = pc.make_struct(*found, field_names=[str(n) for n in range(len(found))])
    return pc.case_when(cases, *patterns.values(), pc.if_else(pc.is_valid(text), otherwise, None))


def bad_patterns(where: str, patterns: object) -> list[str]:
    """What is wrong with a table of patterns."""
    if not isinstance(patterns, dict) or not all(isinstance(v, str) for v in patterns.values()):
        return [f"{where} must be a table of pattern = class"]
    problems = []
    for pattern in patterns:
        try:
            pc.match_substring_regex(pa.array([""]), pattern)
        except pa.ArrowInvalid:
            problems.append(f"{where}: {pattern!r} is no regular expression")
    return problems


def among(text: pa.Array, words: Sequence[str]) -> Mask:
    """Where a text is one of some words, whatever its case."""
    lower = pc.utf8_lower(text)
    listed = pa.array([word.strip().lower() for word in words], pa.string())
    return np.asarray(pc.fill_null(pc.is_in(lower, value_set=listed), False))
