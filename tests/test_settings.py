"""Settings: what the configuration means, and every mistake in it told at once."""

from datetime import date

import pytest

from attribution import source_settings
from attribution.errors import SettingsError
from attribution.settings import load
from attribution.source_settings import without_secrets
from attribution.told_settings import documents
from attribution.warehouse_url import text_of
from connectors import SOURCES
from connectors.options import masked

CANARY = "canary-secret-5f2e"


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setitem(SOURCES, "scripted", "servers.scripted")


def told(home, text):
    home.config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(home)
    return str(caught.value)


def test_no_configuration_says_what_to_do(home):
    with pytest.raises(SettingsError, match=r"`caretrace init` writes one .* `caretrace demo`"):
        load(home)


def test_an_empty_configuration_has_defaults(home):
    home.config.write_text("")
    found = load(home, today=date(2026, 6, 1))
    assert (found.currency, found.region, found.sources) == ("USD", "US", ())
    assert found.first_day == date(2024, 5, 31)
    assert found.identity.max_patients == 1


def test_a_configuration_may_begin_with_the_mark_that_editors_of_windows_put_there(home):
    url = "postgresql+psycopg://x@db/care"
    home.config.write_text(f'\ufefftitle = "St. Test"\nwarehouse = "{url}"\n', encoding="utf-8")
    assert load(home).title == "St. Test"
    assert text_of(home) == url


def test_what_is_set_is_read(home, monkeypatch):
    monkeypatch.setenv("CARETRACE_CRM_TOKEN", CANARY)
    home.config.write_text(
        'title = "St. Test"\ncurrency = "EUR"\nregion = "DE"\nfirst_day = 2024-01-01\n'
        "demo = true\n[identity]\nmax_patients = 2\n[credit]\nlead_gap_days = 14\n"
        '[credit.lookback_days]\nlead = 30\n[sources.crm]\nkind = "scripted"\nscript = "x"\n'
        'account = "00042"\npatient_namespace = "north"\n'
    )
    found = load(home)
    source = found.sources[0]
    assert (found.title, found.currency, found.region) == ("St. Test", "EUR", "DE")
    assert (found.first_day, found.demo) == (date(2024, 1, 1), True)
    assert found.identity.max_patients == 2
    assert (found.credit.lead_gap_days, found.credit.lookback_days["lead"]) == (14, 30)
    assert (source.account, source.patient_namespace, source.crm_namespace) == (
        "00042",
        "north",
        "crm",
    )
    assert dict(source.options) == {"script": "x", "token": CANARY}


def test_everything_wrong_is_told_at_once(home):
    message = told(
        home,
        'currency = "dollars"\nregion = "Narnia"\nfirst_day = "2024-01-01"\ndemo = "yes"\n'
        "title = 7\ncolour = 1\n[identity]\nmax_patients = true\nmin = 1\n"
        "[credit]\nlead_gap_days = []\n"
        '[sources.a]\nkind = "nothing"\n[sources.b]\nkind = "scripted"\naccount = 42\nspeed = 1\n'
        '[sources."../c"]\nkind = "scripted"\nscript = "x"\n',
    )
    for part in (
        "currency = 'dollars' is not an ISO 4217 code",
        "region = 'Narnia' is not a country code",
        "first_day must be a date such as 2024-01-01, without quotes",
        "demo must be true or false",
        "title must be a text in quotes",
        "colour is not a setting",
        "[identity] max_patients must be a whole number",
        "[identity] min is not a setting",
        "[credit]: lead_gap_days must be a number",
        "[sources.a] needs a kind, one of: ",
        "[sources.b] account must be a text in quotes",
        "[sources.b] speed is not a setting of scripted",
        "[sources.b] script is missing",
        "[sources.../c] may be named with letters",
    ):
        assert part in message
    assert len(message.splitlines()) == 15


@pytest.mark.parametrize(
    "text",
    [
        "sources = 3",
        "identity = []",
        "credit = 'x'",
        "sources = {a = 3}",
        "[sources.a]\nkind = ['ga4']",
        "first_day = 2024-01-01T00:00:00",
        "[identity]\nmax_contacts = 0",
        "[identity]\njoined = 'on disk'",
        "[credit]\nlookback_days = 3",
        "[credit]\ntimezone = 'Mars/Olympus'",
    ],
)
def test_a_setting_of_the_wrong_type_is_a_sentence(home, text):
    assert "needs attention:\n  - " in told(home, text)


def test_a_file_that_is_not_toml_says_where(home):
    message = told(home, f'title = "x"\ntoken = {CANARY}\n')
    assert "is not valid TOML" in message
    assert "line 2" in message
    assert CANARY not in message


def test_a_secret_in_the_configuration_is_refused_and_not_said(home):
    message = told(home, f'[sources.b]\nkind = "scripted"\nscript = "x"\ntoken = "{CANARY}"\n')
    assert "move it to the environment as CARETRACE_B_TOKEN or to secrets.toml" in message
    assert CANARY not in message


@pytest.mark.parametrize(
    ("kind", "line", "meant"),
    [
        ("meta_ads", 'claimed_actions = "lead"', "claimed_actions must be a list in brackets"),
        ("salesforce", 'leave_out = "Lead.DoNotCall"', "leave_out must be a list in brackets"),
        ("google_ads", 'clicks = "true"', "clicks must be true or false"),
        ("callrail", 'locations = "North"', "locations must be a table"),
    ],
)
def test_a_setting_of_a_source_is_of_the_kind_that_it_takes(home, kind, line, meant):
    """A text in place of a list was taken for its letters, and nothing was loaded by it."""
    assert f"[sources.a] {meant}" in told(home, f'[sources.a]\nkind = "{kind}"\n{line}\n')


def test_secrets_come_from_their_file_and_the_environment_wins(home, monkeypatch):
    home.config.write_text('[sources.my-crm]\nkind = "scripted"\nscript = "x"\n')
    home.secrets.write_text('[sources.my-crm]\ntoken = "stored"\n')
    assert load(home).sources[0].options["token"] == "stored"
    monkeypatch.setenv("CARETRACE_MY_CRM_TOKEN", f"{CANARY}\n")  # as a file ends
    source = load(home).sources[0]
    assert source.options["token"] == CANARY
    assert without_secrets(f"token {CANARY} of x", source) == "token *** of x"
    assert CANARY not in repr(source)


def test_a_misspelt_name_is_answered_with_the_nearest(home):
    message = told(
        home,
        'curency = "USD"\n[sources.a]\nkind = "scriptd"\n'
        '[sources.b]\nkind = "scripted"\nscript = "x"\nacount = "1"\n',
    )
    assert "curency is not a setting; did you mean currency?" in message
    assert "; did you mean scripted?" in message
    assert "acount is not a setting of scripted; did you mean account?" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[schedule]\ntimezon = 'UTC'",
            "[schedule] timezon is not a setting; did you mean timezone?",
        ),
        ("[reports.a]\nfoldr = 'x'", "[reports.a] foldr is not a setting; did you mean folder?"),
        ("[outreach.smtp]\nhst = 'x'", "[outreach.smtp] hst is not a setting; did you mean host?"),
        ("[sign_in]\nisuer = 'x'", "[sign_in] isuer is not a setting; did you mean issuer?"),
        ("[credit]\nlookback = 9", "lookback is not a setting; did you mean lookback_days?"),
        ("[research]\nmax_supressed = 1", "max_supressed is not a setting; did you mean max_supp"),
        ("research = 5", "research must be a table"),
        ("warehouse = 'mysql://h/d'", "warehouse in caretrace.toml names the engine 'mysql'"),
    ],
)
def test_what_is_mistyped_is_named_where_it_stands(home, text, said):
    assert said in told(home, text)


def test_secrets_that_are_no_toml_are_not_said_to_be_the_settings(home):
    home.config.write_text("")
    home.secrets.write_text("key =\n")
    with pytest.raises(SettingsError, match=r"secrets\.toml is not valid TOML"):
        documents(home)


def test_what_is_wrong_with_the_sign_in_stands_in_the_same_list(home):
    message = told(home, '[sign_in]\nclient_id = "x"\n')
    assert message.count("needs attention") == 1
    assert "\n  - [sign_in] issuer is missing\n" in message


@pytest.mark.parametrize("text", ["sources = 1", "[sources]\nb = 1", "other = 1"])
def test_a_secrets_file_of_another_shape_holds_no_secrets(home, text):
    home.config.write_text('[sources.b]\nkind = "scripted"\nscript = "x"\n')
    home.secrets.write_text(text)
    assert load(home).sources[0].options["token"] is None


def test_a_missing_secret_says_where_to_put_it(home, monkeypatch):
    home.config.write_text('[sources.crm]\nkind = "hubspot"\n')
    with pytest.raises(SettingsError, match=r"CARETRACE_CRM_[A-Z_]+ is missing: "):
        load(home)


def test_every_kind_of_source_has_options_that_explain_themselves():
    for kind in SOURCES:
        for option in source_settings.options_of(kind):
            assert option.help.endswith(".")
            assert not (option.secret and option.default)


@pytest.mark.parametrize(
    ("secret", "text", "told"),
    [
        ("tok-123456", "bad tok-123456x", "bad ***x"),
        ("a", "load of a contact", "load of *** contact"),
        ("abc", "(abc) abcd", "(***) abcd"),
        ("", "as it is", "as it is"),
        (None, "as it is", "as it is"),
    ],
)
def test_a_secret_is_masked_and_the_sentence_stays_readable(secret, text, told):
    assert masked(text, [secret]) == told
