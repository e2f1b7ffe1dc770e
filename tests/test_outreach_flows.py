"""Flows: what is wrong is said, what the law forbids is refused, what is written is whole."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outreach_fixture import FLOW, add_flow

from attribution.demo.config_outreach import outreach_toml
from attribution.errors import BadInput
from attribution.models.person_holdout import people_needed
from attribution.outreach_settings import Outreach, outreach_settings
from attribution.paths import Home
from outreach.flow import Template, flow, flows
from outreach.holdout import HELD_OUT, arms, message_keys
from outreach.lift import lift, peeking
from outreach.rules import check, known_names, quiet
from outreach.sample import example
from outreach.templates import written
from outreach.zones import is_quiet, zones

TODAY = date(2026, 11, 25)
SETTINGS = Outreach(
    enabled=True, organisation="Harbor", phone="1", postal_address="1 Pier", unsubscribe="https://x"
)


@pytest.fixture
def demo(home: Home) -> Outreach:
    home.config.write_text(outreach_toml(), encoding="utf-8")
    return outreach_settings(home)


def test_the_nine_shipped_flows_keep_every_rule_and_write_whole_messages(home: Home, demo):
    every = flows(home)
    assert len(every) == 9
    for one in every.values():
        check(one, demo, TODAY)
        for channel, (subject, text) in example(one, demo).items():
            assert "Lakeside Health" in text
            assert "{" not in subject + text
            if channel == "sms":
                assert len(text) <= 160
                assert "STOP" in text
            elif one.purpose == "marketing":
                assert demo.unsubscribe in text
                assert demo.postal_address in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Test"', "", "title is missing"),
        ('title = "Test"', 'title = "Test"\ncolour = 1', "colour is not a key"),
        ('"marketing"', '"sales"', "purpose must be one of"),
        ('"silent_patients"', '"nobody"', "is no file in sql/audiences"),
        ('["email", "sms"]', '["email", "pigeon"]', "channels must be some of"),
        ("from_days = 365", "", "parameters.from_days is missing"),
        ("from_days = 365", "from_days = 365\nage = 3", "parameters.age is nothing"),
        ('subject = "Hello"', "", "templates.email needs a subject"),
        ("ends = 2030-01-01", "ends = 2030-01-01\nholdout = 1", "holdout must be a share"),
        ("ends = 2030-01-01", 'ends = "soon"', "ends must be a date"),
    ],
)
def test_what_is_wrong_with_a_flow_is_said_with_file_and_key(home: Home, old, new, said):
    add_flow(home, text=FLOW.replace(old, new))
    with pytest.raises(BadInput, match=said) as told:
        flow(home, "test")
    assert "test.toml" in str(told.value)


def refused(home: Home, text: str, settings: Outreach = SETTINGS) -> str:
    add_flow(home, text=text)
    with pytest.raises(BadInput) as told:
        check(flow(home, "test"), settings, TODAY)
    return str(told.value)


def test_what_the_law_forbids_is_refused(home: Home):
    for begins, ends in (("23:00", "06:00"), ("12:00", "12:00")):
        loose = replace(SETTINGS, quiet_from=begins, quiet_until=ends)
        assert "64.1200" in refused(home, FLOW, loose)
    assert "7704" in refused(home, FLOW, replace(SETTINGS, postal_address=""))
    paid = FLOW.replace("{more}", "paid_by_third_party = true").replace("marketing", "treatment")
    assert "164.501" in refused(home, paid)
    held = FLOW.replace("{more}", "holdout = 0.1").replace("marketing", "treatment")
    assert "held out of treatment" in refused(home, held)
    assert "ended" in refused(home, FLOW.replace("2030", "2020"))


def saying(home: Home, text: str):
    """The flow of these tests with another text message."""
    add_flow(home)
    one = flow(home, "test")
    return replace(one, templates={**one.templates, "sms": Template(text)})


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("{{ organisation }}: please stop by our clinic.", True),
        ("{{ organisation }}: hello. Reply STOP to opt out.", False),
    ],
)
def test_a_text_message_says_how_to_stop_once(home: Home, text, added):
    said = written(saying(home, text), "sms", {}, SETTINGS, "k")[1]
    assert said.endswith("Reply STOP to opt out.")
    assert said.count("STOP") == 1
    assert ("clinic. Reply STOP" in said) is added


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Time for a check-up?", False),
        ("Harbor: time for a check-up?", True),
        ("{{ organisation|upper }}: time for a check-up?", True),
        ("{% if phone %}{{ organisation }}: {% endif %}time?", False),
        ("{% if phone %}{{ organisation }}{% else %}Harbor{% endif %}: time?", True),
        ("{{ organisation if phone else '' }}: time?", False),
    ],
)
def test_a_text_message_that_may_not_say_who_writes_is_refused(home: Home, text, named):
    one = saying(home, text)
    if named:
        check(one, SETTINGS, TODAY)
    else:
        with pytest.raises(BadInput, match=r"templates\.sms does not say organisation"):
            check(one, SETTINGS, TODAY)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("billing_notice", r"say billing_url, and \[outreach\] billing_url is empty"),
        ("post_visit_check_in", r"say survey_url, and \[outreach\] survey_url is empty"),
        ("review_request", r"say review_url, and no place under \[outreach.locations\] has review"),
        ("doctor_video", r"say video, and no doctor under \[outreach.providers\] has video"),
    ],
)
def test_a_setting_that_templates_say_and_that_is_empty_is_named(home: Home, demo, name, said):
    one = flow(home, name)
    with pytest.raises(BadInput, match=said):
        check(one, SETTINGS, TODAY)
    check(one, demo, TODAY)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("{{ booking_url }}", True),
        ("{% if booking_url is defined %}{{ booking_url }}{% endif %}", False),
        ("{% if booking_url is not defined %}Call.{% else %}{{ booking_url }}{% endif %}", False),
        ("{% if place is defined and booking_url is defined %}{{ booking_url }}{% endif %}", False),
        ("{% if place is defined %}{{ booking_url }}{% endif %}", True),
        ("{{ booking_url if booking_url is defined else phone }}", False),
        ("{{ booking_url|default('soon') }}", False),
        ("{% if phone %}{{ booking_url }}{% endif %}", True),
    ],
)
def test_what_is_asked_first_may_be_empty(home: Home, text, asks):
    one = saying(home, "{{ organisation }} " + text)
    if asks:
        with pytest.raises(BadInput, match="booking_url is empty"):
            check(one, SETTINGS, TODAY)
    else:
        check(one, SETTINGS, TODAY)
        written(one, "sms", {}, SETTINGS, "k")


REVIEW = FLOW.replace("{more}", 'asks = "review"').replace("silent_patients", "liked")
SELECT = "select person_id, '' as occasion from {} where $from_days < $until_days and {}"


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("stg_feedback", "true"),
        ("(select person_id from raw_feedback) as f", "true"),
        ("int_visits", "nps_class = 'promoter'"),
        ("int_visits", "csat > 3"),
        ("int_visits", "tag = 'detractor'"),
    ],
)
def test_a_request_for_a_review_may_not_look_at_how_content_people_are(
    home: Home, table, condition
):
    (home.folder / "audiences").mkdir()
    place = home.folder / "audiences" / "liked.sql"
    place.write_text(SELECT.format(table, condition))
    assert "465.7" in refused(home, REVIEW)
    place.write_text(SELECT.format("int_visits", "true"))
    add_flow(home, text=REVIEW)
    check(flow(home, "test"), SETTINGS, TODAY)
    # The same link under another flag is the same request.
    sly = REVIEW.replace('asks = "review"', "").replace("It has been", "{{{{ review_url }}}} It")
    assert "asks = 'review'" in refused(home, sly)


@pytest.mark.parametrize(
    "choosing",
    ["{{{{ 'Thanks! ' if age > 40 else '' }}}}", "{{{{ age > 40 and 'x' or 'y' }}}}",
     "{{{{ ['a', 'b'][age] }}}}", "{{% if age %}}x{{% endif %}}"],
)  # fmt: skip
def test_a_request_for_a_review_chooses_nothing_by_who_reads_it(home: Home, choosing):
    said = FLOW.replace("{more}", 'asks = "review"').replace('"Hello"', f'"Hello {choosing}"')
    assert "same for everybody" in refused(home, said)


def test_an_audience_is_one_question(home: Home):
    (home.folder / "audiences").mkdir()
    place = home.folder / "audiences" / "liked.sql"
    one = SELECT.format("int_visits", "true")
    for wrong in (
        f"{one}; drop table y",
        "delete from y where $from_days < $until_days",
        f"({one}",
    ):
        place.write_text(wrong)
        assert "not one SELECT" in refused(home, REVIEW)
    place.write_text(f"{one};  -- and no more")
    add_flow(home, text=REVIEW)
    check(flow(home, "test"), SETTINGS, TODAY)


def test_a_name_that_nothing_gives_is_an_error_not_a_gap(home: Home):
    add_flow(home, text=FLOW.replace("It has been a while.", "Dear {{{{ first_name }}}}"))
    one = flow(home, "test")
    with pytest.raises(BadInput, match="first_name"):
        known_names(one, {"location"})
    with pytest.raises(BadInput, match="undefined"):
        written(one, "email", {}, SETTINGS, "k")


@pytest.mark.parametrize(
    "attack",
    ["{{{{ ''.__class__.__mro__ }}}}", "{{{{ organisation.__init__.__globals__ }}}}"],
)
def test_templates_are_in_a_sandbox(home: Home, attack):
    add_flow(home, text=FLOW.replace("It has been a while.", attack))
    with pytest.raises(BadInput):
        written(flow(home, "test"), "email", {}, SETTINGS, "k")


@given(share=st.floats(0, 0.99), more=st.floats(0, 0.99), seed=st.binary(min_size=32, max_size=32))
def test_arms_are_stable_and_a_higher_share_only_adds(share, more, seed):
    low, high = sorted((share, more))
    people = range(60)
    few, many = (arms(seed, "recall", people, each) for each in (low, high))
    assert few == arms(seed, "recall", people, low)
    assert all(b == HELD_OUT for a, b in zip(few, many, strict=True) if a == HELD_OUT)


def test_arms_are_drawn_as_often_as_told_and_by_flow():
    key, people = b"k" * 32, range(20_000)
    one, other = (arms(key, name, people, 0.15) for name in ("recall", "tips"))
    assert abs(Counter(one)[HELD_OUT] / 20_000 - 0.15) < 0.01
    both = sum(a == b == HELD_OUT for a, b in zip(one, other, strict=True))
    assert abs(both / 20_000 - 0.15**2) < 0.005
    keys = message_keys(key, "recall", [1, 1, 2], ["a", "b", "a"])
    assert len(set(keys)) == 3


def test_it_is_quiet_by_the_clock_where_somebody_lives():
    known = zones()
    expected = {"606": "America/Chicago", "100": "America/New_York", "900": "America/Los_Angeles",
                "850": "America/Phoenix", "968": "Pacific/Honolulu", "006": "America/Puerto_Rico",
                "799": "America/Denver", "999": "America/Anchorage",
                # Where the places of a prefix lie in two zones, both count.
                "401": "America/New_York|America/Chicago", "798": "America/Denver|America/Chicago",
                "860": "America/Phoenix|America/Denver"}  # fmt: skip
    assert {prefix: known[prefix] for prefix in expected} == expected
    night = [(time(21), time(8))]
    late = datetime(2026, 1, 10, 2, 30, tzinfo=UTC)  # 21:30 in New York, 20:30 in Chicago
    assert is_quiet("America/New_York", late, night)
    assert not is_quiet("America/Chicago", late, night)
    assert is_quiet("America/Chicago|America/New_York", late, night)
    summer = datetime(2026, 7, 10, 12, 30, tzinfo=UTC)  # 7:30 in Chicago, daylight saving
    assert is_quiet("America/Chicago", summer, night)


@pytest.mark.parametrize("channel", ["email", "sms", "call", "direct_mail"])
def test_a_flow_may_be_quieter_than_the_installation_but_not_less(home: Home, channel):
    add_flow(home)
    one = replace(flow(home, "test"), channels=(channel,))

    def awake(begins: int, ends: int, settings: Outreach = SETTINGS) -> list[int]:
        mine = replace(one, quiet_from=time(begins), quiet_until=time(ends))
        check(mine, settings, TODAY)
        hours = [datetime(2026, 1, 10, hour, tzinfo=UTC) for hour in range(24)]
        return [at.hour for at in hours if not is_quiet("UTC", at, quiet(mine, settings))]

    assert awake(0, 0) == awake(23, 6) == awake(12, 12) == [*range(8, 21)]
    assert awake(19, 9) == [*range(9, 19)]
    assert awake(12, 14) == [*range(8, 12), *range(14, 21)]
    # Both together make a night.
    assert awake(5, 9, replace(SETTINGS, quiet_from="20:00", quiet_until="06:00")) == [
        *range(9, 20)
    ]


def test_a_time_is_that_of_the_clock_on_the_wall_there(home: Home):
    """Whoever lives in another zone than the clinic comes when the clinic's clock says so."""
    text = FLOW.replace("It has been a while.", "At {{{{ starts_at|clock }}}}")
    add_flow(home, text=text)
    said = {"starts_at": "2026-03-05T16:00:00+00:00", "timezone": "America/Chicago"}
    assert "At 10:00 a.m." in written(flow(home, "test"), "email", said, SETTINGS, "k")[1]


def test_a_lift_by_hand():
    """Twenty each of 1, 2, 3 (mean 2, squares 40), twenty held out each of 0, 1 (0.5, 10)."""
    found = lift(np.repeat([1.0, 2, 3], 20), np.repeat([0.0, 1], 20))
    assert found is not None
    assert found.effect == pytest.approx(1.5)
    parts = 40 / 59 / 60, 10 / 39 / 40
    error = sum(parts) ** 0.5
    freedom = error**4 / (parts[0] ** 2 / 59 + parts[1] ** 2 / 39)
    assert freedom == pytest.approx(97.5, abs=0.1)
    assert found.high - found.effect == pytest.approx(error * 1.6606, rel=1e-3)
    assert found.anytime_low < found.low < found.effect < found.high < found.anytime_high
    assert lift(np.repeat([0.0, 1], 20), np.repeat([0.0, 1], 5)) is None  # ten say nothing


def test_an_arm_in_which_nobody_did_it_is_not_sure_that_nobody_would():
    """3% came of those treated and none of 30 held out: without any effect four in ten are so."""
    treated, held = np.repeat([1.0, 0], [30, 970]), np.zeros(30)
    found = lift(treated, held)
    assert found is not None
    assert found.effect == pytest.approx(0.03)
    assert found.anytime_low < found.low < 0 < found.effect < found.high
    paid = lift(250 * treated, 250 * held)
    assert paid is not None
    assert (paid.low, paid.high) == pytest.approx((250 * found.low, 250 * found.high))


@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(-3, 3), shift=st.floats(-5, 5))
def test_what_was_known_before_makes_a_lift_surer_and_does_not_move_it(seed, slope, shift):
    draw = np.random.default_rng(seed)
    before = draw.normal(size=400)
    after = slope * before + 0.1 * draw.normal(size=400)
    plain = lift(after[:300] + shift, after[300:])
    known = lift(after[:300] + shift, after[300:], before[:300], before[300:])
    assert plain is not None
    assert known is not None
    assert known.effect == pytest.approx(shift, abs=0.1)
    assert known.high - known.low <= (plain.high - plain.low) * 1.05


def test_somebody_who_peeks_every_day_is_seldom_fooled():
    """No effect, 60 looks as people come in: few runs ever exclude it, though once they would."""
    draw, fooled, once = np.random.default_rng(7), 0, 0
    looks = range(200, 6_200, 100)
    for _run in range(120):
        values = draw.normal(size=max(looks))
        means = np.cumsum(values) / np.arange(1, len(values) + 1)
        at = [n - 1 for n in looks]
        errors = 1 / np.sqrt(np.array(looks))
        fooled += bool((np.abs(means[at]) > errors * [peeking(n, 0.9) for n in looks]).any())
        once += bool((np.abs(means[at]) > errors * 1.645).any())
    assert fooled / 120 <= 0.10
    assert once / 120 > 0.3


def test_how_many_people_a_test_needs():
    """5% against 7%, half held out, power 80%, 90% two-sided: Fleiss' 1,738 an arm or so."""
    assert people_needed(0.05, 0.02, 0.5) == pytest.approx(2 * 1738, rel=0.02)
    with pytest.raises(BadInput, match="between"):
        people_needed(0.9, 0.2, 0.5)


@pytest.mark.parametrize(
    ("name", "value"), [("level", 95), ("level", 0.05), ("power", 80), ("power", 0)]
)
def test_a_level_or_power_is_a_share(name, value):
    with pytest.raises(BadInput, match=f"{value} is no {name}"):
        people_needed(0.05, 0.02, 0.5, **{name: value})
