"""`caretrace mix` and `caretrace budget`: what channels bring, and where money should go."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from attribution import audit, mix_queries, planning, queries, versions
from attribution import settings as configuration
from attribution.errors import BadInput
from attribution.metrics import KINDS
from attribution.paths import Home
from attribution.planning import OBJECTIVES, Request, Scenario
from attribution.queries import Marts
from attribution.roles import ROLES, Reader
from attribution.terminal import note, prove_out, write_out
from attribution.warehouse import current_generation

if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMNS = ("channel", "spend", "brought", "low", "high", "evidence")


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register both commands on a parser of commands."""
    mix = commands.add_parser("mix", help="what each channel brought by the marketing mix model")
    mix.add_argument("--kind", choices=KINDS, default="kept", help="conversion kind (kept)")
    mix.add_argument(
        "--bayes",
        action="store_true",
        help="beside it a full Bayesian fit by pymc-marketing (the extra mmm, Python 3.12)",
    )
    mix.add_argument("--draws", type=int, default=500, help="bayes: draws of each chain (500)")
    mix.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    mix.set_defaults(run=_mix)

    budget = commands.add_parser("budget", help="move money between channels, as a plan")
    budget.add_argument("--objective", choices=OBJECTIVES, default="kept")
    budget.add_argument("--total", type=float, help="money a week (today's)")
    budget.add_argument("--lock", action="append", default=[], metavar="CHANNEL")
    budget.add_argument(
        "--bound", action="append", default=[], metavar="CHANNEL=LEAST:MOST", help="money a week"
    )
    budget.add_argument("--change", type=float, help="most a channel may move, as 0.5 of today's")
    budget.add_argument(
        "--room", action="append", default=[], metavar="SERVICE_LINE=VISITS",
        help="how many more kept visits a week a service line can take",
    )  # fmt: skip
    budget.add_argument("--careful", action="store_true", help="plan for the worst fifth of draws")
    budget.add_argument(
        "--margin", type=float, default=1.0, help="part left of money collected, as 0.4 (1.0)"
    )
    budget.add_argument("--save", metavar="NAME", help="keep the plan as a scenario")
    budget.add_argument("--scenarios", action="store_true", help="write what was kept instead")
    budget.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    budget.set_defaults(run=_budget)


def _mix(options: argparse.Namespace) -> int:
    prove_out(options.out)
    home, generation, marts = published()
    found = mix_queries.mix_channels(marts, options.kind)
    if found.empty:
        raise BadInput(planning.TOO_LITTLE)
    table = found[list(_COLUMNS)]
    if options.bayes:
        from attribution import lift_records, seeds
        from attribution.mix_bayes import fitted
        from attribution.mix_tests import points

        weekly, channels = mix_queries.weekly(marts, options.kind)
        own = seeds.read("lift_tests", home.folder / "lift_tests.csv")
        every = pd.concat([own, lift_records.evidence(home)], ignore_index=True)
        tests = points(marts, every, options.kind, channels)
        told = fitted(weekly, channels, options.draws, tests)
        table = table.merge(told, on="channel", how="left")
    content = table.to_csv(index=False).encode("utf-8")

    def written() -> None:
        audited(home, generation, "mix", {"kind": options.kind}, content)

    return write(options.out, content, written)


def _budget(options: argparse.Namespace) -> int:
    from attribution.reports.plans import NAME, plan_report

    prove_out(options.out)
    home, generation, marts = published()
    reader = Reader(audit.operator(), frozenset(ROLES))
    if options.scenarios:
        plans: Sequence[Scenario] = planning.kept(home, reader)
        said: dict[str, object] = {"scenarios": len(plans)}
    else:
        request = _request(options)
        said = asdict(request)
        if options.save:
            plans = [planning.keep(home, reader, generation, options.save, request)]
        else:
            plans = [planning.scenario(marts, request)]
    content = plan_report(plans, queries.about(marts).currency)

    def written() -> None:
        audited(home, generation, NAME, said, content)

    code = write(options.out, content, written)
    if not options.scenarios:
        note(_sentence(plans[0]))
    return code


def _sentence(made: Scenario) -> str:
    """The plan in one sentence."""
    if not made.moves:
        return "Nothing moves: within these bounds no other plan brings more than today's."
    return (
        f"The plan gains {made.gain:,.1f} a week ({made.low:,.1f} to {made.high:,.1f} at 90%) and "
        f"beats today's in {made.sure:.0%} of draws."
    )


def _request(options: argparse.Namespace) -> Request:
    return Request(
        objective=options.objective,
        total=options.total,
        locked=tuple(options.lock),
        bounds=tuple(_bound(text) for text in options.bound),
        change=options.change,
        room=tuple(_room(text) for text in options.room),
        careful=options.careful,
        margin=options.margin,
    )


def _bound(text: str) -> tuple[str, float, float]:
    name, _, ends = text.partition("=")
    least, _, most = ends.partition(":")
    try:
        return name, float(least), float(most)
    except ValueError:
        raise BadInput(
            f"{text!r} is no bound. Write it as video=500:2000, in money a week."
        ) from None


def _room(text: str) -> tuple[str, float]:
    line, _, visits = text.rpartition("=")
    try:
        return line, float(visits)
    except ValueError:
        raise BadInput(f"{text!r} is no room. Write it as cardiology=5, visits a week.") from None


def published() -> tuple[Home, int, Marts]:
    """The home, the published generation and its marts; raises BadInput where there is none."""
    home = configuration.home()
    generation = current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    versions.require(home, generation)
    return home, generation, queries.marts(home, generation, protected=False)


def audited(
    home: Home, generation: int, report: str, about: dict[str, object], content: bytes
) -> None:
    """Write down that a file of aggregates is taken away."""
    from attribution.reports.asking import audit_export

    audit_export(
        home, audit.operator(), generation, about, "csv", content, report, small_cells=True
    )


def write(out: Path | None, content: bytes, noted: "Callable[[], None]") -> int:
    """Write a file, or to standard output, once `noted` has written that down."""
    prove_out(out)
    noted()
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_out(out, content)
        print(f"Wrote {out}.", file=sys.stderr)  # noqa: T201
    return 0
