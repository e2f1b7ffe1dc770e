"""What the few shapes of formulas in our workbooks come to, by a reading of our own."""

import ast
import re
from typing import Any

from openpyxl.worksheet.worksheet import Worksheet


def evaluated(formula: str, sheet: Worksheet) -> float | None:
    """What a formula of the report comes to over the sheet's values; None for an empty text."""
    total = re.fullmatch(r"=SUM\((.+)\)", formula)
    if total:
        return sum(value or 0 for value in cells(total[1], sheet))
    chosen = re.fullmatch(r'=SUMIF\((.+),">0",(.+)\)', formula)
    if chosen:
        pairs = zip(cells(chosen[1], sheet), cells(chosen[2], sheet), strict=True)
        return sum(amount or 0 for test, amount in pairs if (test or 0) > 0)
    if re.fullmatch(r"=[A-Z]+\d+-[A-Z]+\d+", formula):  # how far a whisker reaches
        return arithmetic(formula[1:], {c: sheet[c].value or 0 for c in formula[1:].split("-")})
    ratio = re.fullmatch(r'=IF\((?:AND\((.+?)\)|(.+?)),(.+),""\)', formula)
    assert ratio, formula
    known = {cell: sheet[cell].value or 0 for cell in re.findall(r"[A-Z]+\d+", formula)}
    tests = (ratio[1] or ratio[2]).split(",")
    return arithmetic(ratio[3], known) if all(arithmetic(t, known) for t in tests) else None


def arithmetic(expression: str, known: dict[str, float]) -> Any:
    tree = ast.parse(expression, mode="eval")
    return eval(compile(tree, "formula", "eval"), {"__builtins__": {}}, known)


def cells(area: str, sheet: Worksheet) -> list[Any]:
    return [cell.value for (cell,) in sheet[area.replace("$", "")]]
