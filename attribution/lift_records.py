"""Lift tests that are kept: registered before they begin, recorded as evidence, or withdrawn.

A plan never changes once it is registered: its hash stands beside it and in the audit log. Results
and withdrawals are only ever added. What was recorded and not withdrawn is heard at the next
refresh as a row of lift_tests.csv is.
"""

import hashlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

import pandas as pd
from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution import audit, lift_results, queries
from attribution.errors import BadInput, NotAllowed
from attribution.ledger import Ledger, now
from attribution.ledger_tables import LIFT_RESULT, LIFT_TEST, LIFT_WITHDRAWAL
from attribution.lift_apart import Busy, busy_of, prove_apart
from attribution.lift_designs import proposed
from attribution.lift_plans import Plan, Request
from attribution.lift_results import Result
from attribution.models.incremental_evidence import uncovered
from attribution.paths import Home
from attribution.raw import columns, fetch
from attribution.roles import SMALL_CELLS, Reader

State = Literal["planned", "running", "finished", "recorded", "withdrawn"]
NOT_ALLOWED = "Lift tests are for readers who have the role analyst."
_EVIDENCE = (
    *("channel", "kind", "location", "service_line", "first_day", "last_day"),
    *("increment", "standard_error", "note", "test", "recorded"),
)


@dataclass(frozen=True, slots=True)
class Test:
    """A test that was registered; `result` is what stands of it.

    `why` says why it was called off (on `called_off`), or why its result was last taken back.
    """

    number: int
    name: str
    at: str
    actor: str
    generation: int
    plan: Plan
    digest: str
    state: State
    result: Result | None = None
    recorded_at: str = ""
    why: str = ""
    called_off: str = ""

    @property
    def ahead(self) -> bool:
        """Whether it was registered before it began."""
        return self.at[:10] < self.plan.first_day.isoformat()


class Books(Ledger):
    """The ledger, for tests and holdouts."""

    def rows(self, table: Any) -> list[dict[str, Any]]:
        with self._sound(), self._engine.connect() as connection:
            # An older ledger that can only be read has no such table.
            if not inspect(connection).has_table(table.name):
                return []
            found = connection.execute(select(table).order_by(table.c.number)).mappings()
            return [dict(row) for row in found]

    def add(self, table: Any, **values: object) -> None:
        with self._write() as connection:
            connection.execute(insert(table).values(**{"at": now(), **values}))

    def add_first(self, table: Any, **values: object) -> None:
        """Add a row unless there is one of the same: the first stands."""
        with self._write() as connection:
            connection.execute(upsert(table).values(at=now(), **values).on_conflict_do_nothing())


def digest_of(plan: Plan) -> str:
    """SHA-256 of a plan as it is stored."""
    return hashlib.sha256(_written(plan).encode("utf-8")).hexdigest()


def register(home: Home, reader: Reader, generation: int, name: str, request: Request) -> Test:
    """Keep a plan under a name before it begins; raises NotAllowed and BadInput."""
    allowed(reader)
    name = " ".join(name.split())
    if not 0 < len(name) <= 80:
        raise BadInput("A test needs a name of 1 to 80 letters. Give it one, and save again.")
    marts = queries.marts(home, generation, protected=False)
    plan = proposed(marts, request, busy(home)).plan
    if plan.first_day <= datetime.now(UTC).date():
        raise BadInput(
            f"The test would have begun on {plan.first_day}. A plan is registered before its test "
            "begins; choose a later Monday."
        )
    _alone(home, plan)
    keep(home, reader.name, generation, name, plan)
    return test_of(home, reader, name)


def keep(
    home: Home, actor: str, generation: int, name: str, plan: Plan, at: str | None = None
) -> None:
    """Write a plan into the ledger and the audit log; the name must be new."""
    with Books(home) as books:
        if name in {str(row["name"]) for row in books.rows(LIFT_TEST)}:
            raise BadInput(f"There is a test {name!r} already. Choose another name.")
        digest = digest_of(plan)
        audit.record(
            home, actor, audit.LIFT_PLANNED, name, generation=generation, digest=digest,
            first_day=plan.first_day.isoformat(), last_day=plan.last_day.isoformat(),
        )  # fmt: skip
        said = {} if at is None else {"at": at}
        books.add(
            LIFT_TEST, name=name, actor=actor, generation=generation, plan=_written(plan),
            digest=digest, **said,
        )  # fmt: skip


def _alone(home: Home, plan: Plan) -> None:
    """Two tests in the same places and weeks cannot be told apart."""
    for test in _every(home):
        if test.state != "withdrawn":
            prove_apart(plan, test.name, test.plan)


def busy(home: Home, apart_from: int = 0) -> tuple[Busy, ...]:
    """Where and when tests, but for one, switched something; one called off, until then."""
    found = []
    for test in _every(home):
        off = date.fromisoformat(test.called_off[:10]) if test.called_off else None
        if test.number != apart_from and (off is None or off >= test.plan.first_day):
            found.append(busy_of(test.plan, off))
    return tuple(found)


def tests(home: Home, reader: Reader) -> list[Test]:
    """Every test that was registered, oldest first; raises NotAllowed."""
    allowed(reader)
    return list(_every(home))


def test_of(home: Home, reader: Reader, name: str) -> Test:
    """The test of a name; raises NotAllowed and BadInput."""
    every = tests(home, reader)
    found = [test for test in every if test.name == " ".join(name.split())]
    if not found:
        known = ", ".join(repr(test.name) for test in every) or "none yet"
        raise BadInput(f"There is no lift test {name!r}. Registered are: {known}.")
    return found[0]


def result_of(home: Home, reader: Reader, generation: int, name: str) -> Result:
    """What a finished test brought, by its registered plan; what was recorded stays as it was."""
    test = test_of(home, reader, name)
    if test.result is not None:
        return test.result
    if test.state == "withdrawn":
        raise BadInput(f"The test {test.name!r} was withdrawn: {test.why}")
    marts = queries.marts(home, generation, protected=False)
    return lift_results.analysed(marts, test.plan, busy(home, apart_from=test.number))


def record(home: Home, reader: Reader, generation: int, name: str) -> Test:
    """Record what a test brought as evidence that the next refresh hears."""
    test = test_of(home, reader, name)
    if test.result is not None:
        raise BadInput(
            f"The result of {test.name!r} is recorded already. Withdraw it to record it anew."
        )
    found = result_of(home, reader, generation, name)
    if found.spoilt:
        raise BadInput(found.spoilt)
    audit.record(
        home, reader.name, audit.LIFT_RECORDED, test.name, generation=generation,
        digest=test.digest, increment=found.increment, standard_error=found.standard_error,
    )  # fmt: skip
    with Books(home) as books:
        books.add(
            LIFT_RESULT, test=test.number, actor=reader.name, generation=generation,
            result=json.dumps(asdict(found), sort_keys=True),
        )  # fmt: skip
    return test_of(home, reader, name)


def withdraw(home: Home, reader: Reader, name: str, why: str) -> Test:
    """Take a recorded result back, or call a test off that has none; written down with the reason.

    A result that was taken back can be recorded again, a test that was called off cannot.
    """
    test = test_of(home, reader, name)
    why = " ".join(why.split())
    if not 0 < len(why) <= 300:
        raise BadInput("A withdrawal needs a reason of 1 to 300 letters. Give one.")
    if test.state == "withdrawn":
        raise BadInput(f"The test {test.name!r} is withdrawn already.")
    with Books(home) as books:
        standing = _standing(books).get(test.number)
        audit.record(
            home, reader.name, audit.LIFT_WITHDRAWN, test.name, why=why,
            result=standing is not None,
        )  # fmt: skip
        books.add(
            LIFT_WITHDRAWAL, test=test.number, actor=reader.name, why=why,
            result=None if standing is None else standing["number"],
        )  # fmt: skip
    return test_of(home, reader, name)


def evidence(home: Home) -> pd.DataFrame:
    """What was recorded and stands, as rows of lift_tests.csv: all text."""
    rows = [row for test in _every(home) if test.result for row in _rows(test, test.result)]
    return pd.DataFrame(rows, columns=list(_EVIDENCE), dtype="str")


def unheard(connection: Connection) -> str:
    """A sentence for each test that the data do not cover whole, after models were built."""
    if not columns(connection, "lift_tests"):
        return ""  # on a cluster lands what models read
    tests = fetch(
        connection,
        "select channel, kind, location, service_line, first_day, last_day, test,"
        " recorded <> '' as is_recorded from lift_tests",
    ).to_pandas()
    if tests.empty:
        return ""
    conversions, media = (
        fetch(connection, f"select distinct {columns} from {table}").to_pandas()  # noqa: S608
        for table, columns in (
            ("int_panel_conversions", "location, service_line"),
            ("int_panel_media", "location, service_line, week"),
        )
    )
    said: dict[str, str] = {}
    for _, row, why, is_late in uncovered(conversions, media, tests):
        if row["is_recorded"]:
            name = str(row["test"]).partition(" ")[2]
            advice = (
                "Load what is missing, or take its result back with "
                f"`caretrace lift withdraw {shlex.quote(name)} --why ...`."
            )
            said.setdefault(name, f"The lift test {name!r} is not heard: it {why}. {advice}")
        elif is_late:
            name = str(row["test"]) or f"{row['channel']} ({row['kind']})"
            said.setdefault(
                name,
                f"The test {name} of lift_tests.csv is not heard until its last days are loaded: "
                f"it {why}.",
            )
    return " ".join(said.values())


def _rows(test: Test, found: Result) -> Iterator[tuple[str, ...]]:
    for location, line, first, last in found.parts:
        yield (
            test.plan.channel, test.plan.kind, location, line, first, last,
            f"{found.increment:.4f}", f"{max(found.standard_error, 1e-3):.4f}",
            f"recorded on {test.recorded_at[:10]}", f"{test.number} {test.name}", "yes",
        )  # fmt: skip


def _every(home: Home) -> Iterator[Test]:
    with Books(home) as books:
        registered = books.rows(LIFT_TEST)
        standing = _standing(books) if registered else {}
        gone = books.rows(LIFT_WITHDRAWAL) if registered else []
    called_off = {row["test"]: row["at"] for row in gone if row["result"] is None}
    why = {row["test"]: row["why"] for row in gone}
    today = datetime.now(UTC).date()
    for row in registered:
        plan = _plan(row["plan"])
        if digest_of(plan) != row["digest"]:
            raise BadInput(
                f"The plan of the lift test {row['name']!r} is not the one that was registered. "
                "Restore the ledger from a backup."
            )
        kept = standing.get(row["number"])
        test = Test(
            row["number"], row["name"], row["at"], row["actor"], row["generation"], plan,
            row["digest"], _state(plan, today), why=why.get(row["number"], ""),
        )  # fmt: skip
        if row["number"] in called_off:
            test = replace(test, state="withdrawn", called_off=called_off[row["number"]])
        elif kept is not None:
            test = replace(
                test, state="recorded", result=_result(kept["result"]), recorded_at=kept["at"]
            )
        yield test


def _standing(books: Books) -> dict[int, dict[str, Any]]:
    """The result of each test that was not taken back."""
    gone = {row["result"] for row in books.rows(LIFT_WITHDRAWAL)}
    return {row["test"]: row for row in books.rows(LIFT_RESULT) if row["number"] not in gone}


def _state(plan: Plan, today: date) -> State:
    if today < plan.first_day:
        return "planned"
    return "running" if today <= plan.last_day else "finished"


def allowed(reader: Reader) -> None:
    """Raise NotAllowed for whoever may not see numbers of single places and people."""
    if not reader.may(SMALL_CELLS):
        raise NotAllowed(NOT_ALLOWED)


def _written(plan: Plan) -> str:
    return json.dumps(asdict(plan), sort_keys=True)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _plan(text: str) -> Plan:
    return Plan(**{name: _tuples(value) for name, value in json.loads(text).items()})


def _result(text: str) -> Result:
    return Result(**{name: _tuples(value) for name, value in json.loads(text).items()})
