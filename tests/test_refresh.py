"""The refresh: everything or nothing, each source failing alone, and the same again every time."""

import errno
import json
import resource
import shutil
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from threading import Event, Thread

import pytest
from few_models import few_models, stored
from first_week import TOKEN as SECRET
from first_week import first_week
from servers.clinic import (
    CANARY_EMAIL,
    CANARY_MRN,
    CANARY_PHONE,
    CONFIG,
    MONDAY,
    ad,
    ads,
    clinic,
    contact,
    leads,
)
from servers.scripted import SCRIPTS, slice_of, slices
from sqlalchemy.exc import DBAPIError

from attribution import known_sources, warehouse
from attribution.backfill import Part
from attribution.errors import Busy, StorageError, TransformError
from attribution.keys import keyring
from attribution.known_sources import published_otherwise
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.refresh import refresh, rollback
from attribution.refresh_words import sentences
from attribution.settings import load
from connectors import SOURCES
from connectors.contract import AdSpend
from connectors.errors import SourceRefused, SourceUnreachable
from connectors.source import Rejected, Total


def a_first_week(folder):
    """A home folder after its first refresh, which no test changes."""
    made = Home(folder / "home")
    made.folder.mkdir(mode=0o700)
    made.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        clinic()
        run(made)
    return made


@pytest.fixture(scope="module")
def few_first_week(tmp_path_factory):
    with few_models():
        return a_first_week(tmp_path_factory.mktemp("few"))


@pytest.fixture(autouse=True)
def on_stage(home, monkeypatch):
    """A clinic with three systems that all answer."""
    monkeypatch.setitem(SOURCES, "scripted", "servers.scripted")
    monkeypatch.setenv("CARETRACE_CRM_TOKEN", SECRET)
    home.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    clinic()
    yield
    SCRIPTS.clear()


@pytest.fixture
def few():
    """For a test that has nothing to do with models."""
    with few_models():
        yield


@pytest.fixture
def few_published(few, few_first_week, home):
    """The test's home folder with a first week of few models, of which its refreshes are too."""
    shutil.copytree(few_first_week.folder, home.folder, dirs_exist_ok=True)
    return home


def run(home, **more):
    return refresh(load(home), **more)


def books(home, what, *arguments):
    with Ledger(home) as ledger:
        return getattr(ledger, what)(*arguments)


def checksums(home):
    return json.loads(books(home, "publications")["checksums"].iloc[0])


def ask(home, sql):
    engine = warehouse.open_marts(home, warehouse.current_generation(home))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).fetchall()]
    finally:
        engine.dispose()


def failing_read(error):
    """What a slice reads when it raises."""

    def read():
        raise error

    return read


def failing(error):
    """A script whose only slice raises."""
    return slices(replace(ads(), read=failing_read(error)))


def states(home):
    return books(home, "sources").set_index("source")["state"].to_dict()


def test_a_refresh_publishes_what_the_sources_say():
    """Of every model; that the same input gives the same marts, test_one_refresh.py holds."""
    home, outcome, heard = first_week()
    assert (outcome.generation, outcome.failed) == (1, {})
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]
    assert ask(home, "select sum(value_micros) from conversions where kind = 'collected'") == [
        (753_000_000,)
    ]
    steps = books(home, "steps", outcome.run_id)
    assert set(steps["state"]) == {"done"}
    assert set(steps["name"]) == {e.step for e in heard if e.state == "done"}
    assert books(home, "runs")[["state", "generation"]].values.tolist() == [["published", 1]]
    assert states(home) == {"ads": "fresh", "emr": "fresh", "crm": "fresh"}


def test_restated_days_replace_old_ones_and_rollback_brings_them_back(home, few_published):
    SCRIPTS["ads"] = slices(ads("12.50", days=7))
    run(home)
    assert ask(home, "select sum(spend_micros) from spend") == [(87_500_000,)]
    assert rollback(home) == 1
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]
    assert books(home, "publications")["reason"].tolist() == ["rollback", "refresh", "refresh"]


def test_whichever_sources_fail_their_data_stand_and_the_others_publish(home, few_published):
    whole = checksums(home)
    names = ("ads", "emr", "crm")
    for size in (1, 3):
        for dead in combinations(names, size):
            clinic(**{name: failing(SourceUnreachable(f"{name} is away.")) for name in dead})
            outcome = run(home)
            assert outcome.failed == {name: f"{name} is away." for name in dead}
            assert checksums(home) == whole
            assert states(home) == {n: "failed" if n in dead else "fresh" for n in names}
    last = books(home, "runs").iloc[0]
    assert (last["state"], last["message"]) == (
        "partial",
        "ads is away. emr is away. crm is away.",
    )
    assert set(books(home, "sources")["message"]) == {f"{name} is away." for name in names}


ERRORS = [
    RuntimeError(SECRET),
    ConnectionResetError(errno.ECONNRESET, SECRET),
    KeyError(SECRET),
]


def test_a_source_that_is_no_longer_configured_is_not_told_of_but_its_data_stay(
    home, few_published
):
    before = checksums(home)
    settings = load(home)
    refresh(replace(settings, sources=settings.sources[:1]))
    assert list(states(home)) == [settings.sources[0].name]
    assert checksums(home) == before
    engine = warehouse.open_private(home, 2)
    with engine.connect() as connection:
        known = known_sources.namespaces(connection)
    engine.dispose()
    assert known == {source.name: ("emr", "crm") for source in settings.sources}


def test_a_source_that_is_called_otherwise_than_its_rows_is_told(home, few_published):
    """All of it is loaded again beside what is there; the doctor says so before."""
    settings = load(home)
    ads, emr, crm = settings.sources
    called = (replace(ads, account="north"), replace(emr, name="record", account="record"), crm)
    account, name = said = published_otherwise(home, called)
    assert account.startswith("ads was loaded as account ads before and is north now:")
    assert name.startswith("record is new and of the same kind as emr, which is not in")
    outcome = refresh(replace(settings, sources=called))
    assert [*outcome.notes] == [*sentences(outcome)] == said
    assert books(home, "runs").iloc[0]["message"] == " ".join(said)
    assert ask(home, "select sum(spend_micros) from spend") == [(280_000_000,)]
    assert published_otherwise(home, called) == [account]
    assert "as account north before" in published_otherwise(home, settings.sources)[0]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_unexpected_error_fails_that_source_only(home, error, few):
    SCRIPTS["crm"] = failing(error)
    outcome = run(home)
    assert list(outcome.failed) == ["crm"]
    assert f"unexpected {type(error).__name__}" in outcome.failed["crm"]
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]


def test_a_source_that_cannot_even_begin_fails_alone(home, few):
    def crash(*_):
        raise RuntimeError(SECRET)

    SCRIPTS["crm"] = crash
    del SCRIPTS["emr"]
    outcome = run(home)
    assert outcome.failed["emr"] == "There is no script 'emr'."
    assert "unexpected RuntimeError" in outcome.failed["crm"]
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]


def test_whoever_debugs_sees_the_unexpected_error(home):
    SCRIPTS["crm"] = failing(RuntimeError("here"))
    with pytest.raises(RuntimeError, match="here"):
        run(home, debug=True)
    assert warehouse.current_generation(home) is None


def test_no_window_is_committed_over_a_gap(home, few):
    broken = replace(ads(), name="second", read=failing_read(SourceUnreachable("away.")))
    later = replace(ads("99"), name="third")
    bad = Rejected("crm.csv", 2, "at", "empty", "is empty", "contact")
    other = slice_of(contact("c9"), bad, name="contacts")
    SCRIPTS["ads"] = slices(ads(), broken, later, other)
    outcome = run(home)
    found = books(home, "slices", outcome.run_id)
    found = found[found["source"] == "ads"].set_index("name")
    assert found["state"].to_dict() == {"month": "loaded", "second": "failed", "contacts": "loaded"}
    # What did load is told with what did not.
    assert outcome.loaded["ads"] == found["rows_loaded"].sum() > 0
    assert outcome.rejected == {"ads": 1}
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]


def test_cursors_are_given_back_to_the_source(home, few):
    given = []

    def script(_context, cursors):
        given.append(dict(cursors))
        return [ads()]

    SCRIPTS["ads"] = script
    run(home)
    run(home)
    assert given == [{}, {"days": "2026-02-01"}]


def bad_rules(home):
    """The rules of a user who invented a channel: a check will find it."""
    (home.folder / "channel_rules.csv").write_text(
        "priority,kind,utm_source,utm_medium,utm_campaign,channel\n1,,google,,,guessed\n"
    )


def test_a_source_hears_that_its_rows_arrived_once_they_are_published(home, few_published):
    """Not before: a model may fail after the loads, and what was committed be thrown away."""
    heard = []

    def hear():
        heard.append(warehouse.current_generation(home))
        raise OSError  # it hears it another time; the refresh is done

    SCRIPTS["ads"] = slices(replace(ads("20"), after_publish=hear))
    bad_rules(home)
    with pytest.raises(TransformError):
        run(home)
    assert heard == []
    (home.folder / "channel_rules.csv").unlink()
    assert run(home).failed == {}
    assert heard == [warehouse.current_generation(home)]
    assert heard[0] > 1


def test_a_failing_check_keeps_the_old_generation(home, few_published):
    SCRIPTS["ads"] = slices(ads("20"))
    bad_rules(home)
    with pytest.raises(TransformError, match="channel_rules_name_known_channels"):
        run(home)
    assert warehouse.current_generation(home) == 1
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]
    last = books(home, "runs").iloc[0]
    assert (last["state"], last["generation"]) == ("failed", 1)
    assert "channel_rules_name_known_channels" in last["message"]
    # What was loaded is not asked for again, and counts once the rules are mended.
    (home.folder / "channel_rules.csv").unlink()
    SCRIPTS["ads"] = failing(SourceUnreachable("away."))
    assert run(home).generation == 2
    assert ask(home, "select sum(spend_micros) from spend") == [(280_000_000,)]


def test_of_two_refreshes_at_once_the_second_is_told_who_holds_the_lock(home, few):
    entered, leave = Event(), Event()

    def wait(_context, _cursors):
        entered.set()
        leave.wait(30)
        return [ads()]

    SCRIPTS["ads"] = wait
    first = Thread(target=run, args=(home,))
    first.start()
    try:
        assert entered.wait(30)
        for refused in (lambda: run(home), lambda: rollback(home)):
            with pytest.raises(Busy, match=r"process \d+ on .*, since 20.* UTC"):
                refused()
    finally:
        leave.set()
        first.join()
    assert warehouse.current_generation(home) == 1
    assert books(home, "runs")["state"].tolist() == ["published"]


@contextmanager
def files_of_at_most(size):
    """A disk on which no file grows beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("more", [-100_000, 50_000], ids=["while copying", "while building"])
def test_a_full_disk_leaves_what_is_published(home, more, few_published):
    whole = checksums(home)
    size = (home.generation(1) / "private.duckdb").stat().st_size
    with files_of_at_most(size + more), pytest.raises((OSError, DBAPIError, TransformError)):
        run(home)
    assert [path.name for path in home.generations.iterdir()] == ["000001"]
    assert ask(home, "select sum(spend_micros) from spend") == [(140_000_000,)]
    run(home)
    assert checksums(home) == whole


def test_a_disk_that_fails_while_a_source_is_read_is_not_the_sources_fault(home, few_published):
    SCRIPTS["ads"] = failing(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        run(home)
    assert warehouse.current_generation(home) == 1
    assert states(home)["ads"] == "fresh"


def test_too_little_space_is_told_before_anything_is_done(home, monkeypatch, few_published):
    monkeypatch.setattr(warehouse, "free_space", lambda _home: (10**9, 3 * 10**9))
    with pytest.raises(StorageError, match=r"has 1\.0 GB free and a refresh may need 3\.0 GB"):
        run(home)
    assert len(books(home, "runs")) == 1


def test_a_damaged_unfinished_generation_does_not_stand_in_the_way(home, few_published):
    whole, rows = checksums(home), stored(home)
    bad_rules(home)
    with pytest.raises(TransformError):
        run(home)
    (home.folder / "channel_rules.csv").unlink()
    path = home.generation(2) / "private.duckdb"
    content = bytearray(path.read_bytes())
    content[20_000::64] = b"\xa5" * len(content[20_000::64])
    path.write_bytes(content)
    try:
        run(home)
    except (DBAPIError, TransformError):
        # Found out late, it was thrown away.
        run(home)
    assert checksums(home) == whole
    assert stored(home) == rows


def test_a_damaged_published_private_store_is_read_anew(home, few_published):
    whole, rows = checksums(home), stored(home)
    assert any(rows.values())
    (home.generation(1) / "private.duckdb").write_bytes(b"garbage" * 1000)
    for part in ({"load": False}, {"part": Part("ads")}):
        with pytest.raises(StorageError, match="so next to nothing would be published"):
            run(home, **part)
    [told] = sentences(run(home))
    assert told.startswith("The private store of generation 1 is damaged, so every source was")
    assert books(home, "runs").iloc[0]["message"] == told
    assert checksums(home) == whole
    assert stored(home) == rows


def test_no_secret_and_no_identifier_is_written_anywhere(home, caplog, capfd):
    def leak(context, _cursors):
        context.keep("answer", b"as fetched")
        raise SourceRefused(f"The token {context.options['token']} was refused.")

    clinic(crm=leak, ads=failing(RuntimeError(f"{SECRET} {CANARY_EMAIL}")))
    heard = []
    outcome = run(home, watch=heard.append)
    assert outcome.failed["crm"] == "The token *** was refused."
    clinic()
    run(home, watch=heard.append)
    told = caplog.text + "".join(capfd.readouterr()) + repr(heard) + repr(load(home))
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert len(files) > 6
    stored = told.encode() + b"".join(path.read_bytes() for path in files)
    for canary in (SECRET, CANARY_EMAIL, CANARY_PHONE, CANARY_MRN, "5035550142"):
        assert canary.encode() not in stored


def test_payloads_are_kept_as_fetched_inside_the_home_folder(home, few):
    home.config.write_text(
        '[sources.ads]\nkind = "scripted"\nscript = "ads"\naccount = "../../../up/1"\n'
    )

    def script(context, _cursors):
        context.keep("page-1.json", b"{}")
        return [ads()]

    SCRIPTS["ads"] = script
    outcome = run(home)
    kept = [path for path in home.raw.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["page-1.json.zst.enc"]
    assert kept[0].parent.name == outcome.run_id
    assert Payloads(home, keyring(home).payloads).read(kept[0]) == b"{}"
    assert kept[0].stat().st_mode & 0o777 == 0o600


def test_control_sums_that_differ_are_told(home, few):
    SCRIPTS["ads"] = slices(ads("10"), replace(ads("10"), name="again", read=lambda: [*odd()]))
    outcome = run(home)
    step = books(home, "steps", outcome.run_id).iloc[0]
    assert (step["state"], step["message"]) == (
        "done",
        "again: spend adds up to 1.00, the source says 2.00.",
    )


def odd():
    yield ad(MONDAY, spend="1.00")
    yield Total(AdSpend, "spend", 2.0)


def test_a_new_lead_in_one_system_and_a_patient_in_another_are_one_person(home, few):
    SCRIPTS["crm"] = slices(leads())
    outcome = run(home)
    steps = books(home, "steps", outcome.run_id).set_index("name")
    assert steps.loc["identity", "rows_done"] == 6
