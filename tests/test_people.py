"""Journeys of single people: they add up to the credit, are apart from the marts, and guarded."""

import csv
import os
import shutil
import stat
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from random import Random

import duckdb
import marts_fixture as made_up
import pandas as pd
import people_fixture as made_up_people
import pytest
from first_week import first_week
from sqlalchemy.exc import DBAPIError
from warehouse_fixtures import Warehouse, appointment, at, payment, touch

from attribution import people, warehouse
from attribution.cli import main
from attribution.errors import NotAllowed, SettingsError
from attribution.ledger import Ledger
from attribution.models.journey_credit import shared
from attribution.models.parameters import CreditSettings
from attribution.paths import Home
from attribution.people import Asked, Permit
from attribution.queries import Scope
from attribution.sql_models import load_models
from attribution.transform import run_checks
from attribution.ui import access

START = at("2024-01-03")
TAGS = ("google/cpc", "facebook/paid_social", "google/organic", "(direct)/(none)", "news/email")
PERMIT = Permit("a test")


def rows(seed: int, count: int = 40):
    """People who touched, booked, came and paid at random."""
    random = Random(seed)
    for who in (f"p{number}" for number in range(count)):
        days = random.randrange(300)
        for number in range(random.randrange(8)):
            when = START + timedelta(days=days, hours=random.randrange(1500))
            yield touch(f"{who} t{number}", who, when, random.choice(TAGS))
        booked = START + timedelta(days=days + random.randrange(20, 70))
        starts = booked + timedelta(days=random.randrange(20))
        yield appointment(f"{who} a", who, booked, starts, service_line=random.choice("xy"))
        for number in range(random.randrange(3)):
            amount = random.choice(["10.01", "33.33", "-20", "123456.789012"])
            yield payment(f"{who} y{number}", who, starts + timedelta(days=number), amount)


@pytest.fixture(scope="module", params=[1, 2])
def built(request):
    """A warehouse built from made-up people, checks passed."""
    made = Warehouse().build(*rows(request.param))
    run_checks(made.connection)
    yield made
    made.close()


def journeys(built) -> dict[int, list[dict]]:
    """Touches as rows, by conversion, in order."""
    frame = built.frame("select * from journey_credit order by conversion_id, step")
    grouped = groupby(frame.to_dict("records"), key=lambda row: row["conversion_id"])
    return {number: list(steps) for number, steps in grouped}


def test_shares_of_a_journey_add_up_to_one(built):
    found = journeys(built)
    assert len(found) > 40
    for steps in found.values():
        assert [row["step"] for row in steps] == list(range(1, steps[0]["steps"] + 1))
        for model in shared():
            assert sum(row[f"{model}_share"] for row in steps) == Decimal(1)


@pytest.mark.parametrize("model", shared())
def test_journeys_add_up_to_the_credit_mart(built, model):
    sums: dict[tuple, float] = defaultdict(float)
    for row in (row for steps in journeys(built).values() for row in steps):
        cell = (row["kind"], row["channel"], row["campaign"], row["week"], row["service_line"])
        sums[cell] += row["conversions"] * float(row[f"{model}_share"])
    mart = built.rows(
        "select kind, channel, campaign, week, service_line, sum(conversions) from credit"
        f" where model = '{model}' and channel <> 'unattributed' group by 1, 2, 3, 4, 5"
    )
    expected = {tuple(row[:-1]): row[-1] for row in mart}
    for cell in expected.keys() | sums.keys():
        assert sums.get(cell, 0.0) == pytest.approx(expected.get(cell, 0.0), abs=1e-9), cell


def test_a_journey_is_told_by_its_stops(built):
    told = {
        row["conversion_id"]: row
        for row in built.frame("select * from journeys").to_dict("records")
    }
    found = journeys(built)
    assert told.keys() == found.keys()
    for number, steps in found.items():
        stops = [channel for channel, _run in groupby(row["channel"] for row in steps)]
        path = stops if len(stops) <= 4 else [stops[0], *stops[-3:]]
        named = [told[number][f"step_{place}"] for place in range(1, 5)]
        assert named == path + [""] * (4 - len(path))
        assert told[number]["days"] == steps[0]["days_before"]
        assert told[number]["person_id"] == steps[0]["person_id"]


def place_of(channel: str, path: list[str]) -> str:
    """Where a channel stood, said without SQL."""
    if set(path) == {channel}:
        return "alone"
    ends = (path[0] == channel, path[-1] == channel)
    return {(True, True): "both", (True, False): "first", (False, True): "last"}.get(ends, "middle")


def quarter(day: date) -> date:
    return date(day.year, 1 + 3 * ((day.month - 1) // 3), 1)


def told_apart(built, mart, key):
    """What a mart must hold: journeys and the linear credit and Markov's, from single touches."""
    sums: dict[tuple, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for steps in journeys(built).values():
        first = steps[0]
        path = [row["channel"] for row in steps]
        for channel in set(path):
            own = [row for row in steps if row["channel"] == channel]
            for more in key(channel, path):
                cell = (first["kind"], channel, first["service_line"], quarter(first["week"]), more)
                part = sums[cell]
                part[0] += first["conversions"] > 0
                for at_, model in ((1, "linear"), (2, "markov")):
                    given = sum(float(row[f"{model}_share"]) for row in own)
                    part[at_] += first["conversions"] * given
    column = {"positions": "place", "companions": "companion"}[mart]
    found = built.rows(
        f"select kind, channel, service_line, quarter, {column}, sum(journeys),"
        f" sum(linear_conversions), sum(markov_conversions) from {mart} group by 1, 2, 3, 4, 5"
    )
    assert {tuple(row[:5]) for row in found} == sums.keys()
    for row in found:
        assert list(row[5:]) == pytest.approx(sums[tuple(row[:5])], abs=1e-9)
    return sums


def test_positions_are_those_of_the_journeys(built):
    sums = told_apart(built, "positions", lambda channel, path: [place_of(channel, path)])
    assert {cell[-1] for cell in sums} == set(made_up_people.PLACES)


def test_companions_are_those_of_the_journeys(built):
    told_apart(built, "companions", lambda channel, path: set(path) - {channel})


def test_money_by_position_is_the_credit_to_the_last_millionth(built):
    for model in shared():
        by_place = built.rows(
            f"select channel, sum({model}_value) from positions group by 1 order by 1"
        )
        credited = built.rows(
            f"select channel, sum(value_micros) from credit where model = '{model}'"
            " and channel <> 'unattributed' group by 1 order by 1"
        )
        assert by_place == credited


def test_journeys_are_not_kept_where_they_are_not_wanted():
    made = Warehouse(CreditSettings(keep_journeys=False)).build(*rows(3, 12))
    run_checks(made.connection)
    assert made.rows("select count(*) from journey_credit") == [(0,)]
    assert made.rows("select count(*) from journeys") == [(0,)]
    assert made.rows("select count(*) > 0 from positions") == [(True,)]
    made.close()


def test_no_mart_has_a_column_of_single_people(built):
    marts = {model.name for model in load_models() if model.layer == "marts"}
    columns = built.rows("select table_name, column_name from information_schema.columns")
    telling = {name for name, column in columns if column in ("person_id", "conversion_id", "step")}
    assert not marts & telling
    assert {"journeys", "journey_credit"} <= telling


@pytest.fixture
def published(home):
    """A copy of the clinic's home after a refresh."""
    shutil.copytree(first_week()[0].folder, home.folder, dirs_exist_ok=True)
    return home


def names(path) -> set[str]:
    with duckdb.connect(str(path), read_only=True) as database:
        return {
            name
            for (name,) in database.execute("select table_name from duckdb_tables()").fetchall()
        }


def test_a_refresh_publishes_people_apart_from_the_marts(published):
    folder = published.generation(1)
    layers = {
        layer: {model.name for model in load_models() if model.layer == layer}
        for layer in ("marts", "people")
    }
    assert names(folder / "marts.duckdb") == layers["marts"]
    assert (
        names(folder / "people.duckdb")
        == layers["people"]
        == {
            *("journeys", "journey_credit", "links", "person_history"),
            *("person_events", "person_numbers", "person_profiles"),
            *("research_people", "research_weeks"),
        }
    )
    assert stat.S_IMODE((folder / "people.duckdb").stat().st_mode) == 0o600
    with Ledger(published) as ledger:
        checksums = ledger.publications(1)["checksums"].iloc[0]
    assert "journey_credit" in checksums


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A home of simulated people, that no test changes."""
    return made_up.make_home(tmp_path_factory.mktemp("simulated") / "home", demo=True)


@pytest.mark.parametrize("permit", [None, Permit(""), "demo", True])
def test_nobody_reads_people_without_a_permit(simulated, permit):
    with pytest.raises(NotAllowed, match="those who may see people"):
        people.people(simulated, 1, permit)


def test_only_simulated_people_are_shown_while_nobody_signs_in(simulated, home):
    assert access.permit(simulated) == Permit("simulated people", "reader at this computer")
    shutil.copytree(simulated.folder, home.folder, dirs_exist_ok=True)
    for said in ("", "demo = false\n", 'demo = "true"\n', "demo = 1\n"):
        home.config.write_text(said)
        assert not access.may_see_people(home)
        with pytest.raises(NotAllowed, match="who have the role care"):
            access.permit(home)
    home.config.write_text("demo = \n")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        access.permit(home)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "copy journeys to '/dev/null'",
        "attach '/dev/null' as other",
        "set threads = 8",
        "load httpfs",
        "delete from journeys",
    ],
)
def test_a_reader_of_people_can_only_read(simulated, sql):
    engine = warehouse.open_people(simulated, 1)
    with pytest.raises(DBAPIError), engine.connect() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()


def test_the_typical_journey_of_a_way_is_the_one_in_the_middle(simulated):
    whole = Scope(made_up.weeks()[0], made_up.LAST_WEEK, kind="booked", model="linear")
    found = people.typical(people.people(simulated, 1, PERMIT), whole, "display")
    tables = made_up_people.tables()
    every = tables["journeys"].query("kind == 'booked'")
    ways = ["step_1", "step_2", "step_3", "step_4"]
    having = [w for w in made_up_people.WAYS if "display" in w]
    assert len(found) == len(having)
    for row in found.to_dict("records"):
        same = every[(every[ways] == pd.Series({w: row[w] for w in ways})).all(axis=1)]
        same = same.sort_values(["days", "conversion_id"])
        assert row["journeys"] == len(same) == made_up_people.PER_WAY
        assert row["conversion_id"] == same["conversion_id"].iloc[(len(same) - 1) // 2]
        path = tables["journey_credit"].query("conversion_id == @row['conversion_id']")
        own = path.loc[path["channel"] == "display", "linear_share"].sum()
        assert row["share"] == pytest.approx(own)


def test_filters_narrow_which_journeys_are_looked_at(simulated):
    at_ = people.people(simulated, 1, PERMIT)
    scope = Scope(made_up.LAST_WEEK, made_up.LAST_WEEK, kind="lead")
    some = people.typical(at_, scope, "email")
    every = made_up_people.tables()["journeys"]
    among = every[(every["kind"] == "lead") & (every["week"] == made_up.LAST_WEEK)]
    assert (
        some["journeys"].sum()
        == among[["step_1", "step_2", "step_3", "step_4"]].eq("email").any(axis=1).sum()
    )
    elsewhere = Scope(made_up.weeks()[0], made_up.LAST_WEEK, locations=("Lakeside",))
    assert people.typical(at_, elsewhere, "email").empty


@pytest.fixture
def say(simulated, monkeypatch, capfd):
    """Run `caretrace export journeys` on the simulated people."""
    monkeypatch.setenv("CARETRACE_HOME", str(simulated.folder))

    def run(*arguments):
        code = main(["export", "journeys", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_journeys_are_exported_whole_in_order_and_for_their_owner_only(say, tmp_path):
    out = tmp_path / "journeys.csv"
    out.write_text("older")
    out.chmod(0o644)
    previous = os.umask(0)
    try:
        code, said, err = say("--people", "--out", str(out))
    finally:
        os.umask(previous)
    rows = read(out)
    touches = made_up_people.tables()["journey_credit"]
    assert (code, said) == (0, f"Wrote {out}, {len(touches):,} touches.\n")
    assert err.count("\n") == 1
    assert "journeys of single people" in err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["journeys.csv"]
    keys = [(int(row["conversion_id"]), int(row["step"])) for row in rows]
    assert keys == sorted(keys) == list(zip(touches["conversion_id"], touches["step"], strict=True))
    for model in shared():
        got = sum(float(row[f"{model}_share"]) for row in rows)
        assert got == pytest.approx(touches["conversion_id"].nunique(), abs=1e-6)
    assert sum(float(r["value"]) for r in rows if r["step"] == "1") == pytest.approx(
        touches.loc[touches["step"] == 1, "value_micros"].sum() / 1e6
    )


def test_an_export_of_journeys_can_be_narrowed(say, tmp_path):
    out = tmp_path / "some.csv"
    week = made_up_people.WEEKS[3]
    days = ("--since", str(week + timedelta(days=2)), "--until", str(week + timedelta(days=3)))
    narrow = ("--kind", "lead", "--model", "Markov", "--location", "north", *days)
    assert say("--people", "--out", str(out), *narrow)[0] == 0
    rows = read(out)
    touches = made_up_people.tables()["journey_credit"]
    expected = touches[(touches["kind"] == "lead") & (touches["week"] == week)]
    assert [int(row["conversion_id"]) for row in rows] == list(expected["conversion_id"])
    assert [name for name in rows[0] if name.endswith("_share")] == ["markov_share"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "{out}"], "say so: --people"),
        (["--people"], "Name a file for the journeys"),
        (["--people", "--out", "/dev/null"], "is no file"),
        (["--people", "--out", "{out}", "--format", "xlsx"], "written as CSV"),
        (["--people", "--out", "{out}", "--kind", "sale"], "There is no kind 'sale'"),
        (["--people", "--out", "{out}", "--model", "best"], "There is no model 'best'"),
        (["--people", "--out", "{out}", "--location", "Mars"], "There is no location 'Mars'"),
        (
            ["--people", "--out", "{out}", "--since", "2026-02-02", "--until", "2026-01-05"],
            "ends (2026-01-05) before it begins",
        ),
        (["--people", "--out", "{out}", "--until", "2001-01-05"], "nothing to export"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_written(say, tmp_path, arguments, says):
    out = tmp_path / "journeys.csv"
    code, said, err = say(*(word.format(out=out) for word in arguments))
    assert (code, said) == (2, "")
    assert says in err
    assert list(tmp_path.glob("*.csv*")) == []


def test_a_generation_without_people_says_what_to_do(say, simulated, tmp_path, monkeypatch):
    older = Home(tmp_path / "older")
    shutil.copytree(simulated.folder, older.folder)
    (older.generation(1) / "people.duckdb").unlink()
    monkeypatch.setenv("CARETRACE_HOME", str(older.folder))
    code, _, err = say("--people", "--out", str(tmp_path / "out.csv"))
    assert code == 2
    assert "Run `caretrace refresh`" in err


def test_chunks_are_whole_and_in_order(simulated, monkeypatch):
    monkeypatch.setattr(people, "_AT_ONCE", 50)
    at_ = people.people(simulated, 1, PERMIT)
    parts = list(people.credited_touches(at_, Asked(kind="lead"), ("linear",)))
    assert len(parts) > 1
    whole = pd.concat(parts, ignore_index=True)
    expected = made_up_people.tables()["journey_credit"].query("kind == 'lead'")
    assert list(whole["linear_share"]) == pytest.approx(list(expected["linear_share"]))
    assert list(whole["conversion_id"]) == list(expected["conversion_id"])
