"""What one number is: its name, its sentence, its formula, how it is written and counted."""

from dataclasses import dataclass
from hashlib import sha256
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
    """What a number means: one sentence, the formula, how it is written, which way is good.

    The rest comes from `attribution.metrics.facts`: what one number is told for (`grain`), which
    day puts something into it (`date_basis`), the addresses of the `pages` that show it, and what
    was changed of it since it was first defined, oldest first.
    """

    name: str
    title: str
    sentence: str
    formula: str
    format: Format
    better: Better = "up"
    grain: str = ""
    date_basis: str = ""
    pages: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The definition as a tooltip."""
        return f"{self.sentence} {self.formula}" if self.formula else self.sentence

    @property
    def version(self) -> int:
        """How often it was defined: a change counts only with a note of what it was."""
        return 1 + len(self.changes)

    @property
    def fingerprint(self) -> str:
        """What its sentence and formula are known by, so that none changes in silence."""
        return sha256(f"{self.sentence}\n{self.formula}".encode()).hexdigest()[:16]
