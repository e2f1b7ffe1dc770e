"""Definitions: what does each number mean, which models and rules are there, in which version?"""

import pandas as pd

from attribution import definitions
from attribution.errors import BadInput
from attribution.metrics import Definition
from attribution.metrics.pages import title_of
from attribution.paths import Home
from attribution.ui.view import Column, Table, View, table_of
from attribution.viewer_marts import VERSION

QUESTION = "What does each number mean, and by which rules is it counted?"
MOST = 40  # definitions shown at once: more are better narrowed than read
_GOOD = {"up": "more is good", "down": "less is good", "neither": "neither way is good"}
_TITLES = {
    "service_line": "Service line",
    "interval_days": "Expected every (days)",
    "lapsed_days": "Lapsed after (days)",
    "lost_days": "Lost after (days)",
    "open_loop_days": "Open loop after (days)",
    "age_min": "From age",
    "age_max": "To age",
    "utm_source": "Source",
    "utm_medium": "Medium",
    "utm_campaign": "Campaign",
}


def definitions_view(home: Home) -> View:
    """Tables `metrics`, `models`, `lapse_rules`, `channel_rules` and `viewer_rules`."""
    every = definitions.registry(home)
    return View(
        QUESTION,
        tables={
            "metrics": _metrics(every),
            "models": _models(),
            "lapse_rules": _rules(home, "lapse_rules", "Lapse rules"),
            "channel_rules": _rules(home, "channel_rules", "Channel rules"),
            "viewer_rules": _viewer_rules(),
        },
        notes=(
            f"{len(every)} numbers. `caretrace definitions` writes all of them as CSV or JSON.",
        ),
    )


def facts(each: Definition, owner: str) -> tuple[str, ...]:
    """What is to know of one number beside its sentence, in lines."""
    unit = definitions.UNITS[each.format]
    return (
        f"{unit[:1].upper()}{unit[1:]}, {_GOOD[each.better]} · {owner} · version {each.version}",
        *each.changes,
        f"Counted by: {each.date_basis}",
        f"Told for: {each.grain}",
        f"Shown on: {', '.join(map(title_of, each.pages))}",
    )


def _metrics(every: pd.DataFrame) -> Table:
    columns = (
        Column("title", "Number"),
        Column("sentence", "What it says", "text"),
        Column("formula", "How it is worked out"),
        Column("pages", "Shown on"),
        Column("date_basis", "Counted by"),
        Column("grain", "Told for"),
        Column("unit", "Unit"),
        Column("better", "Good is"),
        Column("owner", "Owner"),
        Column("version", "Version", "count"),
    )
    return table_of("All numbers", columns, every)


def _models() -> Table:
    columns = (
        Column("title", "Model"),
        Column("sentence", "How it shares credit"),
        Column("parameters", "Settings"),
    )
    return Table("Credit models", columns, definitions.models())


def _rules(home: Home, name: str, title: str) -> Table:
    try:
        frame = definitions.rules(home, name)
    except BadInput as error:
        return Table(title, (), pd.DataFrame(), empty=str(error))
    columns = tuple(
        Column(str(column), _TITLES.get(str(column), str(column).capitalize())) for column in frame
    )
    whose = "Of this installation" if definitions.is_own(home, name) else "As they ship"
    return Table(title, columns, frame, f"{definitions.RULES[name]} {whose}.")


def _viewer_rules() -> Table:
    columns = (
        Column("mart", "Table"),
        Column("cells", "Told for"),
        Column("counted", "Nought or eleven people in each of"),
    )
    return Table(
        "Small cells",
        columns,
        definitions.viewer_rules(),
        f"Rules of version {VERSION}: what readers without the role analyst, and reports that "
        "leave, are told. Conversions, credit and paths have rules of their own.",
    )
