"""Checks k, l and t of research exports against pycanon, an independent library.

    make check-research
    python benchmarks/check_research.py --oracle .venv-oracle/bin/python --home var

pycanon pins an old pandas, so it runs in an environment of its own. Tables of random people are
exported, of several sizes, with and without some columns, and with `--home` the people of a
published generation (in memory: nothing is written down there). What the disclosure report says
must be what the library finds; the exit code is 1 where it is not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from research_export import CONFIG, PEOPLE

from attribution.paths import Home
from attribution.people import Permit
from attribution.research import files
from attribution.research.coding import coded
from attribution.research.cohort import Cohort, members
from attribution.research.export import Export, Request, export_research
from attribution.research.reading import read
from attribution.research.release import choose, released
from attribution.research.rules import Rules
from attribution.warehouse import current_generation

REASON = "to check it against another library"
TABLES = (
    (500, Request(REASON)),
    (2_000, Request(REASON, cohort=Cohort(sexes=("female",)))),
    (2_000, Request(REASON, "expert", dropped=("first_visit_on",))),
    (5_000, Request(REASON, dropped=("zip3", "treatment"))),
    (10_000, Request(REASON, keep=("sex",))),
    (20_000, Request(REASON, dropped=("paid", "treatment"))),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle", type=Path, default=Path(".venv-oracle/bin/python"))
    parser.add_argument("--home", type=Path, help="also a published generation, such as a demo's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked"
        asked.mkdir()
        ours = {}
        for number, (people, request) in enumerate(TABLES):
            home = _home(Path(folder) / str(number), people)
            made = export_research(home, 1, Permit("a check"), request)
            ours[f"table {number}"] = _ask(asked / f"table {number}", made)
        if options.home is not None:
            ours["home"] = _published(asked / "home", Home(options.home.resolve()))
        command = [str(options.oracle), str(Path(__file__).with_name("research_oracle.py")), asked]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs = json.loads(answer.stdout.splitlines()[-1])
    sys.exit(0 if _agree(ours, theirs) else 1)


def _home(folder: Path, people: int) -> Home:
    home = Home(folder)
    home.generation(1).mkdir(parents=True)
    home.config.write_text(CONFIG, encoding="utf-8")
    with duckdb.connect(str(home.generation(1) / "people.duckdb")) as database:
        database.execute(PEOPLE.format(people=people))
    return home


def _ask(path: Path, made: Export) -> dict[str, object]:
    told = made.disclosure
    quasi = [each["column"] for each in told["generalisation"] if each["told"]]
    path.with_suffix(".csv").write_bytes(made.files[files.CSV])
    asked = {"quasi": quasi, "sensitive": list(told["reached"]["l"])}
    path.with_suffix(".json").write_text(json.dumps(asked), encoding="utf-8")
    return told["reached"] | {"people": told["people"]}


def _published(path: Path, home: Home) -> dict[str, object]:
    generation = current_generation(home)
    assert generation is not None, "nothing is published there"
    table = read(home, generation, Permit("a check"))
    inside, rules = members(table, Cohort()), Rules()
    chosen = choose(coded(table, inside, k=rules.k, l=rules.l), inside, rules)
    release = released(chosen, "safe-harbor", rules)
    path.with_suffix(".csv").write_bytes(files.as_csv(release.table))
    asked = {"quasi": list(chosen.quasi), "sensitive": list(chosen.sensitive)}
    path.with_suffix(".json").write_text(json.dumps(asked), encoding="utf-8")
    reached = release.reached
    return {"k": reached.k, "l": reached.l, "t": reached.t, "people": reached.people}


def _agree(ours: dict[str, dict], theirs: dict[str, dict]) -> bool:
    fine = True
    for name, own in ours.items():
        other = theirs[name]
        apart = max(abs(own["t"][column] - value) for column, value in other["t"].items())
        same = own["k"] == other["k"] and own["l"] == other["l"] and apart < 2e-4
        fine &= same
        print(
            f"{'agrees' if same else 'DIFFERS'}: {name}, {own['people']:,} people, "
            f"k {own['k']} / {other['k']}, l {own['l']} / {other['l']}, t apart by {apart:.5f}"
        )
    return fine


if __name__ == "__main__":
    main()
