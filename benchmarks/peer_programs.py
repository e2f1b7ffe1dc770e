"""What the peers run: programs for a Python of their own, which print their answer as JSON.

ChannelAttribution is under the GPL and simulates its Markov chains; marketing-attribution-models
(imported as `mam`) is under Apache 2 and solves them at order 1. Both are oracles here and
no part of the product.
"""

_OPENING = """
import json, resource, sys, time
import numpy as np
import pandas as pd

def grouped(frame):
    # One row for each path and outcome, with how often it occurred.
    won = frame[frame["conversions"] > 0]
    lost = frame[frame["nulls"] > 0]
    return pd.concat([
        pd.DataFrame({"path": won["path"], "times": won["conversions"], "won": True}),
        pd.DataFrame({"path": lost["path"], "times": lost["nulls"], "won": False}),
    ], ignore_index=True)

def answered(seconds, answers):
    print("ANSWER" + json.dumps({
        "seconds": round(seconds, 3),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "answers": answers,
    }))
"""

CHANNEL_ATTRIBUTION = (
    _OPENING
    + """
import ChannelAttribution as peer

def rules(frame):
    found = peer.heuristic_models(frame, "path", "conversions", var_value="value", flg_pro=False)
    found = found.set_index("channel_name")
    answers = {}
    for rule in ("first", "last", "linear"):
        for column, short in (("conversions", rule), ("value", rule + " value")):
            name = next(c for c in found if c.startswith(rule) and c.endswith(column))
            answers[short] = found[name].to_dict()
    return answers

def markov(frame, order, **more):
    return peer.markov_model(frame, "path", "conversions", var_value="value", var_null="nulls",
                             order=order, verbose=False, flg_pro=False, **more)

def timed(path, task):
    frame = pd.read_csv(path)
    began = time.process_time()
    if task == "rules":
        answers = rules(frame)
    else:
        found = markov(frame, int(task.split()[1])).set_index("channel_name")
        answers = {task: found["total_conversions"].to_dict()}
    answered(time.process_time() - began, answers)

def exact(paths, simulations):
    answers = []
    for path in paths:
        frame = pd.read_csv(path)
        said = rules(frame)
        # Left alone it cuts simulated journeys at the longest path, and so is off by up to 0.08.
        effects = markov(frame, 1, out_more=True, nsim_start=simulations, max_step=10_000)
        effects = effects["removal_effects"].set_index("channel_name")
        said["removal"] = effects["removal_effects_conversion"].to_dict()
        answers.append(said)
    answered(0.0, answers)

if sys.argv[1] == "exact":
    exact(sys.argv[3:], float(sys.argv[2]))
else:
    timed(sys.argv[1], sys.argv[2])
"""
)

MAM = (
    _OPENING
    + """
from mam import MAM

def opened(frame):
    return MAM(frame, "grouped_journey", channels_colname="path",
               journey_with_conv_colname="won", occurrences_colname="times")

def rules(table):
    runs = {"first": table.run_first_click, "last": table.run_last_click,
            "linear": table.run_linear}
    found = {name: run().to_pandas() for name, run in runs.items()}
    return {
        name: dict(zip(answer["channels" if "channels" in answer else "attribution_channel"],
                       answer["attribution"]))
        for name, answer in found.items()
    }

def removal(table):
    found = table.run_markov().metadata["removal_effect"]
    return found["removal_effect"].to_dict()

def timed(path, task):
    frame = grouped(pd.read_csv(path))
    began = time.process_time()
    table = opened(frame)
    if task == "rules":
        answers = rules(table)
    else:
        effects, won = removal(table), float(frame["times"][frame["won"]].sum())
        answers = {task: {c: won * e / sum(effects.values()) for c, e in effects.items()}}
    answered(time.process_time() - began, answers)

def exact(paths):
    answers = []
    for path in paths:
        table = opened(grouped(pd.read_csv(path)))
        answers.append(rules(table) | {"removal": removal(table)})
    answered(0.0, answers)

if sys.argv[1] == "exact":
    exact(sys.argv[3:])
else:
    timed(sys.argv[1], sys.argv[2])
"""
)
