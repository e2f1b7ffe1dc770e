"""CallRail's text conversations as touches and opt-outs; what was written is not kept.

A conversation goes on for years. Whoever writes after three days of silence has come back: that is
a touch. What they write sooner belongs to what was said before, by them or by the clinic.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.callrail_rows import Names, needed, needed_text, optional_text
from connectors.contract import Preference, Touchpoint
from connectors.keywords import wish_in

# In a list CallRail shows the two latest messages of a conversation; asked for alone, all of them.
SHOWN = 2
LIST_FIELDS = ("company_id", "customer_phone_number", "recent_messages", "source")
SILENCE = timedelta(days=3)


def is_whole(said: Mapping[str, Any]) -> bool:
    """Whether a conversation in a list can be all of it."""
    return len(_listed(said.get("recent_messages"))) < SHOWN


def text_rows(
    said: Mapping[str, Any], messages: object, names: Names
) -> Iterator[Touchpoint | Preference]:
    """The touches and the wishes of one conversation; `messages` are all of its messages."""
    number = needed_text(said, "id")
    company = optional_text(said, "company_id") or ""
    phone = optional_text(said, "customer_phone_number")
    source = optional_text(said, "source")
    before: datetime | None = None
    for at, message in sorted(_dated(messages), key=lambda each: each[0]):
        came = str(message.get("direction")).lower() in ("incoming", "inbound")
        wish = wish_in(optional_text(message, "content")) if came else None
        if wish is not None:
            yield Preference(
                preference_id=f"callrail-text-{number}-{at.isoformat()}",
                channel="sms",
                purpose="marketing",
                allowed=wish[0],
                since=at,
                how=f"{wish[1]} (callrail)",
                phone=phone,
            )
        elif came and (before is None or at - before > SILENCE):
            yield Touchpoint(
                touch_id=f"callrail-text-{number}-{at.isoformat()}",
                at=at,
                # A number that an ad or a search result shows is a way to ask, as a chat is.
                kind="chat" if source else "sms",
                phone=phone,
                utm_source=source or "callrail",
                utm_medium=_medium(source) if source else "sms",
                service_line=names.service_lines.get(company),
                location=names.locations.get(company),
            )
        before = at


def _medium(source: str) -> str | None:
    """Of conversations CallRail names the source alone, which says how it was paid for."""
    if re.search(r"\b(ads?|ppc|paid)\b", source, re.IGNORECASE):
        return "ppc"
    return "organic" if re.search(r"\borganic\b", source, re.IGNORECASE) else None


def _dated(messages: object) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    for message in _listed(messages):
        yield needed(message, "created_at"), message


def _listed(messages: object) -> Sequence[Mapping[str, Any]]:
    found = messages if isinstance(messages, list) else []
    return [message for message in found if isinstance(message, dict)]
