"""The loads of a refresh: every source by itself, so that one that fails stops no other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pyarrow as pa

from attribution import contacts, identity, warehouse
from attribution.backfill import nothing_there, rewound, settled_through, within
from attribution.errors import CaretraceError
from attribution.first_names import same_names
from attribution.home_condition import spoils
from attribution.keys import keyring
from attribution.ledger import StepNote
from attribution.load_books import Given, LoadBooks
from attribution.loading import Loader
from attribution.outreach_settings import outreach_settings
from attribution.payloads import Payloads
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.raw import cursors
from attribution.refresh_steps import Steps
from attribution.restating import days_stored
from attribution.settings import Settings
from attribution.source_settings import SourceSettings, connector, without_secrets
from attribution.tombstones import Forgotten, Record, bury_records
from connectors.errors import SourceError
from connectors.source import Context, Slice, Source, Window

# Sources wait on networks: more threads than cores, few enough to be polite to one's own disk.
PARALLEL_SOURCES = 4


class SourceLoads:
    """What one run loads; `loaded` and `rejected` count rows by source."""

    def __init__(
        self,
        settings: Settings,
        ledger: LoadBooks,
        steps: Steps,
        window: Window | None,
        *,
        debug: bool,
    ) -> None:
        self.debug = debug
        self.settings = settings
        self.ledger = ledger
        self.run_id = steps.run_id
        self.steps = steps
        self.window = window  # the days that are read again, where not what is due
        self.forgotten = Forgotten()
        self.keys = keyring(settings.home)
        self.payloads = Payloads(settings.home, self.keys.payloads)
        self.placeholders = placeholders(settings.home.folder)
        self.contacts: contacts.Contacts | None = None
        self.same_names = same_names(settings.home.folder)
        self.loaded: dict[str, int] = {}
        self.rejected: dict[str, int] = {}
        self._after_publish: list[Callable[[], None]] = []

    def load_all(
        self,
        building: warehouse.Building,
        asked: Sequence[SourceSettings],
        forgotten: Forgotten,
    ) -> dict[str, str]:
        """Load these sources beside each other; why it failed, of each that did."""
        self.forgotten = forgotten
        wanted = outreach_settings(self.settings.home).enabled
        with (
            contacts.kept(self.settings.home, wanted=wanted) as self.contacts,
            ThreadPoolExecutor(PARALLEL_SOURCES) as pool,
        ):
            results = pool.map(lambda source: self._load(building, source), asked)
            return {
                source.name: message
                for source, message in zip(asked, results, strict=True)
                if message is not None
            }

    def _load(self, building: warehouse.Building, source: SourceSettings) -> str | None:
        """Load one source; what went wrong is returned, so that the others go on."""
        step = f"load {source.name}"
        with self.steps.step(step) as note:
            problems, notes = self._load_slices(building, source, step, note)
            message = " ".join(problems) or None
            note.failed = message is not None
            note.message = message or " ".join(notes)
            self.loaded[source.name] = note.rows
            self.ledger.source_done(source.name, source.kind, source.account, note.rows, message)
        return message

    def _load_slices(
        self, building: warehouse.Building, source: SourceSettings, step: str, note: StepNote
    ) -> tuple[list[str], list[str]]:
        loaded_rows = read = rejected = 0

        def on_rows(rows: int) -> None:
            nonlocal loaded_rows
            loaded_rows += rows
            self.steps.progress(step, loaded_rows)

        door = Door(
            self.keys.hashing[0],
            self.settings.region,
            source.patient_namespace,
            source.crm_namespace,
            self.placeholders,
            self.settings.identity.plus_addresses,
            self.settings.identity.gmail_dots,
            self.settings.identity.tell_apart,
            self.same_names,
            self.keys.hashing[1:],
            pa.array(self.forgotten.people, pa.string()),
        )
        loader = Loader(
            building.engine,
            building.commits,
            door,
            source.name,
            source.account,
            self.run_id,
            on_rows,
            self._keep_out,
            self.contacts,
        )
        problems: list[str] = []
        notes: list[str] = []
        given = Given()
        stuck: set[str] = set()
        by_days: set[str] = set()  # cursors of what is read by whole days
        try:
            opened = connector(source.kind).connect(self._context(source, given))
            with building.connect() as connection:
                before = cursors(connection, source.name, source.account)
            for piece in self._slices(opened, before):
                read += 1
                if piece.window or piece.asked:
                    by_days.add(piece.cursor_key)
                # A later window must not be committed over a gap: the cursor would hide it.
                if piece.cursor_key in stuck:
                    continue
                try:
                    loaded = loader.load(piece)
                except SourceError as error:
                    stuck.add(piece.cursor_key)
                    problems.append(without_secrets(str(error), source))
                    self._note_slice(source, piece.name, "failed", 0, 0, problems[-1])
                else:
                    if piece.after_publish is not None:
                        self._after_publish.append(piece.after_publish)
                    self.ledger.restated(self.run_id, source.name, loaded.restated)
                    note.rows += loaded.rows
                    rejected += loaded.rejected - loaded.left_out
                    notes += [loaded.message] if loaded.message else []
                    self._note_slice(
                        source, piece.name, "loaded", loaded.rows, loaded.rejected, loaded.message
                    )
        except SourceError as error:
            problems.append(without_secrets(str(error), source))
        except Exception as error:
            # Where our own disk or database fails, nothing of this refresh can be trusted.
            if self.debug or isinstance(error, CaretraceError) or spoils(error):
                raise
            problems.append(
                f"{source.name} failed with an unexpected {type(error).__name__}; what it had "
                "loaded before stands. `caretrace --debug refresh` shows where."
            )
        if self.window and not (read or problems):
            problems.append(nothing_there(source, self.window))
        if not problems:
            self.ledger.saw_fields(source.name, loader.filled)
            self.ledger.saw_given(source.name, given)
        if not (problems or self.window):
            with building.connect() as connection:
                after = cursors(connection, source.name, source.account)
            self.ledger.settled(source.name, settled_through(after, by_days))
        if rejected:
            self.rejected[source.name] = rejected
            notes.insert(0, f"{rejected:,} {'row was' if rejected == 1 else 'rows were'} rejected.")
        return problems, notes

    def _slices(self, opened: Source, before: Mapping[str, str]) -> Iterable[Slice]:
        if self.window is None:
            return opened.slices(before)
        return within(opened.slices(rewound(before, self.window)), self.window)

    def published(self) -> None:
        """Tell sources that wait for it that what they gave is safe.

        What they do not hear they give again, so that none of it may fail a refresh that is done.
        """
        for tell in self._after_publish:
            with suppress(Exception):
                tell()

    def note_days(self, building: warehouse.Building) -> None:
        """Note how many rows of each of the last days there are of each source."""
        with building.connect() as connection:
            self.ledger.stored_days(days_stored(connection, datetime.now(UTC).date()))

    def _note_slice(
        self, source: SourceSettings, name: str, state: str, rows: int, rejected: int, message: str
    ) -> None:
        self.ledger.slice_done(
            run_id=self.run_id,
            source=source.name,
            name=name,
            state=state,
            rows_loaded=rows,
            rows_rejected=rejected,
            message=message,
        )

    def _keep_out(self, records: Sequence[Record]) -> None:
        """Remember records of forgotten people, so that no other source brings those back."""
        with identity.open_vault(self.settings.home) as vault:
            bury_records(vault, records)

    def _context(self, source: SourceSettings, given: Given) -> Context:
        folder = self.payloads.folder(source.name, source.account, self.run_id)
        return Context(
            name=source.name,
            account=source.account,
            options=source.options,
            now=datetime.now(UTC),
            first_day=min(self.settings.first_day, self.window.since)
            if self.window
            else self.settings.first_day,
            keep=lambda name, payload: self.payloads.keep(folder, name, payload),
            see=given,
        )
