"""Whose log a file is: Postfix's, Sendmail's or Exim's, known by its lines."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from connectors import exim, postfix, sendmail
from connectors.postfix import Clock, Delivery, Key, Queued
from connectors.shapes import BadValue

_LOOKED_AT = 20_000  # lines: a log of everything may begin with much else


@dataclass(frozen=True, slots=True)
class Format:
    """How the log of one mail server is read."""

    name: str
    holds: Callable[[str], bool]
    deliveries: Callable[[Iterable[str], Clock], Iterator[tuple[int, Delivery | BadValue]]]
    queued: Callable[[Iterable[str], Clock], Iterator[tuple[Key, Queued]]]


FORMATS = (
    Format("Postfix", postfix.holds_postfix, postfix.deliveries, postfix.queued),
    Format("Sendmail", sendmail.holds, sendmail.deliveries, sendmail.queued),
    Format("Exim", exim.holds, exim.deliveries, exim.queued),
)
NAMES = "Postfix, Sendmail or Exim"


def recognised(lines: Iterable[str]) -> tuple[Format | None, Iterator[str], bool]:
    """The format of a log, all of its lines, and whether there are any.

    None where none of its first lines is of a mail server that is known.
    """
    rest = iter(lines)
    seen: list[str] = []
    for line in islice(rest, _LOOKED_AT):
        seen.append(line)
        for form in FORMATS:
            if form.holds(line):
                return form, chain(seen, rest), True
    return None, chain(seen, rest), bool(seen)
