"""The webhook events of SendGrid, Mailgun, Postmark, Amazon SES and Twilio, each by its own signs.

Every record is looked at by itself, so that one file may hold several vendors' events. Events that
say nothing of a message's fate (processed twice, stored, out of office) are passed over, as are
kinds of event that the vendors may add.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connectors.message_rows import Told, instant, needed, text
from connectors.shapes import BadValue

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Own:
    """The sender's own fields among the vendor's: the message's id and its flow's name."""

    message: str = "message_id"
    flow: str = "flow"
    received: str = "received_at"  # when a Twilio callback came: Twilio does not say


_SENDGRID = {
    "processed": "sent", "delivered": "delivered", "deferred": "deferred", "bounce": "bounced",
    "dropped": "dropped", "open": "opened", "click": "clicked", "spamreport": "complained",
    "unsubscribe": "unsubscribed", "group_unsubscribe": "unsubscribed",
    "group_resubscribe": "resubscribed",
}  # fmt: skip
_MAILGUN = {
    "accepted": "sent", "delivered": "delivered", "failed": "bounced", "rejected": "dropped",
    "opened": "opened", "clicked": "clicked", "unsubscribed": "unsubscribed",
    "complained": "complained",
}  # fmt: skip
# Why a vendor sends nothing: whoever gets it has said before that they want no more.
_SENDGRID_STOPPED = ("unsubscribed address", "spam reporting address")
_MAILGUN_STOPPED = ("suppress-unsubscribe", "suppress-complaint")
# Why Mailgun gave up, where that says nothing of whether somebody is there.
_MAILGUN_DROPS = ("old", "espblock", *_MAILGUN_STOPPED)
_POSTMARK = {
    "Delivery": ("delivered", "DeliveredAt"), "Open": ("opened", "ReceivedAt"),
    "Click": ("clicked", "ReceivedAt"), "Bounce": ("bounced", "BouncedAt"),
    "SpamComplaint": ("complained", "BouncedAt"),
    "SubscriptionChange": ("unsubscribed", "ChangedAt"),
}  # fmt: skip
# Postmark's kinds of bounce. The others (a full mailbox, spam, a block) are of the message.
_POSTMARK_BOUNCES = {
    "HardBounce": "bounced", "BadEmailAddress": "bounced", "ManuallyDeactivated": "bounced",
    "Transient": "deferred", "Unsubscribe": "unsubscribed", "SpamComplaint": "complained",
    "AutoResponder": "", "AddressChange": "", "Subscribe": "", "OpenRelayTest": "",
    "ChallengeVerification": "",
}  # fmt: skip
_SES = {
    "Send": ("sent", "mail"), "Delivery": ("delivered", "delivery"),
    "DeliveryDelay": ("deferred", "deliveryDelay"), "Bounce": ("bounced", "bounce"),
    "Complaint": ("complained", "complaint"), "Reject": ("dropped", "mail"),
    "Rendering Failure": ("dropped", "mail"), "Open": ("opened", "open"),
    "Click": ("clicked", "click"), "Subscription": ("unsubscribed", "subscription"),
}  # fmt: skip
_SES_RECIPIENTS = {
    "Delivery": ("delivery", "recipients"), "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
}  # fmt: skip
TWILIO = {
    "sent": "sent", "delivered": "delivered", "read": "opened", "undelivered": "bounced",
    "failed": "bounced", "partially_delivered": "delivered", "canceled": "dropped",
}  # fmt: skip
# Twilio: what stays so, whatever is sent: no such number, no mobile number, a landline, blocked,
# unknown or out of service. The others (30003 switched off or out of reach, 30007 filtered for what
# it says, 30008 no reason given, ...) may pass, and say nothing of whether somebody is there.
# https://www.twilio.com/docs/api/errors, read on 27 November 2026.
TWILIO_GONE = frozenset({"21211", "21614", "21635", "30004", "30005", "30006"})
STOPPED = "21610"  # Twilio: the person has answered STOP to this sender


def twilio_event(status: str, error: str | None) -> str | None:
    """What a state of Twilio's tells of a message; None where it is still on its way.

    A message that was lost bounced only where its number will not take the next one either.
    """
    event = TWILIO.get(status.lower())
    return "dropped" if event == "bounced" and error not in TWILIO_GONE else event


def events_of(record: Record, own: Own) -> Iterator[Told] | None:
    """What a record tells; None where it has the signs of no vendor."""
    reader = _reader(record)
    return None if reader is None else reader(record, own)


def _reader(record: Record) -> Callable[[Record, Own], Iterator[Told]] | None:
    if "sg_event_id" in record or "sg_message_id" in record:
        return _sendgrid
    if isinstance(record.get("event-data"), dict):
        return lambda whole, own: _mailgun(whole["event-data"], own)
    if "event" in record and "log-level" in record and "recipient" in record:
        return _mailgun
    if "RecordType" in record:
        return _postmark
    if isinstance(record.get("mail"), dict) and _ses_type(record):
        return _ses
    if "TopicArn" in record and "Type" in record:
        return _sns
    if "MessageSid" in record and "MessageStatus" in record:
        return _twilio
    if str(record.get("type", "")).startswith("com.twilio.messaging."):
        return _twilio_stream
    return None


def _sendgrid(record: Record, own: Own) -> Iterator[Told]:
    event = _SENDGRID.get(needed(record, "event"))
    if event is None:
        return
    if event == "bounced" and text(record, "type") == "blocked":
        event = "dropped"  # for what it said, or where it came from: nothing is said of the address
    email, at = needed(record, "email"), instant(record, "timestamp")
    # Without an id of ours or SendGrid's (an opt-out from a page) it still says who opted out.
    number = text(record, own.message) or f"{text(record, 'sg_message_id') or at}:{email.lower()}"
    told = Told(
        "sendgrid",
        text(record, "sg_event_id") or f"sendgrid:{number}:{event}:{at}",
        number,
        at,
        event,
        (*_names(record, own.flow), *_listed(record.get("category"))),
        email=email,
        machine=event == "opened" and record.get("sg_machine_open") in (True, "true"),
        reason=_code(record.get("status")) if event in ("bounced", "dropped") else None,
    )
    yield told
    if event == "dropped" and (text(record, "reason") or "").lower() in _SENDGRID_STOPPED:
        yield _stopped(told)


def _mailgun(record: Record, own: Own) -> Iterator[Told]:
    event = _MAILGUN.get(needed(record, "event"))
    if event is None:
        return
    known_as = event
    if event == "bounced" and text(record, "severity") == "temporary":
        event = known_as = "deferred"
    elif event == "bounced" and text(record, "reason") in _MAILGUN_DROPS:
        event = "dropped"
    email, at = needed(record, "recipient"), instant(record, "timestamp")
    variables = record.get("user-variables")
    message = record.get("message")
    headers = message.get("headers") if isinstance(message, dict) else None
    number = text(variables, own.message)
    if number is None:
        number = f"{needed(headers, 'message-id')}:{email.lower()}"
    status = record.get("delivery-status")
    told = Told(
        "mailgun",
        # Mailgun's own id is unique for a day only.
        f"mailgun:{text(record, 'id') or number}:{known_as}:{at.isoformat()}",
        number,
        at,
        event,
        (*_names(variables, own.flow), *_listed(record.get("tags"))),
        email=email,
        machine=bool(text(record.get("client-info"), "bot")),
        reason=_code(text(status, "enhanced-code") or text(status, "code")),
    )
    yield told
    if event == "dropped" and text(record, "reason") in _MAILGUN_STOPPED:
        yield _stopped(told)


def _postmark(record: Record, own: Own) -> Iterator[Told]:
    kind = needed(record, "RecordType")
    if kind not in _POSTMARK:
        return
    event, when = _POSTMARK[kind]
    if kind == "Bounce":
        event = _POSTMARK_BOUNCES.get(text(record, "Type") or "HardBounce", "dropped")
    if kind == "SubscriptionChange":
        if text(record, "SuppressionReason") == "HardBounce":
            return
        event = event if record.get("SuppressSending") else "resubscribed"
    if not event:
        return
    email = text(record, "Recipient") or needed(record, "Email")
    at = instant(record, when)
    metadata = record.get("Metadata")
    number = text(metadata, own.message)
    if number is None:
        number = f"{text(record, 'MessageID') or at}:{email.lower()}"
    yield Told(
        "postmark",
        f"postmark:{number}:{kind}:{at.isoformat()}",
        number,
        at,
        event,
        (*_names(metadata, own.flow), *_names(record, "Tag"), *_names(record, "MessageStream")),
        email=email,
        reason=text(record, "Type") if event == "bounced" else None,
    )


def _ses(record: Record, own: Own) -> Iterator[Told]:
    kind = _ses_type(record)
    if kind not in _SES:
        return
    event, part = _SES[kind]
    # Of a full mailbox, a reply of somebody who is away, or a message too large for the server.
    if kind == "Bounce" and text(record.get(part), "bounceType") in ("Transient", "Undetermined"):
        event = "deferred"
    mail = record["mail"]
    at = instant(record.get(part), "timestamp")
    everyone = _listed(mail.get("destination"))
    meant = everyone
    if kind in _SES_RECIPIENTS:
        part, name = _SES_RECIPIENTS[kind]
        meant = _addresses((record.get(part) or {}).get(name)) or everyone
    elif kind in ("Open", "Click", "Subscription") and len(everyone) != 1:
        return  # Amazon does not say which of them it was
    if kind == "Subscription" and not _leaves_all(record.get(part)):
        return
    tags = mail.get("tags") if isinstance(mail.get("tags"), dict) else {}
    for email in meant:
        number = next(iter(_listed(tags.get(own.message))), None)
        if number is None or len(everyone) > 1:
            number = f"{number or needed(mail, 'messageId')}:{email.lower()}"
        yield Told(
            "ses",
            f"ses:{number}:{kind}:{at.isoformat()}",
            number,
            at,
            event,
            (*_listed(tags.get(own.flow)), *_listed(tags.get("ses:configuration-set"))),
            email=email,
            reason=text(record.get("bounce"), "bounceType") if event == "bounced" else None,
        )


def _ses_type(record: Record) -> str | None:
    return text(record, "eventType") or text(record, "notificationType")


def _sns(record: Record, own: Own) -> Iterator[Told]:
    """Amazon's envelope around an event; confirmations of a subscription hold none."""
    if text(record, "Type") != "Notification":
        return
    try:
        inner = json.loads(needed(record, "Message"))
    except (ValueError, RecursionError):
        inner = None
    if not isinstance(inner, dict):
        raise BadValue("Message", record.get("Message"), "is not the JSON of an event")
    if isinstance(inner.get("mail"), dict):
        yield from _ses(inner, own)


def _twilio(record: Record, own: Own) -> Iterator[Told]:
    """A status callback, which tells no time: whoever received it has to."""
    yield from _text_message(
        record, own.received, needed(record, "MessageSid"), needed(record, "MessageStatus"),
        to=text(record, "To"), error=text(record, "ErrorCode"),
        service=text(record, "MessagingServiceSid"), sender=text(record, "From"),
    )  # fmt: skip


def _twilio_stream(record: Record, _own: Own) -> Iterator[Told]:
    """An event of Twilio's Event Streams."""
    data = record.get("data")
    if ".message." not in needed(record, "type"):
        return
    yield from _text_message(
        record, "time", needed(data, "messageSid"), needed(record, "type").rsplit(".", 1)[1],
        to=text(data, "to"), error=text(data, "errorCode"),
        service=text(data, "messagingServiceSid"), sender=text(data, "from"),
    )  # fmt: skip


def _text_message(
    record: Record, when: str, sid: str, status: str, *,
    to: str | None, error: str | None, service: str | None, sender: str | None,
) -> Iterator[Told]:  # fmt: skip
    event = twilio_event(status, error)
    if event is None:
        return
    channel, phone = channel_of(to)
    names = tuple(name for name in (service, sender) if name)
    at = instant(record, when)
    told = Told(
        "twilio", f"twilio:{sid}:{event}", sid, at, event, names, channel, phone=phone,
        reason=_code(error),
    )  # fmt: skip
    yield told
    if error == STOPPED:
        yield _stopped(told, f"twilio:{sid}:stopped")


def _stopped(told: Told, event_id: str = "") -> Told:
    """That a message was not sent for an opt-out, as the opt-out that it tells of.

    It is no event of the message, which nobody can have read.
    """
    number = event_id or f"{told.event_id}:stopped"
    return replace(told, event_id=number, event="stopped", reason=None)


def channel_of(address: str | None) -> tuple[str, str | None]:
    """The channel of one of Twilio's addresses, and the number in it: `whatsapp:+1...`."""
    kind, colon, number = (address or "").rpartition(":")
    return (kind.lower() if colon else "sms"), number or None


def _names(said: Any, name: str) -> tuple[str, ...]:
    value = text(said, name)
    return (value,) if value else ()


def _listed(value: Any) -> tuple[str, ...]:
    """The texts of a list, or of a text that stands for one."""
    values = value if isinstance(value, list) else [value]
    return tuple(v.strip() for v in values if isinstance(v, str) and v.strip())


def _addresses(value: Any) -> tuple[str, ...]:
    """Amazon lists some recipients as texts and some as objects with an address."""
    values = value if isinstance(value, list) else []
    return _listed([v.get("emailAddress") if isinstance(v, dict) else v for v in values])


def _leaves_all(subscription: Any) -> bool:
    wishes = subscription.get("newTopicPreferences") if isinstance(subscription, dict) else None
    return isinstance(wishes, dict) and wishes.get("unsubscribeAll") is True


def _code(value: Any) -> str | None:
    """A status code; what a server says in words may name somebody."""
    said = "" if value is None else str(value).strip()
    return said if 0 < len(said) <= 12 and said.replace(".", "").isdigit() else None
