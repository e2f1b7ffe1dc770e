"""What a monitor is told of an installation: ages, counts and states, in Prometheus's text format.

Nothing is of a person or a patient: labels are names of sources, and states. What cannot be read is
left out, and `caretrace_up` is 0.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pandas as pd
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from attribution.backup import last_backup
from attribution.errors import CaretraceError
from attribution.holding import sends_held
from attribution.load_books import load_books
from attribution.paths import Home
from attribution.schedule.standing import standing
from attribution.warehouse import current_generation, free_space

STATES = ("running", "published", "partial", "failed", "killed")


def measured(home: Home, now: datetime | None = None) -> bytes:
    """Every measure of a home folder, as text."""
    registry = CollectorRegistry()
    up = Gauge("caretrace_up", "1 where the home folder could be read, else 0.", registry=registry)
    try:
        _Measures(home, registry, now or datetime.now(UTC)).take()
        up.set(1)
    except (CaretraceError, OSError, sqlite3.Error):
        up.set(0)
    return bytes(generate_latest(registry))


class _Measures:
    def __init__(self, home: Home, registry: CollectorRegistry, now: datetime) -> None:
        self._home, self._registry, self._now = home, registry, now

    def take(self) -> None:
        self._disk()
        self._refreshes()
        self._set(
            "sends_held", "1 while sends are held, else 0.", sends_held(self._home) is not None
        )
        if (at := last_backup(self._home)) is not None:
            self._set(
                "backup_age_seconds",
                "Seconds since the last backup; absent before the first.",
                self._age(at),
            )
        self._sends()
        self._schedule()

    def _disk(self) -> None:
        free, needed = free_space(self._home)
        self._set("disk_free_bytes", "Bytes that are free where the home folder is.", free)
        self._set("disk_needed_bytes", "Bytes that the next refresh may need.", needed)

    def _refreshes(self) -> None:
        generation = current_generation(self._home)
        if generation is not None:
            self._set("generation", "Number of the generation that is published.", generation)
        books = load_books(self._home)
        if books is None:
            return
        with books:
            runs, sources = books.runs(1), books.sources()
            published = books.publications(100)
            loaded = books.last_rows()
        mine = published[
            (published["generation"] == generation) & (published["reason"] == "refresh")
        ]
        if len(mine):
            age = self._age(str(mine["published_at"].iloc[-1]))
            self._set(
                "generation_age_seconds",
                "Seconds since the published generation was first published.",
                age,
            )
        if len(runs):
            self._last_refresh(runs.iloc[0])
        self._sources(sources, loaded)

    def _last_refresh(self, run: pd.Series) -> None:
        gauge = self._labelled(
            "refresh_state", "1 for the state of the last refresh, 0 for all others.", "state"
        )
        for state in STATES:
            gauge.labels(state).set(state == run["state"])
        ended = run["ended_at"]
        until = datetime.fromisoformat(ended) if isinstance(ended, str) else self._now
        seconds = (until - datetime.fromisoformat(str(run["started_at"]))).total_seconds()
        self._set(
            "refresh_duration_seconds",
            "Seconds that the last refresh took, or has taken so far.",
            seconds,
        )

    def _sources(self, sources: pd.DataFrame, loaded: pd.DataFrame) -> None:
        failed = self._labelled(
            "source_failed", "1 where the last load of a source failed, else 0.", "source"
        )
        age = self._labelled(
            "source_age_seconds", "Seconds since a source was last loaded well.", "source"
        )
        for row in sources.to_dict("records"):
            failed.labels(row["source"]).set(row["state"] == "failed")
            if isinstance(row["last_success_at"], str):
                age.labels(row["source"]).set(self._age(row["last_success_at"]))
        rows = self._labelled(
            "source_rows_loaded", "Rows that the last load of a source brought.", "source"
        )
        out = self._labelled(
            "source_rows_rejected",
            "Rows that the last load of a source kept out, as they break the contract.",
            "source",
        )
        for row in loaded.to_dict("records"):
            rows.labels(row["source"]).set(row["rows_loaded"])
            out.labels(row["source"]).set(row["rows_rejected"])

    def _schedule(self) -> None:
        stands = standing(self._home, self._now)
        if stands is None or stands.life == "never ran":
            return
        self._set("schedule_alive", "1 where the schedule does its work, else 0.", stands.alive)
        self._set(
            "schedule_missed", "1 where the week's refresh was due and not begun.", stands.missed
        )
        self._set("incidents", "What is wrong and somebody was told of.", len(stands.wrong))
        late = self._labelled(
            "source_late", "1 where the week's refresh has not brought a source, else 0.", "source"
        )
        for name in stands.sources:
            late.labels(name).set(name in stands.late)

    def _sends(self) -> None:
        for name, words, path, table in (
            ("messages", "Messages of outreach, by state.", self._home.outreach, "message"),
            ("report_sends", "Reports that were due, by state.", self._home.ledger, "report_send"),
        ):
            if not path.is_file():
                continue
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
                there = store.execute("select 1 from sqlite_master where name = ?", (table,))
                if there.fetchone() is None:
                    continue
                gauge = self._labelled(name, words, "state")
                counted = f"select state, count(*) from {table} group by state"  # noqa: S608
                for state, count in store.execute(counted):
                    gauge.labels(state).set(count)

    def _age(self, at: str) -> float:
        return (self._now - datetime.fromisoformat(at)).total_seconds()

    def _set(self, name: str, words: str, value: float) -> None:
        Gauge(f"caretrace_{name}", words, registry=self._registry).set(value)

    def _labelled(self, name: str, words: str, label: str) -> Gauge:
        return Gauge(f"caretrace_{name}", words, [label], registry=self._registry)
