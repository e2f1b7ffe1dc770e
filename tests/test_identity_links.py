"""What holds a person together is said in words, to those who may see people."""

import os
import sqlite3
from datetime import UTC, datetime

import pytest
from servers.clinic import contact
from sqlalchemy import text
from warehouse_fixtures import Warehouse

from attribution import cli
from attribution.errors import BadInput, NotAllowed
from attribution.explain import explain
from attribution.paths import Home
from attribution.people import Permit
from attribution.vault import Map, open_vault
from attribution.warehouse import begin, publish
from connectors.contract import Call, Person

MARCH = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def warehouse():
    made = Warehouse()
    yield made
    made.close()


def linked(warehouse):
    """Two sources whose contact and call have one number; identity as the refresh writes it."""
    warehouse.load([contact("c1", phone="n1")], source="hubspot")
    warehouse.load([Call("k1", MARCH, 5, True, phone="n1")], source="callrail")
    warehouse.load([Call("k2", MARCH, 5, True, phone="n2")], source="callrail")
    warehouse.run(
        "create or replace table identity as select * from "
        "(values ('c1', 7), ('n1', 7), ('n2', 8)) as found(identifier, person_id)"
    )
    warehouse.rebuild()
    return warehouse


def test_a_link_names_kind_sources_and_the_first_day_of_both(warehouse):
    rows = linked(warehouse).rows("from links")
    assert rows == [(7, "phone", "callrail", "hubspot", MARCH.date(), 1)]


def test_people_in_common_are_counted_and_a_few_are_not_told_apart(warehouse):
    rows = linked(warehouse).rows("from matches order by all")
    assert rows == [
        ("callrail", "callrail", None),
        ("callrail", "hubspot", None),
        ("hubspot", "callrail", None),
        ("hubspot", "hubspot", None),
    ]
    warehouse.load(
        [Call(f"k{n}", MARCH, 5, True, phone=f"n{n}") for n in range(10, 30)], "callrail"
    )
    warehouse.rebuild()
    assert warehouse.rows("from matches where source = other order by all") == [
        ("callrail", "callrail", 22),
        ("hubspot", "hubspot", None),
    ]


def test_of_several_records_each_attribute_is_the_newest_that_is_known(warehouse):
    earlier, later = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2))
    rows = [
        Person("P1", birth_year=1980, zip3="601", language="en", updated_at=earlier),
        Person("P2", zip3="602", sex="F", updated_at=later, deceased=True),
        Person("P3", birth_year=1990, zip3="603"),
    ]
    for some in (rows, rows[::-1]):
        warehouse.run("delete from raw_person")
        warehouse.load(some)
        warehouse.run("update identity set person_id = 1")
        warehouse.rebuild()
        assert warehouse.rows(
            "select deceased, birth_year, sex, zip3, language from int_people"
        ) == [(True, 1980, "f", "602", "en")]


def published(home: Home, warehouse) -> Home:
    building = begin(home)
    with building.connect() as connection:
        for name in ("links", "person_history"):
            columns = ", ".join(
                f"{column} {kind}" for column, kind, *_ in warehouse.rows(f"describe {name}")
            )
            connection.execute(text(f"create table {name} ({columns})"))
            for row in warehouse.rows(f"from {name}"):
                marks = ", ".join("?" * len(row))
                connection.exec_driver_sql(f"insert into {name} values ({marks})", row)
    building.copy_marts({}, {"links": ["person_id"], "person_history": ["number"]})
    building.close()
    publish(home, building.number)
    return home


def test_it_is_said_in_words_with_what_merged(home, warehouse):
    linked(warehouse).run(
        "insert into person_history values "
        "(1, 'merge', 9, 7, '2026-03-08', 'the same phone number'), "
        "(2, 'split', 7, 11, '2026-04-01', 'a shared e-mail address')"
    )
    at_home = published(home, warehouse)
    assert explain(at_home, Permit("a test"), 7) == [
        "The same phone number in callrail and hubspot, 3 March 2026.",
        "2026-03-08: person 9 turned out to be this one (the same phone number).",
        "2026-04-01: person 11 was split off (a shared e-mail address).",
    ]
    (merged,) = explain(at_home, Permit("a test"), 9)
    assert merged.startswith("2026-03-08: turned out to be person 7")
    (split,) = explain(at_home, Permit("a test"), 11)
    assert "was split off from person 7" in split
    assert "Nothing joins" in explain(at_home, Permit("a test"), 8)[0]


def test_the_command_asks_whether_one_may_see_people(home, warehouse, monkeypatch, capsys):
    published(home, linked(warehouse))
    monkeypatch.setitem(os.environ, "CARETRACE_HOME", str(home.folder))
    assert cli.main(["identity", "7"]) == 2
    assert "--people" in capsys.readouterr().err
    assert cli.main(["identity", "7", "--people"]) == 0
    assert capsys.readouterr().out == (
        "The same phone number in callrail and hubspot, 3 March 2026.\n"
    )


def test_without_a_permit_or_a_generation_nothing_is_said(home, warehouse):
    with pytest.raises(BadInput, match="nothing published"):
        explain(home, Permit("a test"), 7)
    with pytest.raises(NotAllowed):
        explain(published(home, linked(warehouse)), Permit(""), 7)


def test_a_vault_of_an_earlier_version_keeps_its_numbers(home):
    with sqlite3.connect(home.vault) as database:
        database.execute("create table identity (identifier blob primary key, person_id integer)")
        database.execute(
            "create table change (number integer primary key autoincrement, run_id text not null,"
            " kind text not null, from_person integer not null, to_person integer not null)"
        )
        rows = [(bytes([n]) * 16, n + 1) for n in (200, 3)]
        database.executemany("insert into identity values (?, ?)", rows)
        database.execute("insert into change values (1, 'old', 'merge', 5, 6)")
    database.close()
    with open_vault(home) as vault:
        known = vault.read()
        assert known.person.tolist() == [4, 201]
        fresh = Map(known.high[:1] + 1, known.low[:1], known.person[:1])
        vault.keep("new", [fresh], vault.changes()[:0])
    with open_vault(home) as vault:
        assert vault.read().person.tolist() == [4, 4, 201]
        assert vault.changes()["found_on"].isna().all()
        assert vault.numbers().num_rows == 3
