"""The shape of a value: enough to find a fault by, and nothing that tells whose value it is."""

import unicodedata

_ORDER = ("letters", "digits", "spaces", "signs", "control characters", "unseen characters")


def shape_of(value: str) -> str:
    """Describe a value by its length and the kinds of its characters.

    >>> shape_of("02134-77")
    'text of 8, digits and signs'
    """
    if not value:
        return "empty"
    kinds = {_kind(character) for character in value}
    named = [kind for kind in _ORDER if kind in kinds]
    if any(ord(character) > 127 for character in value):
        named.append("some not ASCII")
    return f"text of {len(value)}, {_joined(named)}"


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return "unseen characters"
    if category[0] == "C":
        return "control characters"
    if category[0] == "L":
        return "letters"
    if category[0] == "N":
        return "digits"
    return "spaces" if character.isspace() else "signs"


def _joined(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


class BadValue(Exception):
    """A value that a contract row cannot hold, known by its shape only."""

    def __init__(self, column: str, value: object, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.shape = shape_of("" if value is None else str(value))
        self.reason = reason
