"""What an address says of periods and filters, and how numbers and names are written."""

from dataclasses import replace
from datetime import date, timedelta

import marts_fixture as made_up
import pytest

from attribution.metrics import ratio
from attribution.queries import About, Scope
from attribution.ui import formats
from attribution.ui.scope import before, scope_of

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
ABOUT = About("USD", made_up.weeks()[0], LAST, 60_000)
LINES, PLACES = made_up.SERVICE_LINES, made_up.LOCATIONS
SCOPES = [
    ({}, 13, LAST),
    ({"period": "4w"}, 4, LAST),
    ({"period": "all"}, made_up.WEEKS, LAST),
    ({"period": "custom", "from": "2026-10-07", "to": "2026-10-20"}, 3, date(2026, 10, 19)),
    ({"period": "custom", "from": date(2026, 10, 20), "to": "2026-10-07"}, 3, date(2026, 10, 19)),
    ({"period": "custom", "from": "0001-01-01", "to": "9999-12-31"}, made_up.WEEKS, LAST),
]


@pytest.mark.parametrize(("said", "weeks", "until"), SCOPES)
def test_periods_are_whole_weeks_within_the_data(said, weeks, until):
    scope = scope_of(ABOUT, said, service_lines=LINES, locations=PLACES)
    assert (scope.weeks, scope.until) == (weeks, until)
    assert scope.since.weekday() == 0


HOSTILE = [
    "'; drop table spend;--",
    "../../etc/passwd",
    "<script>",
    "%",
    "\x00",
    "9" * 9999,
    None,
    7,
    [],
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_what_is_not_known_falls_back(value):
    keys = ("period", "kind", "model", "from", "to")
    said = dict.fromkeys(keys, value) | {"service": [value, "cardiology"], "location": value}
    scope = scope_of(ABOUT, said, service_lines=LINES, locations=PLACES)
    usual = scope_of(ABOUT, {}, service_lines=LINES, locations=PLACES)
    assert scope == replace(usual, service_lines=("cardiology",))


def test_the_period_before_needs_data():
    assert before(RECENT, ABOUT) == Scope(
        RECENT.since - timedelta(weeks=13), RECENT.since - timedelta(weeks=1)
    )
    assert before(Scope(ABOUT.first_week, LAST), ABOUT) is None


WRITTEN = [
    (1_234_567, "money", "$1.2M"),
    (48_300, "money", "$48.3K"),
    (999_960, "money", "$1.0M"),
    (999_949, "money", "$999.9K"),
    (999_960, "count", "1.0M"),
    (9_120, "money", "$9,120"),
    (63.2, "money", "$63.20"),
    (-1_500, "money", "−$1,500"),
    (0, "money", "$0"),
    (None, "money", "—"),
    (float("nan"), "ratio", "—"),
    (2.43, "ratio", "2.4x"),
    (0.1234, "rate", "12.3%"),
    (-0.05, "points", "−5.0 pts"),
    (-0.3, "count", "0"),
    (-0.001, "money", "$0.00"),
    (-0.0001, "rate", "0.0%"),
    (1_234, "count", "1,234"),
    (13_563, "count", "13,563"),
    (252_672, "count", "252.7K"),
    (date(2026, 11, 16), "day", "16 Nov 2026"),
]


@pytest.mark.parametrize(("value", "how", "text"), WRITTEN)
def test_numbers_are_written_short(value, how, text):
    assert formats.written(value, how, "USD") == text


def test_names_from_data_cannot_mark_up_a_page():
    assert formats.plain("![x](http://a.b/c)") == "\\!\\[x\\]\\(http\\:\u2060//a\\.b/c\\)"
    assert formats.plain("www.evil.example").startswith("www\u2060")
    assert "<" not in formats.label("<b onclick=x>")
    assert formats.prose("Run `caretrace refresh` *now*") == "Run `caretrace refresh` \\*now\\*"
    assert formats.prose("one ` only [x]") == "one \\` only \\[x\\]"


def test_long_names_take_two_lines_and_keep_both_ends():
    assert formats.short_label("brand") == "brand"
    assert formats.short_label("Spring check-up for silent patients", 20) == (
        "Spring check-up for<br>silent patients"
    )
    assert formats.short_label("winback_all_sms_2026_02", 20) == "winback_all_sms_2026<br>_02"
    long = formats.short_label("winback " * 6 + "everybody by text 2026", 20)
    assert long == "winback winback<br>winback wi…text 2026"
    assert formats.short_label("<b>x</b> " * 4, 20).count("<") == 1  # the break between lines


def test_ratios_of_nothing_are_undefined():
    assert ratio(5, 0) is None
    assert ratio(None, 3) is None
    assert ratio(6, 3) == 2
