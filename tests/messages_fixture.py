"""Made-up marts of messages, for tests of pages and reports."""

from datetime import date

import numpy as np
import pandas as pd

from attribution.models.arm_lift import lifts_of

FLOWS = (
    # flow, channel, purpose, topic, sent a week at most
    ("wellness_tips", "email", "marketing", "tips", 400),
    ("pollen_warning", "sms", "treatment", "pollen", 260),
    ("pollen_warning", "email", "treatment", "pollen", 90),
    ("doctor_video", "email", "treatment", "video", 150),
    ("reactivation_sms_2026", "sms", "marketing", "reactivation", 300),
)
WISHES = {"preferred": 0.25, "other": 0.2, "not told": 0.55}
HAD = ("1", "2", "3", "4-5", "6+")


def tables(weeks: list[date], hostile: str) -> dict[str, pd.DataFrame]:
    """The marts engagement, fatigue, flow_effects and flow_lifts; one flow is called `hostile`."""
    return {
        "engagement": _engagement(weeks, hostile),
        "fatigue": _fatigue(),
        "flow_effects": _effects(),
        "flow_lifts": lifts_of(_effects()),
    }


def _engagement(weeks: list[date], hostile: str) -> pd.DataFrame:
    random = np.random.default_rng(20261127)
    rows = []
    for flow, channel, purpose, topic, most in (*FLOWS, (hostile, "sms", "operations", "", 40)):
        for at, week in enumerate(weeks):
            for span in (1, 4) if at % 4 == 0 else (1,):
                for wish, share in WISHES.items():
                    sent = int(random.integers(most // 2, most) * share * span) + 11
                    delivered = int(sent * 0.96)
                    text = channel == "sms"
                    opened = 0 if text else random.binomial(delivered, 0.4)
                    clicked = 0 if text else random.binomial(opened, 0.3)
                    replied = random.binomial(delivered, 0.1) if text else 0
                    machine = 0 if text else random.binomial(delivered - opened, 0.3)
                    rows.append(
                        (
                            flow, channel, purpose, topic, wish, span, week, sent - 2, sent,
                            delivered, opened + replied, opened, machine, clicked, replied,
                            random.binomial(delivered, 0.01),
                        )
                    )  # fmt: skip
    columns = (
        *("flow", "channel", "purpose", "topic", "channel_wish", "weeks", "week", "people"),
        *("sent", "delivered", "responded", "opened", "machine_opened", "clicked", "replied"),
        "opted_out",
    )
    return pd.DataFrame(rows, columns=columns)


def _fatigue() -> pd.DataFrame:
    rows = []
    for window in (30, 90):
        for channel, base in (("email", 400), ("sms", 160)):
            for at, had in enumerate(HAD):
                people, messages = 900 - 150 * at, 1000 - 100 * at
                responded, opted_out = base - 60 * at // 2, 3 + 2 * at
                rows.append(
                    (
                        window, channel, had, people, people - 50, responded // 2, messages,
                        responded, opted_out, messages + 300, responded + 30, opted_out,
                        responded + 60, opted_out + 2,
                    )
                )  # fmt: skip
    columns = (
        *("window_days", "channel", "had", "people", "most_people", "most_responders", "messages"),
        *("responded", "opted_out", "messages_squared", "responded_squared", "opted_out_squared"),
        *("messages_responded", "messages_opted_out"),
    )
    return pd.DataFrame(rows, columns=columns)


def _effects() -> pd.DataFrame:
    rows = [
        ("wellness_tips", "treated", "tips", "marketing", 600, 30, 590, 400, 250, 220, 270),
        ("wellness_tips", "holdout", "tips", "marketing", 200, 9, 0, 0, 62, 54, 60),
        ("doctor_video", "treated", "video", "treatment", 900, 80, 880, 500, 210, 95, 101),
        ("pollen_warning", "treated", "pollen", "treatment", 500, 0, 490, 200, 160, 150, 170),
    ]
    frame = pd.DataFrame(
        rows,
        columns=(
            *("flow", "arm", "topic", "purpose", "people", "waiting", "reached", "responded"),
            *("booked", "returned", "kept"),
        ),
    )
    return frame.assign(
        kept_squared=frame["kept"] + 20,
        before_kept=frame["people"],
        before_kept_squared=2 * frame["people"],
        kept_both=frame["kept"] + 60,
        returned_both=frame["returned"] + 50,
        booked_both=frame["booked"] + 50,
        cents=frame["kept"] * 20_000,
        cents_squared=frame["kept"] * 6e8,
        before_cents=frame["people"] * 21_000,
        before_cents_squared=frame["people"] * 9e8,
        cents_both=frame["kept"] * 5e8,
    )
