"""One refresh from Google, Meta, HubSpot, FHIR bundles and dropped files; then what may befall it.

Expectations are summed up from what the sources hold, by other means than the code under test.
"""

import dataclasses
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import loopback_system as made_up
import pandas as pd
import pytest
import zstandard
from few_models import few_models, stored
from loopback_system import System

from attribution import cli, settings, warehouse
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.refresh import refresh

SOURCES = {"crm", "drop", "meta", "record", "web"}
REFUSED = {
    "crm": "HubSpot refused the token of source 'crm'",
    "meta": "Meta refused the token of source 'meta'",
    "web": "GA4 did not accept the key of source 'web'",
}
Weekly = dict[date, int]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.simulated()


@pytest.fixture(scope="module")
def loaded(tables, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home folder after its first refresh."""
    folder = tmp_path_factory.mktemp("system")
    home = Home(folder / "home")
    home.folder.mkdir(mode=0o700)
    with System(tables, folder) as system, pytest.MonkeyPatch.context() as patch:
        system.write_files()
        system.configure(home, patch)
        assert refresh(settings.load(home), debug=True).failed == {}
    return home


@pytest.fixture
def system(tables, loaded: Home, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """The same sources, still running; `home` is a copy of what the first refresh left."""
    shutil.copytree(loaded.folder, home.folder, dirs_exist_ok=True)
    with System(tables, loaded.folder.parent) as running:
        running.configure(home, monkeypatch)
        yield running


def ask(home: Home, sql: str) -> list[tuple[object, ...]]:
    """Ask the published marts."""
    number = warehouse.current_generation(home)
    assert number is not None
    with duckdb.connect(str(home.generation(number) / "marts.duckdb"), read_only=True) as marts:
        return marts.execute(sql).fetchall()


def weekly(home: Home, sql: str) -> Weekly:
    return dict(ask(home, f"{sql} group by week order by week"))


def summed(days: Iterator[tuple[date, int]]) -> Weekly:
    """Amounts of days as amounts of their weeks, in order."""
    sums: Counter[date] = Counter()
    for day, amount in days:
        sums[day - timedelta(days=day.weekday())] += amount
    return dict(sorted(sums.items()))


def micros(amount: object) -> int:
    return round(Decimal(str(amount)) * 1_000_000)


def days_of(frame: pd.DataFrame, column: str) -> Iterator[date]:
    return (pd.Timestamp(value).date() for value in frame[column])


def checksums(home: Home) -> dict[str, str]:
    """Those of the marts that were published last."""
    with Ledger(home) as ledger:
        return dict(json.loads(ledger.publications(1)["checksums"].iloc[0]))


def states(home: Home) -> dict[str, str]:
    with Ledger(home) as ledger:
        frame = ledger.sources()
    return dict(zip(frame["source"], frame["state"], strict=True))


def refreshed(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run `caretrace refresh`: its exit code, and what it tells of sources that failed."""
    code = cli.main(["refresh"])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return code, [line for line in said.splitlines() if line.startswith("caretrace: ")]


def test_every_source_is_fresh(loaded):
    assert states(loaded) == dict.fromkeys(SOURCES, "fresh")
    assert ask(loaded, "select count(*) from rejected") == [(0,)]
    assert {name for (name,) in ask(loaded, "select distinct source from coverage")} == SOURCES


def test_spend_is_what_meta_and_the_files_say(loaded, tables):
    spend, sent = tables["ad_spend"], tables["message"]
    at_meta = spend[spend["network"] == "facebook"]
    costs = [
        *zip(days_of(spend, "day"), map(micros, spend["spend"]), strict=True),
        *zip(
            days_of(sent.assign(on=sent["sent_at"].fillna(sent["assigned_at"])), "on"),
            map(micros, sent["cost"].fillna(0)),
            strict=True,
        ),
    ]
    assert weekly(loaded, "select week, sum(spend_micros) from spend") == summed(iter(costs))
    assert weekly(
        loaded, "select week, sum(spend_micros) from spend where channel = 'paid_social'"
    ) == summed(zip(days_of(at_meta, "day"), map(micros, at_meta["spend"]), strict=True))
    assert ask(loaded, "select sum(clicks), sum(impressions) from spend") == [
        (spend["clicks"].sum(), spend["impressions"].sum())
    ]


def test_sessions_are_what_google_says(loaded, tables):
    web = tables["web_sessions"]
    expected = summed(zip(days_of(web, "day"), web["sessions"], strict=True))
    assert weekly(loaded, "select week, sum(sessions) from sessions") == expected


def test_leads_are_the_contacts_of_hubspot(loaded, tables):
    expected = summed((day, 1) for day in days_of(tables["contact"], "created_at"))
    found = "select week, sum(conversions) from conversions where kind = 'lead'"
    assert weekly(loaded, found) == expected


def test_kept_visits_are_those_of_both_records(loaded, tables):
    visits = tables["appointment"]
    kept = visits[visits["status"].isin(["arrived", "fulfilled"])]
    expected = summed((day, 1) for day in [*days_of(kept, "starts_at"), *made_up.synthea_visits()])
    found = "select week, sum(conversions) from conversions where kind = 'kept'"
    assert weekly(loaded, found) == expected


def test_money_is_what_both_records_were_paid(loaded, tables):
    paid = tables["payment"]
    expected = summed(
        iter(
            [
                *zip(days_of(paid, "posted_at"), map(micros, paid["amount"]), strict=True),
                *((day, micros(amount)) for day, amount in made_up.synthea_payments()),
            ]
        )
    )
    found = "select week, sum(value_micros) from conversions where kind = 'collected'"
    assert weekly(loaded, found) == expected


def test_every_model_credits_all_that_was_converted(loaded):
    sums = "sum(cast(conversions as decimal(38, 6))), sum(value_micros)"
    credited = ask(loaded, f"select model, kind, {sums} from credit group by all")
    observed = {
        row[0]: row[1:] for row in ask(loaded, f"select kind, {sums} from conversions group by all")
    }
    assert {kind for _, kind, *_ in credited} == set(observed)
    for _, kind, conversions, value in credited:
        assert (round(conversions, 3), value) == (observed[kind][0], observed[kind][1])


def test_a_second_refresh_changes_nothing(loaded, system, home, capsys):
    assert refreshed(capsys) == (0, [])
    assert warehouse.current_generation(home) == 2
    assert checksums(home) == checksums(loaded)
    assert {"conversions", "credit", "reactivation", "sessions", "spend"} <= checksums(home).keys()


def test_a_restated_day_replaces_the_old_one(loaded, system, home, capsys):
    last = max(system.meta.rows, key=lambda row: (row.day, row.ad_group_id))
    system.meta.restate(dataclasses.replace(last, spend=last.spend + 100, clicks=last.clicks + 7))
    assert refreshed(capsys) == (0, [])
    totals = "select sum(spend_micros), sum(clicks) from spend"
    [(spend, clicks)], [(spent, clicked)] = ask(home, totals), ask(loaded, totals)
    assert (spend - spent, clicks - clicked) == (100_000_000, 7)
    now, before = checksums(home), checksums(loaded)
    assert {name for name in now if now[name] != before[name]} == {"spend"}


def test_a_dead_source_fails_alone_and_keeps_its_data(loaded, system, home, capsys):
    system.ga4.__exit__()
    last = max(system.meta.rows, key=lambda row: (row.day, row.ad_group_id))
    system.meta.restate(dataclasses.replace(last, spend=last.spend + 100))
    with few_models(("sessions", "spend")):
        code, told = refreshed(capsys)
    assert code == 1
    assert len(told) == 1
    assert told[0].startswith("caretrace: web was not loaded: GA4")
    assert told[0].endswith("refresh again.")
    assert states(home) == dict.fromkeys(SOURCES, "fresh") | {"web": "failed"}
    assert checksums(home)["sessions"] == checksums(loaded)["sessions"]
    assert checksums(home)["spend"] != checksums(loaded)["spend"]
    now, before = stored(home), stored(loaded)
    assert {name for name in now if now[name] != before[name]} == {"raw_ad_spend"}


def test_expired_tokens_are_told_and_shown_to_nobody(loaded, system, home, capsys):
    secrets = system.secrets()
    system.meta.token = system.hubspot.token = "another-one"
    system.ga4.trusts_key = False
    with few_models(few := ("conversions", "sessions", "spend")):
        code, told = refreshed(capsys)
    assert code == 1
    assert len(told) == 3
    for source, sentence in REFUSED.items():
        [line] = [line for line in told if f" {source} was not loaded: " in line]
        assert sentence in line
        assert line.endswith(".")
    now, before = checksums(home), checksums(loaded)
    assert {*few} <= now.keys()
    assert now == {name: before[name] for name in now}
    assert stored(home) == stored(loaded)
    written = "\n".join([*told, *texts(home)])
    assert [secret for secret in secrets if secret in written] == []


def test_nobody_is_named_in_the_home_folder(loaded, system):
    """Of all connectors only GA4's and Meta's keep payloads, and theirs name nobody either."""
    names = {name for name in system.identifiers() if len(name) >= 6 and len(set(name)) > 1}
    assert len(names) > 3000
    cells = {cell for row in rows(loaded) for cell in row}
    assert names & cells == set()
    parts = {part for cell in cells for part in cell.replace('"', " ").split()}
    assert names & parts == set()
    # Compressed databases hide texts from this search, other files do not.
    some = [*sorted(names)[::100], "@example.org", *system.secrets()]
    everything = "\n".join(texts(loaded))
    assert [name for name in some if stands_alone(name, everything)] == []
    assert stands_alone("caretrace", everything)


def test_payloads_are_kept_where_they_name_nobody(loaded):
    assert {path.name for path in loaded.raw.iterdir()} == {"meta", "web"}
    payloads = [path for path in loaded.raw.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in payloads} == {0o600}


def rows(home: Home) -> Iterator[tuple[str, ...]]:
    """Every row of every table of every database, as texts."""
    for path in sorted(home.folder.rglob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as database:
            names = database.execute("select table_name from duckdb_tables()").fetchall()
            yield from _as_text(database.execute, names)
    for path in sorted(home.folder.rglob("*.sqlite")):
        database = sqlite3.connect(path)
        names = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        yield from _as_text(database.execute, names)
        database.close()


def _as_text(
    execute: Callable[[str], object], names: list[tuple[str]]
) -> Iterator[tuple[str, ...]]:
    for (name,) in names:
        for row in execute(f'select * from "{name}"').fetchall():
            yield tuple(str(value) for value in row)


def texts(home: Home) -> Iterator[str]:
    """Every file of the home folder, its path and its bytes, unpacked where packed."""
    for path in sorted(home.folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(home.folder))
            yield _content(path).decode("latin-1")


def stands_alone(name: str, text: str) -> bool:
    """Whether a name is in a text other than within a hash, where eight digits are by chance."""
    word = rf"(?<![0-9a-f]){re.escape(name)}(?![0-9a-f])"
    return name in text and re.search(word, text) is not None


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return zstandard.decompress(content) if path.suffix == ".zst" else content
