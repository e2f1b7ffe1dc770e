"""Rule tables that users edit: read as text, proved before they are used."""

from pathlib import Path

import pytest

from attribution import seeds
from attribution.errors import BadInput

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
