"""Sessions of readers who signed in, kept in the ledger: only the hash of a session's id is.

A session ends when its reader has been idle, when its time is over, when they sign out, or when
an administrator ends it. Whether it still stands is asked at each request and each rerun.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import ColumnElement, delete, insert, select, true, update

from attribution.ledger import Ledger
from attribution.ledger_tables import SESSION
from attribution.paths import Home

# What was seen a moment ago need not be written down again.
_TOUCH_EVERY = timedelta(seconds=30)
# Longer than any session may last: who signed in is in the audit log.
KEPT = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in and has not left."""

    name: str
    groups: tuple[str, ...]


class Sessions(Ledger):
    """The sessions of one home folder."""

    def begin(self, subject: str, name: str, groups: Sequence[str]) -> str:
        """A new session; returns its id, which nobody can learn from the ledger."""
        token = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        at = _written(now)
        with self._write() as connection:
            connection.execute(delete(SESSION).where(SESSION.c.began_at < _written(now - KEPT)))
            connection.execute(
                insert(SESSION).values(
                    id_hash=_hash(token),
                    subject=subject,
                    name=name,
                    groups=json.dumps(list(groups)),
                    began_at=at,
                    seen_at=at,
                )
            )
        return token

    def look(
        self,
        token: str,
        idle: timedelta,
        absolute: timedelta,
        now: datetime | None = None,
        *,
        alive: bool = True,
    ) -> Session | None:
        """The session of an id if it stands; counts as a sign of life unless `alive` is false."""
        now = now or datetime.now(UTC)
        with self._sound(), self._engine.connect() as connection:
            found = connection.execute(
                select(SESSION).where(SESSION.c.id_hash == _hash(token))
            ).one_or_none()
        if found is None or found.ended_at is not None:
            return None
        began, seen = (datetime.fromisoformat(at) for at in (found.began_at, found.seen_at))
        if now >= began + absolute or now >= seen + idle:
            self.end(token, "expired")
            return None
        if alive and now >= seen + _TOUCH_EVERY:
            with self._write() as connection:
                connection.execute(
                    update(SESSION)
                    .where(SESSION.c.id_hash == found.id_hash)
                    .values(seen_at=_written(now))
                )
        return Session(found.name, tuple(json.loads(found.groups)))

    def began(self, token: str) -> bool:
        """Whether an id is of a session that stood in the last eight days; it may be over."""
        since = _written(datetime.now(UTC) - KEPT)  # older ones go when somebody signs in
        with self._sound(), self._engine.connect() as connection:
            known = select(SESSION.c.id_hash).where(
                SESSION.c.id_hash == _hash(token), SESSION.c.began_at >= since
            )
            return connection.execute(known).one_or_none() is not None

    def end(self, token: str, why: str) -> None:
        """End one session."""
        self._end(SESSION.c.id_hash == _hash(token), why)

    def end_all(self, name: str | None = None) -> int:
        """End every session, or all of one reader; returns how many stood."""
        return self._end(true() if name is None else SESSION.c.name == name, "revoked")

    def _end(self, which: ColumnElement[bool], why: str) -> int:
        statement = update(SESSION).where(SESSION.c.ended_at.is_(None), which)
        at = _written(datetime.now(UTC))
        with self._write() as connection:
            return connection.execute(statement.values(ended_at=at, why=why)).rowcount


@lru_cache(maxsize=4)
def sessions(home: Home) -> Sessions:
    """The sessions of a home folder, opened once a process."""
    return Sessions(home)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
