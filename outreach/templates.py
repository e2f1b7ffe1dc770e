"""Templates: one message from its text, in a sandbox, with the lines that law wants added."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from attribution.errors import BadInput
from attribution.outreach_settings import Outreach
from outreach import template_words
from outreach.flow import Flow

# What every template may say besides its audience's own columns.
OF_ALL = ("organisation", "phone", "booking_url", "billing_url", "survey_url")
# Of the place or the doctor that the audience names; a place without a phone has that of all.
OF_PLACES = {"place": "name", "place_phone": "phone", "review_url": "review_url"}
OF_PROVIDERS = {"provider_name": "name", "video": "video"}
SAID = (*OF_ALL, "message_key", *OF_PLACES, *OF_PROVIDERS)
_STOP = "Reply STOP to opt out."
_KEY = "{message_key}"
# What a text is made of that says the same to everybody: itself, and names that are filled in.
_PLAIN = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter)


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"day": _day, "clock": _clock}
    return made


def variables(flow: Flow) -> set[str]:
    """The names that a flow's templates use."""
    environment = _environment()
    names: set[str] = set()
    for channel, template in flow.templates.items():
        for part in (template.subject, template.text):
            try:
                names |= meta.find_undeclared_variables(environment.parse(part))
            except TemplateError as error:
                raise BadInput(f"{flow.name}: templates.{channel} is wrong: {error}.") from None
    return names


def needed(flow: Flow) -> set[str]:
    """The names without which a message of a flow cannot be written."""
    environment = _environment()
    return {
        name
        for template in flow.templates.values()
        for part in (template.subject, template.text)
        for name in template_words.needed(environment.parse(part))
    }


def names_its_sender(flow: Flow, channel: str, settings: Outreach) -> bool:
    """Whether every message on a channel says who writes."""
    body = _environment().parse(flow.templates[channel].text).body
    return template_words.says(body, "organisation", settings.organisation)


def is_the_same_for_everybody(flow: Flow) -> bool:
    """Whether nothing in a flow's templates is chosen by who is written to."""
    environment = _environment()
    return all(
        isinstance(node, _PLAIN)
        for template in flow.templates.values()
        for part in (template.subject, template.text)
        for node in environment.parse(part).find_all(nodes.Node)
    )


def unsubscribe(settings: Outreach, key: str) -> str:
    """Where somebody says that they want no more; with `{message_key}` it tells who they are."""
    return settings.unsubscribe.replace(_KEY, key)


def written(
    flow: Flow, channel: str, said: Mapping[str, Any], settings: Outreach, key: str
) -> tuple[str, str]:
    """Subject and text of one message.

    `said` has the audience's columns. Raises BadInput where a name is not given, or a text message
    is longer than settings allow.
    """
    template = flow.templates[channel]
    names = _names(said, settings, key)
    try:
        subject = _compiled(template.subject).render(names)
        text = _compiled(template.text).render(names).strip()
    except (TemplateError, ValueError, TypeError, ArithmeticError) as error:
        # The reason may quote a value; its kind does not.
        detail = error.message if isinstance(error, TemplateError) else type(error).__name__
        raise BadInput(f"{flow.name}: templates.{channel} cannot be written: {detail}.") from None
    if channel == "email":
        # One line: a subject of two would be a header of its own.
        return " ".join(subject.split()), f"{text}\n{_footer(flow, settings, key)}"
    if channel == "sms":
        text = " ".join(text.split())
        if _STOP.rstrip(".").casefold() not in text.casefold():
            text = f"{text} {_STOP}"
        if len(text) > settings.sms_length:
            raise BadInput(
                f"{flow.name}: templates.sms came to {len(text)} letters and "
                f"{settings.sms_length} are allowed. Shorten it, or raise sms_length."
            )
    return subject, text


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    """A text is compiled once, not once a message."""
    return _environment().from_string(text)


def _names(said: Mapping[str, Any], settings: Outreach, key: str) -> dict[str, Any]:
    place = settings.locations.get(str(said.get("location") or ""), {})
    provider = settings.providers.get(str(said.get("provider") or ""), {})
    zone = ZoneInfo(place.get("timezone") or str(said.get("timezone") or "UTC"))
    given = {name: getattr(settings, name) for name in OF_ALL} | {"message_key": key}
    given |= {name: place.get(of, "") for name, of in OF_PLACES.items()}
    given |= {name: provider.get(of, "") for name, of in OF_PROVIDERS.items()}
    given["place_phone"] = place.get("phone", settings.phone)
    # An empty setting is as good as undefined: half a sentence must not be sent.
    known = {name: value for name, value in given.items() if value}
    return known | {name: _local(value, zone) for name, value in said.items() if value is not None}


def _local(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, str) and len(value) >= 19 and value[4:5] == "-" and value[10:11] in " T":
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return value
        return at.astimezone(zone) if at.tzinfo else at
    return value


def _footer(flow: Flow, settings: Outreach, key: str) -> str:
    stop = unsubscribe(settings, key)
    lines = ["", "--", settings.organisation]
    if settings.postal_address:
        lines.append(settings.postal_address)
    if flow.purpose == "marketing":
        lines.append(f"You can stop these messages at any time: {stop}")
    elif settings.unsubscribe:
        lines.append(f"If you do not want e-mails from us: {stop}")
    return "\n".join(lines)


def _day(at: Any) -> str:
    return f"{at:%A, %B} {at.day}"


def _clock(at: Any) -> str:
    return f"{at.hour % 12 or 12}:{at:%M} {'a.m.' if at.hour < 12 else 'p.m.'}"
