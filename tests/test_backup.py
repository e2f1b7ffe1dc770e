"""Backup and restore: every number comes back, and nothing half made looks whole."""

import errno
import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import custody_fixture as custody
import duckdb
import pytest
import research_fixture as made_up
from servers.clinic import CANARY_EMAIL, CANARY_MRN

from attribution import audit, backup, forgetting, restoring, settings, whom_to_forget
from attribution.backup import MANIFEST
from attribution.errors import BadInput, SettingsError, StorageError
from attribution.holding import release, sends_held
from attribution.identity import open_vault
from attribution.keys import KEY_VARIABLE
from attribution.paths import Home
from attribution.people import Permit
from attribution.refresh import refresh
from attribution.research import registry
from attribution.research.export import Request, export_research
from attribution.tombstones import forgotten
from attribution.warehouse import current_generation
from outreach.carrying import carry_over
from outreach.outbox import Outbox, Stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A home with data, outreach and payloads, and a backup of it; looked at, never changed."""
    place = tmp_path_factory.mktemp("backup")
    with custody.few_models(("spend", "links")):
        home = custody.make_home(place / "home")
        custody.with_outreach(home)
        (home.folder / "drop").mkdir()
        (home.folder / "drop" / "patients.csv").write_text(f"{CANARY_EMAIL};{CANARY_MRN}")
        made = backup.backup(home, place / "kept")
    return home, place / "kept", made


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole[1], tmp_path / "copy")
    return tmp_path / "copy"


def key_in(whole, folder):
    """An empty home with the key in it, as somebody brings it back."""
    folder.mkdir(mode=0o700)
    shutil.copy(whole[0].key, folder)
    return Home(folder)


def rows(path):
    """Every table of a SQLite store."""
    with closing(sqlite3.connect(path)) as store:
        names = [n for (n,) in store.execute("select name from sqlite_master where type = 'table'")]
        return {name: sorted(store.execute(f'select * from "{name}"'), key=repr) for name in names}


def numbers(home, name):
    """How many rows every table of a database has, and what they come to, column by column."""
    path = home.generation(current_generation(home)) / f"{name}.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        tables = database.execute("select table_name from duckdb_tables() order by 1").fetchall()
        return {
            table: database.execute(f'select count(*), sum(hash(t)) from "{table}" as t').fetchone()
            for (table,) in tables
        }


def test_every_number_comes_back(whole, tmp_path):
    home, kept, made = whole
    back = key_in(whole, tmp_path / "back")
    said = list(restoring.restore(kept, back))
    assert current_generation(back) == current_generation(home) == made.generation
    for name in ("private", "people", "marts"):
        assert numbers(back, name) == numbers(home, name) != {}
    for name in ("vault.sqlite", "contacts.sqlite", "outreach.sqlite"):
        assert rows(back.folder / name) == rows(home.folder / name)
    ours, theirs = rows(home.ledger), rows(back.ledger)
    assert theirs.pop("audit")[:-1] == ours.pop("audit")
    assert [name for name, *_ in theirs.pop("flag")] == ["sends_held"]
    assert [name for name, *_ in ours.pop("flag")] == ["last_backup"]
    assert theirs == ours
    assert sorted(path.name for path in custody.store(back).every()) == sorted(
        path.name for path in custody.store(home).every()
    )
    assert {custody.store(back).read(path) for path in custody.store(back).every()} == {
        custody.store(home).read(path) for path in custody.store(home).every()
    }
    assert not audit.verify(back).problems
    assert "forgotten after that backup" in said[-1]


def test_a_restored_home_holds_its_sends_until_somebody_has_looked(whole, tmp_path):
    back = key_in(whole, tmp_path / "back")
    list(restoring.restore(whole[1], back))
    assert "Restored from a backup" in sends_held(back)
    assert release(back, "ann")
    assert sends_held(back) is None
    assert not release(back, "ann")


def test_neither_keys_nor_people_in_the_clear_are_in_it(whole):
    home, kept, _ = whole
    every = [path for path in kept.rglob("*") if path.is_file()]
    assert not {path.name for path in every} & {"key", "secrets.toml", "patients.csv"}
    for path in every:
        content = path.read_bytes()
        assert home.key.read_bytes() not in content
        assert CANARY_EMAIL.encode() not in content, path
        assert CANARY_MRN.encode() not in content, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_the_key_is_in_it_where_somebody_asks(whole, tmp_path):
    backup.backup(whole[0], tmp_path / "kept", with_key=True)
    back = Home(tmp_path / "back")
    list(restoring.restore(tmp_path / "kept", back))
    assert back.key.read_bytes() == whole[0].key.read_bytes()
    assert not audit.verify(back).problems


def test_keys_and_tokens_that_settings_name_are_left_out_and_asked_for(
    whole, tmp_path, monkeypatch
):
    home = Home(shutil.copytree(whole[0].folder, tmp_path / "home"))
    settled = f"""
        [sources.ehr]
        account = "notes"
        key_file = "./fhir-key.pem"
        service_lines_file = "lines.csv"
        [sources.bing]
        token_file = "{home.folder}/tokens/bing.token"
        [outreach.smtp]
        log = "maillog"
        [outreach.salesforce]
        private_key_file = "salesforce.pem"
    """
    home.config.write_text(home.config.read_text() + settled)
    secret = ("fhir-key.pem", "salesforce.pem", "secrets.toml", "tokens/bing.token")
    for name in (*secret, "lines.csv", "notes", "tokens/readme", "maillog/mail.log"):
        (home.folder / name).parent.mkdir(exist_ok=True)
        (home.folder / name).write_text("")
    backup.backup(home, tmp_path / "kept")
    backup.backup(home, tmp_path / "with", with_key=True)
    for place, there in (("kept", ()), ("with", (*secret, "key"))):
        files = json.loads((tmp_path / place / MANIFEST).read_text())["backup"]["files"]
        assert {"lines.csv", "notes", "tokens/readme"} < files.keys()
        assert {*files} & {*secret, "key", "maillog/mail.log"} == {*there}
    # Two of them wait in the home folder already, which may be a mount point.
    for place, fixed in (("back", False), ("volume", True)):
        back = key_in(whole, tmp_path / place)
        (back.folder / "tokens").mkdir()
        for name in ("fhir-key.pem", "tokens/bing.token"):
            (back.folder / name).write_text("waits")
        monkeypatch.setattr(Path, "is_mount", lambda _path, fixed=fixed: fixed)
        said = list(restoring.restore(tmp_path / "kept", back))[1]
        assert "secret: salesforce.pem, secrets.toml. Put them back" in said
        for name in ("fhir-key.pem", "tokens/bing.token"):
            assert (back.folder / name).read_text() == "waits"
        assert (back.folder / "tokens/readme").is_file()
        assert not [path for path in tmp_path.rglob("*") if "restoring" in path.name]
    monkeypatch.undo()
    said = list(restoring.restore(tmp_path / "with", Home(tmp_path / "again")))
    assert not any("Put them back" in sentence for sentence in said)


@pytest.mark.parametrize("key", [None, "another key that opens nothing of this"])
def test_without_its_key_nothing_is_restored(whole, tmp_path, monkeypatch, key):
    if key:
        monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises((StorageError, SettingsError), match=r"[Kk]ey") as refused:
        list(restoring.restore(whole[1], Home(tmp_path / "back")))
    assert ".restoring" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_damage_to_any_file_is_found(whole, copy, tmp_path, damage):
    for name in [MANIFEST, *json.loads((copy / MANIFEST).read_text())["backup"]["files"]]:
        damage(copy / name)
        with pytest.raises((BadInput, StorageError), match=r"damaged|no backup"):
            list(restoring.restore(copy, Home(tmp_path / "back")))
        shutil.copyfile(whole[1] / name, copy / name)
    assert restoring.check(copy).files == whole[2].files
    assert not (tmp_path / "back").exists()


def test_what_is_not_on_the_list_or_leads_out_of_it_is_refused(whole, copy):
    (copy / "more").write_text("")
    with pytest.raises(StorageError, match="not on its list"):
        restoring.check(copy)
    (copy / "more").unlink()
    content = json.loads((copy / MANIFEST).read_text())["backup"]
    content["files"]["../out"] = {"size": 0, "sha256": ""}
    (copy / MANIFEST).write_bytes(backup.sealed_list(content))
    with pytest.raises(StorageError, match="leads out"):
        restoring.check(copy)


@pytest.fixture
def mounted(whole, tmp_path, monkeypatch):
    """A home folder that is a mount point, as a container's volume is: it cannot be renamed."""
    home, rename = key_in(whole, tmp_path / "data"), Path.rename

    def busy(path, target):
        if home.folder in (path, Path(target)):
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == home.folder)
    return home


def test_a_mount_point_is_restored_into(whole, mounted):
    (mounted.folder / "lost+found").mkdir()
    key = mounted.key.stat().st_ino
    list(restoring.restore(whole[1], mounted))
    assert numbers(mounted, "private") == numbers(whole[0], "private")
    assert mounted.key.stat().st_ino == key
    assert not audit.verify(mounted).problems
    assert not list(mounted.folder.glob(".*"))
    assert (mounted.folder / "lost+found").is_dir()


@pytest.mark.parametrize("seen", [True, False])
def test_a_restore_that_fails_in_the_end_leaves_the_key(whole, mounted, monkeypatch, seen):
    """At the last move into a mount point; and where nobody could see that it is one."""
    rename = Path.rename

    def full(path, target):
        if path.name == "CURRENT":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return rename(path, target)

    with monkeypatch.context() as patch:
        if seen:
            patch.setattr(Path, "rename", full)
        else:
            patch.setattr(Path, "is_mount", lambda _path: False)
        with pytest.raises(OSError, match=r"No space left|busy"):
            list(restoring.restore(whole[1], mounted))
    assert [path.name for path in mounted.folder.iterdir()] == ["key"]
    assert [path.name for path in mounted.folder.parent.iterdir()] == ["data"]
    list(restoring.restore(whole[1], mounted))
    assert mounted.key.read_bytes() == whole[0].key.read_bytes()


def test_only_an_empty_home_is_restored_into(whole, tmp_path):
    with pytest.raises(BadInput, match="not empty"):
        list(restoring.restore(whole[1], whole[0]))
    with pytest.raises(BadInput, match="is there already"):
        backup.backup(whole[0], whole[1])
    with pytest.raises(BadInput, match="inside the home"):
        backup.backup(whole[0], whole[0].folder / "kept")


@pytest.mark.parametrize("where", ["made", "waiting", "mounted"])
def test_of_two_restores_at_once_into_one_home_one_stays_whole(
    whole, tmp_path, monkeypatch, request, where
):
    home = request.getfixturevalue("mounted") if where == "mounted" else Home(tmp_path / "data")
    if where == "waiting":
        key_in(whole, home.folder)
    if where == "made":
        monkeypatch.setenv(KEY_VARIABLE, whole[0].key.read_text().strip())
    sync_all, other = restoring._sync_all, Home(tmp_path / "other")

    def meanwhile(part):
        """Another one that began as early has just ended."""
        sync_all(part)
        monkeypatch.setattr(restoring, "_sync_all", sync_all)
        list(restoring.restore(whole[1], key_in(whole, other.folder)))
        if where == "made":
            other.folder.rename(home.folder)
        else:
            for path in other.folder.iterdir():
                if path.name != home.key.name:
                    path.rename(home.folder / path.name)

    monkeypatch.setattr(restoring, "_sync_all", meanwhile)
    with pytest.raises(BadInput, match=r"came into .* while it was restored"):
        list(restoring.restore(whole[1], home))
    assert numbers(home, "private") == numbers(whole[0], "private")
    assert not [path for path in tmp_path.rglob("*") if "restoring" in path.name]


@pytest.mark.parametrize("theirs", ["a home", "a file"])
def test_a_place_taken_in_the_last_moment_leaves_a_key_aside_that_is_named(
    whole, tmp_path, monkeypatch, theirs
):
    home, other, there = Home(tmp_path / "data"), Home(tmp_path / "other"), restoring._there
    key_in(whole, home.folder)

    def meanwhile(folder, *more):
        """Another one takes the place while ours is aside."""
        if folder.suffix == ".before":
            monkeypatch.setattr(restoring, "_there", there)
            if theirs == "a home":
                list(restoring.restore(whole[1], key_in(whole, other.folder)))
                other.folder.rename(home.folder)
            else:
                home.folder.write_text("theirs")
        return there(folder, *more)

    monkeypatch.setattr(restoring, "_there", meanwhile)
    with pytest.raises(BadInput, match=r"came into .* while it was restored") as told:
        list(restoring.restore(whole[1], home))
    [aside] = tmp_path.glob(".*")
    assert f"What was in {home.folder} before, with keys and secrets, is in {aside}:" in str(
        told.value
    )
    assert [path.name for path in aside.iterdir()] == [home.key.name]
    if theirs == "a home":
        assert numbers(home, "private") == numbers(whole[0], "private")
    else:
        assert home.folder.read_text() == "theirs"


class Killed(BaseException):
    """Stands for a kill: nothing is done after it."""


def test_a_backup_that_is_killed_leaves_nothing_under_its_name(whole, tmp_path, monkeypatch):
    """Even where all but the list is written; benchmarks/powerloss_backup.py cuts the power."""

    def killed(*_files, **_how):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_listed", killed)
        patch.setattr(backup.shutil, "rmtree", lambda *_folder, **_how: None)
        with pytest.raises(Killed):
            backup.backup(whole[0], tmp_path / "kept")
    [left] = tmp_path.iterdir()
    assert left.name.endswith(".partial")
    with pytest.raises(BadInput, match="not finished"):
        restoring.check(left)


def test_of_two_backups_at_once_under_one_name_the_second_leaves_no_part(
    whole, tmp_path, monkeypatch
):
    copied = backup._copied

    def meanwhile(home, into, **how):
        made = copied(home, into, **how)
        shutil.copytree(whole[1], tmp_path / "kept")
        return made

    monkeypatch.setattr(backup, "_copied", meanwhile)
    with pytest.raises(BadInput, match="kept is there already"):
        backup.backup(whole[0], tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert restoring.check(tmp_path / "kept").files == whole[2].files


def test_a_publication_meanwhile_begins_the_copy_anew(whole, tmp_path, monkeypatch):
    seen, moment = [], backup._moment

    def changes_once(home):
        seen.append(home)
        return (*moment(home), len(seen) == 2)

    monkeypatch.setattr(backup, "_moment", changes_once)
    backup.backup(whole[0], tmp_path / "kept")
    assert len(seen) == 4
    assert restoring.check(tmp_path / "kept").files == whole[2].files
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_research_export_meanwhile_is_in_it_with_who_was_in_it(tmp_path, monkeypatch):
    """A log that knows of an export whose people are missing would let nothing leave any more."""
    home = made_up.make_home(tmp_path / "home", made_up.people(300))
    copy_store, request = backup._copy_store, Request("a study of what tests need")

    def exports_once(path, to):
        if not registry.earlier(home):
            export_research(home, 1, Permit("a test", "Ada"), request)
        copy_store(path, to)

    monkeypatch.setattr(backup, "_copy_store", exports_once)
    backup.backup(home, tmp_path / "kept")
    [kept] = registry.earlier(Home(tmp_path / "kept"))
    assert kept.export == registry.earlier(home)[0].export


def test_who_was_forgotten_since_then_is_forgotten_again(whole, tmp_path):
    """The old backup holds them; with the later vault the next refresh takes them away."""
    later = key_in(whole, tmp_path / "later")
    list(restoring.restore(whole[1], later))
    with custody.few_models(("spend", "links")):
        forgetting.forget(settings.load(later), whom_to_forget.asked([custody.TYPED]), "request")
        back = key_in(whole, tmp_path / "back")
        said = list(restoring.restore(whole[1], back, later.folder))
        assert said[-1].startswith("1 people were forgotten")
        before = naming(back)
        refresh(settings.load(back), debug=True, load=False)
    assert before == naming(whole[0])
    assert naming(back) == (0, before[1] - 1)
    with open_vault(back) as mine, open_vault(later) as theirs:
        ours, wanted = forgotten(mine), forgotten(theirs)
    assert (ours.people, ours.pending) == (wanted.people, False)


def test_who_refused_since_then_is_left_alone_and_what_was_taken_back_does_not_leave(
    whole, tmp_path
):
    """No source tells again what only outreach heard."""
    now = Home(tmp_path / "now")
    shutil.copytree(whole[0].folder, now.folder)
    with Outbox(now) as outbox:
        outbox.approve("mail", "v1", "ann")
        outbox.approve("mail", "v2", "ann")
        outbox.release("mail", "v1")
        assert outbox.counts("mail") == {"approved": 1}
    backup.backup(now, tmp_path / "kept")
    with Outbox(now) as outbox:
        outbox.withdraw("mail")
        outbox.approve("mail", "v2", "ann")
        outbox.stop([Stop("ab" * 16, "sms", person_id=1), Stop(None, "sms", person_id=2)])
    back = key_in(whole, tmp_path / "back")
    said = list(restoring.restore(tmp_path / "kept", back, now.folder))
    assert said[-1] == "1 refusals that only outreach heard since then were taken over."
    with Outbox(back) as outbox:
        assert outbox.approvals("mail") == ["v2"]
        assert outbox.counts("mail") == {"planned": 1}
        heard = outbox.rows("select identifier, person_id, channel from stop order by channel")
    mail = custody.door(back).hash("email", CANARY_EMAIL)
    assert [(row["identifier"], row["person_id"]) for row in heard] == [
        (mail, None), ("ab" * 16, None),
    ]  # fmt: skip


def test_refusals_follow_a_key_that_took_over_and_are_told_where_they_are_lost(whole, tmp_path):
    home, kept, _ = whole
    alone = tmp_path / "vault.sqlite"
    shutil.copy(kept / "vault.sqlite", alone)
    said = list(restoring.restore(kept, key_in(whole, tmp_path / "one"), alone))
    assert "refusals that only outreach heard since that backup are lost" in said[-1]
    said = list(restoring.restore(kept, key_in(whole, tmp_path / "two")))
    assert "refusals that only outreach heard since then are lost" in said[-1]
    # An outbox is brought up to another key when it is next opened, which may be later than that.
    now, back = (Home(tmp_path / name) for name in ("now", "back"))
    shutil.copytree(home.folder, now.folder)
    with custody.few_models(("spend", "links")):
        custody.rotate(now, rehash=True)
    behind = shutil.copytree(home.folder, tmp_path / "behind")
    with Outbox(Home(behind)) as outbox:
        outbox.stop([Stop(custody.door(home).hash("email", "p1@example.org"), "email")])
    backup.backup(now, tmp_path / "rehashed", with_key=True)
    list(restoring.restore(tmp_path / "rehashed", back))
    assert carry_over(back, behind / "outreach.sqlite") == 1
    with Outbox(back) as outbox:
        stopped = outbox.stopped()["identifier"].to_pylist()
    assert custody.door(back).hash("email", "p1@example.org") in stopped
    with pytest.raises(BadInput, match="Keys were rehashed"):
        carry_over(Home(behind), back.outreach)


def naming(home):
    """How many rows name the person, and how many payloads there are."""
    record = custody.door(home).hash("patient_id", CANARY_MRN)
    found = custody.ask(home, f"select count(*) from raw_person where patient_id = '{record}'")
    return found[0][0], len(list(custody.store(home).every()))
