"""What an administrator does with reports: add, change, remove, hold, let go, preview, send now.

Page and command line ask here. Roles are asked here too, and whatever is done is written down.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import pandas as pd

from attribution import audit, warehouse
from attribution.errors import BadInput, NotAllowed
from attribution.paths import Home
from attribution.reports import catalog
from attribution.reports.catalog import Rendered
from attribution.roles import EXPORT, Reader
from attribution.schedule import plans as planning
from attribution.schedule.books import Books
from attribution.schedule.delivery import Deliveries, Mail
from attribution.schedule.known import Known, every_plan
from attribution.schedule.plans import Plan, checked
from attribution.schedule.sending import RECIPIENT, Sender, file_of, only_sender
from attribution.schedule.tables import Send

NOT_YOURS = "Reports are sent and managed by readers who have the role admin."


class Manager:
    """The reports of one home folder, for one reader; raises NotAllowed where they may not."""

    def __init__(self, home: Home, reader: Reader, clock: Callable[[], datetime]) -> None:
        if not reader.may(EXPORT):
            raise NotAllowed(NOT_YOURS)
        self._home, self._reader, self._clock = home, reader, clock

    def known(self) -> Known:
        """Each plan by name, since when it is known, and who holds it ("" nobody)."""
        with Books(self._home) as books:
            return every_plan(books, planning.planned(self._home), self._clock())

    def history(self) -> pd.DataFrame:
        """Every send, newest first; `file` says whether its file is kept, removed or none."""
        with Books(self._home) as books:
            found = books.history()
        said = [
            _file_said(self._home, key, name)
            for key, name in found[["key", "file_name"]].itertuples(index=False)
        ]
        return found.assign(file=pd.Series(said, index=found.index, dtype="object"))

    def incidents(self) -> list[dict[str, Any]]:
        """What is wrong now."""
        with Books(self._home) as books:
            return books.incidents(opened=True)

    def looked(self) -> datetime | None:
        """When the schedule last looked; None where it never ran."""
        with Books(self._home) as books:
            at = books.beats().get("looked")
        return at[0] if at else None

    def save(self, name: str, table: Mapping[str, Any], *, change: bool = False) -> Plan:
        """Add a plan, or with `change` change one that was made here."""
        plan = checked(self._home, name, table)
        self._not_of_file(name)
        if not change and name in self.known():
            raise BadInput(
                f"There is a report {name} already. Choose it to change it, or give this one "
                "another name."
            )
        self._record(name, "saved", plan)
        with Books(self._home) as books:
            books.keep_plan(name, plan.told(), self._reader.name, self._clock())
            every_plan(books, planning.planned(self._home), self._clock())
        return plan

    def remove(self, name: str) -> None:
        """Remove a plan that was made here; what was sent stays in the books."""
        self._not_of_file(name)
        self._one(name)
        self._record(name, "removed")
        with Books(self._home) as books:
            books.drop_plan(name, self._clock())

    def hold(self, name: str) -> None:
        """Hold whatever a plan would send, until `resume`; no deadline sends it."""
        self._one(name)
        self._record(name, "held")
        with Books(self._home) as books:
            books.hold(name, self._reader.name)

    def resume(self, name: str) -> None:
        """Let go what `hold` held."""
        self._one(name)
        self._record(name, "resumed")
        with Books(self._home) as books:
            books.hold(name, "")

    def stands_on(self, name: str) -> tuple[int | None, int | None]:
        """What a preview is of: the current generation, and that of the report sent last."""
        with Books(self._home) as books:
            before = books.last_sent(name)
        return warehouse.current_generation(self._home), before.generation if before else None

    def preview(self, name: str) -> Rendered:
        """The file that would be sent now, made as it would be; who takes it is written down."""
        plan, (generation, before) = self._one(name), self.stands_on(name)
        if generation is None:
            raise BadInput("Nothing is published yet, so there is nothing to look at.")
        made = catalog.render(
            self._home,
            generation,
            plan.report,
            plan.format,
            said=plan.filters,
            since_generation=before,
            reader=RECIPIENT,
        )
        audit.record(
            self._home,
            self._reader.name,
            audit.EXPORTED,
            f"preview of report {name}",
            format=plan.format,
            generation=generation,
            filters=made.manifest.get("filters"),
            small_cells=False,
            sha256=made.sha256,
        )
        return made

    def send_now(self, name: str) -> Send:
        """Send what waits of a plan, or if nothing does what there is; lateness is marked on it.

        Returns what became of it. A second call within a minute is the first one again.
        """
        plan, now = self._one(name), self._clock()
        with only_sender(self._home), Books(self._home) as books:
            if stopped := books.sends_held():
                raise BadInput(f"{stopped} Whoever holds them must let them go first.")
            waits = [send for send in books.open_sends() if send.name == name]
            if waits and waits[-1].state == "sending":
                raise BadInput(f"Report {name} is being sent already; its history says how far.")
            self._record(name, "sent now", plan)
            key = waits[-1].key if waits else f"{name}/{now:%Y-%m-%dT%H%MZ}"
            books.due(key, name, now, now, actor=self._reader.name)
            books.move(key, "held", now, of=("held",), forced_by=self._reader.name)
            planned = planning.planned(self._home)
            mail = Mail(self._home, demo=planned.demo)
            try:
                sender = Sender(
                    self._home,
                    planned.week,
                    every_plan(books, planned, now),
                    books,
                    Deliveries(self._home, mail, planned.week.zone),
                )
                sender.only(key, now)
            finally:
                mail.close()
            sent = books.send(key)
        assert sent is not None  # noqa: S101  written a moment ago
        return sent

    def sent(self, key: str) -> tuple[Send, bytes]:
        """A send that was made and its very file; raises BadInput where there is none."""
        with Books(self._home) as books:
            send = books.send(key)
        if send is None or not send.file_name:
            raise BadInput("No file was made of this report.")
        path = file_of(self._home, send.key, send.file_name)
        if not path.is_file():
            raise BadInput(
                f"The file of this report is removed: files are kept for so many days as "
                f"keep_files_days of [schedule] says. Its SHA-256 was {send.sha256}."
            )
        return send, path.read_bytes()

    def take(self, key: str) -> bytes:
        """The file of a send, to be taken away; who does is written down. Raises as `sent`."""
        send, content = self.sent(key)
        audit.record(
            self._home,
            self._reader.name,
            audit.EXPORTED,
            f"sent report {send.name}",
            key=send.key,
            format=send.file_name.rpartition(".")[2],
            generation=send.manifest.get("generation"),
            filters=send.manifest.get("filters"),
            small_cells=False,
            sha256=sha256(content).hexdigest(),
        )
        return content

    def _one(self, name: str) -> Plan:
        known = self.known()
        if name not in known:
            none = "None is planned yet: plan one on the page Reports, or in caretrace.toml."
            some = f"There are: {', '.join(known)}." if known else none
            raise BadInput(f"There is no report {name!r}. {some}")
        return known[name][0]

    def _not_of_file(self, name: str) -> None:
        known = self.known()
        if name in known and known[name][0].from_file:
            raise BadInput(f"Report {name} stands in caretrace.toml. Change it there.")

    def _record(self, name: str, what: str, plan: Plan | None = None) -> None:
        told = plan.told() if plan else {}
        audit.record(self._home, self._reader.name, audit.REPORT_PLANNED, name, did=what, **told)


def _file_said(home: Home, key: str, file_name: str) -> str:
    if not file_name:
        return ""
    return "kept" if file_of(home, key, file_name).is_file() else "removed"
