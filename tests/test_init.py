"""`caretrace init`: a first caretrace.toml, made of what the connectors say of their settings."""

import re
import resource
import signal
import stat
import tomllib
from datetime import date

import pytest

from attribution import settings, source_settings, starter
from attribution.cli import main
from attribution.errors import SettingsError
from connectors import SOURCES

DAY = date(2026, 1, 5)


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    home = tmp_path / "clinic"
    monkeypatch.setenv("CARETRACE_HOME", str(home))
    return home


def written(sources: dict[str, str]) -> str:
    return starter.configuration(
        sources, title='Lakeside "West"', currency="EUR", region="DE", first_day=DAY
    )


def test_every_kind_has_every_setting_and_no_place_for_a_secret():
    text = written({kind: kind for kind in SOURCES})
    said = tomllib.loads(text)
    assert (said["title"], said["currency"], said["region"]) == ('Lakeside "West"', "EUR", "DE")
    assert said["first_day"] == DAY
    apart = ("patient_namespace", "crm_namespace")
    for kind, given in said["sources"].items():
        assert {name: v for name, v in given.items() if name not in apart} == {"kind": kind}
    assert said["sources"].keys() == SOURCES.keys()
    for kind in SOURCES:
        [table] = re.findall(rf"^\[sources\.{kind}\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
        for name in ("account", *apart):
            assert re.search(rf"^(# )?{name} = \"", table, re.M), (kind, name)
        for option in source_settings.options_of(kind):
            place = rf"^# (\[\[sources\.{kind}\.)?{option.name}(\]\]| =)"
            named = re.search(place, table, re.M) is not None
            # By their names a backup knows which settings are paths.
            assert option.path == (option.name == "folder" or option.name.endswith("_file"))
            # Another address than the vendor's own is for whoever reads `doctor --explain`.
            meant = option.required or option.name != "endpoint"
            assert named == (not option.secret and meant), (kind, option.name)
            assert (source_settings.secret_variable(kind, option.name) in table) == option.secret


def test_two_records_and_two_crms_number_people_of_their_own(clinic, capsys):
    assert main(["init", "a=fhir_files", "b=fhir_files", "crm=hubspot", "old=zendesk_sell"]) == 0
    assert "a, b number people of their own" in capsys.readouterr().out
    said = tomllib.loads((clinic / "caretrace.toml").read_text())["sources"]
    assert (said["a"]["patient_namespace"], said["b"]["patient_namespace"]) == ("emr", "emr-b")
    assert (said["crm"]["crm_namespace"], said["old"]["crm_namespace"]) == ("crm", "crm-old")
    assert "crm_namespace" not in said["a"]
    assert tomllib.loads(written({"a": "fhir", "b": "files"}))["sources"]["a"] == {"kind": "fhir"}


def test_what_is_marked_is_all_that_the_doctor_misses(clinic):
    text = written({kind: kind for kind in SOURCES})
    clinic.mkdir()
    (clinic / "caretrace.toml").write_text(text)
    with pytest.raises(SettingsError) as missing:
        settings.load(settings.home())
    assert str(missing.value).count(" is missing: ") == text.count("# REQUIRED") > 10
    filled = written({"web": "ga4"}).replace("# property =", 'property = "1"')
    (clinic / "caretrace.toml").write_text(filled)
    [web] = settings.load(settings.home()).sources
    assert (web.name, web.kind, web.options["property"]) == ("web", "ga4", "1")


def test_a_default_that_is_taken_out_of_its_comment_means_the_same(clinic):
    lines = written({"crm": "hubspot", "web": "ga4"}).splitlines()
    told = [re.sub(r"^# (\w+ = .+)$", r"\1", line) for line in lines]
    said = tomllib.loads("\n".join(told))["sources"]
    for name, kind in (("crm", "hubspot"), ("web", "ga4")):
        for option in source_settings.options_of(kind):
            if option.name in said[name]:
                kept = said[name][option.name]
                assert kept == (list(option.default) if isinstance(kept, list) else option.default)
        assert len(said[name]) > 2


def test_the_command_writes_for_its_owner_and_never_over_a_file(clinic, capsys):
    assert main(["init", "ga4", "crm=hubspot", "--title", "Lakeside"]) == 0
    out = capsys.readouterr().out
    assert "REQUIRED" in out
    assert "CARETRACE_CRM_ACCESS_TOKEN" in out
    assert "caretrace doctor" in out
    file = clinic / "caretrace.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(clinic.stat().st_mode) == 0o700
    before = file.read_text()
    assert 'kind = "hubspot"' in before
    assert main(["init", "files"]) == 2
    assert "is there already, and was not touched" in capsys.readouterr().err
    assert file.read_text() == before


def test_a_full_disk_leaves_no_part_of_it(clinic, capsys):
    """The next `caretrace init` would take it for somebody's own, and touch it no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        assert main(["init", "ga4"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (clinic / "caretrace.toml").exists()
    assert main(["init", "ga4"]) == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "Kinds: air_quality, callrail"),
        (("hubspots",), "hubspots is no kind of source"),
        (("a b=ga4",), "a b is no name for a source"),
        (("ga4", "ga4"), "Two sources are called ga4"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_writes_nothing(clinic, capsys, asked, said):
    assert main(["init", *asked]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not clinic.exists()
