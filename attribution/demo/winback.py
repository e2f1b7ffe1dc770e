"""Reactivation campaigns: whom they pick, whom they hold out, and what they truly do."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from attribution.demo.draws import Bools, Floats, Ints
from attribution.demo.market import LINES, Calendar

WEEKS_PER_MONTH = 30.44 / 7
BANDS = ("6-12", "12-18", "18-24", "24-36", "36+")
_BAND_EDGES = (12.0, 18.0, 24.0, 36.0)
SILENT_WEEKS = 26  # silent from here on
REST_WEEKS = 20  # between two campaigns to one person
# Extra chance to come back by months of silence: the middle can be persuaded.
_EFFECT = np.array([0.040, 0.078, 0.066, 0.036, 0.014])
_CHANNEL_EFFECT = {"outreach_email": 0.9, "outreach_sms": 1.05}
EFFECT_WEEKS = 6

# channel, week of 104, share held out, service line or every one
_SCHEDULE = (
    ("outreach_email", 5, 0.15, None),
    ("outreach_sms", 17, 0.20, None),
    ("outreach_email", 29, 0.10, "dental"),
    ("outreach_sms", 41, 0.15, "primary_care"),
    ("outreach_email", 53, 0.20, None),
    ("outreach_sms", 65, 0.15, None),
    ("outreach_email", 79, 0.12, "dermatology"),
    ("outreach_sms", 94, 0.20, None),
)


@dataclass(frozen=True, slots=True)
class Winback:
    """One campaign to silent patients."""

    name: str
    number: int
    channel: str  # the lever that switches it off
    week: int
    holdout: float
    line: int | None

    def extra_hazard(self, silent_weeks: Floats) -> Floats:
        """What a message adds to the hazard of coming back, in each of the weeks it works."""
        effect = _EFFECT[bands_of(silent_weeks)] * _CHANNEL_EFFECT[self.channel]
        hazard: Floats = -np.log1p(-effect) / EFFECT_WEEKS
        return hazard


def bands_of(silent_weeks: Floats) -> Ints:
    """Position in BANDS for weeks of silence."""
    return np.searchsorted(_BAND_EDGES, silent_weeks / WEEKS_PER_MONTH, side="right").astype(
        np.int64
    )


def campaigns(calendar: Calendar) -> tuple[Winback, ...]:
    """The campaigns of these weeks, spread as in two years."""
    made = []
    for number, (channel, week, holdout, line) in enumerate(_SCHEDULE):
        at = int(week * calendar.weeks / 104)
        month = (calendar.start + timedelta(days=7 * at)).strftime("%Y_%m")
        name = f"reactivation_{line or 'all'}_{channel.removeprefix('outreach_')}_{month}"
        position = None if line is None else LINES.index(line)
        made.append(Winback(name, number, channel, at, holdout, position))
    return tuple(made)


def return_hazard(silent_weeks: Floats) -> Floats:
    """The weekly hazard of a silent patient coming back unasked."""
    months = silent_weeks / WEEKS_PER_MONTH
    hazard: Floats = np.interp(
        months, [0, 4, 9, 18, 36, 60], [0.0, 0.0030, 0.0035, 0.0022, 0.0009, 0.0004]
    )
    return hazard


def eligible(
    campaign: Winback, silent: Floats, idle: Bools, line: Ints, consents: Bools, rested: Bools
) -> Bools:
    """Silent patients who may be reached this way and were left in peace for a while."""
    fits = idle & (silent >= SILENT_WEEKS) & consents & rested
    return fits if campaign.line is None else fits & (line == campaign.line)
