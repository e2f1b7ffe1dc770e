"""Alerts: one message when something goes wrong, and one when it is well again.

To the owner of a report and whoever `[alerts]` names, by our own mail server; and to webhooks and
whatever else Apprise knows, whose addresses are secrets. An alert holds names of reports,
sources and settings and times, never a number of a report and nothing of a person.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from attribution.errors import BadInput, SettingsError
from attribution.errors import told as told_of
from attribution.outreach_ways import ADDRESS, typed
from attribution.paths import Home
from attribution.schedule.books import Books
from attribution.schedule.delivery import Mail
from attribution.schedule.letter import alert_letter
from attribution.told_settings import documents

VARIABLE = "CARETRACE_ALERTS_URLS"
UNTOLD = "untold"  # in the books: who could not be told when it was last tried
_TOLD_WITHIN = timedelta(days=7)  # nobody wants to hear of it later


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told of whatever goes wrong."""

    to: tuple[str, ...] = ()
    urls: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Told:
    """What `[alerts]` may say in the configuration."""

    to: tuple[str, ...] = ()


def alerts(home: Home) -> Alerts:
    """What an installation says of alerts; raises SettingsError with every problem."""
    document, stored = documents(home)
    problems: list[str] = []
    table = document.get("alerts", {})
    if isinstance(table, dict) and "urls" in table:
        problems.append(f"[alerts] urls are secrets: move them to {VARIABLE} or secrets.toml")
        table = {name: value for name, value in table.items() if name != "urls"}
    told = _Told(**typed(_Told, "[alerts]", table, problems))
    problems += [
        f"[alerts] to must be e-mail addresses: number {place} is none"
        for place, address in enumerate(told.to, start=1)
        if not ADDRESS.fullmatch(address)
    ]
    urls = _of_environment() or _stored(stored, problems)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return Alerts(told.to, urls)


def still_told(home: Home) -> Alerts:
    """Who is told where settings have a mistake: as `alerts`, or at least the environment's."""
    try:
        return alerts(home)
    except SettingsError:
        return Alerts(urls=_of_environment())


def _of_environment() -> tuple[str, ...]:
    return tuple(os.environ.get(VARIABLE, "").split())


def _stored(secrets: dict[str, Any], problems: list[str]) -> tuple[str, ...]:
    table = secrets.get("alerts", {})
    urls = table.get("urls", []) if isinstance(table, dict) else []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        problems.append("urls under [alerts] in secrets.toml must be a list of texts in quotes")
        return ()
    return tuple(urls)


def channel(url: str, number: int) -> Any:
    """The channel that Apprise opens for an address; raises BadInput, without a word of it."""
    try:
        import apprise
    except ImportError:
        raise BadInput(
            "Alerts to webhooks need a library: pip install 'caretrace[alerts]'."
        ) from None
    # It writes addresses, and so tokens, into its log.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    found = apprise.Apprise.instantiate(url)
    if found is None:
        raise BadInput(f"Address {number} of {VARIABLE} is none that Apprise knows.")
    # Those that belong to one vendor know no plain form.
    plain = bool(getattr(found, "protocol", None)) and not found.secure
    if plain and not _loopback(str(getattr(found, "host", "") or "")):
        raise BadInput(
            f"Address {number} of {VARIABLE} would tell everybody on the way: use its form with "
            "TLS (jsons://, mailtos://)."
        )
    opened = apprise.Apprise()
    opened.add(found)
    return opened


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def title_of(subject: str) -> str:
    """What an incident is called: its subject is a key of the books."""
    kind, _, name = subject.partition(" ")
    return {
        "held": f"report {name} is held",
        "failed": f"report {name} failed",
        "folder": f"report {name} waits for its folder",
        "plan": f"the plan of report {name} cannot be read",
        "source": f"source {name} could not be read",
        "refresh": "the refresh failed",
        "schedule": "a refresh was missed",
        "settings": "the settings have a mistake",
        "mail": "the mail server cannot be used",
    }.get(kind, subject)


def _name(whom: str) -> str:
    """Who is told, as a person says it: an address of a webhook is a secret."""
    return f"{VARIABLE} {whom.removeprefix('url ')}" if whom.startswith("url ") else whom


class Teller:
    """Tells of incidents, each to each once; what could not be told is told the next time."""

    def __init__(self, settings: Alerts, books: Books, mail: Mail) -> None:
        self._settings, self._books, self._mail = settings, books, mail
        self._dead: dict[str, str] = {}  # whoever cannot be told now, and why

    def tell(self, now: datetime) -> None:
        """Tell whoever does not know yet of what opened and of what closed.

        Who could not be told is in the books, for whoever looks.
        """
        self._tell(now)
        failed = "; ".join(
            f"{_name(one)}: {why.rstrip('.')}" for one, why in sorted(self._dead.items())
        )
        before = self._books.beats().get(UNTOLD, (now, ""))[1]
        if failed and failed != before:
            self._books.beat(UNTOLD, now, failed)
        elif before and not failed:
            self._books.unbeat(UNTOLD)

    def _tell(self, now: datetime) -> None:
        for one in reversed(self._books.incidents()):
            if now - datetime.fromisoformat(one["closed_at"] or one["opened_at"]) > _TOLD_WITHIN:
                continue
            whom = self._whom(one["owner"])
            told = set(json.loads(one["told"]))
            title = f"caretrace: {title_of(one['subject'])}"
            for each in self._each(whom - told, title, one["sentence"], now):
                told.add(each)
                self._books.note_told(one["number"], "told", told)
            again = json.loads(one["closed_told"])
            if one["closed_at"] is None or again is None:
                continue
            knows = set(again)
            over = f"caretrace: over: {title_of(one['subject'])}"
            text = f"This is over: {one['sentence']}"
            # Only those who heard of the trouble want to hear that it is over.
            for each in self._each(told & whom - knows, over, text, now):
                knows.add(each)
                self._books.note_told(one["number"], "closed_told", knows)

    def _whom(self, owner: str) -> set[str]:
        people = {*self._settings.to, *([owner] if owner else [])}
        return people | {f"url {place}" for place in range(1, len(self._settings.urls) + 1)}

    def _each(self, whom: set[str], title: str, text: str, now: datetime) -> Iterator[str]:
        """Tell them one by one; yields each who was told, to be written down before the next."""
        return (one for one in sorted(whom) if self._one(one, title, text, now))

    def _one(self, whom: str, title: str, text: str, now: datetime) -> bool:
        """Tell one; whether they were told. One that does not answer is left alone for now."""
        if whom in self._dead:
            return False
        try:
            if whom.startswith("url "):
                place = int(whom.removeprefix("url "))
                sent = channel(self._settings.urls[place - 1], place).notify(title=title, body=text)
                done, why = bool(sent), "it did not take it"
            else:
                self._mail.ready()
                letter = alert_letter(self._mail.smtp, whom, title, text, now)
                fate = self._mail.post(whom, letter)
                # One that is in doubt counts as told: it is better than twice.
                done, why = fate.state in ("sent", "in_doubt"), fate.reason
        except Exception as error:
            # Whatever one way trips over must not keep the others from being told.
            done, why = False, told_of(error)
        if not done:
            self._dead[whom] = why
        return done
