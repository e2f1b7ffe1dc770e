"""How numbers, days and names are written: the same on pages, in figures and in notes."""

import html
import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd

from attribution.metrics import Format
from attribution.small_cells import OTHER

UNDEFINED = "—"  # never 0 for what is not known
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "AUD": "A$", "JPY": "¥", "INR": "₹"}
# From where on, which letter, of how many: what rounds to a thousand of one is one of the next.
_SCALES = ((1e9 - 5e4, "B", 1e9), (1e6 - 50, "M", 1e6), (1e4, "K", 1e3))
_MARKS = frozenset("\\`*_{}[]()<>#+-.!|~$:^=&\"'")


def symbol(currency: str) -> str:
    """The sign written before an amount: $ for USD, the code itself where there is none."""
    return SYMBOLS.get(currency, f"{currency} ")


def money(value: float | None, currency: str) -> str:
    """An amount in few digits: $1.2M, $48.3K, $9,120, $63.20."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    amount = _short(abs(value), cents=True)
    sign = "−" if value < 0 and _says(amount) else ""
    return f"{sign}{symbol(currency)}{amount}"


def whole_money(value: float | None, currency: str) -> str:
    """An amount as tables write it, without cents: $63, $9,120, $48,310."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    amount = f"{abs(value):,.0f}"
    sign = "−" if value < 0 and _says(amount) else ""
    return f"{sign}{symbol(currency)}{amount}"


def count(value: float | None) -> str:
    """A number of things: 1,234 or 1.2M."""
    return UNDEFINED if _unknown(value) else _short(value or 0, cents=False)


def number(value: float | None) -> str:
    """A number that need not be whole, such as a mean: 4.1, 26, 1,234."""
    if _unknown(value):
        return UNDEFINED
    short = value is not None and abs(value) < 100 and value != round(value)
    return _minus(f"{value:,.1f}") if short else count(value)


def coefficient(value: float | None) -> str:
    """A number of which two decimals tell: 4.12, −0.35."""
    return UNDEFINED if _unknown(value) else _minus(f"{value or 0:,.2f}")


def rate(value: float | None) -> str:
    """A share: 12.3%."""
    return UNDEFINED if _unknown(value) else _minus(f"{(value or 0) * 100:,.1f}%")


def ratio(value: float | None) -> str:
    """A multiple: 2.4x."""
    return UNDEFINED if _unknown(value) else _minus(f"{value:,.1f}x")


def points(value: float | None) -> str:
    """A difference of two shares in percentage points: +4.1 pts."""
    return UNDEFINED if _unknown(value) else _minus(f"{(value or 0) * 100:+,.1f} pts")


def signed(written: str) -> str:
    """A written difference with its plus; what is rounded to nought has no sign."""
    return f"+{written}" if _says(written) and not written.startswith("−") else written


def day(value: object) -> str:
    """A day: 16 Nov 2026."""
    if value is None or value is pd.NaT:
        return UNDEFINED
    moment = pd.Timestamp(value)  # type: ignore[arg-type]
    return f"{moment.day} {moment:%b %Y}"


def instant(value: object) -> str:
    """A moment in UTC: 16 Nov 2026, 06:30 UTC."""
    if value is None or value is pd.NaT:
        return UNDEFINED
    moment = pd.Timestamp(value)  # type: ignore[arg-type]
    return f"{day(moment)}, {moment:%H:%M} UTC"


def weeks(since: date, until: date, number: int) -> str:
    """A span of weeks by the days it covers: 24 Aug – 22 Nov 2026 (13 weeks)."""
    last = pd.Timestamp(until) + pd.Timedelta(days=6)
    start = f"{since.day} {since:%b}" if since.year == last.year else day(since)
    unit = "week" if number == 1 else "weeks"
    return f"{start} – {day(last)} ({number} {unit})"


_WRITTEN: Mapping[Format, Callable[[Any], str]] = {
    "count": count,
    "number": number,
    "coefficient": coefficient,
    "rate": rate,
    "points": points,
    "ratio": ratio,
    "day": day,
    "instant": instant,
}


def written(value: Any, as_: Format, currency: str) -> str:
    """Any value as the pages write it."""
    if as_ == "money":
        return money(value, currency)
    if as_ in _WRITTEN:
        return _WRITTEN[as_](value)
    return UNDEFINED if value is None else str(value)


def months(first: date, last: date) -> str:
    """A span of months: September to November 2026."""
    if (first.year, first.month) == (last.year, last.month):
        return f"{last:%B %Y}"
    start = f"{first:%B}" if first.year == last.year else f"{first:%B %Y}"
    return f"{start} to {last:%B %Y}"


def plain(text: object) -> str:
    r"""Text from data for a Markdown sink: shown as it stands, marks and links made harmless.

    Names of campaigns and channels come from outside: `![x](http://…)` in one would make every
    reader's browser call that address.
    """
    return plain_within(" ".join(str(text).split()))


def plain_within(text: str) -> str:
    """As `plain`, for a part of a sentence: the spaces at its ends stay."""
    escaped = "".join(f"\\{c}" if c in _MARKS else c for c in re.sub(r"\s", " ", text))
    # A word joiner keeps bare addresses from becoming links.
    return escaped.replace("\\://", "\\:\u2060//").replace("www\\.", "www\u2060\\.")


def label(text: object) -> str:
    """Text from data for a figure: Plotly reads a few HTML tags, so none may come through."""
    return html.escape(" ".join(str(text).split()), quote=False)


def short_label(text: object, length: int = 28) -> str:
    """A figure's label on at most two lines; what is longer is cut in the middle of the second.

    Names of campaigns often differ at the end alone.
    """
    first, *rest = textwrap.wrap(" ".join(str(text).split()), length) or [""]
    if not rest:
        return label(first)
    second = " ".join(rest)
    if len(second) > length:
        tail = length // 2 - 1
        second = f"{second[: length - tail - 1]}…{second[-tail:]}"
    return f"{label(first)}<br>{label(second)}"


def prose(text: str) -> str:
    """A sentence of ours for a Markdown sink: `commands` as code, all else as it stands."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{part}`" if i % 2 else plain_within(part) for i, part in enumerate(parts))


def title(name: str) -> str:
    """A channel's or an arm's name as words: paid_search is Paid search."""
    words = name.replace("_", " ").strip()
    if words == OTHER:
        return "Other, together"
    words = " ".join("SMS" if word == "sms" else word for word in words.split())
    return words[:1].upper() + words[1:]


def apart(names: Iterable[str], titled: Callable[[str], str] = title) -> Callable[[str], str]:
    """What each of some names is called where one is chosen: as words, or as it stands.

    Streamlit knows an option by its words alone: of two that read alike (cardiology, Cardiology)
    whoever chooses the first is given the last.
    """
    alike = Counter(map(titled, names))

    def called(name: str) -> str:
        words = titled(name)
        return words if alike[words] < 2 or not name else name

    return called


def several(names: Iterable[str]) -> str:
    """Names in a sentence: a, b and c."""
    every = list(names)
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"


def age(since: datetime | pd.Timestamp, now: datetime) -> str:
    """How long ago: 5 minutes, 3 hours, 9 days."""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def _unknown(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _short(value: float, *, cents: bool) -> str:
    for size, letter, unit in _SCALES if cents or abs(value) >= 1e5 else ():
        if abs(value) >= size:
            return _minus(f"{value / unit:,.1f}{letter}")
    if cents and 0 < abs(value) < 100:
        return _minus(f"{value:,.2f}")
    return _minus(f"{value:,.0f}")


def _minus(text: str) -> str:
    """With a minus sign for a hyphen; what is rounded to nought has no sign."""
    return text.replace("-", "−" if _says(text) else "")


def _says(text: str) -> bool:
    return any(digit in text for digit in "123456789")
