"""Checks across the columns of a row that one column cannot make alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Feedback, Field, Row
from connectors.dialect import Fault, true
from connectors.moments import Mask

BEST_NPS = 10
# A dollar's sign says nothing of whose dollar it is.
_SIGNS = {"€": ("EUR",), "£": ("GBP",), "¥": ("JPY", "CNY")}
# A currency's code stands beside a digit; other words, such as VOID, say nothing of the currency.
_CODES = (
    r"(?:^|[^A-Za-z])(?P<code>[A-Z]{3}) ?[+-]?[.,]?\d",
    r"\d[.,]? ?(?P<code>[A-Z]{3})(?:[^A-Za-z]|$)",
)


def contradictions(
    row: type[Row],
    fields: Sequence[Field],
    columns: Mapping[str, pa.Array],
    written: Mapping[str, Sequence[pa.Array]],
) -> Iterator[tuple[str, Fault]]:
    """Fields whose value cannot be right beside the others of its row.

    `written` is what the file has for a field, where it has a column, or what the mapping has for
    that.
    """
    yield from _unpriced(fields, columns)
    yield from priced_otherwise(fields, columns, written)
    if row is Feedback:
        yield from _off_scale(columns)


def _unpriced(
    fields: Iterable[Field], columns: Mapping[str, pa.Array]
) -> Iterator[tuple[str, Fault]]:
    """Amounts in a row that does not say their currency."""
    if "currency" not in columns or not columns["currency"].null_count:
        return
    missing = np.asarray(pc.is_null(columns["currency"]))
    for f in fields:
        if f.kind == "money":
            where = missing & np.asarray(pc.is_valid(columns[f.name]))
            yield f.name, Fault(where, "is an amount without a currency")


def priced_otherwise(
    fields: Iterable[Field],
    columns: Mapping[str, pa.Array],
    written: Mapping[str, Sequence[pa.Array]],
) -> Iterator[tuple[str, Fault]]:
    """Amounts that are written with another currency than their row's."""
    money = [f.name for f in fields if f.kind == "money"] if "currency" in columns else []
    for name in money:
        for text in [part for part in written.get(name, ()) if pa.types.is_string(part.type)]:
            if pc.any(pc.match_substring_regex(text, f"[A-Z{''.join(_SIGNS)}]")).as_py():
                where = _named_otherwise(text, columns["currency"])
                yield name, Fault(where, "names another currency than its row")


def _named_otherwise(text: pa.Array, currency: pa.Array) -> Mask:
    found = [pc.struct_field(pc.extract_regex(text, each), "code") for each in _CODES]
    code = pc.coalesce(*found)
    otherwise = true(pc.not_equal(code, currency))
    for sign, codes in _SIGNS.items():
        others = ~true(pc.is_in(currency, value_set=pa.array(codes)))
        otherwise |= true(pc.match_substring(text, sign)) & others
    return otherwise


def _off_scale(columns: Mapping[str, pa.Array]) -> Iterator[tuple[str, Fault]]:
    """Scores beyond the ends of their scale, and answers to NPS that it does not have."""
    score, scale_max = columns["score"], columns["scale_max"]
    beyond = true(pc.or_(pc.less(score, 0), pc.greater(score, scale_max)))
    yield "score", Fault(beyond, "is beyond its scale")
    nps = true(pc.equal(columns["kind"], "nps"))
    yield "score", Fault(nps & true(pc.not_equal(score, pc.floor(score))), "is no answer of NPS")
    other = nps & true(pc.not_equal(scale_max, BEST_NPS))
    yield "scale_max", Fault(other, "is not 10, the end of the scale of NPS")
