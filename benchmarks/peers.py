"""Path models against two peers: processor seconds and agreement, one run, the same file.

    python benchmarks/peers.py --journeys 1000000 --channels 20 --peer VENV/bin/python
    python benchmarks/peers.py --exact 50 --peer VENV/bin/python

The peers are ChannelAttribution (GPL) and marketing-attribution-models, and no part of the
product. To compare, install them apart:

    python -m venv VENV
    VENV/bin/pip install ChannelAttribution matplotlib marketing-attribution-models

`--exact` compares the answers on so many random small files instead; every channel's difference is
relative to what all have in sum, and as it is for removal effects. Every measured task is a process
of its own, which first loads the file into a frame; loading is not counted, reading the path texts
is. Without --peer only our figures are shown.
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
import pandas as pd
from peer_programs import CHANNEL_ATTRIBUTION, MAM

RULES = ["first", "last", "linear"]
ALL_RULES = ["first", "last", "last_non_direct", "linear", "position", "time_decay"]
SIMULATIONS = 10_000_000


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
    pd.read_csv(path).groupby("path", as_index=False).sum().to_csv(path, index=False)


def ours(path: Path, task: str) -> dict[str, Any]:
    """One of our tasks, timed from a loaded frame."""
    from attribution.models.attribute import PATH_MODELS, attribute_paths
    from attribution.models.markov import markov
    from attribution.models.path_frames import encode_frame
    from attribution.models.path_incremental import incremental
    from attribution.models.path_rules import RuleSettings, rule
    from attribution.models.shapley import shapley_ordered, shapley_rate, shapley_sum

    frame = pd.read_csv(path)
    began = time.process_time()
    paths = encode_frame(frame)
    encoded = time.process_time()
    answers: dict[str, Any] = {}
    intervals = task.endswith("with intervals")
    if task in ("rules", "all rules"):
        for name in RULES if task == "rules" else ALL_RULES:
            answers[name] = rule(paths, name, RuleSettings()).conversions.centre
    elif task.startswith("shapley"):
        answers["shapley_sum"] = shapley_sum(paths).conversions.centre
        answers["shapley_ordered"] = shapley_ordered(paths).conversions.centre
        answers["shapley_rate"] = shapley_rate(paths, intervals=intervals).conversions.centre
    elif task.startswith("incremental"):
        estimate = incremental(paths, frozenset(), intervals=intervals)
        answers["incremental"] = estimate.conversions.centre[:-1]
    elif task.startswith("everything"):
        attribute_paths(paths, PATH_MODELS, 3)
    else:
        for order in map(int, task.split()[1].split("-")):
            estimate = markov(paths, order, intervals=intervals)
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


def measured(command: list[str], repeats: int) -> dict[str, Any]:
    """What the quickest of some processes says of a task: others on the machine only slow it."""
    return min((_once(command) for _ in range(repeats)), key=lambda answer: answer["seconds"])


def _once(command: list[str]) -> dict[str, Any]:
    # One thread, as the peer has: the sum over threads is what counts.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    if not lines:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
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
    """Every task of ours, and the peers' where they have one."""
    both = {"ChannelAttribution": CHANNEL_ATTRIBUTION, "mam": MAM}
    one = {"ChannelAttribution": CHANNEL_ATTRIBUTION}
    tasks: dict[str, dict[str, str]] = {
        "rules": both, "all rules": {}, "markov 1": both, "markov 2": one, "markov 3": one,
        "markov 1-2-3 with intervals": {}, "shapley": {}, "shapley with intervals": {},
        "incremental": {}, "incremental with intervals": {}, "everything with intervals": {},
    }  # fmt: skip
    for task, programs in tasks.items():
        command = [sys.executable, __file__, "--file", str(path), "--task", task]
        mine = measured(command, repeats)
        line = {name: mine[name] for name in ("encode", "models", "seconds", "megabytes")}
        print(f"{task}: ours {line}", flush=True)
        for name, program in programs.items() if peer else ():
            theirs = measured([str(peer), "-c", program, str(path), task], repeats)
            faster = theirs["seconds"] / mine["seconds"]
            print(
                f"  {name} {theirs['seconds']} s, {theirs['megabytes']} MB; ours is {faster:.1f}x"
            )
            for model, answer in theirs["answers"].items():
                if model in mine["answers"]:
                    print(f"    {model}: {gap(mine['answers'][model], answer)}", flush=True)


def compare_answers(files: int, peer: str) -> None:
    """Our answers and the peers' on random small files."""
    from attribution.models.attribute import attribute_file

    with tempfile.TemporaryDirectory() as folder:
        paths = [random_file(Path(folder) / f"{number}.csv", number) for number in range(files)]
        arguments = ["exact", str(SIMULATIONS), *map(str, paths)]
        ours_all = [attribute_file(path, [*RULES, "markov"]) for path in paths]
        for name, program in (("ChannelAttribution", CHANNEL_ATTRIBUTION), ("mam", MAM)):
            theirs_all = _once([peer, "-c", program, *arguments])["answers"]
            worst: dict[str, float] = {}
            for mine, theirs in zip(ours_all, theirs_all, strict=True):
                for model, distance in distances(mine, theirs).items():
                    worst[model] = max(worst.get(model, 0.0), distance)
            print(f"{name}, {files} files, largest difference of a channel:")
            print("  " + ", ".join(f"{model} {distance:.2g}" for model, distance in worst.items()))


def random_file(path: Path, seed: int) -> Path:
    """Paths with loops and repeats, some in two rows; conversions without value, value, nulls."""
    rng = np.random.default_rng(seed)
    channels = [f"channel {number}" for number in range(rng.integers(2, 13))]
    lines = ["path,conversions,value,nulls"]
    for _ in range(rng.integers(10, 200)):
        text = " > ".join(rng.choice(channels, rng.integers(1, 12)))
        won = rng.integers(0, 20) * rng.integers(0, 2)
        value = round(float(rng.uniform(0, 100)), 2) * bool(won) * rng.integers(0, 2)
        lines.append(f"{text},{won},{value},{rng.integers(0, 50)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def distances(mine: pd.DataFrame, theirs: dict[str, dict[str, float]]) -> dict[str, float]:
    """For each model the largest difference of a channel."""
    found = {}
    for name, answer in theirs.items():
        model, _, column = name.partition(" ")
        rows = mine[mine["model"] == ("markov" if model == "removal" else model)]
        ours = rows.set_index("channel")[
            "removal_effect" if model == "removal" else column or "conversions"
        ]
        gaps = (ours - pd.Series(answer).reindex(ours.index).fillna(0.0)).abs()
        found[name] = float(gaps.max() / (1.0 if model == "removal" else ours.sum()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--peer", help="the Python that has ChannelAttribution")
    parser.add_argument("--aggregated", action="store_true", help="one row for each distinct path")
    parser.add_argument("--repeats", type=int, default=1, help="the quickest of so many counts")
    parser.add_argument("--exact", type=int, help="compare answers on so many random files")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print("ANSWER" + json.dumps(ours(options.file, options.task)))
        return
    if options.exact:
        compare_answers(options.exact, options.peer)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paths.csv"
        generate(path, options.journeys, options.channels)
        if options.aggregated:
            aggregate(path)
        compare(path, options.peer, options.repeats)


if __name__ == "__main__":
    main()
