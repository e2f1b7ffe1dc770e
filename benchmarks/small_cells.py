"""Attack small cells: random tables and pairs of releases, each told to viewers, then solved for.

    python -m benchmarks.small_cells [--tables 500] [--seed 1]

Every table is of people by week, by service line and place, and by channel and campaign, told as
the refresh tells it; every pair of releases is a table and the same with a few people more and
less; ways by which people came are told beside what credit says of their first and last channel.
The attack is `attribution.small_cells_audit`: linear programs that know nothing of the way
chosen. Beside it stands the usual way, which hides small cells and nothing else, and two releases
that are each folded by themselves: the same attack must give many of theirs back, or it proves
nothing.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from attribution.small_cells import LEAST, OTHER, Cube, Label, Numbers, fold, protected
from attribution.small_cells_audit import Attack
from attribution.viewer_paths import TOGETHER, bounds, labels

Counts = npt.NDArray[np.int64]


@dataclass
class Found:
    """How many tables were attacked, and how many of them gave how many small cells back."""

    tables: int = 0
    small: int = 0
    given_back: int = 0
    bad: int = 0
    seconds: float = field(default=0.0)

    def add(self, attack: Attack, groups: Sequence[Sequence[int]], truth: Counts) -> None:
        begun = time.perf_counter()
        back = attack.given_back(groups, truth)
        self.seconds += time.perf_counter() - begun
        self.tables += 1
        self.small += sum(0 < truth[list(group)].sum() < LEAST for group in groups)
        self.given_back += len(back)
        self.bad += bool(back)


def random_block(random: np.random.Generator) -> tuple[Counts, list[Label], list[Label]]:
    """People of a block by week, by place and by channel, skewed as such tables are."""
    weeks, lines, places = 4, int(random.integers(1, 5)), int(random.integers(1, 4))
    channels, campaigns = int(random.integers(1, 5)), int(random.integers(1, 4))
    where = [(f"line{a}", f"place{b}") for a in range(lines) for b in range(places)]
    who = [(f"channel{a}", f"campaign{b}") for a in range(channels) for b in range(campaigns)]
    weights = np.multiply.outer(
        np.multiply.outer(
            random.dirichlet(np.ones(weeks) * 5), random.dirichlet(np.ones(len(where)))
        ),
        random.dirichlet(np.ones(len(who)) * 0.5),
    )
    people = random.poisson(weights * random.choice([30, 100, 400]))
    return people, where, who


def tell(attack: Attack, people: Counts, keys: list[Label], axis: int, way: str) -> None:
    """Tell an axis of a table: folded, or with its small cells and nothing else hidden."""
    cells = np.arange(people.size).reshape(people.shape)
    along = [np.take(cells, place, axis).ravel() for place in range(people.shape[axis])]
    flat = people.ravel()
    sums = [int(flat[each].sum()) for each in along]
    if way == "primary":
        for each, total in zip(along, sums, strict=True):
            if total == 0 or total >= LEAST:
                attack.told(each, total)
        for depth in range(len(keys[0])):
            for prefix in {key[:depth] for key in keys}:
                inside = [n for n, key in enumerate(keys) if key[:depth] == prefix]
                total = sum(sums[n] for n in inside)
                if total == 0 or total >= LEAST:
                    attack.told(np.concatenate([along[n] for n in inside]), total)
        return
    labels = fold({key: Numbers((total,)) for key, total in zip(keys, sums, strict=True)})
    for label in set(labels.values()):
        inside = [n for n, key in enumerate(keys) if labels.get(key) == label]
        attack.told(np.concatenate([along[n] for n in inside]), sum(sums[n] for n in inside))


def hidden_groups(people: Counts, random: np.random.Generator, most: int = 25) -> list[list[int]]:
    """Each line of each axis, the crossings of two axes and single cells that hold few people."""
    cells = np.arange(people.size).reshape(people.shape)
    groups = [
        np.take(cells, n, axis).ravel() for axis in range(3) for n in range(people.shape[axis])
    ]
    groups += [
        cells[:, b, c].ravel() for b in range(people.shape[1]) for c in range(people.shape[2])
    ]
    groups += [
        cells[a, b, :].ravel() for a in range(people.shape[0]) for b in range(people.shape[1])
    ]
    groups += [np.array([n]) for n in cells.ravel()]
    flat = people.ravel()
    small = [group.tolist() for group in groups if 0 < flat[group].sum() < LEAST]
    chosen = random.permutation(len(small))[:most]
    return [small[n] for n in chosen]


def attack_block(random: np.random.Generator, way: str, found: Found) -> None:
    """Tell one table and attack it."""
    people, where, who = random_block(random)
    attack = Attack(people.size)
    for axis, keys in enumerate(([(f"week{n}",) for n in range(4)], where, who)):
        tell(attack, people, keys, axis, way)
    found.add(attack, hidden_groups(people, random), people.ravel())


def attack_releases(random: np.random.Generator, way: str, found: Found) -> None:
    """Tell a table, then the same with few people more and less, and attack both at once."""
    cube = Cube("people", ("line", "place"), ("people", "responded"), (("people", "responded"),))
    keys = [(f"line{a}", f"place{b}") for a in range(3) for b in range(3)]
    first = _drawn(random, keys)
    came, went = (random.poisson(random.choice([0.3, 2.0]), (len(keys), 2)) for _ in range(2))
    second = first.copy()
    parts = first[["responded", "other"]].to_numpy()
    went = np.minimum(went, parts)
    second[["responded", "other"]] = parts + came - went
    told = []
    for frame in (first, second):
        frame["people"] = frame["responded"] + frame["other"]
        before = told[0] if told and way == "kept" else None
        told.append(protected(cube, frame[["line", "place", "people", "responded"]], before))
    # Hidden: who was there and stays silent about it, by cell and response; who came; who went.
    size = len(keys) * 2
    attack = Attack(3 * size)
    cells = np.arange(size).reshape(-1, 2)
    for number, rows in enumerate(told):
        stale = told[0].set_index(["line", "place"]) if number and way == "kept" else None
        for row in rows.itertuples(index=False):
            same = stale is not None and (
                tuple(stale.loc[(row.line, row.place)]) == (row.people, row.responded)
            )
            if same:  # told as before: it says nothing of those who came and went
                continue
            inside = _members(cube, first, rows, (row.line, row.place))
            for column, total in (([0, 1], row.people), ([0], row.responded)):
                which = cells[np.ix_(inside, column)].ravel()
                weights = np.ones(len(which))
                if number:
                    which = np.concatenate([which, which + size, which + 2 * size])
                    weights = np.concatenate([weights, weights, -weights])
                attack.told(which, total, weights)
    truth = np.concatenate([parts.ravel(), came.ravel(), went.ravel()])
    groups = [cells[[n]].ravel().tolist() for n in range(len(keys))]
    groups += [[n] for n in range(size)]
    found.add(attack, groups, truth)
    back = found.given_back
    # What changed: net of those who came and went, in any cell that is told and over all.
    for inside in [[n] for n in range(len(keys))] + [list(range(len(keys)))]:
        which = cells[inside].ravel()
        net = int(came[inside].sum() - went[inside].sum())
        if 0 < abs(net) < LEAST:
            found.small += 1
            changed = _net_span(attack, which, size)
            if changed[1] - changed[0] < 1:
                found.given_back += 1
    found.bad += found.given_back > back


def _net_span(attack: Attack, which: Counts, size: int) -> tuple[float, float]:
    """The least and the most by which these can have changed."""
    probe = Attack(attack.hidden + 2, list(attack._rows), list(attack._weights), list(attack._told))
    up, down = attack.hidden, attack.hidden + 1
    members = np.concatenate([which + size, which + 2 * size, [up, down]])
    signs = np.concatenate([np.ones(len(which)), -np.ones(len(which)), [-1.0, 1.0]])
    probe.told(members, 0.0, signs)
    many = 1e5  # counts are never below nought; a change may be
    probe.told([down], many)
    low, high = probe.spans([[up]])[0]
    return float(low - many), float(high - many)


def attack_ways(random: np.random.Generator, way: str, found: Found) -> None:
    """Ways of a quarter, beside how many began and ended with each channel."""
    order = possible_ways(int(random.integers(2, 5)))
    weights = random.dirichlet(np.full(len(order), 0.3))
    sizes = random.poisson(weights * random.choice([60, 200, 800]))
    attack = ways_attacked(order, sizes, way)
    found.add(attack, [[n] for n in range(len(order))], sizes)


def possible_ways(channels: int, steps: int = 4) -> list[Label]:
    """All ways through so many channels, each in one step after another."""
    names = [f"c{n}" for n in range(channels)]
    ways: list[Label] = [(name,) for name in names]
    for way in ways:
        if len(way) < steps:
            ways += [(*way, name) for name in names if name != way[-1]]
    return [(*way, *[""] * (4 - len(way))) for way in ways]


def ways_attacked(order: Sequence[Label], sizes: Counts, way: str = "about") -> Attack:
    """What somebody knows who is told of ways and, by credit, of their first and last channels.

    `sizes` are the journeys of each of the ways `order`, a person each. Nobody is told which of
    the others nobody took; but where nothing is told together, nobody took what is not named.
    """
    attack = Attack(len(order))
    taken = [number for number, size in enumerate(sizes) if size]
    for last in (False, True):
        inside: dict[Label, list[int]] = {}
        for number, steps in enumerate(order):
            inside.setdefault(([s for s in steps if s][-1] if last else steps[0],), []).append(
                number
            )
        cells = {key: Numbers((int(sizes[which].sum()),)) for key, which in inside.items()}
        for which in _joined(inside, fold(cells)):
            attack.told(which, sizes[which].sum())
    if sizes.sum() >= LEAST:
        attack.told(range(len(order)), sizes.sum())
    if way == "exactly":
        for number in taken:
            if sizes[number] >= LEAST:
                attack.told([number], sizes[number])
        return attack
    if not taken:
        return attack
    counts = {order[number]: int(sizes[number]) for number in taken}
    told = labels({steps: (size, 0) for steps, size in counts.items()}, counts)
    cells = {label: [] for label in told.values()}
    for number, steps in enumerate(order):
        rest = ((steps[0], TOGETHER, "", ""), (TOGETHER, "", "", ""))
        label = next((each for each in (told.get(steps, steps), *rest) if each in cells), None)
        if label is not None:
            cells[label].append(number)
        elif told:
            attack.told([number], 0)
    for which in cells.values():
        low, high = bounds(sizes[which].sum(keepdims=True))
        attack.between(which, low[0], high[0])
    return attack


def _joined(cells: Mapping[Label, list[int]], told: Mapping[Label, Label]) -> list[list[int]]:
    joined: dict[Label, list[int]] = {}
    for key, label in told.items():
        joined.setdefault(label, []).extend(cells[key])
    return list(joined.values())


def _drawn(random: np.random.Generator, keys: list[Label]) -> pd.DataFrame:
    sizes = random.poisson(random.dirichlet(np.ones(len(keys))) * random.choice([60, 200, 600]))
    responded = random.binomial(sizes, 0.4)
    frame = pd.DataFrame(keys, columns=["line", "place"])
    return frame.assign(responded=responded, other=sizes - responded)


def _members(cube: Cube, frame: pd.DataFrame, told: pd.DataFrame, label: Label) -> list[int]:
    open_ = set(map(tuple, told[list(cube.keys)].itertuples(index=False)))
    found = []
    for number, key in enumerate(frame[list(cube.keys)].itertuples(index=False)):
        path = [(*key[:n], *[OTHER] * (len(key) - n)) for n in range(len(key), -1, -1)]
        if next((each for each in path if each in open_), None) == label:
            found.append(number)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for title, attack, ways in (
        ("tables", attack_block, ("folded", "primary")),
        ("pairs of releases", attack_releases, ("kept", "each by itself")),
        ("quarters of ways", attack_ways, ("about", "exactly")),
    ):
        for way in ways:
            random, found = np.random.default_rng(options.seed), Found()
            for _ in range(options.tables):
                attack(random, way, found)
            print(
                f"{title}, {way}: {found.bad} of {found.tables} give a small cell back "
                f"({found.given_back} of {found.small} cells; {found.seconds:.0f} s of attack)"
            )


if __name__ == "__main__":
    main()
