"""E-mail by SMTP: one message, one answer, and what that answer means for the outbox.

A server that was sent the final dot and did not answer may have the message or not: that is
`in_doubt`, and is never sent again before its log has been asked (`outreach/mail_logs.py`).
"""

import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.utils import format_datetime, parseaddr

from attribution.outreach_settings import Outreach
from attribution.outreach_ways import ADDRESS, Smtp
from connectors.message_rows import MAILBOX_GONE, NO_CODE
from outreach.letters import Letter
from outreach.mail_logs import message_id, settled
from outreach.outbox import Outbox
from outreach.templates import unsubscribe
from outreach.ways import CannotSend, Doubt, Fate, Pace

# RFC 5321, section 4.2.3: what is said of a mailbox, where the server has no code of RFC 3463.
_NO_MAILBOX = (550, 551, 553)
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UTF8 = Charset("utf-8")
_UTF8.header_encoding = _UTF8.body_encoding = QP


class Mailer:
    """A connection to the mail server, opened when it is needed and again when it was lost."""

    at_once = 1

    def __init__(self, settings: Outreach) -> None:
        if settings.smtp is None:
            raise CannotSend("There is no [outreach.smtp] table, so no e-mail can be sent.")
        self._settings = settings
        self._smtp: Smtp = settings.smtp
        self._server: smtplib.SMTP | None = None
        self._pace = Pace(self._smtp.per_second)

    def ready(self) -> None:
        """Be connected, and wait for our turn; raises CannotSend where the server will not have us.

        Before this returns nothing of a message has left.
        """
        if self._server is None:
            self._server = self._opened()
        self._pace.wait()

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Nothing is prepared."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        return [self._send(letter) for letter in letters]

    def _send(self, letter: Letter) -> Fate:
        fate = self.post(letter.to, _message(letter, self._settings, self._smtp))
        # What logs tell of it is under its Message-ID, also when the sender is another by then.
        number = message_id(letter.key, self._smtp)
        return replace(fate, receipt=number) if fate.state == "sent" else fate

    def settled(self, doubts: Sequence[Doubt], outbox: Outbox) -> dict[str, Fate]:
        return settled(doubts, self._smtp, outbox)

    def probe(self) -> str:
        self.close()
        server = self._opened()
        try:
            code, _ = server.noop()
        finally:
            server.close()
        if code != 250:
            raise CannotSend(f"The mail server {self._smtp.host} lets us in and then does nothing.")
        return f"the mail server answers{' and takes our password' if self._smtp.user else ''}."

    def post(self, to: str, content: bytes) -> Fate:
        """Send one message to one address, after `ready`.

        Raises CannotSend where the server refuses us, not the message.
        """
        assert self._server is not None  # noqa: S101  ready() was called
        if not ADDRESS.fullmatch(to):
            return Fate("failed", "not an address that mail can go to")
        asked = False
        try:
            code, _answer = self._server.mail(parseaddr(self._smtp.sender)[1])
            if code >= 500:
                self.close()
                raise CannotSend(
                    f"The mail server {self._smtp.host} takes nothing from the sender in "
                    f"[outreach.smtp] (SMTP {code}). Correct it; what waits stays in the outbox."
                )
            if code >= 400:
                self._reset()
                return Fate("deferred", f"SMTP {code}")
            code, answer = self._server.rcpt(to)
            if code >= 400:
                self._reset()
                return _refusal(code, answer, of_mailbox=True)
            asked = True
            code, answer = self._server.data(content)
            return Fate("sent") if code == 250 else _refusal(code, answer)
        except smtplib.SMTPDataError as error:
            # The server did not even want to see it, and may wait for other recipients.
            self._reset()
            return _refusal(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError):
            self.close()
            if asked:
                return Fate("in_doubt", "no answer after the message")
            return Fate("deferred", "connection lost before the message")

    def _reset(self) -> None:
        """Begin anew after a refusal; a server that does not know how is hung up on.

        Without it the next message would come in the midst of this one (RFC 5321, 4.1.4).
        """
        try:
            if self._server is not None and self._server.rset()[0] != 250:
                self.close()
        except (smtplib.SMTPException, OSError):
            self.close()

    def _opened(self) -> smtplib.SMTP:
        smtp = self._smtp
        server: smtplib.SMTP | None = None
        trusting = None if smtp.security == "none" else _trusting(smtp)
        try:
            if smtp.security == "tls":
                server = smtplib.SMTP_SSL(
                    smtp.host, smtp.port, timeout=smtp.timeout, context=trusting
                )
            else:
                server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
            if smtp.security == "starttls":
                server.starttls(context=trusting)
            if smtp.user:
                server.login(smtp.user, smtp.password)
            # RFC 5321, 4.1.4: before the first message, and again after STARTTLS (RFC 3207, 4.2).
            server.ehlo_or_helo_if_needed()
        except smtplib.SMTPAuthenticationError:
            _closed(server)
            raise CannotSend(
                f"The mail server {smtp.host} refused the user and password. Correct them in "
                "[outreach.smtp]; nothing was sent."
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            _closed(server)
            raise CannotSend(
                f"The mail server {smtp.host} cannot be used ({type(error).__name__}). What "
                "waits stays in the outbox; send again later."
            ) from None
        return server

    def close(self) -> None:
        """Hang up; the next `ready` connects anew."""
        _closed(self._server)
        self._server = None


def _trusting(smtp: Smtp) -> ssl.SSLContext:
    """Whom we trust to say that a server is who it says it is."""
    try:
        return ssl.create_default_context(cafile=smtp.ca_file or None)
    except OSError:  # no certificate in it is one as well
        raise CannotSend(
            f"The ca_file of [outreach.smtp], {smtp.ca_file}, is not there or holds no "
            "certificates. Correct the path; nothing was sent."
        ) from None


def _closed(server: smtplib.SMTP | None) -> None:
    if server is not None:
        server.close()


def _message(letter: Letter, settings: Outreach, smtp: Smtp) -> bytes:
    """A message as it goes over the wire.

    Headers are written as they are told: the newer classes of `email` read them first, and what
    they decode (an encoded word in the name of a place) may hold a line of its own.
    """
    made = Message()
    made["From"] = smtp.sender
    made["To"] = letter.to
    made["Subject"] = _header(letter.subject)
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{message_id(letter.key, smtp)}>"
    made["Auto-Submitted"] = "auto-generated"
    if settings.unsubscribe:
        address = unsubscribe(settings, letter.key)
        made["List-Unsubscribe"] = f"<{address}>"
        if address.startswith("https://") and address != settings.unsubscribe:
            # RFC 8058, 3.1: one click must tell who; an address that is everybody's cannot.
            made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made["MIME-Version"] = "1.0"
    made.set_payload(letter.text, _UTF8)
    return made.as_bytes(policy=made.policy.clone(linesep="\r\n"))


def _header(text: str) -> str:
    """A text as a header of one line: encoded where it is not plain, or looks encoded already."""
    plain = "".join(sign for sign in text if sign.isprintable())
    if plain.isascii() and "=?" not in plain and len(plain) < 70:
        return plain
    return Header(plain, _UTF8, header_name="Subject").encode()


def _refusal(code: int, answer: bytes | str, *, of_mailbox: bool = False) -> Fate:
    """What a refusal means: 4xx may pass, 5xx stays. Its words may hold the address.

    The mailbox is gone where the server says so by its code; where it gives none, where it was the
    mailbox that it was asked about, and not whether it relays.
    """
    if code < 500:
        return Fate("deferred", f"SMTP {code}")
    text = answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer
    said = _CODE.match(text)
    by_mailbox = of_mailbox and code in _NO_MAILBOX and "relay" not in text.lower()
    gone = said[0] in MAILBOX_GONE if said and said[0] != NO_CODE else by_mailbox
    return Fate("failed", f"SMTP {code}", "bounced" if gone else "")
