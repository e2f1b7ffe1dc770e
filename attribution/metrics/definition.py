"""What one number is: its name, its sentence, its formula and how it is written."""

from dataclasses import dataclass
from typing import Literal

Format = Literal[
    "text",
    "count",
    "money",
    "rate",
    "points",
    "ratio",
    "number",
    "coefficient",
    "day",
    "instant",
    "flag",
]
Better = Literal["up", "down", "neither"]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number means: one sentence, the formula, how it is written, which way is good."""

    name: str
    title: str
    sentence: str
    formula: str
    format: Format
    better: Better = "up"

    @property
    def help(self) -> str:
        """The definition as a tooltip."""
        return f"{self.sentence} {self.formula}" if self.formula else self.sentence
