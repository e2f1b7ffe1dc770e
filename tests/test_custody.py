"""Keys are changed, people forgotten and old data purged; nothing else comes apart by it.

What happens when such a command is killed is in test_kill.py.
"""

import json
import shutil
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO

import custody_fixture as clinic
import duckdb
import pytest
from powerloss.keeping import write_to
from servers.clinic import CANARY_EMAIL, CANARY_MRN, CANARY_PHONE, at

from attribution import audit, cli, rotation, settings, warehouse
from attribution.errors import BadInput, Busy
from attribution.identity import open_vault
from attribution.keys import keyring
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.patient import RECORD, System, hashed
from attribution.privacy import Door
from attribution.tombstones import forgotten
from attribution.whom_to_forget import naming_payloads
from connectors.contract import Call, Person
from outreach.outbox import Outbox, only_sender


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    with clinic.few_models():
        yield clinic.make_home(tmp_path_factory.mktemp("rotation") / "home")


@pytest.fixture
def home(first, tmp_path, monkeypatch) -> Home:
    folder = tmp_path / "home"
    shutil.copytree(first.folder, folder)
    monkeypatch.setenv("CARETRACE_HOME", str(folder))
    return Home(folder)


def checksums(home):
    with Ledger(home) as ledger:
        return json.loads(ledger.publications(1)["checksums"].iloc[0])


def numbers(home):
    with open_vault(home) as vault:
        return sorted(row["person_id"] for row in vault.numbers().to_pylist())


def hashes(home):
    with open_vault(home) as vault:
        return {row["identifier"].hex() for row in vault.numbers().to_pylist()}


def canaries(home):
    """The hashes of one person as the door makes them now."""
    ring = keyring(home)
    door = Door(ring.hashing[0], later=ring.hashing[1:])
    return {door.hash("email", CANARY_EMAIL), door.hash("patient_id", CANARY_MRN)}


def converted(home):
    return dict(
        clinic.ask(home, "select kind, sum(conversions) from conversions group by 1", "marts")
    )


def read(home):
    store = clinic.store(home)
    return {path.name: store.read(path) for path in store.every()}


def test_an_outer_and_a_payload_key_take_over_and_nothing_else_changes(home, first, capsys):
    before, outer = keyring(home), home.key.read_bytes()
    (home.raw / "crm" / "old.json.zst").write_bytes(b"(\xb5/\xfd \x02\x11\x00\x00{}")
    assert cli.main(["keys", "show"]) == 0
    assert "Payloads: 4, of which 1 are to be sealed anew." in capsys.readouterr().out
    assert cli.main(["keys", "rotate"]) == 0
    assert "Payloads: 4, of which 0 are to be sealed anew." in capsys.readouterr().out
    now = keyring(home)
    assert now.hashing == before.hashing
    assert set(now.payloads).isdisjoint(before.payloads)
    assert home.key.read_bytes() != outer
    assert not home.new_key.exists()
    assert read(home) == read(first) | {"old.json.zst.enc": b"{}"}
    assert warehouse.current_generation(home) == 1
    assert hashes(home) == hashes(first)
    assert audit.entries(home)["action"].tolist() == ["keys_changed"]
    assert audit.verify(home).problems == ()


def test_a_key_of_the_environment_takes_over_when_it_is_given(home, monkeypatch, capsys):
    outer = home.key.read_bytes().decode()
    monkeypatch.setenv("CARETRACE_KEY", outer)
    home.key.unlink()
    with pytest.raises(BadInput, match="Set CARETRACE_NEW_KEY"):
        clinic.rotate(home)
    monkeypatch.setenv("CARETRACE_NEW_KEY", outer)
    with pytest.raises(BadInput, match="is the key in use"):
        clinic.rotate(home)
    monkeypatch.setenv("CARETRACE_NEW_KEY", "n" * 32)
    assert "CARETRACE_KEY must be what CARETRACE_NEW_KEY is" in clinic.rotate(home)[-1]
    monkeypatch.delenv("CARETRACE_NEW_KEY")
    monkeypatch.setenv("CARETRACE_KEY", "n" * 32)
    assert len(read(home)) == 3


@pytest.mark.parametrize("rehash", [False, True])
def test_two_who_change_keys_at_once_lose_none(home, monkeypatch, rehash):
    """Another command changes the keys after this one began, and before it has the lock."""
    before, once = read(home), rotation.only_one

    @contextmanager
    def slow(of):
        monkeypatch.setattr(rotation, "only_one", once)
        clinic.rotate(home, rehash=rehash)
        with once(of):
            yield

    monkeypatch.setattr(rotation, "only_one", slow)
    clinic.rotate(home)
    assert read(home) == before
    assert len(keyring(home).hashing) == 1 + rehash
    assert canaries(home) <= hashes(home)
    assert audit.verify(home).problems == ()


def test_keys_are_not_changed_while_somebody_sends(home):
    clinic.with_outreach(home)
    with only_sender(home), pytest.raises(Busy, match="Messages are being sent"):
        clinic.rotate(home, rehash=True)
    assert len(keyring(home).hashing) == 1


def test_hashing_anew_loses_no_join_and_renames_nobody(home, first):
    audit.record(home, "ann", audit.EXPORTED, "report")
    before = hashes(home) | {*clinic.with_outreach(home)}
    opened = Outbox(home)  # by somebody who plans meanwhile
    clinic.rotate(home, rehash=True)
    clinic.follows_the_key(home)
    with pytest.raises(Busy, match="Other keys took over"):
        opened.assign([])
    opened.close()
    assert checksums(home) == checksums(first)
    assert numbers(home) == numbers(first)
    assert hashes(home).isdisjoint(before)
    assert canaries(home) <= hashes(home)
    assert hashed(home, System(RECORD, "emr"), CANARY_MRN) in hashes(home)
    # What is under the old key is nowhere any more: neither in an earlier generation nor in bytes.
    assert [path.name for path in home.generations.iterdir()] == ["000002"]
    stored = b"".join(path.read_bytes() for path in home.folder.rglob("*") if path.is_file())
    for old in before:
        assert old.encode() not in stored
        assert bytes.fromhex(old) not in stored
    assert audit.verify(home).problems == ()
    # The same rows again, and those of two people more.
    clinic.systems(8)
    clinic.load(home)
    clinic.systems()
    assert len(numbers(home)) > len(numbers(first))
    before, now = converted(first), converted(home)
    assert {kind: now[kind] - before[kind] for kind in before} == dict.fromkeys(before, 2) | {
        "lead": 0
    }
    assert set(numbers(first)) <= set(numbers(home))
    assert read(home) == read(first)


@pytest.mark.parametrize(("rehash", "kept"), [(False, [1, 2]), (True, [3])])
def test_a_generation_whose_store_is_elsewhere_stops_no_change_of_keys(home, rehash, kept):
    """As after a move to another engine, which carries what is published alone."""
    shutil.copytree(home.generation(1), home.generation(2))
    home.current.write_text("2")
    (home.generation(1) / "private.duckdb").unlink()
    before = hashes(home)
    clinic.rotate(home, rehash=rehash)
    assert len(keyring(home).payloads) == 1
    assert warehouse.kept(home) == kept
    assert hashes(home).isdisjoint(before) == rehash


def forget(home, typed: str, *flags: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", StringIO(typed))
        return cli.main(["forget", *flags])


def rows(home, sql):
    return clinic.ask(home, f"select count(*) from {sql}")[0][0]


def test_a_person_is_forgotten_everywhere_and_stays_so(home, first, capsys):
    [(person,)] = clinic.ask(
        home, f"select person_id from identity where identifier = '{min(canaries(home))}'"
    )
    with Ledger(home) as ledger, ledger._write() as connection:
        connection.exec_driver_sql("create table outbox (person_id integer, what text)")
        connection.exec_driver_sql(f"insert into outbox values ({person}, 'recall'), (7, 'recall')")
    # Outreach wrote to them: their address is kept, and the refresh is told what left.
    write_to(home)
    theirs, others = hashes_of(home, person), hashes(home)
    assert forget(home, f"{CANARY_EMAIL}\n") == 0
    said = capsys.readouterr().out
    assert f"Would be forgotten: person {person}.\n" in said
    # The payment that names nobody is of the visit that goes.
    assert "raw_payment: 2\n" in said
    for line in ("raw_person: 1", "payloads: 1", "rows of the ledger: 1", "in the vault: 4"):
        assert line in said
    assert hashes(home) == others
    assert len(read(home)) == 3

    assert forget(home, f"patient {CANARY_MRN}\n", "--confirm", "--reason", "consent") == 0
    assert "Nothing of them is left" in capsys.readouterr().out
    clinic.load(home)  # the sources hold them still
    assert rows(home, f"identity where person_id = {person}") == 0
    assert rows(home, "raw_payment") == rows(first, "raw_payment") - 2
    assert rows(home, "raw_rejected") == 0
    before, now = converted(first), converted(home)
    assert {kind: before[kind] - now[kind] for kind in before} == dict.fromkeys(before, 1) | {
        "collected": 2
    }
    assert hashes(home) == others - theirs
    with open_vault(home) as vault:
        assert set(forgotten(vault).people) == theirs
    with Ledger(home) as ledger:
        run = ledger.runs()["run_id"].iloc[0]
        told = [*ledger.steps(run)["message"], *ledger.slices(run)["message"]]
        assert "4 rows of forgotten people were left out." in told
        with ledger._write() as connection:
            left = connection.exec_driver_sql("select person_id from outbox").scalars().all()
    assert left == [7]
    log = audit.entries(home)
    assert log["action"].tolist() == ["person_forgotten"] * 2
    assert json.loads(log["detail"].iloc[0]) == {"person": person, "reason": "consent"}
    # Nowhere in the bytes, but for the tombstones in the vault.
    stored = b"".join(
        path.read_bytes()
        for path in home.folder.rglob("*")
        if path.is_file() and path != home.vault
    )
    for each in (*theirs, CANARY_EMAIL, CANARY_MRN):
        assert each.encode() not in stored
    assert set(read(home)) == {"days.json.zst.enc", "late.csv.zst.enc"}


def test_calls_from_a_line_of_two_are_nobodys_when_one_is_forgotten(home):
    line = clinic.door(home).hash("phone", CANARY_PHONE)
    other = clinic.door(home).hash("patient_id", "P-OTHER")
    clinic.systems(
        6,
        Person("P-OTHER", phone=CANARY_PHONE),
        Call("k1", at(0), 60, True, phone=CANARY_PHONE),
    )
    clinic.load(home)
    told = clinic.ask(
        home, f"select distinct reason from identity_shared where '{line}' = identifier"
    )
    assert told == [("patients",)]
    for reads_again in (False, True):
        if reads_again:
            clinic.load(home)
        else:
            clinic.forget(home)
        assert rows(home, f"identity where identifier = '{line}'") == 0
        assert rows(home, f"identity where identifier = '{other}'") == 1
        assert rows(home, f"raw_person where phone = '{line}' and patient_id = '{other}'") == 1
        assert rows(home, f"raw_call where phone = '{line}'") == 1
    # Hashed anew it is as before; and when the other is forgotten too it keeps nobody out.
    clinic.rotate(home, rehash=True)
    line = clinic.door(home).hash("phone", CANARY_PHONE)
    assert rows(home, f"identity where identifier = '{line}'") == 0
    clinic.forget(home, "patient P-OTHER")
    with open_vault(home) as vault:
        kept = forgotten(vault)
    assert kept.shared == (line,)
    assert line not in kept.people


def test_a_payload_of_a_source_that_is_configured_no_more_is_found(home):
    chosen = replace(settings.load(home), sources=())
    found = naming_payloads(chosen, keyring(home), frozenset(canaries(home)))
    assert [path.name for path in found] == ["names.json.zst.enc"]


def hashes_of(home, person):
    with open_vault(home) as vault:
        return set(vault.identifiers([person]))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Nobody was named."),
        ("\n  \n", "Nobody was named."),
        ("patient P0001\nZX-CANARY\n", "Line 2 is no identifier."),
        ("passport ZX-CANARY", "Line 1 is no identifier."),
        ("patient P0001\n\ncrm ZX-CANARY", "Line 3 is known of nobody here"),
        ("patient:elsewhere P0001", "Line 1 is known of nobody here"),
        ("zx-canary@example.org", "Line 1 is known of nobody here"),
    ],
)
def test_a_slip_forgets_nobody_and_is_not_repeated(home, first, capsys, typed, sentence):
    assert forget(home, typed, "--confirm") == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert "canary" not in (told.out + told.err).lower()
    assert hashes(home) == hashes(first)
    assert len(audit.entries(home)) == 0


def test_a_number_of_two_people_is_asked_back(home, capsys):
    """Two records count their patients each in their own way."""
    home.config.write_text(
        home.config.read_text() + 'patient_namespace = "older_record"\n', encoding="utf-8"
    )
    ring = keyring(home)
    other = Door(ring.hashing[0], patient_namespace="older_record").hash("patient_id", "P0001")
    path = home.generation(1) / "private.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("insert into identity values (?, 77)", [other])
    assert forget(home, "patient P0001", "--confirm") == 2
    assert "is a number in several systems" in capsys.readouterr().err
    assert forget(home, "patient:older_record P0001") == 0
    assert "Would be forgotten: person 77." in capsys.readouterr().out


def test_a_number_of_a_finished_source_is_found(home, capsys):
    """Its table is taken out of the settings, and its rows stay."""
    ring = keyring(home)
    other = Door(ring.hashing[0], patient_namespace="older_record").hash("patient_id", "0815")
    with duckdb.connect(str(home.generation(1) / "private.duckdb")) as database:
        database.execute("insert into identity values (?, 77)", [other])
        database.execute(
            "insert into known_source values ('legacy', 'scripted', 'older_record', 'crm')"
        )
    for typed in ("patient 0815", "patient:older_record 0815"):
        assert forget(home, typed) == 0
        assert "Would be forgotten: person 77." in capsys.readouterr().out


def test_a_number_that_was_forgotten_in_one_system_may_be_somebody_of_another(home, capsys):
    """They ask as well, and must not be told that it was done."""
    assert forget(home, "patient P0001", "--confirm") == 0
    home.config.write_text(
        home.config.read_text() + 'patient_namespace = "older_record"\n', encoding="utf-8"
    )
    ring = keyring(home)
    other = Door(ring.hashing[0], patient_namespace="older_record").hash("patient_id", "P0001")
    path = home.generation(warehouse.current_generation(home)) / "private.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("insert into identity values (?, 77)", [other])
    capsys.readouterr()
    assert forget(home, "patient P0001", "--confirm") == 2
    assert "is a number in several systems" in capsys.readouterr().err
    assert forget(home, "patient:older_record P0001") == 0
    assert "Would be forgotten: person 77." in capsys.readouterr().out
    assert forget(home, "patient:emr P0001") == 0
    assert capsys.readouterr().out == "Forgotten before: 1 of the lines.\n"


def test_what_is_past_its_time_goes_and_the_rest_stays(home, first, capsys):
    [(oldest,)] = clinic.ask(first, "select cast(min(posted_at) as date) from raw_payment")
    since = oldest + timedelta(days=2)
    days = (date.today() - since).days  # noqa: DTZ011
    home.config.write_text(
        f'{home.config.read_text()}\n[retention]\npayment = "{days} days"\n'
        'payloads = "1 month"\nruns = "5 years"\n'
    )
    old = rows(first, f"raw_payment where posted_at < timestamptz '{since} 00:00:00+00'")
    assert 0 < old < rows(first, "raw_payment")
    assert cli.main(["purge", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"payment: {old}\n" in said
    assert "payloads: 2\n" in said
    assert rows(home, "raw_payment") == rows(first, "raw_payment")
    assert cli.main(["purge"]) == 0
    assert rows(home, "raw_payment") == rows(first, "raw_payment") - old
    assert list(read(home)) == ["late.csv.zst.enc"]
    assert len(list(home.generations.iterdir())) == 1
    assert audit.entries(home)["action"].tolist() == ["purge"]
    assert hashes(home) == hashes(first)
    with Ledger(home) as ledger:
        steps = ledger.steps(ledger.runs()["run_id"].iloc[0]).set_index("name")
    assert steps.loc["deletions", "message"] == f"Past their time: {old} of payment, 2 of payloads."
    assert steps.loc["deletions", "rows_done"] == old + 2
    # A refresh takes away what is past its time as well, and leaves it in the generations before.
    shutil.copytree(home.generation(2), home.generation(1))
    capsys.readouterr()
    assert cli.main(["purge", "--dry-run"]) == 0
    assert capsys.readouterr().out == "  earlier generations: 1\nNothing was changed.\n"
    assert cli.main(["purge"]) == 0
    assert capsys.readouterr().out.endswith("Earlier generations are gone: 1.\n")
    assert [path.name for path in home.generations.iterdir()] == ["000002"]
    assert cli.main(["purge"]) == 0
    assert capsys.readouterr().out == "Nothing is past its time.\n"
