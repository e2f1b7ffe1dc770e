"""Measures tables with pycanon, in an environment of its own; `check_research.py` runs it.

    .venv-oracle/bin/python benchmarks/research_oracle.py FOLDER

Each `*.json` of the folder names a CSV beside it, its quasi-identifiers and its sensitive columns.
The answer is one JSON document: by table k, and l and t by sensitive column.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from pycanon import anonymity


def main() -> None:
    folder = Path(sys.argv[1])
    found = {}
    for said in sorted(folder.glob("*.json")):
        asked = json.loads(said.read_text(encoding="utf-8"))
        table = pd.read_csv(said.with_suffix(".csv"), dtype=str, keep_default_na=False)
        quasi, sensitive = asked["quasi"], asked["sensitive"]
        found[said.stem] = {
            "k": int(anonymity.k_anonymity(table, quasi)),
            "l": {n: int(anonymity.l_diversity(table, quasi, [n])) for n in sensitive},
            "t": {n: float(anonymity.t_closeness(table, quasi, [n])) for n in sensitive},
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
