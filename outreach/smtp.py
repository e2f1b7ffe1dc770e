"""E-mail by SMTP: one message, one answer, and what that answer means for the outbox.

A server that was sent the final dot and did not answer may have the message or not: that is
`in_doubt`, and is never sent again before its log has been asked (`outreach/mail_logs.py`).
"""

import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from attribution.outreach_settings import Outreach
from attribution.outreach_ways import Smtp
from outreach.letters import Letter
from outreach.mail_logs import message_id, settled
from outreach.outbox import Outbox
from outreach.ways import CannotSend, Doubt, Fate, Pace

# RFC 3463 and RFC 5321: the mailbox is not there, or will never take anything.
_NO_MAILBOX = (550, 551, 553)


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

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        return [self._hand_over(letter) for letter in letters]

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

    def _hand_over(self, letter: Letter) -> Fate:
        """Send one message."""
        assert self._server is not None  # noqa: S101  ready() was called
        content = _message(letter, self._settings, self._smtp)
        asked = False
        try:
            for code, answer in (
                self._server.mail(parseaddr(self._smtp.sender)[1]),
                self._server.rcpt(letter.to),
            ):
                if code >= 400:
                    self._server.rset()
                    return _refusal(code, answer)
            asked = True
            code, answer = self._server.data(content)
            return Fate("sent") if code == 250 else _refusal(code, answer)
        except smtplib.SMTPDataError as error:
            # The server did not even want to see it.
            return _refusal(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError):
            self.close()
            if asked:
                return Fate("in_doubt", "no answer after the message")
            return Fate("deferred", "connection lost before the message")

    def _opened(self) -> smtplib.SMTP:
        smtp = self._smtp
        context = ssl.create_default_context(cafile=smtp.ca_file or None)
        server: smtplib.SMTP | None = None
        try:
            if smtp.security == "tls":
                server = smtplib.SMTP_SSL(
                    smtp.host, smtp.port, timeout=smtp.timeout, context=context
                )
            else:
                server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
            if smtp.security == "starttls":
                server.starttls(context=context)
            if smtp.user:
                server.login(smtp.user, smtp.password)
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


def _closed(server: smtplib.SMTP | None) -> None:
    if server is not None:
        server.close()


def _message(letter: Letter, settings: Outreach, smtp: Smtp) -> bytes:
    made = EmailMessage()
    made["From"] = smtp.sender
    made["To"] = letter.to
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{message_id(letter.key, smtp)}>"
    made["Auto-Submitted"] = "auto-generated"
    if settings.unsubscribe:
        made["List-Unsubscribe"] = f"<{settings.unsubscribe}>"
        if settings.unsubscribe.startswith("https://"):
            made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    made.set_content(letter.text, cte="quoted-printable")
    return made.as_bytes(policy=made.policy.clone(linesep="\r\n"))


def _refusal(code: int, answer: bytes | str) -> Fate:
    """What a refusal means: 4xx may pass, 5xx stays. Its words may hold the address."""
    if code < 500:
        return Fate("deferred", f"SMTP {code}")
    text = answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer
    gone = code in _NO_MAILBOX and not text.startswith("5.7")  # 5.7: a policy, not the mailbox
    return Fate("failed", f"SMTP {code}", "bounced" if gone else "")
