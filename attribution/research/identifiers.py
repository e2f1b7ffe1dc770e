"""The 18 identifiers of 45 CFR 164.514(b)(2)(i), line by line, and how each is dealt with."""

from attribution.research.columns import Profile

_NOT_HELD = "Not held."
_HASHED = "Left out; held as keyed hashes only."
_AREAS = (
    "Three digits of the ZIP code, 000 where they hold 20,000 people or fewer by the 2000 or the "
    "2010 census or are unknown; places of care left out, also from what is said of the cohort."
)
_AGES = (
    "Ages above 89 are 90+ or in a wider open band, and no year is told that implies such an age."
)
_CODES = (
    "Row ids are random, new in each export and derived from nothing; no providers; free text is "
    "left out; rare codes are folded."
)
_DATES: dict[Profile, str] = {
    "safe-harbor": "Years only; intervals as bands.",
    "expert": "One day a person, shifted by whole weeks under a determination: this is not "
    "Safe Harbor but 45 CFR 164.514(b)(1). Intervals as bands.",
}


def identifiers(profile: Profile) -> list[dict[str, str]]:
    """Each identifier with its paragraph and what an export of a profile does about it."""
    every = (
        ("Names", "Not held: the contract has no field for them."),
        ("Geography smaller than a state", _AREAS),
        ("Dates but the year, ages over 89", f"{_DATES[profile]} {_AGES}"),
        ("Telephone numbers", _HASHED),
        ("Fax numbers", _NOT_HELD),
        ("E-mail addresses", _HASHED),
        ("Social security numbers", _NOT_HELD),
        ("Medical record numbers", _HASHED),
        ("Health plan beneficiary numbers", _NOT_HELD),
        ("Account numbers", "Left out: payments are told as bands."),
        ("Certificate and license numbers", _NOT_HELD),
        ("Vehicle identifiers", _NOT_HELD),
        ("Device identifiers", _NOT_HELD),
        ("Web addresses", "Left out."),
        ("IP addresses", _NOT_HELD),
        ("Biometric identifiers", _NOT_HELD),
        ("Full-face photographs", _NOT_HELD),
        ("Any other unique number, characteristic or code", _CODES),
    )
    return [
        {
            "paragraph": f"164.514(b)(2)(i)({letter})",
            "identifier": name,
            "dealt_with": how,
        }
        for letter, (name, how) in zip("ABCDEFGHIJKLMNOPQR", every, strict=True)
    ]
