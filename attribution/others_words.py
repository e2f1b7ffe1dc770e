"""Others' words: what may be repeated of what a vendor says, in a ledger, on a page or a terminal.

A vendor may quote whom it could not find. Addresses, phone numbers and long numbers are hidden,
except those of the source's own settings, which somebody may have to correct. A name among other
words cannot be told from them.
"""

import re
from collections.abc import Iterable

HIDDEN = "(hidden)"
_MAIL = r"[^\s@<>\"'(),;:=/]+@[^\s@<>\"'(),;:=/]+\.\w+"
_PHONE = r"\+\d[\d ().-]{7,}\d|(?<!\d)\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}(?!\d)"
_NUMBER = r"(?<!\w)(?=[\w-]*\d{5})\w[\w-]*"  # five digits in a row; a day has four
_NAMING = re.compile("|".join((_MAIL, _PHONE, _NUMBER)))


def unnamed(text: str, known: Iterable[object] = ()) -> str:
    """The text without what points at a person; what is in one of the `known` values stays."""
    own = " ".join(map(str, known))
    return _NAMING.sub(lambda found: found[0] if found[0] in own else HIDDEN, text)
