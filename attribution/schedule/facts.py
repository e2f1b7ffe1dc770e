"""What the gate goes by, read from the ledger: when what is published was read from each source.

A source that was read by a refresh which then failed brought nothing that anybody can see. So only
loads of refreshes that published count, and none that came after the published generation.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, true

from attribution import versions, warehouse
from attribution.errors import CaretraceError
from attribution.ledger import Ledger
from attribution.ledger_tables import PUBLICATION, RUN, STEP
from attribution.lock import held
from attribution.paths import Home
from attribution.schedule.gate import Facts
from attribution.schedule.tables import stamp

_LOAD = "load "
_TO_COME = timedelta(days=1)  # refreshes end after the look that asked for them began


class Runs(Ledger):
    """The ledger's books of refreshes, for whoever asks what they brought."""

    def loads(
        self, generation: int | None = None, now: datetime | None = None
    ) -> dict[str, datetime]:
        """When each source was read by its last success, for what was published.

        For a generation or one before it, where one is named; without what a clock that ran ahead
        has told of days after `now`.
        """
        upto = PUBLICATION.c.generation <= generation if generation is not None else true()
        read = (
            select(STEP.c.name, func.max(STEP.c.ended_at).label("at"))
            .join(RUN, RUN.c.run_id == STEP.c.run_id)
            .join(PUBLICATION, PUBLICATION.c.run_id == RUN.c.run_id)
            .where(
                STEP.c.name.startswith(_LOAD),
                STEP.c.state == "done",
                upto,
                STEP.c.ended_at <= stamp(now) if now else true(),
            )
            .group_by(STEP.c.name)
        )
        with self._sound(), self._engine.connect() as connection:
            return {
                row.name.removeprefix(_LOAD): datetime.fromisoformat(row.at)
                for row in connection.execute(read)
            }

    def brought(self, since: datetime, now: datetime) -> bool:
        """Whether every source was read from then to now, and what it said published.

        By one refresh or by several: a person may have asked a source again.
        """
        known, read = self.sources()["source"], self.loads(now=now)
        return len(known) > 0 and all(
            str(source) in read and read[str(source)] >= since for source in known
        )

    def sends_held(self) -> str:
        """A sentence where an operator holds everything that leaves; "" where nobody does."""
        words = self.flag("sends_held")
        return f"All sends are held: {words}" if words else ""


def facts(home: Home, books: Runs, now: datetime) -> Facts:
    """What is published now, as far as anybody knows; `books` are those of the home folder.

    Without what a clock that ran ahead has told of days to come.
    """
    try:
        generation = warehouse.current_generation(home)
    except CaretraceError:
        generation = None
    if generation is None:
        return Facts(running=held(home))
    known, runs, published = books.sources(), books.runs(), books.publications(1000)
    last = runs[runs["started_at"] <= stamp(now + _TO_COME)]
    read = books.loads(generation, now + _TO_COME)
    failed = ""
    if len(last) and last["state"].iloc[0] in ("failed", "killed"):
        # Not its own words: they leave the house with the report.
        failed = f"The last refresh {last['state'].iloc[0]}; Data health says why."
    mine = published[published["generation"] == generation]
    made = mine.loc[mine["reason"] == "refresh", "published_at"]
    return Facts(
        generation,
        datetime.fromisoformat(made.iloc[0]) if len(made) else None,
        {str(source): read.get(str(source)) for source in known["source"]},
        failed.replace("refresh killed", "refresh was killed"),
        held(home),
        _fits(home, generation),
        bool((mine.head(1)["reason"] == "rollback").any()),
    )


def _fits(home: Home, generation: int) -> bool:
    try:
        return versions.fits(home, generation, protected=True)
    except CaretraceError:
        return False
