"""What may stand in a cell: numbers as numbers, and text that nothing takes for a formula.

Names of campaigns come from outside. A spreadsheet reads a CSV cell that begins with `=` as a
formula, and a formula can call an address or start a program on the reader's computer.
"""

import math
import unicodedata

import numpy as np

FORMULA_STARTS = frozenset("=+-@")
LONGEST_TEXT = 32_767  # Excel's limit; a longer one would be left out without a word
# How XlsxWriter is opened: nothing that is written is a formula or a link unless we say so.
TEXT_IS_TEXT = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_UNSEEN = ("Z", "C")  # spaces, control and format characters: programs look through them


def text(value: object) -> str:
    """Text on one line; what a workbook or a line-based reader cannot hold is replaced."""
    return "".join(map(_legible, "" if value is None else str(value)))[:LONGEST_TEXT]


def shortened(words: object, length: int) -> str:
    """Words on one line of so many letters; what is longer is cut in the middle."""
    whole = " ".join(text(words).split())
    if len(whole) <= length:
        return whole
    tail = length // 2 - 1
    return f"{whole[: length - tail - 1]}…{whole[-tail:]}"


def starts_formula(value: str) -> bool:
    """Whether a spreadsheet could read the text as a formula, full-width signs included."""
    for character in value:
        if unicodedata.category(character)[0] not in _UNSEEN:
            return unicodedata.normalize("NFKC", character)[:1] in FORMULA_STARTS
    return False


def guarded(value: object) -> str:
    """Text for a CSV cell: an apostrophe goes before what could start a formula.

    Text that already has apostrophes before such a sign gets one more, so that taking one away
    always gives back the name.
    """
    whole = text(value)
    return f"'{whole}" if starts_formula(whole.lstrip("'")) else whole


def number(value: object) -> float | None:
    """A finite number; None for what is undefined."""
    if value is None or not isinstance(value, int | float | np.number):
        return None
    amount = float(value)
    return amount + 0.0 if math.isfinite(amount) else None  # + 0.0: no "-0"


def plain_number(value: object) -> str:
    """A number in the fewest digits that read back as the same number; empty where undefined."""
    amount = number(value)
    return "" if amount is None else np.format_float_positional(amount, trim="-")


def _legible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "Cs" or ord(character) & 0xFFFE == 0xFFFE:
        return "\N{REPLACEMENT CHARACTER}"
    return character
