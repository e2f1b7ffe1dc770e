"""Path models against ChannelAttribution: CPU seconds and agreement, one run, the same file.

    python benchmarks/peers.py --journeys 1000000 --channels 20 --peer VENV/bin/python

The peer is under the GPL and no part of the product. To compare, install it apart:

    python -m venv VENV && VENV/bin/pip install ChannelAttribution matplotlib

Every measured task is a process of its own, which first loads the file into a frame; loading is
not counted, reading the path texts is. Without --peer only our figures are shown.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RULES = ["first", "last", "linear"]
ALL_RULES = ["first", "last", "last_non_direct", "linear", "position", "time_decay"]
GAMES = ["shapley_sum", "shapley_rate", "shapley_ordered"]


def generate(path: Path, journeys: int, channels: int) -> None:
    """One row for each journey: 4 touches on average, at most 30; 5% convert."""
    rng = np.random.default_rng(3)
    lengths = np.minimum(rng.geometric(0.25, journeys), 30)
    weight = 1 / np.arange(1, channels + 1) ** 0.7
    codes = rng.choice(channels, size=lengths.sum(), p=weight / weight.sum())
    touches = np.array([f"channel_{number:02d}" for number in range(channels)])[codes].tolist()
    won = rng.random(journeys) < 0.05
    value = np.where(won, np.round(rng.lognormal(4, 1, journeys), 2), 0.0)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    with path.open("w", encoding="utf-8") as file:
        file.write("path,conversions,value,nulls\n")
        for row in range(journeys):
            text = " > ".join(touches[starts[row] : starts[row + 1]])
            file.write(f"{text},{int(won[row])},{value[row]},{int(not won[row])}\n")


def aggregate(path: Path) -> None:
    """Rewrite the file with one row for each distinct path."""
    import pandas as pd

    pd.read_csv(path).groupby("path", as_index=False).sum().to_csv(path, index=False)


def ours(path: Path, task: str) -> dict[str, Any]:
    """One of our tasks, timed from a loaded frame."""
    import pandas as pd

    from attribution.models.markov import markov
    from attribution.models.path_rules import RuleSettings, rule
    from attribution.models.paths import encode_frame
    from attribution.models.shapley import shapley_ordered, shapley_rate, shapley_sum

    frame = pd.read_csv(path)
    began = time.process_time()
    paths = encode_frame(frame)
    encoded = time.process_time()
    answers = {}
    if task in ("rules", "all rules"):
        for name in RULES if task == "rules" else ALL_RULES:
            answers[name] = rule(paths, name, RuleSettings()).conversions.centre
    elif task.startswith("shapley"):
        answers["shapley_sum"] = shapley_sum(paths).conversions.centre
        answers["shapley_ordered"] = shapley_ordered(paths).conversions.centre
        with_intervals = task.endswith("with intervals")
        answers["shapley_rate"] = shapley_rate(paths, intervals=with_intervals).conversions.centre
    else:
        for order in map(int, task.split()[1].split("-")):
            estimate = markov(paths, order, intervals=task.endswith("with intervals"))
            answers[f"markov {order}"] = estimate.conversions.centre
    ended = time.process_time()
    return {
        "encode": round(encoded - began, 3),
        "models": round(ended - encoded, 3),
        "seconds": round(ended - began, 3),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "answers": {
            name: dict(zip(paths.channels, credit.tolist(), strict=True))
            for name, credit in answers.items()
        },
    }


PEER = """
import json, resource, sys, time
import pandas as pd
import ChannelAttribution as peer
task = sys.argv[2]
frame = pd.read_csv(sys.argv[1])
began = time.process_time()
if task == "rules":
    found = peer.heuristic_models(frame, "path", "conversions", var_value="value", flg_pro=False)
    columns = {"first": "first_touch_conversions", "last": "last_touch_conversions",
               "linear": "linear_touch_conversions"}
else:
    found = peer.markov_model(frame, "path", "conversions", var_value="value", var_null="nulls",
                              order=int(task.split()[1]), verbose=False, flg_pro=False)
    columns = {task: "total_conversions"}
seconds = time.process_time() - began
found = found.set_index("channel_name")
print("ANSWER" + json.dumps({
    "seconds": round(seconds, 3),
    "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "answers": {
        name: found[next(c for c in (column, column.replace("_touch", "")) if c in found)].to_dict()
        for name, column in columns.items()
    },
}))
"""


def measured(command: list[str], repeats: int) -> dict[str, Any]:
    """What the quickest of some processes says of a task: others on the machine only slow it."""
    return min((_once(command) for _ in range(repeats)), key=lambda answer: answer["seconds"])


def _once(command: list[str]) -> dict[str, Any]:
    # One thread, as the peer has: the sum over threads is what counts.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    if not lines:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(lines[0].removeprefix("ANSWER"))
    return answer


def gap(mine: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    """The total variation distance of two answers, and the largest difference of a channel."""
    names = set(mine) | set(theirs)
    differences = [abs(mine.get(name, 0.0) - theirs.get(name, 0.0)) for name in names]
    return {
        "share misplaced": sum(differences) / 2 / sum(mine.values()),
        "largest": max(differences),
    }


def compare(path: Path, peer: str | None, repeats: int) -> None:
    """Every task of ours, and the peer's where it has one."""
    tasks = {
        "rules": "rules",
        "all rules": None,
        **{f"markov {order}": f"markov {order}" for order in (1, 2, 3)},
        "markov 1-2-3 with intervals": None,
        "shapley": None,
        "shapley with intervals": None,
    }
    for task, other in tasks.items():
        command = [sys.executable, __file__, "--file", str(path), "--task", task]
        mine = measured(command, repeats)
        line = {name: mine[name] for name in ("encode", "models", "seconds", "megabytes")}
        print(f"{task}: ours {line}", flush=True)
        if not peer or not other:
            continue
        theirs = measured([peer, "-c", PEER, str(path), other], repeats)
        faster = theirs["seconds"] / mine["seconds"]
        print(f"  peer {theirs['seconds']} s, {theirs['megabytes']} MB; ours is {faster:.1f}x")
        for name, answer in theirs["answers"].items():
            print(f"  {name}: {gap(mine['answers'][name], answer)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--peer", help="the Python that has ChannelAttribution")
    parser.add_argument("--aggregated", action="store_true", help="one row for each distinct path")
    parser.add_argument("--repeats", type=int, default=1, help="the quickest of so many counts")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print("ANSWER" + json.dumps(ours(options.file, options.task)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paths.csv"
        generate(path, options.journeys, options.channels)
        if options.aggregated:
            aggregate(path)
        compare(path, options.peer, options.repeats)


if __name__ == "__main__":
    main()
