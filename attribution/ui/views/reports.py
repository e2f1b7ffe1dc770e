"""Reports: what goes out, to whom, and did it get there?"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from attribution.metrics import definition
from attribution.schedule.plans import Plan
from attribution.ui import charts, formats
from attribution.ui.charts.timeline import Mark, timeline
from attribution.ui.view import Column, Figure, Metric, Table, View

QUESTION = "What goes out, to whom, and did it get there?"
LATELY = timedelta(days=28)
SHOWN = timedelta(weeks=13)  # of the calendar
_QUIET = timedelta(hours=1)  # without a look, after which the schedule is taken not to run
_COLOURS = {"sent": 3, "held": 2, "sending": 2, "skipped": 0, "failed": 6}
_ENDED = {"sent": "done", "failed": "missed"}
Known = Mapping[str, tuple[Plan, datetime, str]]


def reports(
    known: Known, history: pd.DataFrame, looked: datetime | None, zone: ZoneInfo, now: datetime
) -> View:
    """The page's view: tables `plans` and `history`, figure `calendar`."""
    return View(
        QUESTION,
        metrics=_metrics(known, history, now),
        figures={"calendar": _calendar(known, history, zone, now)} if known else {},
        tables={"plans": _plans(known, history, zone, now), "history": _history(history)},
        warnings=tuple(_warnings(known, looked, now)),
    )


def _warnings(known: Known, looked: datetime | None, now: datetime) -> list[str]:
    if not known:
        return []
    if looked is None:
        sentence = (
            "Nothing is sent by itself yet: run `caretrace schedule`, or tell your own scheduler "
            "to (`caretrace schedule --print cron`)."
        )
        return [sentence]
    if now - looked > _QUIET:
        ago = formats.age(looked, now)
        return [f"The schedule last looked {ago} ago, and sends nothing while it does not run."]
    return []


def _metrics(known: Known, history: pd.DataFrame, now: datetime) -> tuple[Metric, ...]:
    at = pd.to_datetime(history["at"], utc=True)
    lately, states = at > now - LATELY, history["state"]
    counts = {
        "reports_planned": len(known),
        "reports_sent": int((lately & (states == "sent")).sum()),
        "reports_held": int(states.isin(["held", "sending"]).sum()),
        "reports_failed": int((lately & (states == "failed")).sum()),
    }
    return tuple(
        Metric(name, told.title, value, None, told.format, told.help, told.better)
        for name, value in counts.items()
        for told in [definition(name)]
    )


def _calendar(known: Known, history: pd.DataFrame, zone: ZoneInfo, now: datetime) -> Figure:
    lanes = list(known)
    due = pd.to_datetime(history["due_at"], utc=True)
    recent = history[(due > now - SHOWN) & history["name"].isin(lanes)]
    marks = [
        Mark(
            _local(row["due_at"], zone).strftime("%Y-%m-%d %H:%M"),
            lanes.index(row["name"]),
            charts.colour(_COLOURS[row["state"]]) if _COLOURS[row["state"]] else charts.GREY,
            _ENDED.get(row["state"], "plain"),
            f"{formats.label(row['name'])}, {formats.day(_local(row['due_at'], zone))}: "
            f"{row['state']}",
        )
        for row in recent.to_dict("records")
    ]
    for lane, (plan, _since, _held) in enumerate(known.values()):
        following = plan.slots(zone).next(now).astimezone(zone)
        words = f"{formats.label(plan.name)}, due {formats.day(following)}"
        moment = following.strftime("%Y-%m-%d %H:%M")
        marks.append(Mark(moment, lane, charts.colour(1), "ahead", words))
    counted = recent["state"].value_counts().to_dict()
    said = formats.several([f"{counted[state]} {state}" for state in _COLOURS if state in counted])
    return Figure(
        "Calendar of sends",
        timeline(
            [formats.short_label(name) for name in lanes],
            marks,
            now.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        ),
        f"In the last 13 weeks: {said or 'nothing was due'}. Dots were sent, crosses failed, "
        "diamonds are held or were skipped, rings are ahead.",
        f"When each report was due, on the clock of {zone.key}, and what became of it.",
        "history",
    )


def _plans(known: Known, history: pd.DataFrame, zone: ZoneInfo, now: datetime) -> Table:
    columns = (
        Column("name", "Report"),
        Column("what", "What"),
        Column("when", "When", "text", f"On the clock of {zone.key}."),
        Column("following", "Next, UTC", "instant"),
        Column("to", "To"),
        Column("last", "Last", "text", "What became of it when it was last due."),
        Column("deadline", "Held at most", "text", "Then it is sent with a banner that says why."),
        Column("from_file", "In file", "flag", "Of caretrace.toml: change it there."),
    )
    newest = history.drop_duplicates("name").set_index("name")["state"].to_dict()
    rows = [
        {
            "name": name,
            "what": plan.title,
            "when": plan.slots(zone).words,
            "following": None if held_by else pd.Timestamp(plan.slots(zone).next(now)),
            "to": ", ".join([*plan.recipients, *([plan.folder] if plan.folder else [])]),
            "last": f"held by {held_by}" if held_by else newest.get(name, "never due"),
            "deadline": _hours(plan.deadline_hours),
            "from_file": plan.from_file,
        }
        for name, (plan, _since, held_by) in known.items()
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    frame["following"] = pd.to_datetime(frame["following"], utc=True)
    empty = "No report is planned yet: add one below, or a [reports.name] table to caretrace.toml."
    return Table("Planned", columns, frame, empty=empty)


def _history(history: pd.DataFrame) -> Table:
    columns = (
        Column("name", "Report"),
        Column("due_at", "Due, UTC", "instant"),
        Column("state", "State"),
        Column("places", "To", "text", "Whoever it did not reach is marked so."),
        Column("file", "File", "text", "Files are removed after keep_files_days of [schedule]."),
        Column("reason", "Why"),
        Column("at", "Changed, UTC", "instant"),
        Column("generation", "Generation", "count"),
        Column("sha256", "SHA-256 of the file"),
    )
    frame = history.assign(
        due_at=pd.to_datetime(history["due_at"], utc=True),
        at=pd.to_datetime(history["at"], utc=True),
        generation=history["generation"].astype("float64"),
    )
    cut = frame[[column.name for column in columns]]
    return Table("History", columns, cut, empty="Nothing was due yet.")


def _local(stored: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(stored).astimezone(zone)


def _hours(hours: float) -> str:
    if hours and hours % 24 == 0:
        return f"{hours / 24:g} day{'' if hours == 24 else 's'}"
    return f"{hours:g} hours"
