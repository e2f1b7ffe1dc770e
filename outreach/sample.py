"""Samples of a flow's messages: of nobody, or of one person who would get them."""

from datetime import UTC, datetime
from typing import Any

import orjson

from attribution.outreach_settings import Outreach
from outreach.flow import Flow
from outreach.planning import Plan
from outreach.templates import SAID, variables, written

_KEY = "0" * 32
# Stand-ins by the end of a column's name.
_STAND_INS: tuple[tuple[str, Any], ...] = (
    ("_at", datetime(2026, 3, 5, 15, 30, tzinfo=UTC).isoformat()),
    ("_on", "2026-03-05"),
    ("age", 7),
    ("balance", 42.5),
)
Written = dict[str, tuple[str, str]]


def example(flow: Flow, settings: Outreach) -> Written:
    """What a flow writes on each channel, to nobody."""
    said: dict[str, Any] = {
        name: next((value for end, value in _STAND_INS if name.endswith(end)), f"({name})")
        for name in variables(flow) - set(SAID)
    }
    said["location"] = next(iter(settings.locations), "")
    said["provider"] = next(iter(settings.providers), "")
    return {channel: written(flow, channel, said, settings, _KEY) for channel in flow.channels}


def of_a_person(made: Plan, settings: Outreach) -> Written:
    """What the first person of a plan would get, by the channel that they would get it."""
    for row in made.rows.slice(0, 1).to_pylist():
        said = {"timezone": row["zone"].split("|")[0]} | orjson.loads(row["fields"])
        return {row["channel"]: written(made.flow, row["channel"], said, settings, _KEY)}
    return {}
