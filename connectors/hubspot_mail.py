"""The events of HubSpot's marketing e-mails, and who is on its lists of people not to write to."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.contract import Preference, Row
from connectors.flows import Flows
from connectors.hubspot_api import Api
from connectors.hubspot_failures import NotFound
from connectors.message_rows import Told, instant, needed, rows_of, text, wish

_EVENTS = {
    "SENT": "sent", "DELIVERED": "delivered", "DEFERRED": "deferred", "BOUNCE": "bounced",
    "DROPPED": "dropped", "OPEN": "opened", "CLICK": "clicked", "SPAMREPORT": "complained",
    # Whoever prints or forwards a mail has read it.
    "PRINT": "opened", "FORWARD": "opened",
}  # fmt: skip
_WISHES = {"UNSUBSCRIBED": "unsubscribed", "SUBSCRIBED": "resubscribed"}


class Mail:
    """The marketing e-mails of one portal."""

    def __init__(self, api: Api, flows: Flows) -> None:
        self._api = api
        self._flows = flows
        self._campaigns: dict[tuple[str, str], tuple[str, ...]] = {}

    def rows(self, said: Mapping[str, Any]) -> Iterator[Row]:
        """What one event tells; kinds that say nothing of a message's fate are passed over."""
        kind = needed(said, "type")
        if kind == "STATUSCHANGE":
            yield from self._status_change(said)
        elif kind in _EVENTS:
            yield from self._event(said, _EVENTS[kind])

    def _event(self, said: Mapping[str, Any], event: str) -> Iterator[Row]:
        number, at, email = needed(said, "id"), instant(said, "created"), text(said, "recipient")
        sending = said.get("sentBy")
        message = text(sending, "id") or number
        names = self._names(said)
        if message != number and event != "dropped":
            # The sending may lie before the days that were read. It is the same row as its own.
            sent_at = instant(sending, "created")
            sent = Told("hubspot", message, message, sent_at, "sent", names, email=email)
            yield from rows_of(sent, self._flows)
        told = Told(
            "hubspot",
            number,
            message,
            at,
            event,
            names,
            email=email,
            machine=said.get("filteredEvent") is True,
            reason=_word(text(said, "category") or text(said, "dropReason")),
        )
        yield from rows_of(told, self._flows)

    def _status_change(self, said: Mapping[str, Any]) -> Iterator[Row]:
        """A person's wish about all marketing e-mail; of single kinds of it the contact tells."""
        event = _WISHES.get(text(said, "portalSubscriptionStatus") or "")
        if event is None:
            return
        number, at, email = needed(said, "id"), instant(said, "created"), text(said, "recipient")
        message = text(said.get("sentBy"), "id")
        if message is None:
            allowed = event == "resubscribed"
            told = Told("hubspot", number, number, at, event, email=email)
            yield wish(told, allowed=allowed, how="subscribed again" if allowed else event)
            return
        told = Told("hubspot", number, message, at, event, self._names(said), email=email)
        yield from rows_of(told, self._flows)

    def _names(self, said: Mapping[str, Any]) -> tuple[str, ...]:
        """The name of the campaign, asked for once, or its number."""
        campaign, app = text(said, "emailCampaignId"), text(said, "appId")
        if campaign is None:
            return ()
        key = campaign, app or ""
        if key not in self._campaigns:
            try:
                found = self._api.get(
                    f"/email/public/v1/campaigns/{campaign}", {"appId": app} if app else None
                )
            except NotFound:
                found = {}
            name = text(found, "name")
            self._campaigns[key] = (name,) if name else (f"hubspot-{campaign}",)
        return self._campaigns[key]


def suppressed(number: str, said: Mapping[str, Any]) -> Preference:
    """A member of a list of people who are not to get marketing e-mail."""
    contact = needed(said, "recordId")
    since: datetime = instant(said, "membershipTimestamp")
    return Preference(
        preference_id=f"hubspot-list-{number}-{contact}",
        channel="email",
        purpose="marketing",
        allowed=False,
        since=since,
        how=f"on list {number} (hubspot)",
        crm_id=contact,
    )


def _word(value: str | None) -> str | None:
    """One of HubSpot's own words, such as UNKNOWN_USER; never what a server answered."""
    plain = value is not None and value.isascii() and value.replace("_", "").isalpha()
    return value if plain else None
