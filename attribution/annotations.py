"""Dated notes on what happened, such as a new clinic: marks on trend charts and lines in reports.

They are read by everybody who may see pages, so they hold no patient: what looks like somebody's
address or number is refused. Who wrote and who removed one is in the audit log, without its words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from attribution import audit, refresh_queries
from attribution.errors import BadInput, NotAllowed
from attribution.ledger import Ledger
from attribution.ledger_tables import ANNOTATION
from attribution.paths import Home
from attribution.roles import NOTE, SEE, Reader

LONGEST = 140
NOT_ALLOWED = "Notes are written by readers who have the role analyst or admin."
WARNING = "Everybody who sees pages reads notes: no names, no numbers of patients."
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
# An address, or so many digits that they may be a phone's or a patient's.
_SOMEBODY = re.compile(r"\S@\S|(?:\d[\s().+/-]*){6,}")
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12][0-9]|3[01])"
_ONE_TIME = "|".join(
    (
        rf"(?:19|20)[0-9]{{2}}-{_MONTH}-{_DAY}",
        rf"{_DAY}\.{_MONTH}\.20[0-9]{{2}}",
        rf"(?:{_DAY}/{_MONTH}|{_MONTH}/{_DAY})/20[0-9]{{2}}",
        rf"20[0-9]{{2}}[-/]{_MONTH}|{_MONTH}[./]20[0-9]{{2}}",
    )
)
_YEAR = "20[0-9]{2}"
_YEARS = rf"{_YEAR}(?: ?[-/] ?{_YEAR})+|{_YEAR}[-/][0-9]{{2}}|(?<!\d ){_YEAR}(?: {_YEAR})+(?! \d)"
# Neither within a longer number nor after what announces one.
_TIME = re.compile(
    r"(?P<number>(?:#|\b(?:id|mrn|no|nr|number|phone|record|tel)\b)[\s.:#(-]*)?"
    r"(?<!\w)(?<!\d[-.+/()])"
    rf"(?:(?:{_ONE_TIME})(?: ?[-/] ?(?:{_ONE_TIME}))?|(?P<years>{_YEARS}))"
    r"(?!\w|[-.+/()]\d)",
    re.IGNORECASE,
)
_FAR = 10  # years


@dataclass(frozen=True, slots=True)
class Annotation:
    """One note: what happened on a day, by whom it was told."""

    number: int
    day: date
    text: str
    actor: str


def write(home: Home, reader: Reader, day: date, text: str) -> None:
    """Keep a note; raises NotAllowed, and BadInput where it cannot be one."""
    if not reader.may(NOTE):
        raise NotAllowed(NOT_ALLOWED)
    text = " ".join(text.split())
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise BadInput(f"A note has 1 to {LONGEST} letters. Shorten it, or write what happened.")
    if names_somebody(text):
        raise BadInput(
            "A note is read by everybody, and this one seems to hold an e-mail address or a long "
            "number. Leave out what could be somebody's."
        )
    if not _EARLIEST <= day < _LATEST:
        raise BadInput("A note is of a day from 2000 to 2099. Choose another day.")
    audit.record(home, reader.name, audit.NOTE_WRITTEN, f"{day}", letters=len(text))
    with Ledger(home) as ledger:
        ledger.add(ANNOTATION, day=f"{day}", text=text, actor=reader.name)


def names_somebody(text: str) -> bool:
    """Whether a text seems to hold an address or number of somebody's; days and years are none."""
    return _SOMEBODY.search(_TIME.sub(_without, text)) is not None


def _without(found: re.Match[str]) -> str:
    """What is left of a text where a time was found in it; all of it where it may be a number."""
    if found["number"] or (found["years"] and not _follow(found["years"])):
        return found[0]
    return " "


def _follow(years: str) -> bool:
    """Whether they can be years of one thing: one after the other, and not far apart."""
    told = [int(year[-2:]) for year in re.findall("[0-9]+", years)]
    far = 1 if re.fullmatch(".{4}[-/].{2}", years) else _FAR  # 2025/26 is a season
    return told == sorted(set(told)) and told[-1] - told[0] <= far


def remove(home: Home, reader: Reader, number: int) -> None:
    """Remove a note; raises NotAllowed, and BadInput where there is none of that number."""
    if not reader.may(NOTE):
        raise NotAllowed(NOT_ALLOWED)
    note = next((each for each in every(home, reader) if each.number == number), None)
    if note is None:
        raise BadInput("This note is gone already. Load the page again.")
    audit.record(home, reader.name, audit.NOTE_REMOVED, f"{note.day}", number=number, by=note.actor)
    with Ledger(home) as ledger:
        ledger.remove(ANNOTATION, number)


def every(home: Home, reader: Reader) -> tuple[Annotation, ...]:
    """All notes, oldest day first; raises NotAllowed."""
    if not reader.may(SEE):
        raise NotAllowed("Notes are for readers who have a role. Sign in first.")
    if not home.ledger.is_file():
        return ()
    rows = refresh_queries.ledger(home).rows(ANNOTATION)
    found = (
        Annotation(int(r["number"]), date.fromisoformat(r["day"]), r["text"], r["actor"])
        for r in rows
    )
    return tuple(sorted(found, key=lambda each: (each.day, each.number)))


def within(notes: Sequence[Annotation], since: date, until: date) -> tuple[Annotation, ...]:
    """Those of a span of days, both included."""
    return tuple(each for each in notes if since <= each.day <= until)
