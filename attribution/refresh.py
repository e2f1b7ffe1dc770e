"""The refresh: from the sources to a new published generation, or nothing at all.

It is the one place where connectors and warehouse meet, and reads from top to bottom: load every
source (each failing alone), join identities, build and check the SQL models, publish. Pages go on
reading the old generation until the last line, and after any failure before it.
"""

import errno
import gc
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Literal, NoReturn

import pyarrow as pa
from sqlalchemy.exc import DBAPIError

from attribution import (
    audit,
    contacts,
    deletions,
    forecasting,
    forgetting,
    identity,
    seeds,
    transform,
    viewer_marts,
    warehouse,
)
from attribution.at_rest import mend, owner_only
from attribution.backfill import Part, nothing_there, rewound, settled_through, within
from attribution.errors import CaretraceError, SettingsError, StorageError, told
from attribution.first_names import same_names
from attribution.keys import keyring
from attribution.ledger import Ledger, StepNote
from attribution.load_books import Given, LoadBooks
from attribution.loading import Loader
from attribution.lock import only_one
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.raw import cursors
from attribution.restating import days_stored
from attribution.settings import Settings, SourceSettings, connector, without_secrets
from attribution.tombstones import Forgotten, Record, bury_records
from connectors.errors import SourceError
from connectors.source import Context, Slice, Source, Window
from outreach import told as outreach

# Sources wait on networks: more threads than cores, few enough to be polite to one's own disk.
PARALLEL_SOURCES = 4

# The errors of a full, failed or read-only disk; other operating system errors may be a network's.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}

State = Literal["started", "progress", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person who watches the refresh wants to know."""

    step: str
    state: State
    rows: int = 0
    message: str = ""


Watcher = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh ended: the generation it published and the sources that failed.

    By source: why it failed, how many rows it loaded, how many of its rows break the contract.
    """

    run_id: str
    generation: int
    failed: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)


def refresh(
    settings: Settings,
    watch: Watcher = lambda _event: None,
    *,
    debug: bool = False,
    load: bool = True,
    part: Part | None = None,
) -> Outcome:
    """Load every source, build the next generation and publish it.

    Without `load` no source is asked: what is stored is built anew, as after a deletion. With a
    `part` only that source is, or only some of its days.

    Raises Busy when another refresh runs, StorageError when the disk will not do, TransformError
    when a check finds the new generation wrong; the published one then stays.
    """
    home = settings.home
    if load and not settings.sources:
        raise SettingsError(
            f"{home.config} names no source, so there is nothing to load. Add a [sources.<name>] "
            "table (docs/start.md shows how); what was published still stands."
        )
    _own(home)
    with owner_only(), only_one(home), LoadBooks(home) as ledger:
        _enough_space(home)
        asked = [s for s in settings.sources if load and (part is None or part.source == s.name)]
        steps = [f"load {s.name}" for s in asked]
        steps += ["deletions"] if deletions.due(home, settings.retention) or not load else []
        run_id = ledger.start(
            [*steps, "identity", "models", "forecasts", "checks", "small cells", "publish"]
        )
        ledger.keep_sources([source.name for source in settings.sources])
        try:
            with warehouse.alone(home), _seldom_collected():
                window = part.window if part else None
                run = _Run(settings, ledger, run_id, watch, steps, window, debug=debug)
                outcome = run.run()
        except BaseException as error:
            ledger.finish(run_id, "failed", _published(home), told(error))
            raise
        state = "partial" if outcome.failed else "published"
        said = [*([part.sentence] if part else []), *outcome.failed.values()]
        ledger.finish(run_id, state, outcome.generation, " ".join(said))
        return outcome


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for garbage less often: sources yield rows by the million, and none of them is any.

    Half of the time that a medical record's answers took went into looking.
    """
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Run:
    def __init__(
        self,
        settings: Settings,
        ledger: LoadBooks,
        run_id: str,
        watch: Watcher,
        steps: Collection[str],
        window: Window | None = None,
        *,
        debug: bool,
    ) -> None:
        self.debug = debug
        self.settings = settings
        self.ledger = ledger
        self.run_id = run_id
        self.watch = watch
        self.steps = steps
        self.window = window  # the days that are read again, where not what is due
        self.keys = keyring(settings.home)
        self.payloads = Payloads(settings.home, self.keys.payloads)
        self.forgotten = Forgotten()
        self.placeholders = placeholders(settings.home.folder)
        self.contacts: contacts.Contacts | None = None
        self.same_names = same_names(settings.home.folder)
        self.loaded: dict[str, int] = {}
        self.rejected: dict[str, int] = {}

    def run(self) -> Outcome:
        home = self.settings.home
        building = warehouse.begin(home, memory=os.environ.get("CARETRACE_MEMORY", "2GB"))
        try:
            _, self.forgotten = deletions.prepare(home, building)
            failed = self._load_all(building)
            self._note_days(building)
            self._delete(building)
            self._join_identities(building)
            checksums = self._build(building)
            with self._step("publish"):
                building.close()
                warehouse.publish(home, building.number)
                self.ledger.published(building.number, self.run_id, checksums, "refresh")
            forgetting.finish(self.settings, building.number)
        except BaseException as error:
            if _spoils(error) and _published(home) != building.number:
                building.discard()
            else:
                building.abandon()
            raise
        return Outcome(self.run_id, building.number, failed, self.loaded, self.rejected)

    @contextmanager
    def _step(self, name: str) -> Iterator[StepNote]:
        self.watch(Event(name, "started"))
        with self.ledger.step(self.run_id, name) as note:
            try:
                yield note
            except Exception as error:
                self.watch(Event(name, "failed", message=told(error)))
                raise
        state: State = "failed" if note.failed else "done"
        self.watch(Event(name, state, note.rows, note.message))

    def _load_all(self, building: warehouse.Building) -> dict[str, str]:
        asked = [s for s in self.settings.sources if f"load {s.name}" in self.steps]
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

    def _delete(self, building: warehouse.Building) -> None:
        """Take away what is past its time, and what is left of those who were forgotten."""
        if "deletions" in self.steps:
            with self._step("deletions") as note:
                gone = deletions.delete(self.settings.home, building, self.settings.retention)
                note.rows, note.message = gone.rows, gone.sentence

    def _load(self, building: warehouse.Building, source: SourceSettings) -> str | None:
        """Load one source; what went wrong is returned, so that the others go on."""
        step = f"load {source.name}"
        with self._step(step) as note:
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
            self.watch(Event(step, "progress", loaded_rows))
            self.ledger.progress(self.run_id, step, loaded_rows)

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
        try:
            opened = connector(source.kind).connect(self._context(source, given))
            with building.connect() as connection:
                before = cursors(connection, source.name, source.account)
            for piece in self._slices(opened, before):
                read += 1
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
            if self.debug or isinstance(error, CaretraceError) or _spoils(error):
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
            with building.connect() as connection:
                after = cursors(connection, source.name, source.account)
            self.ledger.settled(source.name, settled_through(after))
        if rejected:
            self.rejected[source.name] = rejected
            notes.insert(0, f"{rejected:,} {'row was' if rejected == 1 else 'rows were'} rejected.")
        return problems, notes

    def _slices(self, opened: Source, before: Mapping[str, str]) -> Iterable[Slice]:
        if self.window is None:
            return opened.slices(before)
        return within(opened.slices(rewound(before, self.window)), self.window)

    def _note_days(self, building: warehouse.Building) -> None:
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

    def _join_identities(self, building: warehouse.Building) -> None:
        with self._step("identity") as note, identity.open_vault(self.settings.home) as vault:
            namespaces = {
                source.name: (source.patient_namespace, source.crm_namespace)
                for source in self.settings.sources
            }
            with building.connect() as connection:
                found = identity.resolve(
                    connection, vault, self.run_id, self.settings.identity, namespaces
                )
            note.rows = found.people
            note.message = (
                f"{found.identifiers:,} identifiers of {found.people:,} people; "
                f"{found.shared:,} shared ones join nobody; "
                f"{found.merges:,} merges, {found.splits:,} splits."
            )

    def _build(self, building: warehouse.Building) -> dict[str, str]:
        models = transform.load_models()
        later = transform.made_from(models, forecasting.TABLE)
        first = [model for model in models if model not in later]
        with self._step("models") as note:
            with building.connect() as connection:
                seeds.write(connection, self.settings)
                outreach.tell(connection, self.settings.home, self.run_id)
            with building.modelling() as connection:
                transform.build(connection, first, on_step=lambda name: self._say("models", name))
            note.rows = len(first)
        with self._step("forecasts") as note:
            with building.connect() as connection:
                before = forecasting.kept(connection)
            fitting = forecasting.Forecasting(
                self.settings.forecast, before, lambda words: self._say("forecasts", words)
            )
            with building.modelling() as connection:
                transform.build(connection, transform.solved_by(later, forecasting.TABLE, fitting))
            note.rows, note.message = fitting.fitted, fitting.sentence
        marts, people = (
            {model.name: model.grain for model in models if model.layer == layer}
            for layer in ("marts", "people")
        )
        with self._step("checks") as note, building.modelling() as connection:
            transform.run_checks(connection)
            note.rows = len(marts) + len(people)
        building.copy_marts(marts, people, viewer_marts.BESIDE)
        with building.copied() as copied:
            checksums = {name: transform.checksum(copied, name) for name in (*marts, *people)}
        with self._step("small cells"):
            building.write_viewers(partial(viewer_marts.write, marts=marts))
        return checksums

    def _say(self, step: str, message: str) -> None:
        self.watch(Event(step, "progress", message=message))


def _published(home: Home) -> int | None:
    try:
        return warehouse.current_generation(home)
    except StorageError:
        return None


def _spoils(error: BaseException | None) -> bool:
    """Whether our own database or disk failed, so that what was being built cannot be trusted."""
    while error is not None:
        if isinstance(error, DBAPIError):
            return True
        if isinstance(error, OSError) and error.errno in _DISK:
            return True
        error = error.__cause__
    return False


def _own(home: Home) -> None:
    """Make the home folder ours alone, or say why it cannot be."""
    try:
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _writable(home)
        mend(home)  # also where somebody made it, or files in it, before us
    except PermissionError:
        _refuse(home)


def _writable(home: Home) -> None:
    if not home.writable:
        _refuse(home)


def _refuse(home: Home) -> NoReturn:
    raise StorageError(
        f"{home.folder} cannot be written. Run this as the user who owns it, give it to yourself "
        "(chown, then chmod 700), or set CARETRACE_HOME to another folder; nothing was changed."
    )


def _enough_space(home: Home) -> None:
    free, needed = warehouse.free_space(home)
    if free < needed:
        raise StorageError(
            f"{home.folder} has {free / 1e9:.1f} GB free and a refresh may need "
            f"{needed / 1e9:.1f} GB. Free some space; nothing was changed."
        )


def rollback(home: Home, actor: str | None = None) -> int:
    """Point pages at the generation before the published one, and write down who did."""
    if not home.folder.is_dir():
        raise StorageError(
            f"There is no folder {home.folder}, so nothing was ever published there. Set "
            "CARETRACE_HOME to the home folder of your installation."
        )
    _writable(home)
    with only_one(home), warehouse.alone(home), Ledger(home) as ledger:
        number = warehouse.rollback(home)
        ledger.published(number, None, {}, "rollback")
    audit.record(home, actor or audit.operator(), audit.ROLLED_BACK, f"generation {number}")
    return number
