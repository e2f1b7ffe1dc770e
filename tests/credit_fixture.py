"""Made-up credit: split over campaigns by every model, and what is told of how sure it is."""

from datetime import timedelta

import numpy as np
import pandas as pd
from grids import grid

MODELS = (
    "first",
    "last",
    "last_non_direct",
    "linear",
    "position",
    "milestone",
    "time_decay",
    "markov",
    "shapley_sum",
    "shapley_rate",
    "incremental",
)
WEIGHED = MODELS[:-1]
INSIDE = ("referral_physician",)  # nothing says how hard these press
LEARNED = ("markov", "shapley_rate")


def credit(
    random: np.random.Generator, conversions: pd.DataFrame, known: list[tuple[str, str]]
) -> pd.DataFrame:
    """Split every cell of `conversions` over two known campaigns and the unattributed, exactly."""
    parts = []
    for model in MODELS:
        first, second = (random.integers(0, len(known), len(conversions)) for _ in range(2))
        share = random.uniform(0.2, 0.6, len(conversions))
        left = conversions["conversions"].astype("float64")
        money = conversions["value_micros"].copy()
        for chosen, part in ((first, share), (second, 0.3)):
            piece = conversions.drop(columns=["people"])
            piece["channel"] = [known[i][0] for i in chosen]
            piece["campaign"] = [known[i][1] for i in chosen]
            piece["conversions"] = (conversions["conversions"] * part).round(3)
            piece["value_micros"] = (conversions["value_micros"] * part).astype("int64")
            if model == "incremental":  # part of what would have come anyway
                inside = piece["channel"].isin(INSIDE)
                piece["channel"] = piece["channel"].mask(inside, "baseline")
                piece["campaign"] = piece["campaign"].mask(inside, "")
            left, money = left - piece["conversions"], money - piece["value_micros"]
            parts.append(piece.assign(model=model))
        rest = conversions.drop(columns=["people"]).assign(
            channel="baseline" if model == "incremental" else "unattributed",
            campaign="",
            model=model,
            conversions=left,
            value_micros=money,
        )
        parts.append(rest)
    frame = pd.concat(parts, ignore_index=True)
    grain = ["model", "kind", "channel", "campaign", "service_line", "location", "week", "currency"]
    return frame.groupby(grain, as_index=False)[["conversions", "value_micros"]].sum()


def credit_dates(credit: pd.DataFrame) -> pd.DataFrame:
    """The same credit, by touches some weeks before and by bookings and visits that differ."""
    cell = ["kind", "channel", "campaign", "service_line", "location", "week", "currency"]
    wide = (
        credit[credit["model"].isin(WEIGHED)]
        .pivot_table(
            index=cell, columns="model", values=["conversions", "value_micros"], aggfunc="sum"
        )
        .fillna(0.0)
    )
    frame = pd.DataFrame(index=wide.index)
    for model in WEIGHED:
        frame[f"{model}_conversions"] = wide["conversions"][model]
        frame[f"{model}_value"] = wide["value_micros"][model].astype("int64")
    frame = frame.reset_index()
    known = frame["channel"] != "unattributed"
    parts = [
        frame.assign(
            basis=basis,
            is_dated=dated,
            week=[
                week - timedelta(weeks=back if has else 0)
                for week, has in zip(frame["week"], dated, strict=True)
            ],
        )
        for basis, back, dated in (
            ("touch", 3, known),
            ("booking", 2, frame["kind"] != "lead"),
            ("visit", -1, frame["kind"] != "lead"),
        )
    ]
    grain = ["basis", *cell, "is_dated"]
    return pd.concat(parts, ignore_index=True).groupby(grain, as_index=False).sum()


def credit_groups(random: np.random.Generator, credit: pd.DataFrame) -> pd.DataFrame:
    """Each cell's credit in one group of people; nobody's credit is in none."""
    cell = ["kind", "channel", "service_line", "location", "week", "currency"]
    known = credit[credit["channel"].ne("unattributed") & credit["model"].isin(WEIGHED)]
    wide = known.pivot_table(
        index=cell, columns="model", values=["conversions", "value_micros"], aggfunc="sum"
    ).fillna(0.0)
    frame = pd.DataFrame({"person_group": random.integers(0, 100, len(wide))}, index=wide.index)
    for model in WEIGHED:
        frame[f"{model}_conversions"] = wide["conversions"][model]
        frame[f"{model}_value"] = wide["value_micros"][model].astype("int64")
    return frame.reset_index()


def credit_leans(groups: pd.DataFrame) -> pd.DataFrame:
    """Channels of the same cell shared a fifth of the smaller one's credit."""
    cell = ["kind", "service_line", "location", "week", "currency"]
    learned = [f"{model}_{what}" for model in LEARNED for what in ("conversions", "value")]
    each = groups[[*cell, "channel", *learned]].iloc[::3]  # not every journey has rivals
    pairs = each.merge(each.rename(columns={"channel": "rival"}), on=cell, suffixes=("", "_other"))
    pairs = pairs[pairs["channel"] < pairs["rival"]]
    for name in learned:
        shared = np.minimum(pairs[name], pairs[f"{name}_other"]) / 5
        pairs[name] = shared.astype("int64") if name.endswith("value") else shared
    return pairs[[*cell, "channel", "rival", *learned]].reset_index(drop=True)


def learned_groups(
    random: np.random.Generator, kinds: list[str], channels: list[str]
) -> pd.DataFrame:
    """How far the effects of channels lie from the whole in each group of people."""
    frame = grid(model=LEARNED, kind=kinds, channel=channels, person_group=range(100))
    return frame.assign(log_change=random.normal(0, 0.004, len(frame)))


def incremental(kinds: list[str], channels: list[str]) -> pd.DataFrame:
    """What channels brought that would not have come anyway, with everything said of it."""
    names = [*channels, "baseline"]
    frame = grid(kind=kinds, channel=names)
    said = (
        "panel",
        "panel and holdout",
        "panel and lift test",
        "not identified",
    )
    rank = frame.index % len(names)
    evidence = pd.Series([said[number % len(said)] for number in rank])
    evidence = evidence.mask(frame["channel"].isin(INSIDE), "inside baseline")
    size = (400.0 / (1 + rank)).where(evidence != "inside baseline", 0.0)
    return frame.assign(
        conversions=size, value_micros=0, low=size * 0.7, high=size * 1.4, share=0.05,
        evidence=evidence.where(frame["channel"] != "baseline", "panel"),
        method="places and weeks", weeks=58, places=3, known=0.8, lift_tests=0, holdouts=0,
    )  # fmt: skip


def incremental_draws(
    random: np.random.Generator, kinds: list[str], channels: list[str]
) -> pd.DataFrame:
    """How the same could be."""
    frame = grid(kind=kinds, channel=[*channels, "baseline"], draw=range(100))
    return frame.assign(multiplier=random.gamma(25, 1 / 25, len(frame)).round(9))


def removal_effect(kinds: list[str], channels: list[str]) -> pd.DataFrame:
    """What would be lost without each channel."""
    frame = grid(kind=sorted(kinds), channel=channels)
    effect = 0.6 / (1 + frame.index % len(channels))
    return frame.assign(removal_effect=effect, low=effect * 0.9, high=effect * 1.08, markov_order=1)
