"""`caretrace lift`: design a lift test, analyse a finished one, list and withdraw."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from attribution import audit, queries
from attribution.lift_plans import COUNTED, Request, market_of
from attribution.mix_command import audited, published, write
from attribution.models.arm_lift import SHARES
from attribution.roles import ROLES, Reader
from attribution.terminal import day, note, prove_out

if TYPE_CHECKING:
    from attribution.ui.view import Table

_NAME = "lift tests"


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command on a parser of commands."""
    lift = commands.add_parser("lift", help="design and analyse lift tests")
    verbs = lift.add_subparsers(required=True, metavar="design|analyse|list|people|withdraw")
    _add_design(verbs)
    _add_people(verbs)

    analyse = verbs.add_parser("analyse", help="what a finished test brought, as registered")
    analyse.add_argument("name")
    analyse.add_argument(
        "--record", action="store_true", help="record it as evidence for the next refresh"
    )
    analyse.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    analyse.set_defaults(run=_analyse)

    listed = verbs.add_parser("list", help="every test that was registered, as CSV")
    listed.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    listed.set_defaults(run=_list)

    withdraw = verbs.add_parser("withdraw", help="take a result back, or call a test off")
    withdraw.add_argument("name")
    withdraw.add_argument("--why", required=True, help="the reason, which is written down")
    withdraw.set_defaults(run=_withdraw)


def _add_design(verbs: "argparse._SubParsersAction[Any]") -> None:
    usual = Request("")
    design = verbs.add_parser("design", help="which markets, how long, what it can tell")
    design.add_argument("--channel", required=True)
    design.add_argument("--kind", choices=COUNTED, default=usual.kind)
    design.add_argument("--design", choices=["markets", "switchback"], default=usual.design)
    design.add_argument("--action", choices=["off", "on"], default=usual.action)
    design.add_argument(
        "--by-line", action="store_true", help="a market is a service line at a location"
    )
    design.add_argument("--treated", type=int, help="how many markets are drawn (half)")
    design.add_argument(
        "--market", action="append", default=[], help="treat this one: north, or north/dental"
    )
    design.add_argument("--leave-out", action="append", default=[], metavar="MARKET")
    design.add_argument("--first-day", type=day, help="a Monday (the next after the data)")
    design.add_argument("--weeks", type=int, default=usual.weeks, help="that count (8)")
    design.add_argument("--washout", type=int, default=usual.washout, help="weeks before them (2)")
    design.add_argument("--later", type=int, default=0, help="half begins so many weeks later")
    design.add_argument("--block", type=int, default=usual.block, help="switchback: weeks (4)")
    design.add_argument("--pairs", type=int, default=usual.pairs, help="switchback: pairs (6)")
    design.add_argument("--wanted", type=float, default=usual.wanted, help="effect, as 0.1")
    design.add_argument("--seed", type=int, default=usual.seed, help="the same seed, the same (1)")
    design.add_argument("--save", metavar="NAME", help="register it before it begins")
    design.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    design.set_defaults(run=_design)


def _add_people(verbs: "argparse._SubParsersAction[Any]") -> None:
    people = verbs.add_parser("people", help="holdouts of people: plan, register, list")
    people.add_argument("--flow", help="the flow, as outreach names it; without one, the list")
    people.add_argument("--outcome", choices=SHARES, default=SHARES[0], help="what counts")
    people.add_argument("--base", type=float, default=0.1, help="what the held-out do (0.1)")
    people.add_argument("--wanted", type=float, default=0.02, help="lift to be told (0.02)")
    people.add_argument("--share", type=float, default=0.1, help="part held out (0.1)")
    people.add_argument(
        "--explained", type=float, default=0.0, help="part of the variance known from before (0)"
    )
    people.add_argument("--save", metavar="NAME", help="register it before the flow begins")
    people.add_argument("--out", type=Path, help="the list's file (default: standard output)")
    people.set_defaults(run=_people)


def _reader() -> Reader:
    return Reader(audit.operator(), frozenset(ROLES))


def _design(options: argparse.Namespace) -> int:
    from attribution import lift_records
    from attribution.lift_designs import proposed
    from attribution.ui.views.lift_design import arms_table, said_of

    prove_out(options.out)
    home, generation, marts = published()
    request = Request(
        channel=options.channel, kind=options.kind, design=options.design,
        action=options.action, by_line=options.by_line, treated=options.treated,
        # Who is named twice is one market.
        chosen=tuple(dict.fromkeys(market_of(text) for text in options.market)),
        left_out=tuple(dict.fromkeys(market_of(text) for text in options.leave_out)),
        first_day=options.first_day, weeks=options.weeks, washout=options.washout,
        later=options.later, block=options.block, pairs=options.pairs, wanted=options.wanted,
        seed=options.seed,
    )  # fmt: skip
    made = proposed(marts, request, lift_records.busy(home))
    if options.save:
        lift_records.register(home, _reader(), generation, options.save, request)
    currency = queries.about(marts).currency
    content = _csv(arms_table(made.plan, made.markets), currency)
    said: dict[str, object] = {"request": str(asdict(request)), "saved": options.save or ""}
    code = write(options.out, content, lambda: audited(home, generation, _NAME, said, content))
    _tell([said_of(made), *made.warnings])
    if options.save:
        _tell([f"Registered as {options.save!r}."])
    return code


def _analyse(options: argparse.Namespace) -> int:
    from attribution import lift_records
    from attribution.ui.views.lift_result import numbers_table, said_of

    prove_out(options.out)
    home, generation, marts = published()
    reader = _reader()
    found = lift_records.result_of(home, reader, generation, options.name)
    if options.record:
        lift_records.record(home, reader, generation, options.name)
    test = lift_records.test_of(home, reader, options.name)
    content = _csv(numbers_table(test, found), queries.about(marts).currency)
    said: dict[str, object] = {"test": test.name}
    code = write(options.out, content, lambda: audited(home, generation, _NAME, said, content))
    _tell([said_of(test, found), *found.warnings])
    if options.record:
        _tell(["Recorded. The next refresh hears it."])
    return code


def _list(options: argparse.Namespace) -> int:
    from attribution import lift_records
    from attribution.ui.views.lift import tests_table

    home, generation, marts = published()
    every = lift_records.tests(home, _reader())
    content = _csv(tests_table(every), queries.about(marts).currency)
    said: dict[str, object] = {"tests": len(every)}
    return write(options.out, content, lambda: audited(home, generation, _NAME, said, content))


def _people(options: argparse.Namespace) -> int:
    from attribution import holdout_plans
    from attribution.ui.views.lift import holdouts_table

    home, generation, marts = published()
    if options.flow:
        plan = holdout_plans.planned(
            options.flow, options.outcome, share=options.share, base=options.base,
            wanted=options.wanted, explained=options.explained,
        )  # fmt: skip
        held = round(plan.people * plan.share)
        _tell([f"It takes {plan.people:,} people, {held:,} of them held out."])
        if options.save:
            holdout_plans.register(home, _reader(), generation, options.save, plan)
            _tell([f"Registered as {options.save!r}."])
        return 0
    every = holdout_plans.holdouts(home, _reader(), generation)
    content = _csv(holdouts_table(every), queries.about(marts).currency)
    said: dict[str, object] = {"holdouts": len(every)}
    code = write(options.out, content, lambda: audited(home, generation, _NAME, said, content))
    _tell([holdout_plans.sentence(every)])
    return code


def _withdraw(options: argparse.Namespace) -> int:
    from attribution import lift_records

    home, _, _ = published()
    test = lift_records.withdraw(home, _reader(), options.name, options.why)
    if test.state == "withdrawn":
        _tell([f"Called off {test.name!r}."])
    else:
        _tell([f"Took the result of {test.name!r} back. The next refresh does not hear it."])
    return 0


def _csv(table: "Table", currency: str) -> bytes:
    from attribution.reports.about import SMALL_CELLS
    from attribution.reports.channels import campaigns_csv

    days = {column.name for column in table.columns if column.format in ("day", "instant")}
    texts = {name: table.frame[name].map(_written).astype("str") for name in days}
    columns = tuple(
        replace(column, format="text") if column.name in days else column
        for column in table.columns
    )
    told = replace(table, columns=columns, frame=table.frame.assign(**texts))
    return campaigns_csv(told, currency, SMALL_CELLS[True])


def _written(moment: pd.Timestamp) -> str:
    """A day, or an instant in UTC, as files have it."""
    if pd.isna(moment):
        return ""
    return f"{moment:%Y-%m-%d}" if moment.tzinfo is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _tell(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        note(sentence)
