"""Letters that printed reports have no font for, such as emoji: a square stands in their place.

Typst brings fonts for Latin, Greek, Cyrillic, Hebrew, Arabic and mathematics, and an accessible PDF
may hold no letter that has none.
"""

from functools import lru_cache
from typing import Any

import orjson

SQUARE = "□"
SAID = (
    f"{SQUARE} stands for a letter that printed reports have no font for; the workbook and the CSV "
    "file have it."
)
STANDARD = "ua-1"
_PROBE = b"""\
#set document(title: "Letters")
#set text(font: "Libertinus Serif", lang: "en")
#for each in json(bytes(sys.inputs.letters)) [#each ]
"""


def lacking(text: str, typst: Any) -> frozenset[str]:
    """The letters of a text that none of the fonts of `typst`, the library, has."""
    return _lacking(frozenset(sign for sign in text if not sign.isascii()), typst)


def squared(text: str, letters: frozenset[str]) -> str:
    """A text with a square in the place of each of these letters."""
    return text.translate(dict.fromkeys(map(ord, letters), SQUARE))


@lru_cache(maxsize=256)
def _lacking(letters: frozenset[str], typst: Any) -> frozenset[str]:
    """Halved until one fails alone: most texts hold none, and their letters are asked at once."""
    if not letters or _shown(letters, typst):
        return frozenset()
    if len(letters) == 1:
        return letters
    every = sorted(letters)
    halves = every[: len(every) // 2], every[len(every) // 2 :]
    return frozenset().union(*(_lacking(frozenset(half), typst) for half in halves))


def _shown(letters: frozenset[str], typst: Any) -> bool:
    said = {"letters": orjson.dumps(sorted(letters)).decode()}
    standards = [STANDARD]
    try:
        typst.compile(
            _PROBE, format="pdf", ignore_system_fonts=True, sys_inputs=said, pdf_standards=standards
        )
    except typst.TypstError:
        return False
    return True
