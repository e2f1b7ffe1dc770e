"""Opening ways out: which class goes which way."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from attribution.errors import BadInput
from attribution.outreach_settings import Outreach
from attribution.outreach_ways import (
    FILE,
    HUBSPOT_LIST,
    SELL_TASK,
    SMTP,
    TABLE_OF,
    TWILIO,
)
from attribution.paths import Home
from outreach import salesforce
from outreach.filing import Files
from outreach.hubspot import Lists
from outreach.marks import mark_key
from outreach.sell import SellTasks
from outreach.smtp import Mailer
from outreach.twilio import TextMessages
from outreach.ways import Recalls, Way


def opened(home: Home, flow: str, settings: Outreach, name: str) -> Way:
    """One way for one flow; raises CannotSend where it is not told enough."""
    if name == FILE:
        return Files(home, flow)
    if name == SMTP:
        return Mailer(settings)
    if name == TWILIO:
        return TextMessages(settings, mark_key(home))
    if name == HUBSPOT_LIST:
        return Lists(settings, flow)
    if name == SELL_TASK:
        return SellTasks(settings)
    return salesforce.way(settings, flow, name)


def recalls(home: Home, flow: str, settings: Outreach, name: str) -> Recalls:
    """A way into a CRM, to take people off again; raises CannotSend as `opened` does."""
    way = opened(home, flow, settings, name)
    # By HANDED_ON it is one of those.
    assert isinstance(way, Lists | SellTasks | salesforce.CampaignMembers | salesforce.Tasks)  # noqa: S101
    return way


def in_use(settings: Outreach) -> list[str]:
    """The ways that any channel goes, by name."""
    named: set[str] = set()
    for given in settings.delivery.values():
        named |= set(given.values()) if isinstance(given, dict) else {given}
    return sorted(named)


def only_here(settings: Outreach, name: str) -> None:
    """Raise BadInput where a way of a simulated health system leads off this computer.

    Its people are made up, but their addresses may be somebody's.
    """
    if name == FILE:
        return
    told = getattr(settings, TABLE_OF[name], None)
    place = getattr(told, "host", "") or urlsplit(getattr(told, "endpoint", "")).hostname or ""
    try:
        loopback = ip_address(place).is_loopback
    except ValueError:
        loopback = place == "localhost"
    if not loopback:
        raise BadInput(
            f"This is a simulated health system: {TABLE_OF[name]} must be on 127.0.0.1 "
            f"([outreach.{TABLE_OF[name]}])."
        )
