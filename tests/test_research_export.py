"""Research exports: what leaves is coarse enough, by plain counting, and nothing else does."""

import dataclasses
import io
import json
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import research_fixture as made_up
from hypothesis import given, settings
from hypothesis import strategies as st
from research_fixture import PERMIT, REASON, RULES

from attribution import audit, people
from attribution.cli import main
from attribution.errors import BadInput, NotAllowed, SettingsError
from attribution.people import Permit
from attribution.research import columns, files, registry
from attribution.research.coding import coded
from attribution.research.cohort import Cohort, as_written, members
from attribution.research.export import Request, export_research
from attribution.research.release import choose, released
from attribution.research.rules import research_rules
from attribution.ui.views import research


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return made_up.make_home(tmp_path_factory.mktemp("research") / "home", made_up.people())


@pytest.fixture(scope="module")
def export(home):
    return export_research(home, 1, PERMIT, Request(REASON))


def read_csv(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


# The table


def checked(table, quasi, sensitive, rules) -> None:
    """Count k and l by pandas, on words, without anything of ours."""
    frame = table.to_pandas()
    grouped = frame.groupby(list(quasi), observed=True)
    assert grouped.size().min() >= rules.k
    for name in sensitive:
        assert grouped[name].nunique().min() >= rules.l


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(200, 1500), st.sampled_from(columns.PROFILES))
def test_every_class_is_large_and_varied_and_few_are_left_out(seed, count, profile):
    frame = made_up.people(count, seed)
    table = made_up.as_table(frame)
    if profile == "expert":
        weeks = np.random.default_rng(seed).integers(-26, 27, count)
        table = table.append_column("shift_weeks", [weeks])
    inside = members(table, Cohort())
    chosen = choose(coded(table, inside, k=11, l=2), inside, RULES)
    release = released(chosen, profile, RULES)
    assert count - len(release.table) <= 0.05 * count
    assert set(release.table.column_names) <= set(columns.allowed(profile))
    checked(release.table, chosen.quasi, chosen.sensitive, RULES)
    assert release.reached.k >= 11
    assert release.table["row_id"].to_pylist() == sorted(set(release.table["row_id"].to_pylist()))


def test_words_of_a_cohort_are_meant_in_any_case_and_what_many_have_is_listed():
    frame = made_up.people(300)
    frame["service_line"] = frame["service_line"].replace("dental", "primary_care")
    table = made_up.as_table(frame)
    asked = Cohort(service_lines=("Primary  Care", "cardiology"), sexes=("FEMALE",))
    meant = as_written(table, asked, 11)
    assert (meant.service_lines, meant.sexes) == (("primary_care", "cardiology"), ("female",))
    assert members(table, meant).sum() > 0
    with pytest.raises(BadInput) as refused:
        as_written(table, Cohort(service_lines=("primary",)), 11)
    # The service line of one person is not told of.
    listed = "Choose from: cardiology, orthopedics, primary_care."
    assert str(refused.value) == f"Nobody has the service line 'primary'. {listed}"


def test_what_is_measured_is_what_pandas_counts(export):
    frame = read_csv(export.files[files.CSV])
    grouped = frame.groupby(list(columns.QUASI))
    reached = export.disclosure["reached"]
    assert reached["k"] == grouped.size().min()
    for name, value in reached["l"].items():
        assert value == grouped[name].nunique().min()
        everybody = frame[name].value_counts(normalize=True)
        far = max(
            (own[name].value_counts(normalize=True) - everybody).fillna(-everybody).abs().sum() / 2
            for _, own in grouped
        )
        assert reached["t"][name] == pytest.approx(far, abs=1e-4)
    risk = export.disclosure["risk"]
    assert risk["prosecutor, highest"] == pytest.approx(1 / reached["k"], abs=1e-4)
    assert risk["marketer"] == pytest.approx(grouped.ngroups / len(frame), abs=1e-4)
    assert risk["journalist, highest"] <= risk["prosecutor, highest"]


def test_an_unknown_column_is_refused():
    with pytest.raises(NotAllowed, match="patient_id may not be in research data"):
        columns.refuse_others(["age", "patient_id"], "safe-harbor")
    with pytest.raises(NotAllowed, match="first_visit_on"):
        columns.refuse_others(["first_visit_on"], "safe-harbor")


def test_a_date_is_told_only_where_enough_people_could_be_meant():
    frame = made_up.people(2500)
    table = made_up.as_table(frame)
    weeks = np.random.default_rng(1).integers(-26, 27, len(frame))
    table = table.append_column("shift_weeks", [weeks])
    inside = members(table, Cohort())
    numbers = coded(table, inside, k=11, l=2)
    chosen = choose(numbers, inside, RULES, dropped=("age", "sex", "zip3", "visits"))
    release = released(chosen, "expert", RULES)
    told = release.table.to_pandas()
    shown = pd.to_datetime(told["first_visit_on"]).dropna()
    assert 0 < len(shown) == len(told) - release.dates_hidden
    days = pd.to_datetime(frame["first_visit"]).to_numpy().astype("datetime64[D]").astype(int)
    true, moved = days[chosen.kept], (days + 7 * weeks)[chosen.kept]
    line = numbers.codes["service_line"][chosen.kept]
    # For each true day, by hand: the same line and day of the week, at most 26 weeks away.
    alike = (line[:, None] == line) & (true[:, None] % 7 == moved % 7)
    near = np.abs(moved - true[:, None]) <= 26 * 7
    assert ((alike & near).sum(axis=1) >= 11).sum() == len(shown)
    assert set(shown.to_numpy().astype("datetime64[D]").astype(int)) <= set(moved)


def test_the_same_export_again_is_the_same_people_under_new_ids(home, export):
    again = export_research(home, 1, PERMIT, Request(REASON))
    one, two = (read_csv(each.files[files.CSV]) for each in (export, again))
    assert len(one) == len(two)
    assert not set(one["row_id"]) & set(two["row_id"])
    told = [each.drop(columns="row_id").value_counts() for each in (one, two)]
    assert told[0].to_dict() == told[1].to_dict()


def test_where_nobody_is_kept_it_is_said_why(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(20))
    with duckdb.connect(str(home.generation(1) / "people.duckdb")) as kept:
        kept.execute("delete from research_people")
    with pytest.raises(BadInput, match="keep_timeline = false"):
        export_research(home, 1, PERMIT, Request(REASON))
    at = people.people(home, 1, PERMIT)
    assert "keep_timeline = false" in research.build(at, Cohort(), ()).empty


def test_an_export_waits_for_the_one_that_is_being_made(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(1500))
    with ThreadPoolExecutor(1) as other:
        with registry.one_at_a_time(home):
            waiting = other.submit(export_research, home, 1, PERMIT, Request("short"))
            with pytest.raises(BadInput, match="Say what the data are for"):
                waiting.result(5)
            waiting = other.submit(export_research, home, 1, PERMIT, Request(REASON))
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            assert registry.earlier(home) == []
        waiting.result(30)
    assert len(registry.earlier(home)) == 1


# The files


def test_nothing_that_identifies_is_in_any_file(home, export):
    expert = export_research(home, 1, PERMIT, Request(REASON, "expert"))
    for made in (export, expert):
        every = dict(made.files) | {"all.zip": files.zipped(made.files)}
        with zipfile.ZipFile(io.BytesIO(every["all.zip"])) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            every |= {f"zip/{name}": archive.read(name) for name in archive.namelist()}
        frame = read_csv(made.files[files.CSV])
        text = "\n".join(frame.astype(str).agg(" ".join, axis=1)).encode()
        for content in (*every.values(), text):
            for canary in made_up.CANARIES:
                assert canary.encode() not in content
        parquet = pyarrow.parquet.read_table(io.BytesIO(made.files[files.PARQUET]))
        assert parquet.to_pandas().astype(str).to_dict("list").keys() == set(frame.columns)
        assert not parquet.schema.metadata
        people = made_up.people()["person_id"]
        assert not people.astype(str).isin(frame.to_numpy().ravel()).any()


def test_every_value_is_one_of_the_codebook(export):
    frame = read_csv(export.files[files.CSV])
    book = read_csv(export.files[files.CODEBOOK]).set_index("column")
    assert list(book.index) == list(frame.columns)
    for name in frame.columns[1:]:
        assert set(frame[name]) == set(book.loc[name, "values"].split("; "))
    assert "treatment" not in frame  # the same of everybody
    assert export.disclosure["left_out_because_the_same_for_everybody"] == ["treatment"]
    assert set(frame["zip3"]) <= {"601", "602", "481", "000", "IL", "MI", "unknown", "*"}
    assert len(export.disclosure["identifiers"]) == 18


def test_the_log_has_who_why_and_the_hash_of_every_file(home, export):
    entries = audit.entries(home)
    own = entries[entries["action"] == audit.RESEARCH_EXPORTED].iloc[0]
    detail = json.loads(own["detail"])
    assert (own["actor"], detail["reason"]) == ("Ada", REASON)
    assert detail["sha256"] == {
        name: sha256(content).hexdigest() for name, content in export.files.items()
    }
    manifest = json.loads(export.files[files.MANIFEST])
    assert manifest["sha256"].items() <= detail["sha256"].items()
    assert manifest["made_by"] == "Ada"
    assert not audit.verify(home).problems


def test_a_place_of_care_is_logged_but_not_told(home):
    made = export_research(
        home, 1, PERMIT, Request(REASON, cohort=Cohort(locations=("Lakeside Canary Clinic",)))
    )
    assert all(b"Canary" not in content for content in made.files.values())
    assert "Lakeside Canary Clinic" in audit.entries(home, 1)["detail"].iloc[0]


@pytest.mark.parametrize("name", ["data.zip", "data"])
def test_the_command_writes_files_for_its_owner_alone(home, tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setattr("attribution.versions.require", lambda *_: None)
    out = tmp_path / name
    words = ["research", "export", "--people", "--reason", REASON, "--out", str(out)]
    assert main([*words, "--without", "paid", "--ages", "18-"]) == 0
    assert "k 1" in capsys.readouterr().out
    every = [out] if out.is_file() else list(out.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in every)
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("short"), "Say what the data are for"),
        (Request(REASON, cohort=Cohort(age_from=95)), "Ages above 89 are told together"),
        (Request(REASON, cohort=Cohort(age_from=50, age_to=40)), "holds nobody"),
        (Request(REASON, cohort=Cohort(conditions=("none such",))), "Nobody has the condition"),
        (Request(REASON, cohort=Cohort(last_year=1950)), "fewer than 11 people"),
        (Request(REASON, keep=("age", "zip3", "visits")), "Let "),
        (Request(REASON, keep=("name",)), "name cannot be kept"),
        (Request(REASON, dropped=("service_line",)), "service_line cannot be left out"),
        (Request(REASON, dropped=("paid", "condition")), "the same of all"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_change(home, request_, says):
    before = len(audit.entries(home))
    with pytest.raises(BadInput, match=says):
        export_research(home, 1, PERMIT, request_)
    assert len(audit.entries(home)) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say so: --people"),
        (("--people", "--out", "{folder}"), "is there already"),
        (("--people", "--out", "{folder}/none/data.zip"), "There is no folder"),
        (("--people", "--ages", "old"), "'old' is no span"),
        (("--people", "--years", "-"), "'-' is no span"),
    ],
)
def test_the_command_says_what_to_type(home, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setattr("attribution.versions.require", lambda *_: None)
    told = [word.format(folder=tmp_path) for word in words]
    usual = ["--reason", REASON, "--out", str(tmp_path / "data")]
    assert main(["research", "export", *usual, *told]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_the_same_of_everybody_is_said(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people())
    made = export_research(home, 1, PERMIT, Request(REASON, cohort=Cohort(conditions=("DEN0",))))
    assert "condition" not in read_csv(made.files[files.CSV])
    assert b"The same of everybody: condition, treatment." in made.files[files.REPORT]


def test_a_reader_without_a_permit_gets_nothing(home):
    with pytest.raises(NotAllowed):
        export_research(home, 1, Permit(""), Request(REASON))


def test_dates_are_shifted_only_under_a_determination_in_force(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(300), expires="2021-01-01")
    with pytest.raises(NotAllowed, match=r"Dr\. Expert holds from 2020-01-01 to 2021-01-01"):
        export_research(home, 1, PERMIT, Request(REASON, "expert"))
    home.config.write_text("", encoding="utf-8")
    with pytest.raises(NotAllowed, match="Shifted dates need"):
        export_research(home, 1, PERMIT, Request(REASON, "expert"))


def test_dates_stay_shifted_as_they_were_when_the_determination_is_renewed(tmp_path):
    """Whoever has two shifts of one day, each drawn for itself, knows more of the true one."""
    frame = made_up.people(1500).assign(zip3="601")
    home = made_up.make_home(tmp_path / "home", frame)
    asked = Request(REASON, "expert", dropped=("sex", "age", "visits"))
    told, first = [], home.config.read_text(encoding="utf-8")
    for config in (first, first.replace("on = 2020", "on = 2021")):
        home.config.write_text(config, encoding="utf-8")
        made = export_research(home, 1, PERMIT, asked)
        rows = read_csv(made.files[files.CSV]).drop(columns="row_id")
        assert (rows["first_visit_on"] != "").any()
        told.append(rows.value_counts().to_dict())
    assert told[0] == told[1]
    home.config.write_text(first.replace("= 182", "= 364"), encoding="utf-8")
    with pytest.raises(BadInput, match="max_shift_days = 182"):
        export_research(home, 1, PERMIT, asked)


def test_dates_whose_shift_was_not_written_down_are_shifted_by_the_determination_of_then_alone(
    tmp_path, monkeypatch
):
    home = made_up.make_home(tmp_path / "home", made_up.people(1500).assign(zip3="601"))
    asked = Request(REASON, "expert", dropped=("sex", "age", "visits"))
    export_research(home, 1, PERMIT, asked)
    [found] = registry.earlier(home)
    before = dataclasses.replace(found, drawn=None, day="2020-06-01")
    monkeypatch.setattr("attribution.research.registry.earlier", lambda _: [before])
    assert export_research(home, 1, PERMIT, asked).export
    renewed = home.config.read_text(encoding="utf-8").replace("on = 2020", "on = 2021")
    home.config.write_text(renewed, encoding="utf-8")
    with pytest.raises(BadInput, match="Put that determination's by, on and max_shift_days back"):
        export_research(home, 1, PERMIT, asked)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("k = 5", "k must be a whole number, 11 or more"),
        ("l = 1", "l must be"),
        ("max_suppressed = 0.2", "max_suppressed must be"),
        ("m = 1", "m is not a setting"),
        ("[research.determination]\nby = ''", "determination.by must name"),
        ("[research.determination]\non = '2026'", "determination.on must be a date"),
    ],
)
def test_settings_can_only_be_stricter(tmp_path, said, problem):
    home = made_up.Home(tmp_path)
    home.config.write_text(f"[research]\n{said}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        research_rules(home)
