"""What travels to a cluster: parts named by what they hold, and only those that are new."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import StaticPool

from attribution import warehouse, warehouse_url
from attribution.engines import spark_server
from attribution.engines.spark_arrow import in_words
from attribution.engines.spark_dialect import SparkDialect
from attribution.engines.spark_driver import DatabaseError
from attribution.engines.spark_landing import parts_of
from attribution.errors import SettingsError, StorageError
from attribution.paths import Home

KINDS = {"source": "VARCHAR", "account": "VARCHAR", "day": "DATE", "clicks": "BIGINT"}
rows = st.tuples(
    st.sampled_from(["google", "meta's"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["2026-01-05", "2026-01-06", "2026-02-01"]),
    st.integers(0, 3) | st.none(),
)


@pytest.fixture(scope="module")
def store() -> Iterator[Connection]:
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def parts(store: Connection, told: list[tuple[str, str, str, int | None]]) -> dict[str, str]:
    """The name of each part of a table with these rows."""
    described = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    store.exec_driver_sql(f"create or replace table told ({described})")
    for source, account, day, clicks in told:
        store.execute(
            text("insert into told values (:source, :account, :day, :clicks)"),
            {"source": source, "account": account, "day": day, "clicks": clicks},
        )
    found = parts_of(store, "told", KINDS)
    assert sum(part.rows for part in found) == len(told)
    return {part.key: part.name for part in found}


@given(st.lists(rows, min_size=1, max_size=8), rows, st.randoms())
@settings(max_examples=20, deadline=None)
def test_a_part_is_known_by_its_rows(store, told, more, chance):
    """The order of rows is nothing; a row more makes one new part and leaves the others."""
    before = parts(store, told)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert parts(store, shuffled) == before
    after = parts(store, [*told, more])
    source, account, day, _ = more
    assert {key for key in after if after[key] != before.get(key)} == {
        f"{source}|{account}|{day[:7]}"
    }


def test_rows_that_cancel_out_are_seen(store):
    one = ("google", "1", "2026-01-05", 7)
    assert parts(store, [one]) != parts(store, [one, one, one])


def test_a_missing_client_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_WAREHOUSE", "sc://127.0.0.1:15002")
    monkeypatch.setattr(spark_server, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"pip install 'caretrace\[spark\]'"):
        warehouse.begin(Home(tmp_path))


def test_nobody_who_listens_is_said_without_a_token(monkeypatch):
    monkeypatch.setattr(spark_server, "find_spec", lambda _name: object())
    with pytest.raises(StorageError, match=r"127\.0\.0\.1:1 does not answer") as told:
        spark_server.engine_for(make_url("sc://127.0.0.1:1/;token=secret"))
    assert "secret" not in str(told.value)


def test_an_address_without_a_host_is_refused():
    with pytest.raises(SettingsError, match="names no host of Spark"):
        warehouse_url.read("sc://")


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ("", "/"),
        ("/;use_ssl=true;token=secret", "/;use_ssl=true;token=secret"),
        ("/;token=a%3Bb%25==;user_id=a@b.org", "/;token=a%3Bb%25%3D%3D;user_id=a@b.org"),
    ],
)
def test_what_follows_a_host_reaches_the_client(told, sent):
    """It refuses signs that are written as URLs have them, and an equals sign within a value."""
    url = warehouse_url.read(f"sc://host:443{told}")
    assert warehouse_url.place(url) == "Spark at host:443"
    assert SparkDialect().create_connect_args(url) == ([f"sc://host:443{sent}"], {})


class Answers:
    """A connection to a server that calls itself by a version."""

    def __init__(self, version: str) -> None:
        self._version = version

    def exec_driver_sql(self, _sql: str) -> "Answers":
        return self

    def scalar_one(self) -> str:
        return self._version


@pytest.mark.parametrize(("version", "fine"), [("3.5.1 0a", False), ("4.0.0 0a", True)])
def test_an_old_server_is_refused(version, fine):
    with nullcontext() if fine else pytest.raises(StorageError, match=r"is version 3\.5\.1, and"):
        spark_server.prove(Answers(version), make_url("sc://host:443/;token=secret"))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        # As a cluster said it whose disk was full, and one whose server was killed.
        (
            (
                "[TASK_WRITE_FAILED] Task failed while writing rows. SQLSTATE: 58030\n\nJVM "
                "stacktrace:\nCaused by: java.io.IOException: No space left on device"
            ),
            "Spark has no space left on a disk of its workers",
        ),
        ("[INSUFFICIENT_PERMISSIONS] Insufficient privileges: ann", "Spark does not let this user"),
        ("<_InactiveRpcError of RPC: status = StatusCode.UNAVAILABLE", "to Spark was lost"),
        ("[DIVIDE_BY_ZERO] of ann@clinic.example", "(DatabaseError). Look at the server's log"),
    ],
)
def test_what_spark_could_not_do_is_a_sentence_that_quotes_nothing(said, sentence):
    with pytest.raises(StorageError) as told, in_words():
        raise DatabaseError(said)
    assert sentence in str(told.value)
    assert str(told.value).endswith("What was published still stands.")
    assert "ann" not in str(told.value)


@pytest.mark.parametrize("name", ["Clinic", "1st", "a-b", "x" * 42])
def test_a_database_must_have_a_plain_name(monkeypatch, name):
    monkeypatch.setenv(spark_server.VARIABLE, name)
    with pytest.raises(SettingsError, match="small letters"):
        spark_server.prefix()


@pytest.mark.parametrize("name", ["caretrace_2", "caretrace_landed", "a_lock", "a_b_doctor"])
def test_a_database_is_not_called_as_one_of_another_installation_is(monkeypatch, name):
    """That one would drop it with its own generations."""
    monkeypatch.setenv(spark_server.VARIABLE, name)
    with pytest.raises(SettingsError, match=f"must not end in _{name.rsplit('_')[-1]}:"):
        spark_server.prefix()
    for fine in ("caretrace_two", "caretrace2", "landed"):
        monkeypatch.setenv(spark_server.VARIABLE, fine)
        assert spark_server.prefix() == fine
