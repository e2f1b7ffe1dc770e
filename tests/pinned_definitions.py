"""The wording of every number, by its version: `make definitions` writes what is new."""

import csv
from pathlib import Path

from attribution.metrics import METRICS

PINNED = Path(__file__).parent / "data" / "definitions.csv"


def pinned() -> dict[tuple[str, int], str]:
    """(name, version) -> the fingerprint of its sentence and formula."""
    with PINNED.open(encoding="utf-8", newline="") as file:
        return {(row["name"], int(row["version"])): row["sha256"] for row in csv.DictReader(file)}


def write() -> None:
    """Pin what has no pin yet; what is pinned stays, so that a silent change still fails."""
    known = pinned() if PINNED.is_file() else {}
    for name, each in METRICS.items():
        known.setdefault((name, each.version), each.fingerprint)
    with PINNED.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", "version", "sha256"])
        rows.writerows([name, version, known[name, version]] for name, version in sorted(known))


if __name__ == "__main__":
    write()
