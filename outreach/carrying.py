"""Carrying over: what a later outbox knows of refusals goes into one that was restored.

Who told us directly that they want no more stands in the outbox alone: no source tells it again.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from attribution.errors import BadInput, StorageError
from attribution.keys import keyring
from attribution.paths import Home
from attribution.privacy import linked
from attribution.rehashing import pending
from outreach.outbox import Outbox, Stop


def carry_over(home: Home, later: Path) -> int:
    """Take over the refusals of a later outbox, and what it lets write no more; how many are new.

    Refusals are those of addresses; numbers of people may mean others in the two. An approval that
    is not there any more was taken back.
    """
    with closing(sqlite3.connect(f"{later.absolute().as_uri()}?mode=ro", uri=True)) as outbox:
        try:
            stops = outbox.execute(
                "select identifier, channel, purpose, hard, how, at from stop "
                "where identifier is not null"
            ).fetchall()
            approved = outbox.execute("select flow, version from approval").fetchall()
            keys = pending(outbox, keyring(home))
        except sqlite3.DatabaseError:
            raise BadInput(f"{later} is no outbox of caretrace that can be read.") from None
        except StorageError:
            raise BadInput(
                "Keys were rehashed between the two, so refusals of the one say nothing in the "
                "other. Restore without --forgotten, and stop those addresses again."
            ) from None
    of_now = linked(keys, [identifier for identifier, *_ in stops])
    with Outbox(home) as mine:
        with mine.transaction() as connection:
            connection.execute("create temp table still (flow text, version text)")
            connection.executemany("insert into still values (?, ?)", approved)
            connection.execute(
                "delete from approval "
                "where (flow, version) not in (select flow, version from still)"
            )
            connection.execute(
                "update message set state = 'planned' where state = 'approved' "
                "and (flow, version) not in (select flow, version from approval)"
            )
        return mine.stop(
            Stop(identifier, channel, purpose, bool(hard), how, at=at)
            for identifier, (_, channel, purpose, hard, how, at) in zip(of_now, stops, strict=True)
        )
