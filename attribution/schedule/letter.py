"""The e-mail that carries a report, and the one that tells of an incident."""

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from hashlib import sha256
from typing import Any

import orjson

from attribution.outreach_ways import Smtp
from outreach.mail_logs import message_id

_MIME = {
    "csv": ("text", "csv"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "pdf": ("application", "pdf"),
    "pptx": ("application", "vnd.openxmlformats-officedocument.presentationml.presentation"),
}


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as the file that goes with a report."""
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS, default=str)


def report_letter(
    smtp: Smtp,
    key: str,
    to: str,
    file: tuple[str, bytes],
    manifest: Mapping[str, Any],
    at: datetime,
) -> bytes:
    """A report and its manifest as one message to one address.

    Its subject has the day of `at` in its own zone. Its Message-ID is made of the send and the
    address: the same whenever it is made.
    """
    name, content = file
    late = "LATE DATA: " if manifest.get("banner") else ""
    made = _message(smtp, to, f"{late}{manifest['title']}, {at:%-d %B %Y}", at)
    made["Message-ID"] = f"<{message_id(mail_key(key, to), smtp)}>"
    made.set_content(_words(name, manifest))
    kind, subtype = _MIME[name.rpartition(".")[2]]
    made.add_attachment(content, maintype=kind, subtype=subtype, filename=name)
    made.add_attachment(
        manifest_bytes(manifest), maintype="application", subtype="json", filename="manifest.json"
    )
    return made.as_bytes()


def alert_letter(smtp: Smtp, to: str, title: str, text: str, at: datetime) -> bytes:
    """A few plain words to one address."""
    made = _message(smtp, to, title, at)
    made["Message-ID"] = make_msgid(domain=parseaddr(smtp.sender)[1].rpartition("@")[2])
    made.set_content(f"{text}\n")
    return made.as_bytes()


def mail_key(key: str, to: str) -> str:
    """What the message of a send to an address is known by; it tells neither."""
    return sha256(f"{key}\x1f{to.lower()}".encode()).hexdigest()[:32]


def _message(smtp: Smtp, to: str, subject: str, at: datetime) -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"] = smtp.sender
    made["To"] = to
    # One line: what stands in it may come from a name in the settings.
    made["Subject"] = " ".join(subject.split())
    made["Date"] = format_datetime(at)
    made["Auto-Submitted"] = "auto-generated"
    return made


def _words(name: str, manifest: Mapping[str, Any]) -> str:
    lines = [manifest["banner"], ""] if manifest.get("banner") else []
    lines += [
        f"{manifest['title']} in the file {name}.",
        f"{manifest['freshness']}. Generation {manifest['generation']}.",
        "Counts of fewer than eleven people are told together with others.",
        "",
        f"manifest.json says how the file was made. Its SHA-256 is {manifest['sha256']}.",
    ]
    return "\n".join(lines) + "\n"
