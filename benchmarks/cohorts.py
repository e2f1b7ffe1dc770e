"""How large the marts of groups of patients become, and how long they take.

    python benchmarks/cohorts.py 1000000

Made-up patients of a large system: 12 service lines, 25 places, 40 ZIP3, three conditions each.
Says the rows of each mart, and the processor time to group, to fold for viewers and to ask.
"""

import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from attribution import group_queries, viewer_patients
from attribution.group_queries import AGES, DIMENSIONS, LAPSES, RESPONSES, SILENCES, Group
from attribution.paths import SQL, Home
from attribution.queries import Marts


def main(people: int) -> None:
    """Make the people, build the three marts of them, fold them and ask."""
    folder = Path(tempfile.mkdtemp()) / "generations" / "000001"
    folder.mkdir(parents=True)
    home = Home(folder.parent.parent)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        database.execute("set memory_limit = '2GB'; set threads = 2")
        for name, frame in _crowd(people).items():
            database.register("frame", frame)
            database.execute(f"create temp table {name} as select * from frame")
        for name in ("patient_numbers", "patient_groups", "patient_journeys"):
            begun = time.process_time()
            sql = (SQL / "marts" / f"{name}.sql").read_text("utf-8")
            database.execute(f"create table {name} as {sql}")
            seconds = time.process_time() - begun
            rows = database.execute(f"select count(*) from {name}").fetchall()[0][0]
            print(f"{name}: {rows:,} rows in {seconds:.1f} s")
        begun = time.process_time()
        marts = {
            name: database.execute(f"from {name} {viewer_patients.ASKED[name]}").df()
            for name in viewer_patients.MARTS
        }
        told = viewer_patients.told(marts)
        cells = ", ".join(f"{cube.name} {len(rows):,}" for cube, rows in told)
        print(f"folded for viewers in {time.process_time() - begun:.1f} s: {cells} cells")
        del marts, told
    size = (home.generation(1) / "marts.duckdb").stat().st_size
    print(f"on disk: {size / 1e6:.0f} MB")
    at = Marts(home, 1, protected=False)
    group = Group(lapse=("lapsed", "lost"), age_band=("60-74",))
    for name, ask in (
        ("everyone by all dimensions", lambda: group_queries.counted(at, Group())),
        ("a cohort by all dimensions", lambda: group_queries.counted(at, group)),
        ("its sums", lambda: group_queries.sums(at, group)),
        ("its ways", lambda: group_queries.journeys(at, group)),
        ("its conditions", lambda: group_queries.conditions(at, group)),
    ):
        ask()
        begun = time.process_time()
        ask()
        print(f"{name}: {1000 * (time.process_time() - begun):.0f} ms")


def _crowd(people: int) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(1)

    def skewed(count: int) -> np.ndarray:
        return (count * random.random(people) ** 2).astype(int)

    place = skewed(25)
    values = {
        "service_line": [f"line {n}" for n in range(12)],
        "lapse": list(LAPSES),
        "age_band": list(AGES),
        "response": list(RESPONSES),
        "months_silent": list(SILENCES),
    }
    frame = pd.DataFrame(
        {name: pd.Categorical.from_codes(skewed(len(each)), each) for name, each in values.items()}
    )
    # A clinic's patients live around it: two areas in three near, the rest anywhere.
    near = place + random.integers(0, 3, people)
    area = np.where(random.random(people) < 0.95, near, skewed(40))
    frame["location"] = pd.Categorical.from_codes(place, [f"clinic {n}" for n in range(25)])
    frame["zip3"] = pd.Categorical.from_codes(area, [f"{600 + n}" for n in range(40)])
    touches = random.poisson(2, people)
    channels = [f"channel {n}" for n in range(14)]
    frame = frame.assign(
        person_id=np.arange(people),
        visits=1 + random.poisson(3, people),
        shown=1 + random.poisson(3, people),
        missed=random.poisson(0.3, people),
        value_micros=random.integers(0, 10**9, people),
        was_silent=random.integers(0, 2, people),
        answers=(random.random(people) < 0.2).astype(int),
        touches=touches,
        days_to_visit=pd.Series(random.integers(0, 300, people)).where(touches > 0).astype("Int64"),
    )
    frame["missers"] = (frame["missed"] > 0).astype(int)
    frame["came_back"] = frame["was_silent"] * random.integers(0, 2, people)
    frame["promoters"] = frame["answers"] * random.integers(0, 2, people)
    frame["detractors"] = (frame["answers"] - frame["promoters"]) * random.integers(0, 2, people)
    for name in ("first_channel", "last_channel", "step_1"):
        chosen = np.array(channels, dtype=object)[skewed(14)]
        frame[name] = np.where(touches > 0, chosen, "")
    frame = frame.assign(step_2="", step_3="", step_4="")
    names = np.array([f"condition {n}" for n in range(31)], dtype=object)
    having = pd.DataFrame(
        {
            "person_id": np.repeat(np.arange(people), 3),
            "condition": names[(31 * random.random(3 * people) ** 2).astype(int)],
        }
    ).drop_duplicates()
    return {
        "int_patients": frame.astype(dict.fromkeys(DIMENSIONS, "str")),
        "int_conditions": having,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
