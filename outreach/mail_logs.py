"""What mail logs show of doubtful messages.

That a message went is shown by its Message-ID in the server's log. That it did not is shown by its
absence, where the log begins before it, and once it has a message that we sent long enough after
it: a log is written in order, and what is old is thrown away. Without a log a person decides.
"""

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attribution.outreach_ways import Smtp
from connectors import mail_logs, postfix
from outreach.outbox import Outbox
from outreach.ways import Doubt, Fate


def message_id(key: str, smtp: Smtp) -> str:
    """The Message-ID of a message, the same whenever it is made."""
    return f"{key}@{smtp.domain}"


def settled(doubts: Sequence[Doubt], smtp: Smtp, outbox: Outbox) -> dict[str, Fate]:
    """The fates of doubtful messages that the log of the server shows."""
    if not smtp.log:
        return {}
    logged = dict(accepted(Path(smtp.log)))
    since = min(logged.values(), default=None)
    sent = outbox.rows(
        "select key, at from message where state = 'sent' and way in ('smtp', '') "
        "and channel = 'email' and at >= ?",
        (min(doubt.at for doubt in doubts).isoformat(timespec="milliseconds"),),
    )
    last = max((row["at"] for row in sent if message_id(row["key"], smtp) in logged), default="")
    ripe = datetime.fromisoformat(last) - timedelta(seconds=smtp.settle_seconds) if last else None
    fates: dict[str, Fate] = {}
    for doubt in doubts:
        if message_id(doubt.key, smtp) in logged:
            fates[doubt.key] = Fate("sent", receipt=message_id(doubt.key, smtp))
        elif ripe is not None and since is not None and since <= doubt.at <= ripe:
            fates[doubt.key] = Fate("deferred")
    return fates


def accepted(folder: Path) -> Iterator[tuple[str, datetime]]:
    """The Message-IDs that the logs of a folder show to be queued, and when.

    Logs are of Postfix, Sendmail or Exim.
    Times without a zone are of this computer's.
    """
    here = datetime.now().astimezone().tzinfo
    clock = postfix.Clock(here, datetime.now(UTC) + timedelta(days=1))
    for path in sorted(folder.glob("*")):
        if not path.is_file():
            continue
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
            form, whole, _ = mail_logs.recognised(lines)
            for _key, queued in form.queued(whole, clock) if form else ():
                # Named before it is whole; queued once it has a sender.
                if queued.message_id and queued.sender is not None:
                    yield queued.message_id, queued.at
