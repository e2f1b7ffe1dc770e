"""Where PostgreSQL means something else by the same words: each difference, on a real server."""

from collections.abc import Iterator
from unicodedata import category

import duckdb
import pytest
from crowd_fixture import differing, taken_to
from engines_fixture import connected, postgres
from hypothesis import example, given, settings
from hypothesis import strategies as st
from identity_registry import DOOR
from identity_ways import AFTER, HARD, OTHER, Both, carry_all, outcome, rows
from labels_reference import all_beside_each_other, in_memory, on_engine
from sqlalchemy import Connection

from attribution.engine_sql import written_for
from attribution.engines.postgresql_server import engine_for
from attribution.identity import FORGOTTEN
from attribution.identity_joining import REASONS
from attribution.paths import Home
from attribution.settings import IdentitySettings
from attribution.tombstones import SHARED, bury
from attribution.vault import open_vault


@pytest.fixture(scope="module")
def server() -> Iterator[Connection]:
    with postgres() as address, connected(address) as connection:
        yield connection


def both(server: Connection, query: str) -> tuple[object, object]:
    """What DuckDB and PostgreSQL answer to one query."""
    written = written_for("postgresql", query)
    theirs = server.exec_driver_sql(written, execution_options={"no_parameters": True})
    return duckdb.sql(query).fetchone()[0], theirs.scalar_one()


numbers = st.floats(-1e9, 1e9).map(lambda n: round(n, 4))


@example(444.5, 0)
@example(-2.5, 0)
@example(0.125, 2)
@given(numbers, st.integers(0, 4))
@settings(max_examples=100)
def test_halves_are_rounded_away_from_nought(server, number, digits):
    places = f", {digits}" if digits else ""
    here, there = both(server, f"select round(cast('{number!r}' as double precision){places})")
    assert there == pytest.approx(here, rel=1e-12, abs=0)


def test_roundings_within_roundings_are_all_written_anew(server):
    here, there = both(server, "select round(round(cast(2.45 as double precision), 1) * 5.0) + 1")
    assert here == there == 14.0


def test_every_space_is_trimmed(server):
    """As web pages and word processors leave them; a tab is none on either."""
    spaces = "".join(char for char in map(chr, range(0x110000)) if category(char) == "Zs")
    query = f"select trim('{spaces}\ta{spaces}b{spaces}')"
    here, there = both(server, query)
    assert here == there == f"\ta{spaces}b"


def test_a_sharp_s_is_made_large(server):
    here, there = both(server, "select upper('straße')")
    assert here == there


@pytest.mark.parametrize("text", ["7-day click", "none", ""])
def test_what_is_not_found_of_a_pattern_is_empty(server, text):
    here, there = both(server, f"select regexp_extract('{text}', '[0-9]{{1,3}}')")
    assert here == there


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("google ads call extension", r"\b(google|bing)\b.*\b(ads?|paid|extensions?)$"),
        ("googles ads", r"\bgoogle\b"),
        ("niños", r"\bni\b"),
        ("a b", r"a\b\b.b\b"),
        (r"a\b", r"a\\b"),
        ("a b", r"a\\b"),
        (r"a\ b", r"a\\\b.b"),
        ("paid\nsocial", "^paid.*$"),
        ("paid\nsocial", r"^(cpc|paid[^.]*\b.?)$"),
        ("paid\nsocial", r"^\w+\s.ocial$"),
        ("a.\nb", r"^a\.\n.$"),
        ("a.\nb", r"^.[\].-]*[.\n]*b$"),
    ],
)
def test_words_end_where_they_do(server, text, pattern):
    """In patterns that are written in a statement, and in those that are data."""
    query = f"select regexp_matches(t, p) from (select '{text}' as t, '{pattern}' as p) as x"
    here, there = both(server, query)
    assert here == there
    here, there = both(server, f"select regexp_matches('{text}', '{pattern}')")
    assert here == there


def test_whole_numbers_divided_are_whole_numbers(server):
    here, there = both(server, "select cast(1 as bigint) << (cast(7 as bigint) // 2)")
    assert here == there == 8


def test_a_percent_sign_is_no_place_for_a_value(server):
    here, there = both(server, "select count(*) from (select 'a%b' as t) as x where t like '%b'")
    assert here == there == 1


def test_components_are_those_found_in_memory(server):
    edges = all_beside_each_other()
    assert on_engine(server, edges)[0] == in_memory(edges)


def test_people_are_joined_as_in_memory(server, tmp_path):
    """Every reason to join nobody, merges, splits, and a number that is another's already."""
    joining = Both(tmp_path, ways=("memory",))
    engine = engine_for(server.engine.url)
    weeks = (("one", HARD, "emr", DOOR), ("two", AFTER, "second", OTHER), ("three", [], "", DOOR))
    every = []
    for run, told, source, door in weeks:
        joining.store.forget("link")
        joining.store.add(*rows(told), source=source, door=door)
        if run == "three":  # somebody who shared one with others is forgotten
            (_, shared, *_), *_ = every[-1][1]["shared"]
            for folder in (tmp_path, tmp_path / "memory"):
                with open_vault(Home(folder)) as vault:
                    bury(vault, "case", [], [(SHARED, shared)], [])
        every += joining.outcomes(run)
        with engine.begin() as connection, open_vault(Home(tmp_path)) as vault:
            carry_all(joining.store.engine, connection)
            limits = IdentitySettings(joined="engine")
            assert outcome(connection, vault, run, limits) == every[-1]
    engine.dispose()
    joining.store.close()
    _, (found, _), (_, written) = every
    assert {reason for *_, reason in written["shared"]} == {*REASONS[1:], FORGOTTEN}
    assert min(found.merges, found.splits) > 0
    high, _, person = written["vault"]
    assert set(person) - {half >> 4 for half in high}


@pytest.mark.parametrize("text", ["0fe0000000000001", "ffe0000000000001", "0" * 16, "f" * 16])
def test_halves_of_hashes_come_back_as_they_were(server, text):
    half = f"cast('0x' || '{text}' as ubigint)"
    here, there = both(server, f"select lower(lpad(to_hex({half}), 16, '0'))")
    assert here == there == text
    here, there = both(server, f"select cast('0x' || left('{text}', 15) as bigint)")
    assert here == there == int(text, 16) >> 4


def test_what_laws_find_holds_there_too(server):
    """The laws are of DuckDB; of rows as odd as theirs both make every table the same."""
    server.exec_driver_sql("create schema crowd")
    server.commit()
    engine = engine_for(server.engine.url, ("crowd",))
    with engine.begin() as there:
        store = taken_to(there, people=60, each=120)
        assert differing(store, there) == {}
    told = [m.name for m in store.models if store.rows(f"select 1 from {m.name} limit 1")]
    assert len(told) > 120
    assert len(store.rows("select distinct model from credit")) > 5
    store.close()
    engine.dispose()


def test_duckdb_reads_what_is_written():
    query = "select round(a) from t"
    assert written_for("duckdb", query) is query
