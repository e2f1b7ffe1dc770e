"""The refresh: from the sources to a new published generation, or nothing at all.

It is the one place where connectors and warehouse meet, and reads from top to bottom: load every
source (each failing alone), join identities, build and check the SQL models, publish. Pages go on
reading the old generation until the last line, and after any failure before it.
"""

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from attribution import (
    audit,
    deletions,
    forecasting,
    forgetting,
    holding,
    identity,
    known_sources,
    seeds,
    sql_models,
    transform,
    viewer_marts,
    warehouse,
)
from attribution.at_rest import owner_only
from attribution.backfill import Part
from attribution.build_memory import build_memory
from attribution.checksums import checksum
from attribution.errors import BadInput, SettingsError, StorageError, told
from attribution.home_condition import enough_space, own, spoils, writable
from attribution.ledger import Ledger
from attribution.load_books import LoadBooks
from attribution.lock import only_one
from attribution.paths import Home
from attribution.refresh_steps import Steps, Watcher
from attribution.settings import Settings
from attribution.source_loads import SourceLoads
from attribution.source_settings import SourceSettings
from attribution.warehouse_url import VARIABLE
from connectors.source import Window
from outreach import told as outreach


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
    notes: tuple[str, ...] = ()  # what else whoever keeps the data must know


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
    own(home)
    with owner_only(), only_one(home), LoadBooks(home) as ledger:
        enough_space(home)
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
                told_of = Steps(ledger, run_id, watch)
                run = _Run(settings, ledger, told_of, steps, window, debug=debug)
                outcome = run.run()
        except BaseException as error:
            ledger.finish(run_id, "failed", _published(home), told(error))
            raise
        state = "partial" if outcome.failed else "published"
        said = [*([part.sentence] if part else []), *outcome.notes, *outcome.failed.values()]
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
        steps: Steps,
        planned: Collection[str],
        window: Window | None = None,
        *,
        debug: bool,
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.steps = steps
        self.planned = planned
        self.loads = SourceLoads(settings, ledger, steps, window, debug=debug)

    def run(self) -> Outcome:
        home = self.settings.home
        building = warehouse.begin(home, memory=build_memory())
        try:
            asked = [s for s in self.settings.sources if f"load {s.name}" in self.planned]
            notes = tuple(self._notes(building, asked))
            _, forgotten = deletions.prepare(home, building)
            failed = self.loads.load_all(building, asked, forgotten)
            self.loads.note_days(building)
            self._delete(building)
            self._join_identities(building)
            checksums = self._build(building)
            with self.steps.step("publish"):
                building.close()
                warehouse.publish(home, building.number)
                self.ledger.published(building.number, self.steps.run_id, checksums, "refresh")
            self.loads.published()
            forgetting.finish(self.settings, building.number)
        except BaseException as error:
            if spoils(error) and _published(home) != building.number:
                building.discard()
            else:
                building.abandon()
            raise
        rows = (self.loads.loaded, self.loads.rejected)
        return Outcome(self.steps.run_id, building.number, failed, *rows, notes)

    def _notes(
        self, building: warehouse.Building, asked: Collection[SourceSettings]
    ) -> Iterator[str]:
        """What is to be told of that which is loaded.

        Raises StorageError where nothing of what was loaded is here, and not all is loaded anew.
        """
        with building.connect() as connection:
            yield from known_sources.called_otherwise(connection, self.settings.sources)
        if not building.lost:
            return
        if self.loads.window or not asked or len(asked) < len(self.settings.sources):
            building.discard()  # or the next one would go on from nothing
            raise StorageError(
                f"{building.lost}, so next to nothing would be published. Set {VARIABLE} to the "
                "warehouse that holds it, or let `caretrace refresh` load every source anew; what "
                "was published still stands."
            )
        yield (
            f"{building.lost}, so every source was loaded anew. Where another warehouse holds it, "
            f"set {VARIABLE} to that and refresh again."
        )

    def _delete(self, building: warehouse.Building) -> None:
        """Take away what is past its time, and what is left of those who were forgotten."""
        if "deletions" in self.planned:
            with self.steps.step("deletions") as note:
                gone = deletions.delete(self.settings.home, building, self.settings.retention)
                note.rows, note.message = gone.rows, gone.sentence

    def _join_identities(self, building: warehouse.Building) -> None:
        with self.steps.step("identity") as note, identity.open_vault(self.settings.home) as vault:
            with building.connect() as connection:
                known_sources.note(connection, self.settings.sources)
                found = identity.resolve(
                    connection,
                    vault,
                    self.steps.run_id,
                    self.settings.identity,
                    known_sources.namespaces(connection),
                )
            note.rows = found.people
            note.message = (
                f"{found.identifiers:,} identifiers of {found.people:,} people; "
                f"{found.shared:,} shared ones join nobody; "
                f"{found.merges:,} merges, {found.splits:,} splits."
            )

    def _build(self, building: warehouse.Building) -> dict[str, str]:
        from attribution import lift_records  # SciPy's statistics: only a build needs them

        models = sql_models.load_models()
        later = sql_models.made_from(models, forecasting.TABLE)
        first = [model for model in models if model not in later]
        with self.steps.step("models") as note:
            with building.connect() as connection:
                seeds.write(connection, self.settings)
                ours = outreach.tell(connection, self.settings.home, self.steps.run_id)
            with building.modelling() as connection:
                transform.build(
                    connection, first, on_step=lambda name: self.steps.say("models", name)
                )
                unheard = lift_records.unheard(connection)
                unmet = seeds.unmet_lines(connection)
            note.rows = len(first)
            note.message = " ".join(part for part in (ours.sentence, unheard, unmet) if part)
        with self.steps.step("forecasts") as note:
            with building.connect() as connection:
                before = forecasting.kept(connection)
            fitting = forecasting.Forecasting(
                self.settings.forecast, before, lambda words: self.steps.say("forecasts", words)
            )
            with building.modelling() as connection:
                transform.build(connection, sql_models.solved_by(later, forecasting.TABLE, fitting))
            note.rows, note.message = fitting.fitted, fitting.sentence
        marts, people = (
            {model.name: model.grain for model in models if model.layer == layer}
            for layer in ("marts", "people")
        )
        with self.steps.step("checks") as note, building.modelling() as connection:
            transform.run_checks(connection)
            note.rows = len(marts) + len(people)
        building.copy_marts(marts, people, viewer_marts.BESIDE)
        with building.copied() as copied:
            checksums = {name: checksum(copied, name) for name in (*marts, *people)}
        with self.steps.step("small cells"):
            building.write_viewers(partial(viewer_marts.write, marts=marts))
        return checksums


def _published(home: Home) -> int | None:
    try:
        return warehouse.current_generation(home)
    except StorageError:
        return None


def rollback(home: Home, actor: str | None = None, shown: int | None = None) -> int:
    """Point pages at the generation before the published one, and write down who did.

    Sends are held first: what refused since then is in the generation that is left behind. Raises
    BadInput where another generation than `shown` is published: whoever saw that meant no other.
    """
    if not home.folder.is_dir():
        raise StorageError(
            f"There is no folder {home.folder}, so nothing was ever published there. Set "
            "CARETRACE_HOME to the home folder of your installation."
        )
    writable(home)
    actor = actor or audit.operator()
    with only_one(home), warehouse.alone(home), Ledger(home) as ledger:
        if shown is not None and (now := warehouse.current_generation(home)) != shown:
            raise BadInput(
                f"Generation {now} is shown by now, no longer {shown}. Look at its numbers, then "
                "go back if they are wrong too."
            )
        warehouse.before_present(home)  # raises where there is none, before anything is held
        holding.hold_for_rollback(home, actor)
        number = warehouse.rollback(home)
        ledger.published(number, None, {}, "rollback")
    audit.record(home, actor, audit.ROLLED_BACK, f"generation {number}")
    return number
