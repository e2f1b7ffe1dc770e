"""Made-up people of research: the table that exports read, in a home folder of its own."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from attribution.paths import Home
from attribution.people import Permit
from attribution.research.rules import Determination, Rules

REASON = "a study of what tests need"
PERMIT = Permit("a test", "Ada")
RULES = Rules(determination=Determination("x", date(2020, 1, 1), date(2120, 1, 1), 182))
CANARIES = (
    "Jane Canary",
    "canary@example.org",
    "+15035550199",
    "MRN00012345",
    "=cmd|' /C calc'!A0",
    "1931-04-05",
    "Lakeside Canary Clinic",
)
CONFIG = """currency = "USD"
demo = true

[research.determination]
by = "Dr. Expert"
on = 2020-01-01
expires = {expires}
max_shift_days = 182
"""


def people(count: int = 2500, seed: int = 5) -> pd.DataFrame:
    """The columns of `research_people`; a few rows hold what must never leave."""
    random = np.random.default_rng(seed)
    line = random.choice(["dental", "cardiology", "orthopedics"], count, p=[0.5, 0.3, 0.2])
    code = pd.Series(line).str[:3].str.upper() + random.integers(0, 5, count).astype(str)
    day = pd.Timestamp("2026-11-20") - pd.to_timedelta(random.integers(0, 2500, count), "D")
    frame = pd.DataFrame(
        {
            "person_id": np.arange(count) * 7919 + 11,
            "age": random.integers(0, 99, count),
            "age_in": 2026,
            "sex": random.choice(["female", "male"], count),
            "zip3": random.choice(["601", "602", "481", "036", "205"], count),
            "first_visit": day.date,
            "span_days": random.integers(0, 900, count),
            "visits": 1 + random.poisson(2, count),
            "service_line": line,
            "location": random.choice(["North", "Lakeside Canary Clinic"], count),
            "condition": code,
            "treatment": "",
            "paid_micros": random.integers(0, 12_000, count) * 1_000_000,
            "first_channel": random.choice(["email", "paid_search", ""], count),
            "lead_source": random.choice(["direct", "organic_search"], count),
            "lead_days": pd.array(random.integers(0, 200, count), dtype="Int64"),
            "emails": random.integers(0, 7, count),
            "texts": random.integers(0, 3, count),
            "other_messages": 0,
            "responses": random.integers(0, 2, count),
            "pollen_visits": 2,
            "high_pollen_visits": random.integers(0, 3, count),
            "air_visits": 0,
            "poor_air_visits": 0,
        }
    )
    frame.loc[:3, "condition"] = list(CANARIES[:4])
    frame.loc[4, "service_line"] = CANARIES[4]
    frame.loc[5:6, "first_channel"] = [CANARIES[5], CANARIES[1]]
    frame.loc[7, "lead_source"] = CANARIES[0]
    frame.loc[8, ["age", "zip3", "sex"]] = [104, "999", CANARIES[0]]
    frame.loc[9, ["zip3", "first_visit"]] = ["000", pd.Timestamp("1936-02-02").date()]
    return frame


def weeks() -> pd.DataFrame:
    """The columns of `research_weeks`: cardiology goes with pollen, orthopedics is too small."""
    random = np.random.default_rng(3)
    begins = [date(2024, 11, 25) + timedelta(weeks=week) for week in range(96)]
    season = np.sin(np.arange(96) * 2 * np.pi / 52)
    pollen = np.round(60 + 50 * season + random.normal(0, 12, 96), 1)
    air = np.round(random.normal(52, 6, 96), 1)
    counts = {
        ("all", ""): random.poisson(90, 96),
        ("service_line", "cardiology"): random.poisson(35 + 12 * season),
        ("service_line", "dental"): random.poisson(40, 96),
        ("service_line", "orthopedics"): np.full(96, 2),
        ("condition", "CAR0"): np.full(96, 4) + random.integers(0, 3, 96),
    }
    rows = []
    for (kind, name), visits in counts.items():
        for size in (1, 4):
            for at in range(0, 96, size):
                part = slice(at, at + size)
                told = (int(visits[part].sum()), pollen[part].mean(), air[part].mean())
                keys = ((kind, name, place, size, begins[at]) for place in ("", "North"))
                rows.extend((*key, told[0], *told) for key in keys)
    columns = ["kind", "name", "location", "weeks", "begins", "visits", "people", "pollen", "air"]
    return pd.DataFrame(rows, columns=columns)


def as_table(frame: pd.DataFrame) -> pa.Table:
    """What `attribution.research.reading` would read, tags being the people's own numbers."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return table.rename_columns({"person_id": "tag"})


def make_home(folder: Path, frame: pd.DataFrame, expires: str = "2120-01-01") -> Home:
    """A home folder whose first generation has these people."""
    home = Home(folder)
    home.generation(1).mkdir(parents=True)
    home.config.write_text(CONFIG.format(expires=expires), encoding="utf-8")
    publish(home, 1, frame)
    return home


def publish(home: Home, generation: int, frame: pd.DataFrame) -> None:
    """Write the people of a generation."""
    home.generation(generation).mkdir(parents=True, exist_ok=True)
    path = home.generation(generation) / "people.duckdb"
    with duckdb.connect(str(path)) as database:
        database.register("frame", frame)
        database.execute("create table research_people as select * from frame")
        database.register("weeks", weeks())
        database.execute("create table research_weeks as select * from weeks")
    home.current.write_text(str(generation), encoding="ascii")
