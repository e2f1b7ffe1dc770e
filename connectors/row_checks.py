"""Checks across the columns of a row that one column cannot make alone."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Feedback, Field, Row
from connectors.dialect import Fault, true

BEST_NPS = 10


def contradictions(
    row: type[Row], fields: Iterable[Field], columns: Mapping[str, pa.Array]
) -> Iterator[tuple[str, Fault]]:
    """Fields whose value cannot be right beside the others of its row."""
    yield from _unpriced(fields, columns)
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


def _off_scale(columns: Mapping[str, pa.Array]) -> Iterator[tuple[str, Fault]]:
    """Scores beyond the ends of their scale, and answers to NPS that it does not have."""
    score, scale_max = columns["score"], columns["scale_max"]
    beyond = true(pc.or_(pc.less(score, 0), pc.greater(score, scale_max)))
    yield "score", Fault(beyond, "is beyond its scale")
    nps = true(pc.equal(columns["kind"], "nps"))
    yield "score", Fault(nps & true(pc.not_equal(score, pc.floor(score))), "is no answer of NPS")
    other = nps & true(pc.not_equal(scale_max, BEST_NPS))
    yield "scale_max", Fault(other, "is not 10, the end of the scale of NPS")
