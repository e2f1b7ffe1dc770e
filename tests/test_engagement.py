"""Engagement and Education: what became of messages is counted right, and told alike everywhere."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import duckdb
import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_fixture import app
from warehouse_fixtures import Warehouse, appointment, at, contact, message, payment

from attribution import audit, queries, viewer_marts
from attribution.cli import main
from attribution.models.arm_lift import Sums, difference, lifts_of
from attribution.models.clustered import Messages, share
from attribution.paths import PAGES, Home
from attribution.queries import Marts, Scope
from attribution.small_cells import OTHER, Cube, is_safe, protected
from attribution.ui import formats
from attribution.ui.view import records
from attribution.ui.views import after_messages, education, engagement
from connectors.contract import MessageEvent
from outreach.lift import lift

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
NOON = at("2024-05-15 12:00")  # a Wednesday
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=("engagement", "fatigue", "flow_effects"))
    opened.build(
        contact("ann", NOON, preferred_channel="email"),
        contact("ben", NOON, preferred_channel="email"),
        message("1", "ann", "tips", NOON, sent_at=NOON, opened_at=NOON + DAY),
        message("2", "ann", "tips", NOON, sent_at=NOON + 8 * DAY, delivered_at=NOON + 8 * DAY),
        MessageEvent("e", "2", NOON + 8 * DAY, "opened", "email", "tips", machine=True),
        message("3", "ben", "tips", NOON, channel="sms", sent_at=NOON, replied_at=NOON + DAY),
        message("4", "cat", "tips", NOON, sent_at=NOON, bounced_at=NOON),
        message("5", "cat", "tips", NOON, sent_at=NOON + DAY, unsubscribed_at=NOON + 2 * DAY),
        message("6", "dan", "tips", NOON, arm="holdout"),
        message(
            "7", "ann", "recall_2024", NOON, sent_at=NOON + 20 * DAY, clicked_at=NOON + 21 * DAY
        ),
        # Programs opened these too, and something shows that a person read them.
        *(
            MessageEvent(f"e{key}", key, NOON + 20 * DAY, "opened", "email", "tips", machine=True)
            for key in ("5", "7")
        ),
        # On the last of the days that count, and on the day after it.
        *(
            message(f"8 {days}", f"fay {days}", "news", NOON, channel="letter",
                    sent_at=NOON + days * DAY)
            for days in (106, 107)
        ),
        # Ann had a visit before and two after, one of them too late to count; dan had one.
        appointment("a", "ann", NOON - 40 * DAY, NOON - 30 * DAY),
        appointment("b", "ann", NOON + DAY, NOON + 20 * DAY),
        appointment("c", "ann", NOON + 90 * DAY, NOON + 91 * DAY),
        appointment("d", "dan", NOON - DAY, NOON + 90 * DAY),
        payment("p", "ann", NOON + 30 * DAY, "12.50"),
        appointment("z", "eve", NOON, NOON + 120 * DAY),
    )  # fmt: skip
    yield opened
    opened.close()


def test_a_message_is_counted_by_what_a_person_did(warehouse):
    rows = warehouse.rows(
        "select channel, channel_wish, sum(sent), sum(delivered), sum(responded), sum(opened),"
        " sum(machine_opened), sum(replied), sum(opted_out) from engagement"
        " where weeks = 1 and flow = 'tips' group by all order by all"
    )
    assert rows == [
        ("email", "not told", 2, 1, 0, 0, 0, 0, 1),
        ("email", "preferred", 2, 2, 1, 1, 1, 0, 0),
        ("sms", "other", 1, 1, 1, 0, 0, 1, 0),
    ]
    clicked = "select sum(clicked), sum(machine_opened) from engagement where flow = 'recall_2024'"
    assert warehouse.rows(f"{clicked} and weeks = 1") == [(1, 0)]


def test_in_four_weeks_a_person_counts_once(warehouse):
    rows = warehouse.rows(
        "select channel, channel_wish, people, sent, delivered, responded, machine_opened"
        " from engagement where weeks = 4 and flow = 'tips' order by all"
    )
    assert rows == [
        ("email", "not told", 1, 1, 1, 0, 0),
        ("email", "preferred", 1, 1, 1, 1, 1),
        ("sms", "other", 1, 1, 1, 1, 0),
    ]


def test_tiring_counts_what_a_person_had_of_all_flows(warehouse):
    rows = warehouse.rows(
        "select had, people, messages, responded, opted_out from fatigue"
        " where window_days = 30 and channel = 'email' order by had"
    )
    # Of cat the message that bounced was had too, and only the second arrived.
    assert rows == [("1", 1, 1, 1, 0), ("2", 2, 2, 0, 1), ("3", 1, 1, 1, 0)]
    once = warehouse.rows(
        "select channel, had, most_people, most_responders from fatigue"
        " where window_days = 30 order by channel, had"
    )
    # Each of three people in one row: ann had three at her last message, which she answered.
    mails = [("email", "1", 0, 0), ("email", "2", 1, 0), ("email", "3", 1, 1)]
    assert once == [*mails, ("letter", "1", 1, 0), ("sms", "1", 1, 1)]
    topics = "select distinct flow, topic from engagement order by flow"
    assert warehouse.rows(topics) == [
        ("news", ""),
        ("recall_2024", "reactivation"),
        ("tips", "tips"),
    ]


def test_what_people_did_counts_by_arm_within_90_days(warehouse):
    rows = warehouse.rows(
        "select arm, people, reached, responded, booked, returned, kept, before_kept, cents"
        " from flow_effects where flow = 'tips' order by arm"
    )
    assert rows == [("holdout", 1, 0, 0, 0, 1, 1, 0, 0), ("treated", 3, 3, 2, 1, 1, 1, 1, 1250)]


def test_a_lift_of_few_is_told_to_nobody():
    effects = made_up.tables()["flow_effects"]
    assert len(lifts_of(effects)) == 2
    for column, few in (("people", 49), ("returned", 10), ("returned", 190)):
        held = effects.assign(**{column: effects[column].where(effects["arm"] == "treated", few)})
        assert "returned" not in set(lifts_of(held)["outcome"])
    assert list(lifts_of(effects.head(0))) == list(lifts_of(effects))


OUTCOMES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=11, max_size=30)


def sums_of(pairs) -> Sums:
    y, x = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
    return Sums(len(pairs), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())


@given(OUTCOMES, OUTCOMES)
@settings(max_examples=60)
def test_sums_say_what_people_say(treated, held):
    """The page and `caretrace outreach results` reckon one number in two ways."""
    arms = [np.array(part, dtype=float) for part in (*zip(*treated, strict=True),)]
    others = [np.array(part, dtype=float) for part in (*zip(*held, strict=True),)]
    by_people = lift(arms[0], others[0], arms[1], others[1])
    by_sums = difference(sums_of(treated), sums_of(held))
    for name in ("effect", "low", "high", "anytime_low", "anytime_high"):
        assert getattr(by_sums, name) == pytest.approx(getattr(by_people, name), abs=1e-6)
    assert difference(sums_of(treated[:10]), sums_of(held)) is None


def messages_of(people) -> Messages:
    n, y = (np.array(part) for part in zip(*people, strict=True))
    return Messages(
        len(people), int(n.sum()), int(y.sum()), int((n * n).sum()), int((y * y).sum()),
        int((n * y).sum()),
    )  # fmt: skip


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(2, 6))
@settings(max_examples=60)
def test_messages_that_are_all_alike_tell_no_more_than_one(answers, copies):
    """Somebody who answers every message or none: as sure as if each had had one."""
    once = share(messages_of([(1, int(answer)) for answer in answers]))
    often = share(messages_of([(copies, copies * answer) for answer in answers]))
    assert often == pytest.approx(once)
    rate, low, high = once
    assert 0 <= low <= rate <= high <= 1
    assert low < high


def test_an_interval_by_hand():
    """Wilson's of a fifth of 49, as 50 people know their own variance; nothing of nobody."""
    rate, low, high = share(messages_of([(1, 1)] * 10 + [(1, 0)] * 40))
    assert (rate, round(low, 3), round(high, 3)) == (0.2, 0.112, 0.332)
    assert share(Messages(0, 0, 0, 0, 0, 0)) is None


ALONE = Cube("cells", (), ("people", "some"), (("people", "some"),), ("week",))
COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda n: (max(n), min(n)))


@settings(max_examples=12)
@given(st.lists(COUNTS, min_size=1, max_size=6), st.lists(COUNTS, min_size=6, max_size=6))
def test_a_part_without_keys_is_told_as_it_is_or_not_at_all(first, second):
    weeks = range(len(first))
    frames = [
        pd.DataFrame([(w, *counts[w]) for w in weeks], columns=["week", "people", "some"])
        for counts in (first, second)
    ]
    told = protected(ALONE, frames[0]).set_index("week")
    for week, (people, some) in enumerate(first):
        safe = is_safe((people, some, people - some))
        assert (week in told.index) is safe
        assert not safe or tuple(told.loc[week]) == (people, some)
    later = protected(ALONE, frames[1], told.reset_index()).set_index("week")
    for week in told.index:
        now, then = ALONE.counted(later).loc[week], ALONE.counted(told).loc[week]
        change = (now - then).abs()
        assert ((change == 0) | (change >= 11)).all()
        assert is_safe(now)


def told_to_viewers(name: str, frame: pd.DataFrame) -> tuple[Cube, pd.DataFrame]:
    """What is written for viewers of a mart with the rows of `frame`."""
    engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.pool.StaticPool)
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("attach ':memory:' as viewers")
        about = pd.DataFrame({"key": ["last_week"], "value": [str(LAST)]})
        for each, table in ((name, frame), ("about", about)):
            raw.register("incoming", table)
            raw.execute(f"create table main.{each} as from incoming")
            raw.unregister("incoming")
        cube = next(each for each in viewer_marts.CUBES if each.name == name)
        viewer_marts._cube(connection, cube, follows=False)
        told = raw.sql(f"from viewers.{name}").df()
    engine.dispose()
    assert is_safe(cube.counted(told).to_numpy().ravel())
    assert told[[*cube.untold]].isna().all(axis=None)
    return cube, told


def test_viewers_are_told_neither_of_few_nor_twice_of_the_same():
    """Whole blocks that are over, without what other pages tell; opens and opt-outs of nobody."""
    frame = made_up.tables()["engagement"].query("weeks == 4")
    small = frame["flow"] == "doctor_video"
    frame.loc[small, "responded"] = 3
    asking = frame[frame["flow"] == "wellness_tips"].assign(flow="Post_visit_NPS")
    told_elsewhere = [asking, asking.assign(flow="checkin")]
    cube, told = told_to_viewers("engagement", pd.concat([frame, *told_elsewhere]))
    assert set(told["flow"]) == {"wellness_tips", "pollen_warning"}
    asked = Path(__file__).parent.parent / "sql/marts/experience.sql"
    assert f"'{viewer_marts.ASKS}'" in asked.read_text("utf-8")
    assert pd.Timestamp(told["week"].max()).date() <= LAST - timedelta(weeks=3)
    assert {"opened", "machine_opened", "clicked", "replied", "opted_out"} == {*cube.untold}


def test_of_messages_had_viewers_are_told_each_person_once():
    """Whoever had six in 30 days had six in 90: of 45 and 40 such people five would be known."""
    frame = made_up.tables()["fatigue"].copy()
    many = frame["had"].eq("6+") & frame["channel"].eq("sms")
    frame.loc[many, "people"] = frame.loc[many, "window_days"].map({30: 40, 90: 45})
    frame.loc[many & frame["window_days"].eq(30), ["most_people", "most_responders"]] = 5
    cube, told = told_to_viewers("fatigue", frame)
    assert set(told["window_days"]) == {30}
    assert {"people", "messages", "opted_out"} < {*cube.untold}
    assert set(told.loc[told["channel"] == "sms", "had"]) == {"1", "2", "3", OTHER}
    once = frame.loc[frame["window_days"] == 30, "most_people"]
    assert told["most_people"].sum() == once.sum()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home) -> Marts:
    return queries.marts(home, 1, protected=False)


def within(scope: Scope) -> pd.DataFrame:
    frame = made_up.tables()["engagement"].query("weeks == 1")
    return frame[frame["week"].between(scope.since, scope.until)]


def test_numbers_are_those_of_the_weeks_that_were_chosen(marts):
    view, frame = engagement.build(marts, RECENT), within(RECENT)
    shown = {each.name: each.value for each in view.metrics}
    mail = frame[frame["channel"] == "email"]
    assert shown == pytest.approx(
        {
            "messages_sent": frame["sent"].sum(),
            "delivery_rate": frame["delivered"].sum() / frame["sent"].sum(),
            "response_rate": frame["responded"].sum() / frame["delivered"].sum(),
            "machine_open_rate": mail["machine_opened"].sum() / mail["delivered"].sum(),
            "opt_out_rate": frame["opted_out"].sum() / frame["delivered"].sum(),
        }
    )
    before = within(Scope(RECENT.since - timedelta(weeks=13), RECENT.since - timedelta(weeks=1)))
    assert view.metrics[0].before == before["sent"].sum()
    for name in ("flows", "channels", "wishes", "weeks"):
        assert view.tables[name].frame["sent"].sum() == frame["sent"].sum()
        assert view.tables[name].frame["opted_out"].sum() == frame["opted_out"].sum()
    tired = view.tables["fatigue"].frame
    assert list(tired["had"][:5]) == ["1", "2", "3", "4-5", "6+"]
    assert (tired["response_low"] < tired["response_rate"]).all()
    assert (tired["opt_out_rate"] < tired["opt_out_high"]).all()


def test_of_one_number_of_messages_no_course_is_told(marts):
    tables = engagement.build(marts, RECENT).tables["fatigue"].frame
    rows = tables[(tables["channel"] == "email") & tables["had"].isin(["1", "2"])]
    alone, both = (
        engagement._tiring(part, "response", "Answered").alt
        for part in (rows.head(1), rows.head(2))
    )
    assert " from " not in alone
    assert "Email from " in both


def test_education_is_of_its_flows_and_tells_a_lift_where_somebody_was_held_out(marts):
    view, frame = education.build(marts, RECENT), within(RECENT)
    taught = frame[frame["topic"].isin(["tips", "pollen", "video"])]
    assert view.metrics[0].value == taught["sent"].sum()
    effects = view.tables["effects"].frame
    assert set(effects["flow"]) == {"wellness_tips"}
    kept = effects.set_index("outcome").loc["People with a kept visit"]
    assert (kept["treated"], kept["held_out"]) == (220 / 600, 54 / 200)
    assert kept["anytime_low"] < kept["low"] < kept["effect"] < kept["high"]
    assert kept["alike"] == pytest.approx(kept["treated"] - kept["effect"])
    assert any("care is kept from nobody" in note for note in view.notes)
    people = view.tables["people"].frame
    assert people["reached"].isna().tolist() == [False, False, True, False]


def test_a_lift_that_the_plain_shares_contradict_says_why():
    """Those held out had come twice as often before; of as many visits before, fewer came."""
    row = {"people": 100, "waiting": 0, "before_kept": 100, "before_kept_squared": 300}
    outcomes = dict.fromkeys(("returned", "booked", "kept", "kept_squared"), 40)
    nothing = dict.fromkeys(
        ("cents", "cents_squared", "before_cents", "before_cents_squared", "cents_both"), 0
    )
    both = {f"{name}_both": 100 for name in ("returned", "booked", "kept")}
    treated = {"flow": "tips", "arm": "treated", **row, **outcomes, **both, **nothing}
    held = treated | {"arm": "holdout", "before_kept": 200, "before_kept_squared": 500}
    held |= dict.fromkeys(outcomes, 45) | dict.fromkeys(both, 150)
    (kept, *_) = records(after_messages.lifts(pd.DataFrame([treated, held])).frame)
    # By hand: theta = (60 + 60) / (200 + 100), and a visit more before is 0.4 more now.
    assert kept["effect"] == pytest.approx(0.40 - 0.45 + 0.4)
    assert kept["alike"] == pytest.approx(0.05)
    said = after_messages.turned(kept)
    assert "Plainly, 40.0% of those written to came and 45.0% of those held out" in said
    assert after_messages.turned(kept | {"held_out": 0.3}) == ""
    assert after_messages.turned({"effect": 0.1}) == ""  # where counts are not told


def test_where_cells_are_folded_people_count_once_and_few_are_not_told(home):
    marts = queries.marts(home, 1, protected=True)
    view, after = engagement.build(marts, RECENT), education.build(marts, RECENT)
    assert {each.name for each in view.metrics} == {
        "messages_sent", "delivery_rate", "response_rate",
    }  # fmt: skip
    names = {column for table in view.tables.values() for column in table.frame}
    assert not names & {"opened", "clicked", "replied", "opted_out", "opt_out_rate"}
    tired = view.tables["fatigue"].frame
    assert (tired["messages"] == tired["people"]).all()
    lifts = after.tables["effects"].frame
    whole = education.build(queries.marts(home, 1, protected=False), RECENT).tables["effects"].frame
    assert list(lifts["outcome"]) == ["People with a kept visit", "People with a booking"]
    assert list(lifts) == [
        "flow",
        "outcome",
        "effect",
        "low",
        "high",
        "anytime_low",
        "anytime_high",
    ]
    assert lifts["low"].tolist() == pytest.approx(whole["low"][:2].tolist(), abs=1e-4)
    assert "people" not in after.tables
    weeks = view.tables["weeks"].frame
    assert weeks["sent"].isna().any()  # not told is not nought


def test_a_flow_of_which_nothing_arrived_is_not_the_one_answered_most(tmp_path):
    bounced = made_up.make_home(tmp_path)
    with duckdb.connect(str(bounced.generation(1) / "marts.duckdb")) as tables:
        tables.execute("update engagement set delivered = 0, responded = 0 where topic = 'tips'")
    for build in (engagement.build, education.build):
        view = build(queries.Marts(bounced, 1, protected=False), RECENT)
        figure = view.figures["flows"]
        assert view.tables["flows"].frame["flow"].iloc[0] == "wellness_tips"
        assert figure.spec["data"][0]["text"][0] == formats.UNDEFINED
        assert not any(said in figure.alt for said in ("Wellness tips", formats.UNDEFINED))


@pytest.mark.parametrize("build", [engagement.build, education.build])
def test_a_page_without_messages_says_what_to_connect(tmp_path, build):
    folder = Home(tmp_path).generation(1)
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "marts.duckdb")) as database:
        for name, frame in made_up.tables().items():
            if name in ("about", "spend", "engagement", "fatigue", "flow_effects", "flow_lifts"):
                kept = "" if name in ("about", "spend") else "limit 0"
                database.register("frame", frame)
                database.execute(f"create table {name} as from frame {kept}")
                database.unregister("frame")
    view = build(queries.Marts(Home(tmp_path), 1, protected=False), RECENT)
    assert "onnect" in view.empty
    assert "docs/" in view.empty


def test_a_period_without_messages_asks_for_a_longer_one(marts):
    long_ago = Scope(date(2015, 1, 5), date(2015, 1, 26))
    for build in (engagement.build, education.build):
        assert "longer period" in build(marts, long_ago).empty


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize("page", ["engagement", "education"])
def test_page_file_and_command_line_tell_the_same(home, page, monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    shown = app().run()
    shown.switch_page(str(PAGES / "outreach" / f"{page}.py")).run()
    assert not shown.exception, shown.exception
    out = tmp_path / "out.csv"
    since, until = str(RECENT.since), str(RECENT.until + timedelta(days=6))
    command = ["export", page, "--since", since, "--until", until, "--out", str(out)]
    assert main([*command, "--small-cells"]) == 0
    rows = rows_of(out.read_bytes())
    sent = sum(float(row["sent"]) for row in rows if row["part"] == "flows")
    assert shown.metric[0].value == formats.count(sent)
    arrived = sum(float(row["delivered"]) for row in rows if row["part"] == "weeks")
    answered = sum(float(row["responded"]) for row in rows if row["part"] == "cells")
    rate = next(each.value for each in shown.metric if each.label == "Response rate")
    assert rate == formats.rate(answered / arrived)
    assert {row["small_cells"] for row in rows} == {"for use inside the organisation only"}
    view = {"engagement": engagement, "education": education}[page].build(
        queries.marts(home, 1, protected=False), RECENT
    )
    for name, table in view.tables.items():
        told = [row for row in rows if row["part"] == name]
        assert name == "report" or len(told) == len(table.frame), name
    assert main(command) == 0
    assert all(row["small_cells"] == "folded" for row in rows_of(out.read_bytes()))
    assert audit.entries(home).iloc[-1]["subject"] == f"{page} report"
    assert main([*command, "--model", "last"]) == 2
    assert main(["export", page, "--format", "xlsx", "--out", str(out)]) == 2


def test_the_mart_of_lifts_shows_what_was_solved():
    solved = lifts_of(made_up.tables()["flow_effects"])
    assert len(solved) > 0
    text = (Path(__file__).parent.parent / "sql/marts/flow_lifts.sql").read_text(encoding="utf-8")
    with duckdb.connect() as database:
        database.register("int_flow_lifts", solved)
        shown = database.sql(text).df()
    wanted = solved[[*shown]].sort_values(["flow", "outcome"], ignore_index=True)
    pd.testing.assert_frame_equal(shown, wanted, check_dtype=False)
    assert {"effect", "low", "high", "anytime_low", "anytime_high"} < set(shown)
