"""What is known of loading, and what an operator does: back-fills, holds, starts, measures."""

import json
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import hypothesis
import hypothesis.strategies as st
import pytest
from few_models import few_models
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families
from servers.clinic import CONFIG, MONDAY, MONTH, ad, ads, clinic, records
from servers.scripted import SCRIPTS, slice_of, slices
from sqlalchemy import select
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from attribution import (
    audit,
    holding,
    ledger,
    load_books,
    log_lines,
    operations,
    restating,
    settings,
    telemetry,
)
from attribution.backfill import Part, nothing_there, part_of, rewound, settled_through, within
from attribution.errors import BadInput, Busy, NotAllowed, SettingsError
from attribution.generations import MARTS
from attribution.load_books import FIELD, Given, LoadBooks
from attribution.load_queries import loading
from attribution.lock import only_one
from attribution.paths import Home
from attribution.refresh import refresh
from attribution.refresh_steps import Event
from attribution.roles import Reader
from attribution.ui.measured import from_this_computer
from attribution.ui.views import source_health
from attribution.units import pull_unit, serve_unit
from attribution.warehouse import current_generation
from connectors import SOURCES, files
from connectors.contract import AdSpend
from connectors.source import Context, Cursor, Window

ADMIN = Reader("ann", frozenset({"admin"}))
ANALYST = Reader("bob", frozenset({"analyst"}))
DAY = timedelta(days=1)
TODAY = MONDAY + 20 * DAY


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A home after two refreshes, before the second of which the ad platform changed its mind."""
    home = Home(tmp_path_factory.mktemp("loaded") / "home")
    home.folder.mkdir(mode=0o700)
    home.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    with pytest.MonkeyPatch.context() as patch, few_models(("spend",)):
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        # Of an account that is taken out of the settings, and of days to come.
        gone = slice_of(Cursor(str(MONDAY)), name="gone", window=MONTH)
        ahead = slice_of(Cursor(str(TODAY + 4 * DAY)), name="ahead")
        clinic(ads=slices(ads(), gone), emr=slices(records(), ahead))
        refresh(settings.load(home), debug=True)
        days = [ad(MONDAY + n * DAY, spend="10.00" if n < 6 else "12.00") for n in range(13)]
        clinic(
            ads=slices(
                slice_of(
                    *days, Cursor(str(MONTH.until)), name="month", cursor_key="days", window=MONTH
                )
            )
        )
        refresh(settings.load(home), debug=True)
        yield home


def test_days_that_a_source_changed_are_told_with_both_sums(loaded):
    """Those alone: the first load restates nothing, nor does the same told again."""
    with LoadBooks(loaded) as books:
        found, runs = books.restatements(), books.runs()
    assert set(found["run_id"]) == {runs["run_id"].iloc[0]}
    assert set(found["source"]) == {"ads"}
    told = found.set_index(["metric", "day"])[["before", "after"]]
    last = str(MONDAY + 13 * DAY)
    assert sorted(told.loc["spend_micros"].index) == [str(MONDAY + n * DAY) for n in range(6, 14)]
    assert told.loc["spend_micros", str(MONDAY + 6 * DAY)].tolist() == [10e6, 12e6]
    assert told.loc["spend_micros", last].tolist() == [10e6, 0]
    assert told.loc["rows"].index.tolist() == [last]
    assert told.loc["rows", last].tolist() == [1, 0]


@hypothesis.settings(max_examples=30)
@given(
    st.dictionaries(st.integers(0, 5), st.tuples(*[st.integers(0, 9)] * 4), min_size=1),
    st.dictionaries(st.integers(0, 9), st.tuples(*[st.integers(0, 9)] * 4)),
)
def test_what_is_restated_is_all_that_changed(old, new):
    """Law: over the days that were there, before plus the told changes is after."""
    old = {MONDAY + n * DAY: tuple(map(float, sums)) for n, sums in old.items()}
    new = {MONDAY + n * DAY: tuple(map(float, sums)) for n, sums in new.items()}
    told = list(restating.compared(AdSpend, "1", old, new))
    assert all(one.before != one.after and one.day in old for one in told)
    for place, metric in enumerate(("rows", *restating.MEASURES["ad_spend"].sums)):
        change = sum(one.after - one.before for one in told if one.metric == metric)
        was = sum(sums[place] for sums in old.values())
        assert was + change == sum(new.get(day, (0.0,) * 4)[place] for day in old)


def test_a_field_that_comes_is_new_and_one_that_goes_is_missing(home, monkeypatch):
    times = iter(f"2026-11-0{day}T05:00:00.000+00:00" for day in (2, 3, 4))
    monkeypatch.setattr(load_books, "now", lambda: next(times))
    with LoadBooks(home) as books:
        for fields in (["day", "clicks"], ["day", "clicks"], ["day", "reach"]):
            books.saw_fields("ads", {"ad_spend": fields})
        found = books.drift()
    assert found[["field", "change"]].values.tolist() == [["reach", "new"], ["clicks", "missing"]]


def test_what_a_source_has_is_told_apart_from_what_is_loaded(home, monkeypatch):
    """Names alone, and none that could be somebody's; what not every record has is never missed."""
    times = iter(f"2026-11-0{day}T05:00:00.000+00:00" for day in (2, 3, 4))
    monkeypatch.setattr(load_books, "now", lambda: next(times))
    with LoadBooks(home) as books:
        for columns, keys in (
            ({"Day", "Clicks", "ann@example.org"}, {"id", "name"}),
            ({"Day", "Reach"}, {"id"}),
            ({"Day", "Reach"}, {"id", "photo"}),
        ):
            given = Given()
            given("days_*.csv", columns)
            given("Patient", keys, whole=False)
            books.saw_given("ads", given)
        found = books.drift()
    assert found[["place", "field", "change"]].values.tolist() == [
        ["Patient", "photo", "appeared"],
        ["days_*.csv", "Reach", "appeared"],
        ["days_*.csv", "Clicks", "vanished"],
    ]


def test_a_new_column_of_a_file_is_noted_though_no_mapping_reads_it(tmp_path):
    (tmp_path / "days.csv").write_text("id,when,colour\n1,2026-01-05,red\n")
    seen = Given()
    options = {
        "folder": str(tmp_path),
        "files": [{"match": "*.csv", "row": "environment", "constants": {"place": "north"},
                   "columns": {"day": "when"}}],
    }  # fmt: skip
    context = Context("pollen", "pollen", options, datetime.now(UTC), MONDAY, see=seen)
    for piece in files.connect(context).slices({}):
        assert list(piece.read())
    assert seen.places == {("*.csv", True): {"id", "when", "colour"}}


def test_fields_are_those_that_came_filled(loaded):
    with LoadBooks(loaded) as books:
        assert books.drift().empty
        seen = books._frame(select(FIELD))
    assert {"spend_micros", "campaign"} <= set(seen.loc[seen["source"] == "ads", "field"])
    assert "claimed_value_micros" not in set(seen["field"])  # no ad of the clinic has one


def test_of_two_refreshes_in_one_second_the_later_is_the_last(home, monkeypatch):
    """The names of runs begin with the second and go on by chance."""
    times = iter(f"2026-11-02T05:00:00.{part}00+00:00" for part in (1, 2))
    monkeypatch.setattr(ledger, "now", lambda: next(times))
    with LoadBooks(home) as books:
        for run_id, rows in (("20261102T050000-b", 14), ("20261102T050000-a", 13)):
            books.slice_done(
                run_id=run_id, source="ads", name="November", state="loaded",
                rows_loaded=rows, rows_rejected=0, message="",
            )  # fmt: skip
        last = books.last_rows()
    assert last[["rows_loaded", "rows_before"]].values.tolist() == [[13, 14]]


def test_the_page_says_what_is_settled_and_what_came(loaded):
    known = loading(loaded, ANALYST)
    assert known.settled == {"ads": MONTH.until}
    told = source_health.sources(known).frame.set_index("source")
    assert told.loc["ads", ["rows_loaded", "rows_before"]].tolist() == [13, 14]
    assert told["settled"].notna().to_dict() == {"ads": True, "crm": False, "emr": False}
    restated = source_health.restated(known, counts=True).frame
    money = restated[restated["metric"] == "Spend"].sort_values("day")
    assert money[["before", "after"]].iloc[0].tolist() == [10, 12]
    assert money["change"].iloc[0] == pytest.approx(0.2)
    with pytest.raises(NotAllowed):
        loading(loaded, Reader("eve", frozenset({"viewer"})))


def test_the_grid_has_a_cell_for_each_source_and_day(home):
    with LoadBooks(home) as books:
        for source, through in (("ads", TODAY - 3 * DAY), ("crm", None)):
            books.source_done(source, "scripted", "1", 1, None)
            books.settled(source, through)
        books.stored_days([("ads", TODAY - n * DAY, 10) for n in range(5)] + [("crm", TODAY, 4)])
    known = loading(home, ADMIN)
    [trace] = source_health.grid(known, TODAY, counts=True).spec["data"]
    assert [len(row) for row in trace["z"]] == [restating.GRID_DAYS] * 2
    by_name = dict(zip(("ads", "crm"), trace["text"], strict=True))
    assert by_name["ads"][-5:] == ["", "", "~", "~", "~"]
    assert set(by_name["crm"]) == {""}
    assert trace["z"][0][-6:] == [None, 1, 1, 1, 1, 1]
    assert "10 rows" in trace["customdata"][0][-1]
    [folded] = source_health.grid(known, TODAY, counts=False).spec["data"]
    assert not any(c.isdigit() for c in folded["customdata"][0][-1].partition(":")[2])


def test_days_of_one_source_are_read_again_and_its_cursor_stays(loaded):
    asked = []

    def never():
        raise AssertionError("days were read that nobody asked for")

    def script(_context, cursors):
        asked.append(dict(cursors))
        later = Window(MONTH.until + DAY, MONTH.until + 9 * DAY)
        return [ads("20.00"), replace(slice_of(rows=(AdSpend,), window=later), read=never)]

    SCRIPTS["ads"] = script
    days = Window(MONDAY, MONDAY + DAY)
    outcome = refresh(settings.load(loaded), debug=True, part=Part("ads", days))
    assert not outcome.failed
    assert [cursors["days"] for cursors in asked] == [str(MONDAY - DAY)]
    with LoadBooks(loaded) as books:
        assert books.settled_days() == {"ads": MONTH.until}
        run = books.runs(1).iloc[0]
        steps = books.steps(run["run_id"])["name"].tolist()
    assert run["message"] == f"Only ads, from {days.since} to {days.until}."
    assert [name for name in steps if name.startswith("load")] == ["load ads"]


def test_a_source_that_knows_no_days_has_none_to_read_again(loaded):
    days = Window(MONDAY, MONDAY + DAY)
    assert list(within([records()], days)) == []
    emr = next(source for source in settings.load(loaded).sources if source.name == "emr")
    assert "emr has nothing that is read by days" in nothing_there(emr, days)


def test_only_cursors_that_are_days_go_back():
    window = Window(date(2026, 3, 5), date(2026, 3, 9))
    stands = {"a": "2026-05-01", "b": "2026-05-01T10:00:00", "c": "job 7"}
    assert rewound(stands, window) == {**stands, "a": "2026-03-04"}
    assert settled_through({**stands, "d": "2026-01-01"}, {"a", "b"}) == date(2026, 5, 1)
    assert settled_through(stands, {"b"}) is None


@pytest.mark.parametrize(
    ("source", "since", "until", "words"),
    [
        ("nobody", None, None, "no source 'nobody'"),
        (None, MONDAY, None, "one source at a time"),
        ("ads", MONDAY, None, "from which day to which"),
        ("ads", MONDAY, MONDAY - DAY, "not be after"),
        ("ads", MONDAY, TODAY + DAY, "not after today"),
    ],
)
def test_days_that_make_no_sense_are_refused(loaded, source, since, until, words):
    with pytest.raises(BadInput, match=words):
        part_of(settings.load(loaded), source, since, until, TODAY)


def test_a_second_click_is_refused(loaded, tmp_path, monkeypatch):
    """The lock of the start passes to the process that is started; here it only waits."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nread line < {tmp_path}/end\n')
    program.chmod(0o700)
    subprocess.run(["mkfifo", tmp_path / "end"], check=True)
    monkeypatch.setattr(operations.sys, "executable", str(program))
    assert not operations.busy(loaded)
    operations.start_refresh(loaded, ADMIN, "ads", MONDAY, MONDAY + DAY)
    assert operations.busy(loaded)
    with pytest.raises(Busy, match="running already"):
        operations.start_refresh(loaded, ADMIN)
    (tmp_path / "end").write_text("\n")
    assert operations.STARTED[-1].wait(30) == 0
    assert not operations.busy(loaded)
    said = (tmp_path / "said").read_text().split()
    assert said == [
        *("-m", "attribution.cli", "refresh", "--source", "ads"),
        *("--since", str(MONDAY), "--until", str(MONDAY + DAY)),
    ]
    last = audit.entries(loaded, 1).iloc[0]
    assert (last["actor"], last["action"]) == ("ann", audit.REFRESH_STARTED)


def test_a_refresh_that_runs_is_not_run_over(loaded):
    with only_one(loaded), pytest.raises(Busy):
        operations.start_refresh(loaded, ADMIN)


@pytest.mark.parametrize(
    "act",
    [
        operations.start_refresh,
        lambda home, reader: operations.roll_back(home, reader, 1),
        operations.release,
        lambda home, reader: operations.hold(home, reader, "why"),
    ],
)
def test_only_administrators_act(loaded, act):
    before = current_generation(loaded), len(audit.entries(loaded))
    with pytest.raises(NotAllowed):
        act(loaded, ANALYST)
    assert (current_generation(loaded), len(audit.entries(loaded))) == before


def test_a_rollback_from_the_page_names_who_did_it(loaded):
    before = current_generation(loaded)
    assert operations.roll_back(loaded, ADMIN, before) < before
    last = audit.entries(loaded, 1).iloc[0]
    assert (last["actor"], last["action"]) == ("ann", audit.ROLLED_BACK)
    # Whoever still sees the one before meant that step, and not another one.
    after = current_generation(loaded)
    with pytest.raises(BadInput, match=f"Generation {after} is shown by now"):
        operations.roll_back(loaded, ADMIN, before)
    assert current_generation(loaded) == after


def going_back(folder: str) -> None:
    from pathlib import Path
    from types import SimpleNamespace

    from attribution.paths import Home
    from attribution.ui import access, draw_operations
    from attribution.warehouse import current_generation

    home = Home(Path(folder))
    context = SimpleNamespace(home=home, generation=current_generation(home), reader=access.VISITOR)
    draw_operations._roll_back(context, running=False)


def test_a_tick_to_go_back_is_of_the_generation_that_was_shown(home):
    for number in (1, 2, 3):
        home.generation(number).mkdir(parents=True)
        (home.generation(number) / MARTS).touch()
    home.current.write_text("3")
    page = AppTest.from_function(going_back, args=(str(home.folder),), default_timeout=60).run()
    page.checkbox(key="sure_3").check().run()
    assert not page.button(key="roll_back").disabled
    home.current.write_text("2")  # another administrator went back meanwhile
    page.button(key="roll_back").click().run()
    assert not page.exception
    assert "Shows generation 1 again in the place of 2" in page.caption[0].value
    assert page.button(key="roll_back").disabled
    assert home.current.read_text() == "2"


def test_sends_are_held_with_a_reason_and_released(loaded):
    with pytest.raises(BadInput, match="Say why"):
        holding.hold(loaded, "ann", "  ")
    holding.hold(loaded, "ann", "numbers\nlook wrong")
    assert holding.sends_held(loaded) == "numbers look wrong"
    holding.hold(loaded, "bob", "still wrong")
    assert holding.sends_held(loaded) == "still wrong"
    assert holding.release(loaded, "ann")
    assert holding.sends_held(loaded) is None
    actions = audit.entries(loaded, 3)["action"].tolist()
    assert actions == [audit.SENDS_HELD, audit.SENDS_HELD, audit.SENDS_RELEASED]


def measures(home, now=None):
    text = telemetry.measured(home, now).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_monitor_is_told_ages_states_and_counts(loaded):
    with LoadBooks(loaded) as books:
        sources = books.sources().set_index("source")
        rows = books.last_rows().set_index("source")
    with closing(sqlite3.connect(loaded.outreach)) as box, box:
        box.execute("create table message (state text)")
        box.executemany("insert into message values (?)", [("sent",), ("sent",), ("failed",)])
    now = datetime.now(UTC)
    found = measures(loaded, now)
    assert found["caretrace_messages", "sent"] == 2
    assert found["caretrace_messages", "failed"] == 1
    assert found["caretrace_up",] == 1
    assert found["caretrace_generation",] == current_generation(loaded)
    assert found["caretrace_sends_held",] == 0
    assert found["caretrace_source_rows_loaded", "ads"] == rows.loc["ads", "rows_loaded"]
    age = now - datetime.fromisoformat(sources.loc["crm", "last_success_at"])
    assert found["caretrace_source_age_seconds", "crm"] == pytest.approx(age.total_seconds())
    assert found["caretrace_source_failed", "emr"] == 0
    states = {state: found["caretrace_refresh_state", state] for state in telemetry.STATES}
    assert sum(states.values()) == states["published"] == 1


def test_a_home_that_cannot_be_read_is_down(home):
    home.folder.mkdir(exist_ok=True)
    home.current.write_text("?")
    assert measures(home)["caretrace_up",] == 0


@pytest.mark.parametrize(
    ("host", "client", "more", "may"),
    [
        ("127.0.0.1:8501", "127.0.0.1", [], True),
        ("[::1]:8501", "::1", [], True),
        ("care.example.org", "127.0.0.1", [], False),
        ("127.0.0.1:8501", "10.0.0.9", [], False),
        ("localhost", "127.0.0.1", [(b"x-forwarded-for", b"10.0.0.9")], False),
        ("localhost", "127.0.0.1", [(b"origin", b"http://evil.example")], False),
    ],
)
def test_measures_are_for_this_computer_alone(host, client, more, may):
    headers = [(b"host", host.encode()), *more]
    scope = {"type": "http", "headers": headers, "client": (client, 1)}
    assert from_this_computer(Request(scope)) is may


def test_steps_are_lines_of_json_where_somebody_asks(tmp_path, monkeypatch):
    assert log_lines.lines() is None
    monkeypatch.setenv(log_lines.VARIABLE, str(tmp_path / "log"))
    with log_lines.lines() as write:
        watch = log_lines.watcher(write)
        watch(Event("models", "started"))
        watch(Event("models", "progress", message="spend"))
        watch(Event("models", "done", 7, "told"))
    first, last = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert (first["step"], first["state"]) == ("models", "started")
    assert (last["state"], last["rows"], last["message"]) == ("done", 7, "told")
    assert last["seconds"] >= 0
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    monkeypatch.setenv(log_lines.VARIABLE, str(tmp_path / "none" / "log"))
    with pytest.raises(SettingsError, match="cannot be written"), log_lines.lines():
        pass


def test_the_unit_serves_this_home_and_may_write_nothing_else(home, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/caretrace/bin/python")  # wherever this runs
    home.folder.mkdir(exist_ok=True)
    unit = serve_unit(home, 8600)
    assert f"ReadWritePaths={home.folder}\n" in unit
    assert "serve --port 8600\n" in unit
    assert "# LoadCredential=CARETRACE_KEY:" in unit
    follows = pull_unit(home, 30)
    assert "/caretrace-pull.service: made by `caretrace pull --print systemd`" in follows
    assert "attribution.cli pull --follow --every 30\n" in follows
    spaced = Home(home.folder / "a b")
    spaced.folder.mkdir()
    with pytest.raises(BadInput, match="reads otherwise"):
        serve_unit(spaced, 8600)
