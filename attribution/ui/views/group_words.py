"""Groups of patients in words: what a value, a dimension and a whole group are called."""

from attribution.group_queries import Group
from attribution.ui import formats

TITLES = {
    "service_line": "Service line",
    "location": "Location",
    "zip3": "ZIP3",
    "age_band": "Age",
    "lapse": "Lapse",
    "months_silent": "Months silent",
    "response": "Response to outreach",
    "condition": "Condition",
}
HELP = {
    "service_line": "Of the latest kept visit.",
    "location": "Of the latest kept visit.",
    "zip3": "First three digits of the postal code; small areas are together as Elsewhere.",
    "age_band": "In whole years by the year of birth, at the last day of the data.",
    "lapse": (
        "What the lapse rules make of the time since the latest visit, in its service line. Open "
        "loop: care begun and not gone on with. No recall: a line without a usual interval. "
        "Excluded: deceased, or opted out of being called back."
    ),
    "months_silent": "Since the latest kept visit of any service line.",
    "response": (
        "The furthest step after any marketing message: none sent, sent, opened, clicked, or "
        "booked within 90 days."
    ),
    "condition": (
        "One group of diagnoses, ever given at a visit. Who has several is counted with each."
    ),
}
MEASURES = {
    "first_channel": "First known channel",
    "last_channel": "Last known channel",
    "days": "Days from first touch to first visit",
    "way": "Ways to the latest booked visit",
}
UNKNOWN = "Not known"
_WORDS = {"booked": "Booked after", "(other)": "Other, too few to tell apart"}
_PLAIN = ("age_band", "months_silent", "days", "zip3")


def value_title(name: str, value: str) -> str:
    """A value of a dimension or measure as words."""
    if not value:
        return UNKNOWN
    if name == "way":
        return " → ".join(formats.title(step) for step in value.split(" > "))
    if name == "response" and value == "booked":
        return _WORDS["booked"]
    if value == "(other)":
        return _WORDS[value]
    if name in _PLAIN and value[0].isdigit():
        return value.replace("-", "–")
    return formats.title(value)


def in_words(group: Group) -> str:
    """What the patients of a group have in common, as a sentence without its end."""
    said = [
        f"{TITLES[name].lower() if name != 'zip3' else 'ZIP3'} "
        f"{_either([value_title(name, value) for value in values])}"
        for name, values in group.wanted.items()
    ]
    if group.condition:
        said.insert(0, f"condition {value_title('condition', group.condition)}")
    return f"Patients with {formats.several(said)}" if said else "All patients"


def _either(values: list[str]) -> str:
    return " or ".join(values) if len(values) < 3 else f"{', '.join(values[:-1])} or {values[-1]}"
