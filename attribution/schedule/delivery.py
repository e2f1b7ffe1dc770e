"""Handing a report over: to each address at most once, into a folder as often as it takes."""

import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from attribution import audit
from attribution.errors import BadInput, CaretraceError, SettingsError
from attribution.outreach_settings import Outreach, mail_server
from attribution.outreach_ways import Smtp
from attribution.paths import Home
from attribution.schedule.books import Books
from attribution.schedule.letter import mail_key, manifest_bytes, report_letter
from attribution.schedule.tables import Delivery, Send, stamp
from outreach.mail_logs import accepted, message_id
from outreach.opening import only_here
from outreach.smtp import Mailer
from outreach.ways import CannotSend, Fate

_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=5), timedelta(hours=4)
_ENDED = ("sent", "failed", "in_doubt")


class Mail:
    """The mail server of the settings, opened when it is first needed."""

    def __init__(self, home: Home, *, demo: bool) -> None:
        self._home, self._demo = home, demo
        self._open: Mailer | None = None
        self._told: Outreach | None = None

    @property
    def smtp(self) -> Smtp:
        """What is told of the server; raises CannotSend where nothing is, or something wrong."""
        if self._told is None:
            try:
                self._told = mail_server(self._home)
            except SettingsError as error:
                raise CannotSend(" ".join(str(error).split())) from None
        if self._told.smtp is None:
            raise CannotSend("There is no [outreach.smtp] table, so no e-mail can be sent.")
        return self._told.smtp

    def ready(self) -> None:
        """Be connected; raises CannotSend where that cannot be."""
        smtp = self.smtp
        if self._demo and self._told is not None:
            try:
                only_here(self._told, "smtp")
            except BadInput as error:
                raise CannotSend(str(error)) from None
        if self._open is None:
            assert self._told is not None and smtp  # noqa: S101, PT018
            self._open = Mailer(self._told)
        self._open.ready()

    def post(self, to: str, content: bytes) -> Fate:
        """Hand one message over, after `ready`."""
        assert self._open is not None  # noqa: S101
        return self._open.post(to, content)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


class Deliveries:
    """The deliveries of sends, gone on with as far as that is possible now."""

    def __init__(self, home: Home, mail: Mail, zone: ZoneInfo) -> None:
        """`zone` is that of the schedule: its days stand in subjects."""
        self._home, self._mail, self._zone = home, mail, zone
        self._unreachable = ""

    def go_on(self, books: Books, send: Send, now: datetime, *, over: bool) -> str | None:
        """Hand a send over wherever it waits; `over`: whatever waits still has waited enough.

        Returns None while something waits, "" where everything went, or what did not and why.
        """
        path = self._home.folder / "reports" / send.key / send.file_name
        for one in books.deliveries(send.key):
            if one.state == "in_doubt":
                self._settle(books, one, now)
            elif one.state == "waiting" and over:
                reason = f"given up after {one.tries} tries: {one.reason or 'never reached'}"
                books.deliver(one, "failed", now, of="waiting", reason=reason)
            elif one.state == "waiting" and one.next_at <= now:
                self._hand_over(books, send, one, path, now)
        return _outcome(books.deliveries(send.key))

    def _hand_over(
        self, books: Books, send: Send, one: Delivery, path: Path, now: datetime
    ) -> None:
        try:
            content = path.read_bytes()
            if not one.tries:
                self._write_down(send, one)
            if one.way == "folder":
                self._put(books, send, Path(one.place), content, now)
                books.deliver(one, "sent", now, of="waiting", tries=one.tries + 1)
            else:
                self._post(books, send, one, content, now)
        except CannotSend as error:
            self._unreachable = str(error)
            books.open_incident("mail", str(error), now)
            _later(books, one, "the mail server cannot be used", now, of="waiting")
        except OSError as error:
            _later(books, one, _words(error), now, of="waiting")
        except CaretraceError as error:
            _later(books, one, f"{type(error).__name__} on this computer", now, of="waiting")

    def _put(self, books: Books, send: Send, folder: Path, content: bytes, now: datetime) -> None:
        """Put it into a folder; one that does not take it is told of, as a mail server is."""
        try:
            _put(folder, send, content)
        except OSError as error:
            sentence = (
                f"Report {send.name} waits for its folder ({_words(error)}). It is put there as "
                "soon as it can be."
            )
            owner = str(send.told.get("owner", ""))
            books.open_incident(f"folder {send.name}", sentence, now, owner)
            raise
        books.close_incident(f"folder {send.name}", now)

    def _write_down(self, send: Send, one: Delivery) -> None:
        """In the audit log, before anything leaves: what cannot be written there is not sent."""
        audit.record(
            self._home,
            "schedule" if not send.forced_by else send.forced_by,
            audit.EXPORTED,
            str(send.manifest.get("title", send.name)),
            plan=send.name,
            to=one.place,
            format=send.manifest.get("format"),
            generation=send.generation,
            filters=send.manifest.get("filters"),
            small_cells=False,
            sha256=send.sha256,
        )

    def _post(self, books: Books, send: Send, one: Delivery, content: bytes, now: datetime) -> None:
        if self._unreachable:  # a moment ago: not asked again for each address
            _later(books, one, "the mail server cannot be used", now, of="waiting")
            return
        self._mail.ready()
        books.close_incident("mail", now)
        file, at = (send.file_name, content), now.astimezone(self._zone)
        message = report_letter(self._mail.smtp, send.key, one.place, file, send.manifest, at)
        # Before the first byte leaves it is written down, durably, that it may have.
        if not books.deliver(one, "sending", now, of="waiting", tries=one.tries + 1):
            return
        try:
            fate = self._mail.post(one.place, message)
        except CannotSend:
            books.deliver(one, "waiting", now, of="sending")
            raise
        if fate.state == "deferred":
            _later(books, one, fate.reason, now, of="sending")
        else:
            books.deliver(one, fate.state, now, of="sending", reason=fate.reason)

    def _settle(self, books: Books, one: Delivery, now: datetime) -> None:
        """What the mail server's own log shows of a message that nobody knows the fate of."""
        try:
            smtp = self._mail.smtp
            if smtp.log:
                wanted = message_id(mail_key(one.key, one.place), smtp)
                if any(found == wanted for found, _at in accepted(Path(smtp.log))):
                    books.deliver(one, "sent", now, of="in_doubt", reason="shown by the mail log")
        except (CannotSend, OSError):
            return  # it stays in doubt


def _words(error: OSError) -> str:
    """The system's own words, and what it speaks of."""
    said = error.strerror or type(error).__name__
    return f"{error.filename}: {said}" if error.filename else f"{said} on this computer"


def _later(books: Books, one: Delivery, reason: str, now: datetime, *, of: str) -> None:
    """Try again after a while that grows with the tries."""
    tries = one.tries + 1
    at = now + min(_FIRST_RETRY * 2 ** (tries - 1), _LAST_RETRY)
    books.deliver(one, "waiting", now, of=of, reason=reason, tries=tries, next_at=stamp(at))


def _outcome(every: list[Delivery]) -> str | None:
    if any(one.state not in _ENDED for one in every):
        return None
    failed = [one for one in every if one.state == "failed"]
    doubtful = [one for one in every if one.state == "in_doubt"]
    parts = []
    if failed:
        reasons = ", ".join(sorted({one.reason for one in failed}))
        parts.append(f"{len(failed)} of {len(every)} did not get it ({reasons}).")
    if doubtful:
        parts.append(
            f"Nobody knows whether {len(doubtful)} of {len(every)} got it: ask them, and send it "
            "again if they did not."
        )
    return " ".join(parts)


def _put(folder: Path, send: Send, content: bytes) -> None:
    """Put a file and its manifest into a folder; done again, it is the same.

    Reports of several plans may share a folder, and their files may have one name.
    """
    name = send.file_name
    file_name = name if name.startswith(f"{send.name}-") else f"{send.name}-{name}"
    stem = file_name.rpartition(".")[0]
    for name, what in (
        (file_name, content),
        (f"{stem}.manifest.json", manifest_bytes(send.manifest)),
    ):
        partial = folder / f".{name}.tmp"
        try:
            with partial.open("wb") as file:
                file.write(what)
                file.flush()
                os.fsync(file.fileno())
            _open_as(folder, partial)
            partial.replace(folder / name)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            # Of the folder, which somebody knows, and not of a name that nobody gave.
            raise OSError(error.errno, error.strerror, str(folder)) from None


def _open_as(folder: Path, file: Path) -> None:
    """Let those read a file who may read its folder: the schedule's own files are its owner's."""
    with suppress(OSError):  # a share may know no modes
        of = folder.stat()
        with suppress(OSError):  # or no groups, and nobody gives to one that they are not in
            os.chown(file, -1, of.st_gid)
        file.chmod(0o600 | of.st_mode & 0o044)
