"""The simulated worlds in which credit models are measured, and their home folders on disk.

Models are tuned on one list of worlds and reported on another: other seeds, other knobs.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import attribution.demo
from attribution.demo import Knobs, simulate, world
from attribution.demo.lift import lift_tests

UNTIL = date(2026, 11, 22)
LIFT_TESTS = "lift_tests.csv"
_MADE = "world.json"


@dataclass(frozen=True, slots=True)
class Setting:
    """One world: what is unusual about it."""

    title: str
    seed: int
    knobs: Knobs = field(default_factory=Knobs)
    off: frozenset[str] = frozenset()


def _numbered(
    first: int, worlds: Mapping[str, tuple[Knobs, tuple[str, ...]]]
) -> tuple[Setting, ...]:
    return tuple(
        Setting(title, first + number, knobs, frozenset(off))
        for number, (title, (knobs, off)) in enumerate(worlds.items())
    )


_NULL = {"paid_social": 0.0, "direct_mail": 0.0}

REPORTED = _numbered(
    201,
    {
        "as the demo": (Knobs(), ()),
        "no confounding": (Knobs(confounding=0.0), ()),
        "strong confounding": (Knobs(confounding=1.7), ()),
        "nothing lost": (Knobs(tracking=0.0), ()),
        "twice as much lost": (Knobs(tracking=2.0), ()),
        "small budgets": (Knobs(spend=0.5), ()),
        "large budgets that hardly move": (Knobs(spend=1.8, swings=0.4), ()),
        "social and mail without effect": (Knobs(effects=_NULL, confounding=1.3), ()),
        "no video, no mail, much comes by itself": (
            Knobs(baseline=2.0, tracking=1.4),
            ("video", "direct_mail"),
        ),
        "radio strong, little comes by itself": (
            Knobs(
                effects={"offline_media": 2.5, "display": 0.3},
                baseline=0.5,
                confounding=0.6,
                swings=1.5,
            ),
            (),
        ),
    },
)
TUNING = _numbered(
    101,
    {
        "as the demo": (Knobs(), ()),
        "little confounding": (Knobs(confounding=0.3), ()),
        "strong confounding": (Knobs(confounding=1.5), ()),
        "little lost": (Knobs(tracking=0.3), ()),
        "more lost": (Knobs(tracking=1.7), ()),
        "smaller budgets": (Knobs(spend=0.6), ()),
        "larger budgets that move less": (Knobs(spend=1.5, swings=0.6), ()),
        "video without effect": (Knobs(effects={"video": 0.0}), ()),
        "no radio, much comes by itself": (Knobs(baseline=1.8), ("offline_media",)),
        "social strong, directory weak": (
            Knobs(effects={"paid_social": 2.0, "directory": 0.4}, baseline=0.7, swings=1.3),
            (),
        ),
    },
)


def prepare(keep: Path, setting: Setting, people: int, *, tests: bool) -> Path:
    """The home folder of a world, made only when the one that is kept is another world's.

    With `tests` it holds the lift tests that were run there, without them it holds none.
    """
    folder = keep / f"world_{setting.seed}"
    about = _about(setting, people)
    made = folder / _MADE
    if not made.is_file() or json.loads(made.read_text("utf-8")) != about:
        shutil.rmtree(folder, ignore_errors=True)
        simulate(
            folder,
            people=people,
            seed=setting.seed,
            until=UNTIL,
            knobs=setting.knobs,
            off=setting.off,
        )
        made.write_text(json.dumps(about, indent=2), encoding="utf-8")
    _with_tests(folder, setting, people, wanted=tests)
    return folder


def _with_tests(folder: Path, setting: Setting, people: int, *, wanted: bool) -> None:
    """Put the tests where the refresh reads them, or out of its way."""
    kept, read = folder / f"kept_{LIFT_TESTS}", folder / LIFT_TESTS
    if wanted and not kept.is_file():
        lived = world(people, setting.seed, setting.off, until=UNTIL, knobs=setting.knobs)
        lift_tests(lived).to_csv(kept, index=False)
    read.unlink(missing_ok=True)
    if wanted:
        shutil.copyfile(kept, read)


def _about(setting: Setting, people: int) -> dict[str, object]:
    """What makes a kept world this one, the simulator's own code included."""
    source = hashlib.sha256()
    for path in sorted(Path(attribution.demo.__file__).parent.glob("*.py")):
        source.update(path.read_bytes())
    return {
        "people": people,
        "seed": setting.seed,
        "until": UNTIL.isoformat(),
        "knobs": asdict(setting.knobs),
        "off": sorted(setting.off),
        "simulator": source.hexdigest(),
    }
