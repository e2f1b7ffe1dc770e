"""The settings of a HubSpot source, and what cannot be right among them."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.contract import PURPOSES
from connectors.flows import FLOWS
from connectors.source import ENDPOINT, Option

PARTS = ("contacts", "deals", "calls", "emails", "meetings", "email_events")
OPTOUTS = {"hs_email_optout": "marketing"}
OPTIONS = (
    Option("access_token", "Private app token.", secret=True),
    Option("load", "What to load, of contacts, deals, calls, emails, meetings, email_events.",
           False, default=("contacts", "deals")),
    Option("patient_id_property", "Contact property with the medical record number.", False),
    Option("service_line_property", "Property of contacts and deals with the line.", False),
    Option("location_property", "Property of contacts and deals with the location.", False),
    Option("preferred_channel_property", "Contact property with the wished channel.", False),
    Option("optouts", "Contact properties that opt out of e-mail, each with its purpose.", False),
    Option("suppression_lists", "Lists whose members are to get no marketing e-mail.", False,
           default=()),
    FLOWS,
    Option("api_version", "Version of HubSpot's API, year and month.", False, default="2026-03"),
    ENDPOINT,
)  # fmt: skip


def problems(chosen: Mapping[str, Any]) -> Iterator[str]:
    """What cannot be right among the settings of parts, lists and opt-outs."""
    load, lists, optouts = chosen["load"], chosen["suppression_lists"], chosen["optouts"]
    if not isinstance(load, list | tuple) or not load or not set(load) <= set(PARTS):
        yield f"load is no list of some of {', '.join(PARTS)}"
    numbers = lists if isinstance(lists, list | tuple) else ["?"]
    if not all(str(number).isascii() and str(number).isdigit() for number in numbers):
        yield "suppression_lists is no list of numbers of lists"
    if not isinstance(optouts, dict) or not set(optouts.values()) <= set(PURPOSES):
        yield f"optouts is no table of contact property to one of {', '.join(PURPOSES)}"
