"""Hearing: refusals and bounces that reach us between two refreshes, honoured at once.

Sources that `listens` names (Twilio's answers, mail logs, files of events that webhooks drop) are
read again before a sending and every few minutes of it, from where we last stopped listening. Only
who wants no more, or is not there any more, is kept, as a stop in the outbox; everything else is
left to the refresh. What we sent by Twilio is followed until it has arrived or is lost.
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from attribution.doors import door
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from attribution.privacy import Door
from attribution.settings import Settings, load
from attribution.source_settings import SourceSettings, connector
from connectors.contract import MessageEvent, Preference
from connectors.errors import SourceError
from connectors.source import Context, Cursor, Item, Slice
from outreach.marks import mark_key
from outreach.outbox import Outbox, Stop
from outreach.stopping import REACHED_BY
from outreach.twilio import FOLLOWED, TextMessages
from outreach.ways import CannotSend

# What was said before that is in the warehouse: nothing is planned before a refresh.
FIRST = timedelta(days=30)
_WANT_NO_MORE = ("unsubscribed", "complained")


class Ear:
    """What an installation listens to."""

    def __init__(self, home: Home, settings: Outreach, outbox: Outbox) -> None:
        self._home, self._settings, self._outbox = home, settings, outbox
        self._next = 0.0

    def now_and_then(self) -> int:
        """Listen, if the last time is long enough ago."""
        return 0 if time.monotonic() < self._next else self.listen()

    def listen(self) -> int:
        """Keep the refusals and bounces that are new; how many those are.

        Raises CannotSend where a source cannot be heard: it may hold a refusal.
        """
        self._next = time.monotonic() + self._settings.listen_seconds
        new = self._follow()
        if not self._settings.listens:
            return new
        whole = load(self._home)
        for source in whole.sources:
            if source.name in self._settings.listens:
                new += self._hear(whole, source)
        return new

    def _hear(self, whole: Settings, source: SourceSettings) -> int:
        now = datetime.now(UTC)
        context = Context(
            name=source.name,
            account=source.account,
            options=source.options,
            now=now,
            first_day=(now - FIRST).date(),
        )
        hashed = door(self._home, whole, source)
        new = 0
        try:
            opened = connector(source.kind).connect(context)
            for part in opened.slices(self._outbox.cursors(source.name)):
                new += self._read(source.name, part, hashed)
        except SourceError:
            # Its words are for the refresh; here only that somebody may have refused.
            raise CannotSend(
                f"Source '{source.name}' cannot be heard, and may hold refusals: nothing more is "
                "sent. `caretrace doctor` says what is wrong with it."
            ) from None
        return new

    def _read(self, source: str, part: Slice, hashed: Door) -> int:
        stops: list[Stop] = []
        cursor = ""
        for item in part.read():
            if isinstance(item, Cursor):
                cursor = item.value
            else:
                stops += refusals(item, hashed)
        new = self._outbox.stop(stops) if stops else 0
        if cursor:
            self._outbox.keep_cursor(source, part.cursor_key, cursor)
        return new

    def _follow(self) -> int:
        """What became of text messages that Twilio took, where it is still told of."""
        since = (datetime.now(UTC) - FOLLOWED).isoformat(timespec="milliseconds")
        rows = self._outbox.rows(
            "select key, receipt, identifier, at from message where way = 'twilio' "
            "and state = 'sent' and reason = '' and receipt <> '' and at >= ?",
            (since,),
        )
        if not rows or self._settings.twilio is None:
            return 0
        texts = TextMessages(self._settings, mark_key(self._home))
        states = texts.states(date.fromisoformat(min(row["at"] for row in rows)[:10]))
        known = [(row, states[row["receipt"]]) for row in rows if row["receipt"] in states]
        self._outbox.learned((row["key"], fate.state, fate.reason) for row, fate in known)
        return self._outbox.stop(
            [
                Stop(row["identifier"], "sms", hard=fate.suppress == "bounced", how=fate.reason)
                for row, fate in known
                if fate.suppress
            ]
        )


def refusals(item: Item, hashed: Door) -> Iterator[Stop]:
    """The stops that one row of a source asks for."""
    if isinstance(item, Preference) and not item.allowed:
        purpose, at, hard, how = item.purpose, item.since, False, item.how or "told us"
    elif isinstance(item, MessageEvent) and item.event in (*_WANT_NO_MORE, "bounced"):
        hard = item.event == "bounced"
        purpose, at, how = "" if hard else item.purpose, item.at, item.event
    else:
        return
    when = at.astimezone(UTC).isoformat(timespec="milliseconds")
    for kind, channels in REACHED_BY.items():
        address = getattr(item, kind)
        known = hashed.hash(kind, address) if address else None
        wanted = channels if item.channel in ("all", "any") else (item.channel,)
        for channel in (one for one in wanted if known and one in channels):
            yield Stop(known, channel, purpose, hard, how, at=when)
