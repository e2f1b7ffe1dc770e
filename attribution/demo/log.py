"""What happened in one run of the simulated market, as columns."""

from dataclasses import dataclass, field

import numpy as np

from attribution.demo.draws import Ints

INQUIRY = ("person", "week", "minute", "start", "lever", "line", "known", "booked", "claims")
VISIT = (
    "person", "booked_at", "starts_at", "status", "line", "number", "reason", "first",
)  # fmt: skip
TOUCH = ("person", "week", "lever", "line")  # lever -1 - n: seen, not clicked
MESSAGE = ("person", "week", "campaign", "treated", "silent_weeks")
STATUSES = ("fulfilled", "noshow", "cancelled", "booked")
FULFILLED, NOSHOW, CANCELLED, BOOKED = range(4)
REASONS = ("inquiry", "routine", "return", "history", "tip")
Columns = dict[str, Ints]


@dataclass(slots=True)
class Collector:
    """Columns that grow by one batch of rows at a time."""

    names: tuple[str, ...]
    batches: list[tuple[Ints, ...]] = field(default_factory=list)

    def add(self, *columns: Ints | int) -> None:
        """Append rows; a single number stands for the same value in every row."""
        size = max((len(c) for c in columns if isinstance(c, np.ndarray)), default=0)
        if size:
            self.batches.append(
                tuple(
                    c.astype(np.int64) if isinstance(c, np.ndarray) else np.full(size, c)
                    for c in columns
                )
            )

    def columns(self) -> Columns:
        """All rows so far."""
        if not self.batches:
            return {name: np.empty(0, dtype=np.int64) for name in self.names}
        parts = zip(*self.batches, strict=True)
        return {name: np.concatenate(part) for name, part in zip(self.names, parts, strict=True)}


@dataclass(slots=True)
class Log:
    """All that a run records; `person` is a person's number, minutes count from the start."""

    inquiries: Collector = field(default_factory=lambda: Collector(INQUIRY))
    visits: Collector = field(default_factory=lambda: Collector(VISIT))
    touches: Collector = field(default_factory=lambda: Collector(TOUCH))
    messages: Collector = field(default_factory=lambda: Collector(MESSAGE))
