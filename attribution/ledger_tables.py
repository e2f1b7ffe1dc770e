"""The tables of the ledger. Those of loading and of the schedule stand beside what writes them."""

from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text

METADATA = MetaData()


def keys(*names: str) -> list[Column[str]]:
    """Texts by which a row is known."""
    return [Column(name, Text, primary_key=True) for name in names]


def texts(*names: str) -> list[Column[str]]:
    """Texts that every row has."""
    return [Column(name, Text, nullable=False) for name in names]


def numbered() -> Column[int]:
    """What counts rows that have no name of their own."""
    return Column("number", Integer, primary_key=True, autoincrement=True)


def _plan() -> list[Column[Any]]:
    """What was registered before it began."""
    return [
        numbered(),
        Column("name", Text, nullable=False, unique=True),
        *texts("at", "actor"),
        Column("generation", Integer, nullable=False),
        *texts("plan"),
        Column("digest", Text, nullable=False),  # SHA-256 of the plan
    ]


RUN = Table(
    "run",
    METADATA,
    *keys("run_id"),
    *texts("started_at"),
    Column("ended_at", Text),
    Column("state", Text, nullable=False),  # running published partial failed killed
    *texts("host"),
    Column("pid", Integer, nullable=False),
    Column("generation", Integer),
    Column("message", Text, nullable=False, default=""),
)
STEP = Table(
    "step",
    METADATA,
    *keys("run_id"),
    Column("position", Integer, primary_key=True),
    *texts("name"),
    Column("state", Text, nullable=False),  # waiting running done failed skipped
    Column("started_at", Text),
    Column("ended_at", Text),
    Column("rows_done", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
)
SOURCE = Table(
    "source_state",
    METADATA,
    *keys("source"),
    *texts("kind", "account"),
    Column("state", Text, nullable=False),  # fresh failed
    Column("last_success_at", Text),
    *texts("last_attempt_at"),
    Column("rows_loaded", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
)
SLICE = Table(
    "slice",
    METADATA,
    *keys("run_id", "source", "name"),
    Column("state", Text, nullable=False),  # loaded failed
    Column("rows_loaded", Integer, nullable=False),
    Column("rows_rejected", Integer, nullable=False),
    *texts("ended_at"),
    Column("message", Text, nullable=False, default=""),
)
PUBLICATION = Table(
    "publication",
    METADATA,
    numbered(),
    Column("generation", Integer, nullable=False),
    Column("run_id", Text),
    *texts("published_at", "checksums"),
    Column("reason", Text, nullable=False),  # refresh rollback
)
SESSION = Table(
    "session",
    METADATA,
    *keys("id_hash"),
    *texts("subject", "name", "groups", "began_at", "seen_at"),
    Column("ended_at", Text),
    Column("why", Text),  # expired signed out revoked
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True),
    *texts("at", "actor", "action", "subject", "detail", "seal"),
)
SCENARIO = Table(
    "budget_scenario",
    METADATA,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    *texts("at", "actor"),
    Column("generation", Integer, nullable=False),
    *texts("request", "result"),
)
FLAG = Table(
    "flag",
    METADATA,
    Column("name", Text, primary_key=True),  # sends_held, last_backup
    *texts("said", "at"),
)
ANNOTATION = Table(
    "annotation",
    METADATA,
    numbered(),
    *texts("at", "day", "text", "actor"),
    sqlite_autoincrement=True,
)
SAVED_VIEW = Table(
    "saved_view",
    METADATA,
    numbered(),
    *texts("at", "name", "owner"),
    Column("shared", Integer, nullable=False),
    *texts("page", "filters"),
    sqlite_autoincrement=True,
)
LIFT_TEST = Table("lift_test", METADATA, *_plan())
# Plans of holdouts of people; only added to.
HOLDOUT_PLAN = Table("holdout_plan", METADATA, *_plan())
# What each came to when it was counted to the end, as it was first told; only added to.
HOLDOUT_RESULT = Table(
    "holdout_result",
    METADATA,
    numbered(),
    Column("plan", Integer, nullable=False, unique=True),
    *texts("at"),
    Column("generation", Integer, nullable=False),
    *texts("result"),
)
# Of tests; both are only added to.
LIFT_RESULT = Table(
    "lift_result",
    METADATA,
    numbered(),
    Column("test", Integer, nullable=False),
    *texts("at", "actor"),
    Column("generation", Integer, nullable=False),
    *texts("result"),
)
LIFT_WITHDRAWAL = Table(
    "lift_withdrawal",
    METADATA,
    numbered(),
    Column("test", Integer, nullable=False),
    Column("result", Integer),  # none: the test itself was called off
    *texts("at", "actor", "why"),
)
TABLES = {table.name: table for table in METADATA.sorted_tables}
