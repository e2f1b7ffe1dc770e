"""What all figures share: their colours, their layout and their axes of names."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

Spec = dict[str, Any]
_SLOTS = {
    "paid_search": 1,
    "paid_social": 2,
    "display": 3,
    "video": 9,
    "organic_search": 4,
    "organic_social": 4,
    "email": 5,
    "sms": 5,
    "outreach_email": 5,
    "outreach_sms": 5,
    "outreach_mail": 5,
    "outreach_call": 5,
    "referral_physician": 6,
    "referral_web": 6,
    "directory": 6,
    "direct_mail": 7,
    "event": 7,
    "offline_media": 7,
    "call": 7,
}
GREY = "#000008"
TEXT = "#000037"
# Text at 75%: the theme's own grey for axes has a contrast of 3.7 to 1 in light.
INK = f"{TEXT}BF"
GROUND = "#000038"  # the theme's background: an edge of it parts marks that lie on each other
# The theme's sequential palette, pale to dark.
SHADES = [[step / 9, f"#{11 + step:06d}"] for step in range(10)]
ROW = 30
LAYOUT: Spec = {
    "margin": {"l": 0, "r": 8, "t": 8, "b": 0},
    "showlegend": False,
    "hoverlabel": {"align": "left"},
    "dragmode": False,
}


def colour(slot: int) -> str:
    """The theme's colour of a slot: 1 to 7, or 9."""
    return f"#{slot:06d}"


def channel_colour(channel: str) -> str:
    """The colour of a channel's family; grey where the channel is not known."""
    slot = _SLOTS.get(channel)
    return GREY if slot is None else colour(slot)


def error_bars(
    middles: Sequence[float], lows: Sequence[float], highs: Sequence[float], cap: int = 5
) -> Spec:
    """From low to high around each middle, with caps so many pixels wide."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - middle for high, middle in zip(highs, middles, strict=True)],
        "arrayminus": [middle - low for low, middle in zip(lows, middles, strict=True)],
        "color": GREY,
        "thickness": 1.5,
        "width": cap,
    }


def figure(traces: list[Spec], layout: Spec) -> Spec:
    """A figure whose axes are written in a colour that can be read."""
    axes = {
        name: {
            **layout[name],
            "tickfont": {**layout[name].get("tickfont", {}), "color": INK},
            "title": {**layout[name].get("title", {}), "font": {"color": INK}},
        }
        for name in ("xaxis", "yaxis")
        if name in layout
    }
    return {"data": traces, "layout": {**layout, **axes}}


def axis_of_names(labels: Sequence[str]) -> Spec:
    """An axis of names, the first at the top.

    It has positions instead of names: two campaigns cut to the same label must stay two rows.
    """
    return {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "range": [len(labels) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def short_amount(amount: float, sign: str) -> str:
    """An amount of few digits: $0.1, $20, $5k, $1M, −$2k."""
    below = "−" if amount < 0 else ""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            return f"{below}{sign}{abs(amount) / size:g}{letter}"
    return f"{below}{sign}{abs(amount):g}"


def money_ticks(least: float, most: float, sign: str) -> Spec:
    """At most seven round amounts from `least` to `most`.

    Written here: Plotly puts a minus behind the sign of the currency.
    """
    span = (most - least) or 1.0
    ten = 10.0 ** floor(log10(span / 6))
    step = next(each for first in (1, 2, 5, 10) if (each := first * ten) >= span / 6)
    at = [step * number for number in range(ceil(least / step), floor(most / step) + 1)]
    return {"tickvals": at, "ticktext": [short_amount(each, sign) for each in at]}
