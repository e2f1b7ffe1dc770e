"""A host that only serves pages: it takes what another one published on a real PostgreSQL."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from engines_fixture import postgres

from attribution import audit, cli, generations, warehouse
from attribution.doctor import examine
from attribution.engines import postgresql_files
from attribution.errors import BadInput, CaretraceError, StorageError
from attribution.generations import MARTS, PEOPLE, VIEWERS
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.pulling import follow, pull
from attribution.settings import load

GRANTS = """
grant usage on schema files to {who};
grant select on files.listed, files.marts, files.viewers to {who};
"""


class Space(NamedTuple):
    """Of a disk, as shutil tells it."""

    total: int
    used: int
    free: int


@dataclass
class Clinic:
    """An installation that publishes on PostgreSQL; its files stand for those of a refresh."""

    address: str
    home: Home

    def ask(self, sql: str) -> list[Any]:
        with psycopg.connect(self.address, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def url(self, user: str) -> str:
        return f"postgresql+psycopg://{user}@/postgres?{self.address.split('?')[1]}"

    def publish(self, failed: str | None = None) -> int:
        """Publish a generation as a refresh does, with files of its own."""
        with Ledger(self.home) as ledger:
            ledger.source_done("ads", "files", "ads", 7, failed)
        building = warehouse.begin(self.home)
        building.copy_marts({})
        for name in (MARTS, VIEWERS, PEOPLE):
            path = building.folder / name
            path.write_bytes(f"{name} {building.number} ".encode() * 200)
        building.close()
        warehouse.publish(self.home, building.number)
        return building.number

    def file(self, number: int, name: str) -> bytes:
        return (self.home.generation(number) / name).read_bytes()


@pytest.fixture(autouse=True)
def _of_many_parts(monkeypatch):
    """Files of the tests are small, and come in parts all the same."""
    monkeypatch.setattr(postgresql_files, "_PART", 1000)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres() as made:
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
            for who in ("pages", "care", "nobody"):
                connection.execute(f"create role {who} login")
        yield made


@pytest.fixture
def empty(address: str, tmp_path: Path) -> Clinic:
    """Before anything is published: of a database that holds nothing."""
    clinic = Clinic(address, home_at(tmp_path / "clinic", ""))
    point(clinic.home, clinic.url("postgres"))
    for (schema,) in clinic.ask(
        "select nspname from pg_namespace where nspname ~ '^(caretrace|(private|marts|people|files)"
        "(_[0-9]+)?)$'"
    ):
        clinic.ask(f"drop schema {schema} cascade")
    return clinic


@pytest.fixture
def clinic(empty: Clinic) -> Clinic:
    """With one generation, which may be pulled: people by some only."""
    assert empty.publish() == 1
    empty.ask(GRANTS.format(who="pages"))
    empty.ask(GRANTS.format(who="care") + "grant select on files.people to care")
    return empty


@pytest.fixture
def pages(clinic: Clinic, tmp_path: Path) -> Home:
    return home_at(tmp_path / "pages", clinic.url("pages"))


def home_at(folder: Path, url: str) -> Home:
    home = Home(folder)
    home.folder.mkdir(mode=0o700)
    point(home, url)
    return home


def point(home: Home, url: str) -> None:
    home.config.write_text(f'warehouse = "{url}"\n', encoding="utf-8")


def here(home: Home) -> dict[str, bytes]:
    folder = home.generation(warehouse.current_generation(home) or 0)
    return {path.name: path.read_bytes() for path in folder.glob("*.duckdb")}


def test_files_come_as_they_were_published_and_people_by_right(clinic, pages, tmp_path):
    assert "Generation 1 of 20" in (said := pull(pages))
    assert "is here, without single people: 2 files, 0.0 MB" in said
    assert here(pages) == {name: clinic.file(1, name) for name in (MARTS, VIEWERS)}
    with pytest.raises(StorageError, match="was given aggregates and no single people"):
        warehouse.open_people(pages, 1)
    assert pull(pages) == "Generation 1 is here already."
    # The right to people is given, and taken at the next pull.
    point(pages, clinic.url("care"))
    assert "is here: 3 files" in pull(pages)
    assert here(pages)[PEOPLE] == clinic.file(1, PEOPLE)
    for path in (pages.generation(1) / name for name in (MARTS, VIEWERS, PEOPLE)):
        assert path.stat().st_mode & 0o077 == 0
    entries = [json.loads(each) for each in audit.entries(pages)["detail"]]
    assert [set(each) for each in entries] == [{MARTS, VIEWERS}, {MARTS, VIEWERS, PEOPLE}]
    assert audit.verify(pages).problems == ()
    # A list that leads out of the folder is not followed.
    others = "bytes, sha256, generation, published_at, sources"
    clinic.ask(
        f"insert into files_1.listed select '../../marts.txt', {others} from files.listed "
        f"where name = '{MARTS}'"
    )
    assert pull(pages) == "Generation 1 is here already."
    assert not (pages.folder / "marts.txt").exists()


def found(home: Home) -> dict[str, tuple[bool, str]]:
    return {subject: (fine, sentence) for subject, fine, sentence in warehouse.findings(home)}


def test_the_doctor_asks_a_host_of_pages_for_no_more_than_it_needs(clinic, pages, tmp_path):
    """Before its first pull it is known by what its role may; afterwards by what is here."""
    assert not {"sources", "PostgreSQL's rights"} & {each.subject for each in examine(load(pages))}
    for people in (", without single people", ""):
        assert found(pages).keys() == {"PostgreSQL", "pages of another host"}
        may = f"generation 1 may be taken{people}."
        assert found(pages)["pages of another host"] == (True, may)
        pull(pages)
        point(pages, clinic.url("care"))
    point(pages, clinic.url("nobody"))
    fine, sentence = found(pages)["pages of another host"]
    assert not fine
    assert "does not let nobody read the list of files" in sentence
    # One that may neither take files nor make schemas was meant to refresh, as far as we know.
    other = home_at(tmp_path / "other", clinic.url("nobody"))
    wrong = {each.subject for each in examine(load(other)) if not each.fine}
    assert wrong == {"PostgreSQL's rights", "sources"}
    assert found(clinic.home)["PostgreSQL's rights"] == (True, "schemas can be made.")


def test_what_is_published_next_comes_and_what_is_gone_goes(clinic, pages):
    pull(pages)
    assert clinic.publish(failed="The key is no longer valid.") == 2
    # Rights last from one generation to the next.
    assert pull(pages).startswith("Generation 2 of 20")
    with Ledger(pages) as ledger, Ledger(clinic.home) as there:
        published = ledger.publications()
        assert ledger.sources().to_dict() == there.sources().to_dict()
    assert list(published["generation"]) == [2, 1]
    assert generations.numbers(pages) == [1, 2]
    # Somebody goes back there: what is here still need not come again.
    warehouse.rollback(clinic.home)
    assert pull(pages).startswith("Generation 1 of 20")
    assert warehouse.current_generation(pages) == 1
    with Ledger(pages) as ledger:
        assert ledger.publications(1)["reason"].tolist() == ["rollback"]
    # As after a deletion: no generation before it is left anywhere.
    warehouse.drop_others(clinic.home, clinic.publish())
    pull(pages)
    assert generations.numbers(pages) == [3]


def test_pages_read_what_they_did_until_all_is_here(clinic, pages, monkeypatch):
    pull(pages)
    before = here(pages)
    clinic.publish()
    clinic.ask("update files.marts set content = overlay(content placing 'x' from 9) where part=0")
    with pytest.raises(
        StorageError, match=r"marts\.duckdb of generation 2 did not come as publish"
    ):
        pull(pages)
    taken = postgresql_files.Offering.take

    def lost(server, name, target):
        if name == VIEWERS:
            clinic.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pages'"
            )
        return taken(server, name, target)

    with monkeypatch.context() as patch:
        patch.setattr(postgresql_files.Offering, "take", lost)
        with pytest.raises(StorageError, match=r"was (lost|ended by the server)\. Try again"):
            pull(pages)
    assert here(pages) == before
    assert [path.name for path in pages.generations.iterdir()] == ["000001"]

    def overtaken(server, name, target):
        if name == VIEWERS and warehouse.current_generation(clinic.home) == 2:
            clinic.publish()
        return taken(server, name, target)

    monkeypatch.setattr(postgresql_files.Offering, "take", overtaken)
    assert pull(pages).startswith("Generation 3 of 20")
    assert here(pages)[MARTS] == clinic.file(3, MARTS)


def test_whoever_follows_takes_each_and_says_each_thing_once(clinic, pages):
    said: list[str] = []
    steps = iter(
        [
            lambda: None,
            clinic.publish,
            lambda: clinic.ask("revoke usage on schema files from pages"),
            lambda: None,
            lambda: clinic.ask("grant usage on schema files to pages"),
        ]
    )

    def wait(seconds: float) -> None:
        assert seconds == 5
        try:
            next(steps)()
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        follow(pages, 5, said.append, wait)
    assert [each.split(" ", 2)[1] for each in said] == ["1", "1", "2", "at", "2"]
    assert "does not let pages read the list of files" in said[3]


def refused(home: Home, monkeypatch, capsys) -> str:
    """What the command line says of a pull that could not be."""
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    assert cli.main(["pull"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("caretrace: ")
    assert "Traceback" not in said
    assert "\n" not in said
    return str(said)


def test_what_is_not_there_is_said(empty, tmp_path, monkeypatch, capsys):
    home = home_at(tmp_path / "pages", empty.url("pages"))
    assert "holds no installation of caretrace" in refused(home, monkeypatch, capsys)
    building = warehouse.begin(empty.home)
    assert "holds nothing published for hosts of pages" in refused(home, monkeypatch, capsys)
    building.abandon()
    # As an earlier version leaves it, which kept no files.
    empty.publish()
    empty.ask("drop schema files cascade")
    assert "by an earlier version of caretrace" in refused(home, monkeypatch, capsys)
    assert not home.current.exists()


def test_who_may_not_is_told_what_is_missing(clinic, tmp_path, monkeypatch, capsys):
    home = home_at(tmp_path / "pages", clinic.url("nobody"))
    assert "does not let nobody read the list of files" in refused(home, monkeypatch, capsys)
    clinic.ask("grant usage on schema files to nobody; grant select on files.listed to nobody")
    said = refused(home, monkeypatch, capsys)
    assert "does not let nobody read marts.duckdb and viewers.duckdb of the schema files" in said
    clinic.ask("revoke all on schema files from nobody; revoke all on files.listed from nobody")


def test_homes_of_other_kinds_are_left_alone(clinic, pages, tmp_path, monkeypatch, capsys):
    with Ledger(clinic.home) as ledger:
        ledger.start(["publish"])
    with pytest.raises(BadInput, match="has refreshes of its own"):
        pull(clinic.home)
    files = home_at(tmp_path / "files", "duckdb:///")
    assert "Only what is published on PostgreSQL" in refused(files, monkeypatch, capsys)
    # Another installation's generation of the same number.
    pull(pages)
    (pages.generation(1) / generations.PULLED).write_text(f'{{"{MARTS}": "a", "{VIEWERS}": "b"}}')
    with pytest.raises(StorageError, match="a generation 1 of another installation"):
        pull(pages)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Space(0, 0, 10_000_000))
    clinic.publish()
    with pytest.raises(CaretraceError, match=r"has 0\.0 GB free, and the files of generation 2"):
        pull(pages)
