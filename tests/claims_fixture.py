"""Seeded marts of what platforms claim, and of how each model comes to its credit."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

KEYS = ["kind", "platform", "channel", "campaign", "week"]
STRANGE = "![x](http://evil.example/x.png) <script>alert(1)</script>"
CAMPAIGNS = (
    ("google", "paid_search", "Brand"),
    ("google", "display", "Retargeting"),
    ("meta", "paid_social", "Heart month"),
    ("meta", "paid_social", STRANGE),
)


def claims(weeks: Sequence[date]) -> pd.DataFrame:
    """Leads of two platforms, and an action that no rule names; nothing of bookings."""
    frame = _cells("lead", weeks)
    dice = np.random.default_rng(11)
    size = len(frame)
    frame["clicked"] = dice.integers(0, 6, size)
    frame["clicked_dated"] = np.maximum(frame["clicked"] + dice.integers(-1, 2, size), 0)
    frame["any_touch"] = frame["clicked"] + dice.integers(0, 2, size)
    frame["last_touch"] = frame["any_touch"] // 2
    newest = frame["week"] == weeks[-1]
    frame["late"] = frame["clicked_dated"].where(newest, 0)
    never = frame["campaign"] == "Retargeting"
    frame["unclaimed"] = frame["clicked_dated"].where(never & ~newest, 0)
    seen = frame["clicked_dated"] - frame["late"] - frame["unclaimed"]
    frame["again"] = dice.integers(0, 2, size) * ~never
    frame["untracked"] = (seen * 0.21).round(6)
    meta = frame["platform"] == "meta"
    frame["repeated"] = dice.integers(0, 3, size).astype("float64") * meta
    frame["viewed"] = dice.integers(0, 4, size).astype("float64") * ~never
    frame["narrower"] = 0.0
    click = seen + dice.integers(0, 3, size) * ~never
    frame["claimed"] = frame["repeated"] + frame["viewed"] + click
    strange = _cells("", weeks).iloc[:3].assign(claimed=4.0)
    whole = pd.concat([frame, strange], ignore_index=True)
    counts = ["clicked", "clicked_dated", "any_touch", "last_touch", "late", "unclaimed", "again"]
    amounts = ["claimed", "repeated", "viewed", "narrower", "untracked"]
    whole[counts] = whole[counts].fillna(0).astype("int64")
    whole[amounts] = whole[amounts].fillna(0.0)
    return whole[[*KEYS, *amounts, *counts]]


def key_events(weeks: Sequence[date]) -> pd.DataFrame:
    """What Google Analytics credits: leads of two channels, and an event that no rule names."""
    rows = [
        ("ga4", kind, channel, campaign, week, float(number % 7) + 0.5)
        for number, week in enumerate(weeks)
        for kind, channel, campaign in (
            ("lead", "paid_search", "Brand"),
            ("lead", "organic_search", "(none)"),
            ("", "direct", "(none)"),
        )
    ]
    columns = ["told_by", "kind", "channel", "campaign", "week", "key_events"]
    return pd.DataFrame(rows, columns=columns)


def claim_credit(claimed: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """What is clicked, cut into what each model credits and what it gives to others."""
    clicked = claimed.loc[claimed["kind"] == "lead", [*KEYS, "clicked"]]
    dice = np.random.default_rng(12)
    parts = []
    for model in models:
        share = dice.dirichlet((3, 1, 2, 0.5), len(clicked)) * clicked[["clicked"]].to_numpy()
        effect = model == "incremental"
        part = clicked[KEYS].assign(
            model=model,
            attributed=share[:, 0],
            other_platforms=0.0 if effect else share[:, 1],
            other_channels=0.0 if effect else share[:, 2],
            own_campaigns=0.0,
            window_gap=0.0 if effect else share[:, 3],
            by_effect=share[:, 1:].sum(axis=1) if effect else 0.0,
        )
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    return frame[["model", *KEYS, *frame.columns.drop(["model", *KEYS])]]


def _cells(kind: str, weeks: Sequence[date]) -> pd.DataFrame:
    rows = [(kind, *campaign, week) for campaign in CAMPAIGNS for week in weeks]
    return pd.DataFrame(rows, columns=KEYS)
