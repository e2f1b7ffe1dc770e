"""How well people are joined: who is known to which systems, and what joins nobody."""

import pandas as pd

from attribution import identity_queries as asked
from attribution.metrics import definition, ratio
from attribution.queries import WEEK, Marts, about
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, measured, table_of

PERIOD, COURSE = 12, 26  # weeks
_AT_LEAST = "at least: some are told together"  # with people of whom no touch is known
FEW = 11  # people; of fewer than that nothing is said
_KINDS = {
    "email_name": "E-mail with a first name",
    "phone_name": "Phone with a first name",
    "email": "E-mail",
    "phone": "Phone",
    "client_id": "Browser",
    "click_id": "Click",
}
_REASONS = {
    "patients": "Of more than one patient of a medical record",
    "contacts": "Of more than one contact of a CRM",
    "emails": "Of people with different e-mail addresses",
    "names": "Of people with different first names",
    "chain": "One of a chain that would join several",
    "forgotten": "Shared with somebody who was forgotten",
}


def metrics(marts: Marts) -> tuple[Metric, ...]:
    """New patients with a known touch over the last twelve weeks, beside the twelve before."""
    frame = asked.known_touch(marts)
    ago = (pd.Timestamp(about(marts).last_week) - pd.to_datetime(frame["week"])) // WEEK
    recent, before = frame[ago < PERIOD], frame[(ago >= PERIOD) & (ago < 2 * PERIOD)]
    drawn = frame[ago < COURSE]
    touch = definition("touch_coverage")
    course = [ratio(t, n) for t, n in zip(drawn["touched"], drawn["new_patients"], strict=True)]
    return (
        Metric(
            touch.name,
            touch.title,
            ratio(recent["touched"].sum(), recent["new_patients"].sum()),
            ratio(before["touched"].sum(), before["new_patients"].sum()),
            touch.format,
            touch.help,
            course=tuple(course),
            interval=_AT_LEAST if recent["folded"].any() else "",
        ),
    )


def figures(marts: Marts) -> dict[str, Figure]:
    """The square of match rates between sources; none with fewer than two sources."""
    counts = _square(marts)
    if len(counts) < 2:
        return {}
    rates = _rates(counts)
    names = [formats.label(name) for name in rates.index]
    texts = [[f"{v:.0%}" if pd.notna(v) else "" for v in row] for row in rates.to_numpy()]
    shades = [[float(v) if pd.notna(v) else None for v in row] for row in rates.to_numpy()]
    spec = charts.matrix(
        names,
        names,
        shades,
        texts,
        "%{text} of the people of %{y} are known to %{x}",
        "Also known to",
    )
    meaning = definition("match_rate")
    return {
        "matches": Figure(meaning.title, spec, _takeaway(rates), meaning.help, "matches"),
    }


def tables(marts: Marts) -> dict[str, Table]:
    """The same match rates as rows, identifiers that join nobody, and merges and splits."""
    return {
        "matches": _matches(_square(marts)),
        "shared": _shared(asked.shared_identifiers(marts)),
        "changes": _changes(asked.person_changes(marts)),
    }


def _square(marts: Marts) -> pd.DataFrame:
    """People by source and other source; missing where there are too few to say."""
    frame = asked.matches(marts).astype({"people": "float64"})
    return frame.pivot(index="source", columns="other", values="people").rename_axis(columns=None)


def _rates(counts: pd.DataFrame) -> pd.DataFrame:
    """What each row's people are known to by each column; nothing beside itself."""
    known = counts.to_dict("index")
    own = pd.Series([known[name][name] for name in counts.index], index=counts.index)
    rates = counts.div(own.where(own > 0), axis=0)
    for name in counts.index:
        rates.loc[name, name] = float("nan")
    return rates


def _takeaway(rates: pd.DataFrame) -> str:
    known = [
        (float(rate), one, other)
        for one, row in rates.iterrows()
        for other, rate in row.items()
        if pd.notna(rate)
    ]
    if not known:
        return "No two sources have more than ten people in common."
    best, one, other = max(known, key=lambda each: each[0])
    return (
        f"{formats.rate(best)} of the people of {one} are known to {other} as well: the most of "
        f"any two sources. Empty: fewer than {FEW} people."
    )


def _matches(counts: pd.DataFrame) -> Table:
    known, rates = counts.to_dict("index"), _rates(counts).to_dict("index")
    rows = [
        (one, other, known[one][one], known[one][other], rates[one][other])
        for one in counts.index
        for other in counts.columns
        if one != other
    ]
    columns = (
        Column("source", "Source"),
        Column("other", "Also known to"),
        Column("own", "People", "count", "People whom the source knows."),
        Column("people", "In both", "count", f"Empty where it is fewer than {FEW}."),
        measured("match_rate"),
    )
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table("People in common", columns, frame)


def _shared(frame: pd.DataFrame) -> Table:
    columns = (
        Column("kind", "Kind"),
        Column("source", "Found in"),
        Column("reason", "Why"),
        Column("identifiers", "Identifiers", "count", f"Empty where it is fewer than {FEW}."),
    )
    shown = frame.assign(
        kind=frame["kind"].map(_KINDS),
        reason=frame["reason"].map(_REASONS),
        identifiers=frame["identifiers"].astype("float64"),
    )
    shown = shown.sort_values("identifiers", ascending=False, na_position="last", kind="stable")
    note = (
        "Families share phones, and front desks and tablets are everybody's. Such an identifier "
        "joins nobody, and what is known only by it belongs to nobody. The limits are in "
        "`[identity]` of `caretrace.toml`."
    )
    return table_of("Shared identifiers", columns, shown, note)


def _changes(frame: pd.DataFrame) -> Table:
    columns = (
        Column("kind", "What"),
        Column("cause", "Cause"),
        Column("latest", "Last refresh", "count"),
        Column("changes", "So far", "count"),
    )
    said = {"merge": "Two people were one", "split": "One was several people"}
    shown = frame.assign(kind=frame["kind"].map(said), cause=frame["cause"].str.capitalize())
    note = "Every person keeps a number for good; when people merge or split it is written down."
    return table_of("Merges and splits", columns, shown, note)
