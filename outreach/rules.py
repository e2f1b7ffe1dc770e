"""What a flow may not do, whoever approves it: rules of docs/outreach.md that a file can break."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from attribution.errors import BadInput
from attribution.outreach_settings import Outreach, clock
from attribution.outreach_ways import HUBSPOT_LIST, SALESFORCE_CAMPAIGN
from attribution.paths import Home
from attribution.settings import load
from outreach.flow import Flow
from outreach.templates import (
    OF_ALL,
    OF_PLACES,
    OF_PROVIDERS,
    SAID,
    is_the_same_for_everybody,
    names_its_sender,
    needed,
    variables,
)
from outreach.zones import Hours, within

if TYPE_CHECKING:  # a tenth of what pages and commands would import before they begin
    from sqlglot import exp

# What tells how content somebody was: no request for a review may look at it (16 CFR 465.7).
_CONTENT_TABLES = frozenset(
    {"stg_feedback", "raw_feedback", "int_feedback", "stg_reputation", "raw_reputation"}
)
_CONTENT = ("score", "nps", "csat", "satisf", "promoter", "detractor", "top_box", "rating",
            "sentiment", "complain", "comment")  # fmt: skip
_LATEST = time(21)  # 47 CFR 64.1200(c)(1): nobody is called before 8 or after 21 where they live
_EARLIEST = time(8)


def check(flow: Flow, settings: Outreach, today: date) -> None:
    """Raise BadInput with every rule that a flow breaks under these settings."""
    problems = list(_problems(flow, settings, today))
    if problems:
        raise BadInput(f"{flow.name} may not be used: {'; '.join(problems)}.")


def zone_of(home: Home) -> ZoneInfo:
    """The zone of the installation's own days: flows begin and end by it."""
    return ZoneInfo(load(home).credit.timezone)


def today_of(home: Home) -> date:
    """The day that it is where the installation is."""
    return datetime.now(UTC).astimezone(zone_of(home)).date()


def not_yet(flow: Flow, today: date) -> str:
    """Why a flow sends nothing yet, if it does not: it may be planned and approved before."""
    if today >= flow.starts:
        return ""
    return f"{flow.name} begins on {flow.starts}: until then nothing of it is sent."


def quiet(flow: Flow, settings: Outreach) -> list[Hours]:
    """When a flow keeps quiet, on the clock of whoever is written to.

    In the installation's hours, and in its own besides: it may be quieter, not less.
    """
    hours = [(clock(settings.quiet_from) or _LATEST, clock(settings.quiet_until) or _EARLIEST)]
    if flow.quiet_from is not None and flow.quiet_until is not None:
        hours.append((flow.quiet_from, flow.quiet_until))
    return hours


def _problems(flow: Flow, settings: Outreach, today: date) -> Iterator[str]:
    if flow.ends < flow.starts:
        yield f"it would end on {flow.ends}, before it begins on {flow.starts}"
    if flow.ends < today:
        yield f"it ended on {flow.ends}: give it a new end, which needs a new approval"
    if not settings.organisation:
        yield "the setting organisation is missing: nobody may be written to without a name"
    yield from _by_channel(flow, settings)
    yield from _targets(flow, settings)
    if flow.paid_by_third_party and flow.purpose != "marketing":
        yield "what a third party pays for is marketing (45 CFR 164.501): set the purpose"
    if flow.purpose == "treatment" and flow.holdout:
        yield "nobody is held out of treatment: set holdout to 0"
    used = variables(flow)
    if "sms" in flow.channels and not names_its_sender(flow, "sms", settings):
        yield (
            "templates.sms does not say organisation in all that it may come to: a text message "
            "says who writes (FCC 15-72, paragraph 147)"
        )
    code = _select(flow)
    if code is None:
        yield "its audience is not one SELECT"
    else:
        if (own := _columns(code)) is not None:
            yield from _empty(flow, settings, used, own)
        yield from _reviews(flow, used, code)


def _by_channel(flow: Flow, settings: Outreach) -> Iterator[str]:
    spoken = {"sms", "call"} & set(flow.channels)
    if spoken and not _quiet_all_night(quiet(flow, settings)):
        yield "quiet hours must cover 21:00 to 08:00 for sms and call (47 CFR 64.1200(c)(1))"
    if "sms" in flow.channels and not settings.phone:
        yield "the setting phone is missing: a text message says how to reach its sender"
    if flow.purpose == "marketing" and "email" in flow.channels:
        if not settings.postal_address:
            yield "the setting postal_address is missing: marketing e-mail shows it (15 USC 7704)"
        if not settings.unsubscribe:
            yield "the setting unsubscribe is missing: marketing e-mail shows it (15 USC 7704)"


def _quiet_all_night(hours: Sequence[Hours]) -> bool:
    """Whether it is quiet from 21:00 to 08:00: then, and where any hours end before the morning."""
    asked = [_LATEST, *(ends for _, ends in hours if within(ends, _LATEST, _EARLIEST))]
    return all(any(within(at, *each) for each in hours) for at in asked)


def _targets(flow: Flow, settings: Outreach) -> Iterator[str]:
    """What a way fills must be named for the flow, or its people would land in another's."""
    for channel in flow.channels:
        way = settings.way(flow.name, channel)
        if way == HUBSPOT_LIST and settings.hubspot and flow.name not in settings.hubspot.lists:
            yield f"{channel} goes to a list of HubSpot: name it, [outreach.hubspot] lists"
        if (
            way == SALESFORCE_CAMPAIGN
            and settings.salesforce
            and flow.name not in settings.salesforce.campaigns
        ):
            yield f"{channel} goes to a campaign: name it, [outreach.salesforce] campaigns"


def _select(flow: Flow) -> "exp.Query | None":
    """The one question that an audience asks; None where it is another statement, or several."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    try:
        code = [
            each
            for each in parse(flow.sql, read="duckdb")
            if each and not isinstance(each, exp.Semicolon)
        ]
    except SqlglotError:
        return None
    return code[0] if len(code) == 1 and isinstance(code[0], exp.Query) else None


def _reviews(flow: Flow, used: set[str], code: "exp.Query") -> Iterator[str]:
    from sqlglot import exp

    asks = flow.asks == "review" or "review_url" in used
    if not asks:
        return
    if flow.asks != "review":
        yield "it links to review_url, so it must say asks = 'review'"
    tables = {table.name.lower() for table in code.find_all(exp.Table)}
    words = {node.name.lower() for node in code.find_all(exp.Identifier)} | used
    literals = {node.name.lower() for node in code.find_all(exp.Literal) if node.is_string}
    seen = tables & _CONTENT_TABLES or {
        word for word in words | literals if any(part in word for part in _CONTENT)
    }
    if seen:
        yield (
            f"a request for a review may not look at how content people are ({sorted(seen)[0]}; "
            "16 CFR 465.7)"
        )
    if not is_the_same_for_everybody(flow):
        yield (
            "a request for a review is the same for everybody: its templates may fill in names, "
            "and choose nothing"
        )


def _empty(flow: Flow, settings: Outreach, used: set[str], own: set[str]) -> Iterator[str]:
    """What templates say of settings that are empty: not one message could be written.

    `own` are the columns of the audience: they take the place of settings of their name.
    """
    said = used & needed(flow) - own
    for name in OF_ALL:
        if name in said and not getattr(settings, name):
            yield f"its templates say {name}, and [outreach] {name} is empty"
    places = [*settings.locations.values(), {"phone": settings.phone}]
    for words, where, told in (
        (OF_PLACES, "place under [outreach.locations]", places),
        (OF_PROVIDERS, "doctor under [outreach.providers]", [*settings.providers.values()]),
    ):
        for name, key in words.items():
            if name in said and not any(each.get(key) for each in told):
                yield f"its templates say {name}, and no {where} has {key}"


def _columns(code: "exp.Query") -> set[str] | None:
    """The columns of an audience, as far as its text tells; None where a table does."""
    from sqlglot import exp

    names = set(code.named_selects)
    if "*" not in names:
        return names
    outermost = code.find(exp.From)
    table = outermost.this.name if outermost else ""
    parts = {part.alias: part.this for part in code.ctes}
    return _columns(parts[table]) if table in parts else None


def known_names(flow: Flow, columns: set[str]) -> None:
    """Raise BadInput where a template uses what neither settings nor the audience give."""
    unknown = sorted(variables(flow) - columns - set(SAID))
    if unknown:
        raise BadInput(
            f"{flow.name}: its templates use {', '.join(unknown)}, which its audience "
            f"{flow.audience} has no column for. It has: {', '.join(sorted(columns))}."
        )
