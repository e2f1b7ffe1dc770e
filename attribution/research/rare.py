"""Rare values are folded: into a coarser group, then into `Other`, until each holds enough people.

Codes come from other systems, where somebody may have typed a sentence: what does not look like a
code or a short name of a group is `Other` whatever its number.
"""

import re
from collections import Counter
from collections.abc import Mapping

OTHER = "Other"
NONE = "None recorded"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 :._/&()-]{0,39}")
# Long numbers, e-mails and hashes are somebody's, not a group's.
_IDENTIFYING = re.compile(r"\d{5}|[0-9a-fA-F]{16}")


def folded(people: Mapping[str, int], k: int) -> dict[str, str]:
    """What each value is called in the export; `people` counts those who have it.

    No name that comes out has from 1 to k - 1 people, unless all together have no more.
    """
    names = {value: _named(value) for value in people}
    for step in (_coarser, lambda _name: OTHER):
        sizes = _sizes(names, people)
        names = {
            value: step(name) if name != OTHER and sizes[name] < k else name
            for value, name in names.items()
        }
    while 0 < (sizes := _sizes(names, people))[OTHER] < k and len(sizes) > 1:
        least = min((size, name) for name, size in sizes.items() if name != OTHER)[1]
        names = {value: OTHER if name == least else name for value, name in names.items()}
    return names


def _named(value: str) -> str:
    name = " ".join(value.split())
    if not name or name == "unassigned":
        return NONE
    return name if _NAME.fullmatch(name) and not _IDENTIFYING.search(name) else OTHER


def _coarser(name: str) -> str:
    """The group of a code: the letter of an ICD-10 code, the letters of any other before digits."""
    if icd := re.fullmatch(r"(ICD10:[A-Z])[0-9A-Z]*", name):
        return f"{icd[1]} other"
    if code := re.fullmatch(r"([A-Za-z]+)[0-9.]+", name):
        return f"{code[1]} other"
    return OTHER


def _sizes(names: Mapping[str, str], people: Mapping[str, int]) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for value, name in names.items():
        sizes[name] += people[value]
    return sizes
