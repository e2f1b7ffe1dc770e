"""Rule tables that users edit: read as text, proved before they are used."""

from pathlib import Path

import pytest

from attribution import seeds
from attribution.errors import BadInput
from attribution.patterns import fault

HEADER = "priority,kind,utm_source,utm_medium,utm_campaign,channel\n"


def own(folder: Path, text: str) -> Path:
    path = folder / "channel_rules.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_rules_serve_where_there_are_no_others(tmp_path):
    assert len(seeds.read("channel_rules", tmp_path / "channel_rules.csv")) > 20


def test_own_rules_take_the_place_of_the_shipped_ones(tmp_path):
    path = own(tmp_path, HEADER + "1,,tiktok,,,paid_social\n")
    rules = seeds.read("channel_rules", path)
    assert rules.to_dict("records") == [
        {
            "priority": "1",
            "kind": "",
            "utm_source": "tiktok",
            "utm_medium": "",
            "utm_campaign": "",
            "channel": "paid_social",
        }
    ]


def test_columns_beyond_the_shipped_ones_are_left_out(tmp_path):
    path = own(tmp_path, HEADER.strip() + ",note\n1,,tiktok,,,paid_social,ask Ann\n")
    assert "note" not in seeds.read("channel_rules", path).columns


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("priority,channel\n1,call\n", "lacks the column 'kind'"),
        (HEADER + "1,,tiktok,,paid_social\n", "line 2: expected 6 values"),
        (HEADER + "1,,a,,,call\nsoon,,b,,,call\n", "line 3: priority 'soon' is not a number"),
        (HEADER + "1,,(tiktok,,,paid_social\n", "line 2: utm_source is not a regular expression"),
    ],
)
def test_a_rule_that_cannot_work_is_named(tmp_path, text, sentence):
    with pytest.raises(BadInput, match=r"channel_rules\.csv") as caught:
        seeds.read("channel_rules", own(tmp_path, text))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "odd"),
    [
        ("paid(?=-)", "'(?='"),
        ("paid(?i)", "'(?i)'"),
        ("[[:alpha:]]", "'[[:alpha:]'"),
        ("[a-z-9]", "'[a-z-9]'"),
        ("[a&&b]", "'[a&&b]'"),
        (r"[\b]", r"'[\\b]'"),
        (r"\p{L}", r"'\\p'"),
        ("paid{300}", "'{300}'"),
        ("paid{,3}", "'{,3}'"),
        ("^*paid", "'^*'"),
    ],
)
def test_what_engines_read_in_their_own_ways_is_named(tmp_path, pattern, odd):
    path = own(tmp_path, HEADER + f'1,,tiktok,,,call\n2,,,"{pattern}",,call\n')
    with pytest.raises(BadInput) as caught:
        seeds.read("channel_rules", path)
    assert f"line 3: utm_medium has {odd}, which not every engine reads alike" in str(caught.value)


def test_what_duckdb_does_not_know_is_named(tmp_path):
    with pytest.raises(BadInput, match="line 2: utm_source is not a regular expression: Inv"):
        seeds.read("channel_rules", own(tmp_path, HEADER + "1,,(a{200}){200},,,call\n"))


def test_every_pattern_that_ships_is_one_that_all_engines_read():
    names = ("channel_rules", "campaign_rules", "claim_rules", "platform_rules")
    frames = [seeds.read(name) for name in names]
    told = {p for frame in frames for column in seeds.PATTERNS & {*frame} for p in frame[column]}
    assert r"\bdisplay\b|\bgdn\b|remarket|retarget" in told
    also = {r"(?i)^a[\w.-]{2,}?[^a-z&\]]+ $", r"\\b[-\d]", "[^^-]x{3}"}
    assert {pattern: fault(pattern) for pattern in told | also if fault(pattern)} == {}


CLAIMS = "priority,network,action,kind,repeats\n"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,,lead,leads,", "line 3: kind 'leads' is none of lead, booked, kept, new_patient;"),
        ("1,,lead,collected,", "line 3: kind 'collected' is none of"),
        ("1,,(lead,lead,", "line 3: action is not a regular expression"),
        ("1,meta[,lead,lead,", "line 3: network is not a regular expression"),
    ],
)
def test_a_rule_of_claims_that_cannot_work_is_named(tmp_path, row, sentence):
    path = tmp_path / "claim_rules.csv"
    path.write_text(CLAIMS + "1,,page_view,,\n" + row + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"claim_rules\.csv") as caught:
        seeds.read("claim_rules", path)
    assert sentence in str(caught.value)


TESTS = "channel,kind,location,first_day,last_day,increment,standard_error,note\n"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("video,leads,,2026-01-05,2026-02-01,120,40,", "line 2: kind 'leads' is none of lead"),
        ("tv,lead,,2026-01-05,2026-02-01,120,40,", "line 2: channel 'tv' is none of call, "),
        ("video,lead,,05.01.2026,2026-02-01,120,40,", "first_day '05.01.2026' is not a day"),
        ("video,lead,,2026-02-30,2026-03-01,120,40,", "first_day '2026-02-30' is not a day"),
        ("video,lead,,2026-02-05,2026-02-01,120,40,", "last_day 2026-02-01 is before first_day"),
        ("video,lead,,2026-01-05,2026-02-01,many,40,", "increment 'many' is not a number"),
        ("video,lead,,2026-01-05,2026-02-01,nan,40,", "increment 'nan' is not a number"),
        ("video,lead,,2026-01-05,2026-02-01,120,0,", "standard_error '0' must be above 0"),
    ],
)
def test_a_lift_test_that_cannot_be_is_named(tmp_path, row, sentence):
    path = tmp_path / "lift_tests.csv"
    path.write_text(TESTS + row + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"lift_tests\.csv") as caught:
        seeds.read("lift_tests", path)
    assert sentence in str(caught.value)


def test_lift_tests_take_the_place_of_none(tmp_path):
    path = tmp_path / "lift_tests.csv"
    path.write_text(TESTS + "video,lead,north,2026-01-05,2026-02-01,-12.5,40,dark\n", "utf-8")
    assert len(seeds.read("lift_tests", tmp_path / "absent.csv")) == 0
    assert seeds.read("lift_tests", path)["increment"].tolist() == ["-12.5"]
