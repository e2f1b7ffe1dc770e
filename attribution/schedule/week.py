"""All that is due at one moment: the week's refresh, the reports, and who must be told.

It looks at the books and at nothing else, so it does not matter who else did something, when this
was asked last, or what was cut off in between.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from attribution import settings as configuration
from attribution.errors import Busy, SettingsError
from attribution.paths import Home
from attribution.schedule import plans as planning
from attribution.schedule.alerts import Alerts, Teller, alerts, still_told
from attribution.schedule.books import Books
from attribution.schedule.delivery import Deliveries, Mail
from attribution.schedule.known import every_plan, forget_unplanned, watch_plans
from attribution.schedule.plans import Planned, Week
from attribution.schedule.pruning import prune
from attribution.schedule.sending import Sender, only_sender
from attribution.schedule.tables import stamp
from outreach.ways import CannotSend

MISSED_AFTER = timedelta(hours=1)
BUSY = Busy.exit_code
Clock = Callable[[], datetime]
Refresh = Callable[[], int]  # runs one to its end and returns its exit code; below 0 it was killed
Say = Callable[[str], None]


class Stopped(Exception):
    """The schedule was asked to stop while a refresh ran; it was stopped with it."""


class Runner:
    """The schedule of one home folder."""

    def __init__(
        self,
        home: Home,
        *,
        clock: Clock,
        refresh: Refresh,
        say: Say,
        sender: Callable[..., Sender] = Sender,
    ) -> None:
        self._home, self._clock, self._refresh, self._say = home, clock, refresh, say
        self._sender = sender

    def tick(self) -> bool:
        """Do all that is due; whether everything is well."""
        with Books(self._home) as books:
            try:
                # All of them: with a mistake in any the refresh would fail, and it is told now.
                configuration.load(self._home)
                planned, told = planning.planned(self._home), alerts(self._home)
            except SettingsError as error:
                # The settings are being changed, or were changed for the worse.
                self._say(str(error))
                tell_mistake(books, error, self._clock())
                return False
            books.close_incident("settings", self._clock())
            mail = Mail(self._home, demo=planned.demo)
            try:
                self._work(books, planned, told, mail)
            finally:
                mail.close()
            return not books.incidents(opened=True)

    def _work(self, books: Books, planned: Planned, told: Alerts, mail: Mail) -> None:
        if planned.week.refresh:
            self._refresh_if_due(books, planned.week)
        else:
            _refreshed(books, self._clock(), silent=True)  # something else does it now
        now = self._clock()
        watch_sources(books, now)
        watch_mail(books, mail, now)
        plans = every_plan(books, planned, now)
        watch_plans(books, planned, now)
        forget_unplanned(books, plans, now)
        deliveries = Deliveries(self._home, mail, planned.week.zone)
        sender = self._sender(self._home, planned.week, plans, books, deliveries)
        try:
            with only_sender(self._home):
                sender.look(now)
                prune(self._home, books, planned.week.keep_files_days, now)
        except Busy as error:
            self._say(str(error))
        Teller(told, books, mail).tell(now)
        books.beat("looked", now)

    def _refresh_if_due(self, books: Books, week: Week) -> None:
        now = self._clock()
        slot = week.slots.last(now)
        if books.brought(slot, now):
            _refreshed(books, now)
            return
        beats = books.beats()
        tried_at, tried = beats.get("refresh", (now, ""))
        begun = tried.startswith(stamp(slot))
        tries = int(tried.partition(" ")[2]) if begun else 0
        if tries and (not week.retry_minutes or now < tried_at + week.wait(tries)):
            return
        if beats and not begun and now - slot > MISSED_AFTER:
            sentence = f"The refresh of {slot:%-d %B %Y, %H:%M} UTC did not run when it was due."
            books.open_incident("schedule", sentence, now)
        # Before it begins, so that one which takes this process with it is not begun at once again.
        books.beat("refresh", now, f"{stamp(slot)} {tries + 1}")
        try:
            code = self._refresh()
        except Stopped:
            books.unbeat("refresh")
            raise
        if code == BUSY:  # that of somebody else is no try of the week's
            books.beat("refresh", self._clock(), f"{stamp(slot)} {tries}")
        self._note(books, code, now)

    def _note(self, books: Books, code: int, began: datetime) -> None:
        now = self._clock()
        if code == BUSY:
            # Somebody runs one by hand: what it brings is looked at when it is through.
            self._say("Another refresh is running; the schedule waits for it.")
        elif code in (0, 1):
            _refreshed(books, now)
        else:
            how = f"was killed (signal {-code})" if code < 0 else "failed"
            sentence = (
                f"The refresh of {began:%-d %B %Y, %H:%M} UTC {how}. What was published before "
                "still stands; `caretrace status` says why."
            )
            books.open_incident("refresh", sentence, now)


def mistake_of(error: SettingsError) -> str:
    """What a mistake of the settings means for the schedule, in one line."""
    return f"Nothing is refreshed or sent by itself: {' '.join(str(error).split())}"


def tell_mistake(books: Books, error: SettingsError, now: datetime) -> None:
    """Open an incident for a mistake of the settings, and tell whom they still name."""
    books.open_incident("settings", mistake_of(error), now)
    mail = Mail(books.home_folder, demo=planning.is_demo(books.home_folder))
    try:
        Teller(still_told(books.home_folder), books, mail).tell(now)
    finally:
        mail.close()
    books.beat("looked", now)


def _refreshed(books: Books, now: datetime, *, silent: bool = False) -> None:
    """Close what was wrong with the week's refresh, whichever try or person brought it."""
    for subject in ("refresh", "schedule"):
        books.close_incident(subject, now, silent=silent)


def watch_mail(books: Books, mail: Mail, now: datetime) -> None:
    """Close the incident of the mail server where it takes us again, whatever is to be mailed."""
    if any(one["subject"] == "mail" for one in books.incidents(opened=True)):
        with suppress(CannotSend):
            mail.ready()
            books.close_incident("mail", now)


def watch_sources(books: Books, now: datetime) -> None:
    """Open an incident for each source that failed when it was last asked; close the others."""
    known = books.sources()
    for one in books.incidents(opened=True):
        if one["subject"].startswith("source ") and one["subject"][7:] not in set(known["source"]):
            # No longer among the settings: nobody waits for it.
            books.close_incident(one["subject"], now, silent=True)
    for source in known.to_dict("records"):
        subject = f"source {source['source']}"
        if source["state"] == "failed":
            sentence = (
                f"{source['source']} could not be read. Its earlier data stand; Data health says "
                "why."
            )
            books.open_incident(subject, sentence, now)
        else:
            books.close_incident(subject, now)
