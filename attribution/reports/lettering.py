"""Letters that printed reports have no font for, such as emoji: a square stands in their place.

Typst brings fonts for Latin, Greek, Cyrillic, Hebrew, Arabic and mathematics, and an accessible PDF
may hold no letter that has none.
"""

import re
import unicodedata
from collections.abc import Iterable
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
#for each in json(bytes(sys.inputs.words)) [#each ]
"""
# What is not ASCII, with the letter before it: it may carry marks that its own font lacks.
_UNUSUAL = re.compile(r'[^\s"\\]?[^\x00-\x7f]+')


def legible(text: str, typst: Any) -> str:
    """A text with a square for each letter that none of the fonts of `typst`, the library, has.

    A mark that no font has on its letter, as the frame of a key on a figure, is left out.
    """
    wrong = _unshown(frozenset(_UNUSUAL.findall(text)), typst)
    for words in sorted(wrong, key=lambda each: (-len(each), each)):
        text = text.replace(words, _instead(words, typst))
    return text


@lru_cache(maxsize=256)
def _instead(words: str, typst: Any) -> str:
    bare = "".join(sign if _shown(sign, typst=typst) else SQUARE for sign in words)
    unmarked = "".join(sign for sign in bare if unicodedata.category(sign)[0] != "M")
    ways = (bare, unmarked, "".join(sign if sign.isascii() else SQUARE for sign in words))
    return next((each for each in ways if _shown(each, typst=typst)), "")


@lru_cache(maxsize=256)
def _unshown(every: frozenset[str], typst: Any) -> frozenset[str]:
    """Halved until one fails alone: most texts hold none, and all of theirs are asked at once."""
    if _shown(*every, typst=typst):
        return frozenset()
    if len(every) == 1:
        return every
    ordered = sorted(every)
    halves: Iterable[list[str]] = (ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :])
    return frozenset().union(*(_unshown(frozenset(half), typst) for half in halves))


def _shown(*words: str, typst: Any) -> bool:
    said, standards = {"words": orjson.dumps(sorted(words)).decode()}, [STANDARD]
    try:
        typst.compile(
            _PROBE, format="pdf", ignore_system_fonts=True, sys_inputs=said, pdf_standards=standards
        )
    except typst.TypstError:
        return False
    return True
