"""Power cuts while a backup is made and restored: python benchmarks/powerloss_backup.py [STATES].

After any cut: what bears the backup's name is whole, byte by byte, and so is what bears the name of
the home folder that it was restored into; what was acknowledged is there. Prints for each model of
what a disk may lose how many cuts broke that, then the same with the syncs left out.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main(states: int = 400) -> int:
    # In place of this file's folder, which would hide the package of the same name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent / "tests")
    from powerloss.replay import ACKNOWLEDGED, MODELS, cuts
    from powerloss.trial import recorded

    broken = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        operations = recorded(place, "backing_up.py")
        # The cuts begin with the backup: before it there is nothing that could be one.
        since = 1 + next(n for n, one in enumerate(operations) if one.path == ACKNOWLEDGED)
        print(f"{len(operations)} operations, {states} power cuts each")
        for title, believed in (("all syncs", True), ("no sync", False)):
            began, folder = time.perf_counter(), place / title.replace(" ", "-")
            folder.mkdir()
            found: dict[str, list[str]] = {model: [] for model in MODELS}
            for cut in cuts(
                operations, folder, count=states, seed=20261127,
                synced=lambda _, b=believed: b, since=since,
            ):  # fmt: skip
                if (problem := fault(cut)) is not None:
                    found[cut.model].append(f"at operation {cut.at}: {problem}")
                shutil.rmtree(cut.folder)
            counts = ", ".join(f"{model} {len(lost)}" for model, lost in found.items())
            seconds = time.perf_counter() - began
            print(f"{title}: faults by model: {counts} ({seconds:.0f} s)", flush=True)
            broken += believed and sum(map(len, found.values()))
            for lost in found.values():
                for problem in lost[: 5 if believed else 1]:
                    print(f"  {problem.splitlines()[0]}")
    return 1 if broken else 0


def fault(cut: Any) -> str | None:
    """What is wrong with what a power cut left; None where nothing is."""
    from sqlalchemy.exc import SQLAlchemyError

    from attribution import audit, restoring
    from attribution.errors import CaretraceError
    from attribution.paths import Home
    from attribution.warehouse import current_generation, open_marts

    kept, back = cut.folder / "kept", Home(cut.folder / "back")
    try:
        if kept.exists():
            restoring.check(kept)
        elif cut.acknowledged > 0:
            return "the backup was acknowledged and is gone"
        if back.current.exists():
            if audit.verify(back).problems:
                return "the restored audit log is broken"
            number = current_generation(back)
            if number is None:
                return "nothing is published in the restored folder"
            engine = open_marts(back, number)
            with engine.connect() as connection:
                count = connection.exec_driver_sql("select count(*) from spend").scalar_one()
            engine.dispose()
            if count != 20_000:
                return f"the restored folder holds {count} rows"
        elif cut.acknowledged > 1:
            return "the restore was acknowledged and is gone"
    except (CaretraceError, SQLAlchemyError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
