"""Lift tests that are kept: who may, plans that stay as they were, evidence, and its withdrawal."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from shell_fixture import app

from attribution import audit, lift_designs, lift_queries, lift_records, queries, seeds
from attribution import settings as configuration
from attribution.cli import main
from attribution.demo import geo_plan
from attribution.demo.geo_test import NAME
from attribution.errors import BadInput, NotAllowed
from attribution.lift_designs import proposed
from attribution.lift_plans import Plan, Request, monday_after
from attribution.lift_queries import Money
from attribution.lift_records import digest_of
from attribution.lift_results import analysed, told_by
from attribution.models import switchback
from attribution.models.lift_panel import Panel
from attribution.models.mix_weeks import WARM_UP
from attribution.paths import PAGES, Home
from attribution.queries import Marts
from attribution.roles import Reader
from attribution.ui.views import lift as page
from attribution.ui.views import lift_design, lift_result
from benchmarks.lift_worlds import dark

ANA, VERA = Reader("ana", frozenset({"analyst"})), Reader("vera", frozenset({"viewer"}))
SOON = monday_after(datetime.now(UTC).date())
REQUEST = Request("video", by_line=True, weeks=6, first_day=SOON)
HARBOR = (("Harbor", ""),)
BEGUN = "2026-09-07"  # the made-up data end in November of that year


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def past(marts: Marts) -> Plan:
    plan = proposed(marts, REQUEST).plan
    return replace(plan, starts=(BEGUN,) * len(plan.treated))


@pytest.fixture(scope="module")
def registered(home: Home, past: Plan) -> str:
    """A test that has ended, as if it had been registered in time."""
    lift_records.keep(home, "ana", 1, "Video dark", past, at="2026-09-01T08:00:00.000+00:00")
    return "Video dark"


def test_a_plan_is_registered_before_it_begins_and_stays_as_it_was(home, marts):
    test = lift_records.register(home, ANA, 1, "  Next   one ", REQUEST)
    assert (test.name, test.state, test.ahead) == ("Next one", "planned", True)
    assert test.plan == proposed(marts, REQUEST).plan
    assert test.digest == digest_of(test.plan)
    [entry] = audit.entries(home, 1).to_dict("records")
    assert (entry["action"], entry["subject"]) == (audit.LIFT_PLANNED, "Next one")
    assert json.loads(entry["detail"])["digest"] == test.digest
    with pytest.raises(BadInput, match="in the same markets until"):
        lift_records.register(home, ANA, 1, "Other", replace(REQUEST, channel="paid_search"))
    late = replace(REQUEST, first_day=SOON - timedelta(weeks=1))
    with pytest.raises(BadInput, match="registered before its test begins"):
        lift_records.register(home, ANA, 1, "Late", late)
    off = lift_records.withdraw(home, ANA, "Next one", "the agency cannot")
    assert (off.state, off.why) == ("withdrawn", "the agency cannot")
    with pytest.raises(BadInput, match="withdrawn already"):
        lift_records.withdraw(home, ANA, "Next one", "again")
    lift_records.register(home, ANA, 1, "Free again", REQUEST)
    lift_records.withdraw(home, ANA, "Free again", "tidied up")


def test_markets_that_are_named_otherwise_meet_all_the_same(home):
    """Harbor has cardiology in Harbor; a market that is dark tells nothing of what would be."""
    dark = replace(REQUEST, by_line=False, chosen=(("Harbor", ""),), weeks=4)
    lift_records.register(home, ANA, 1, "Harbor dark", dark)
    lines = [
        market for market in lift_queries.panel(
            queries.marts(home, 1, protected=False), REQUEST.kind, by_line=True
        ).markets if market[0] == "Harbor"
    ]  # fmt: skip
    within = replace(REQUEST, channel="paid_search", chosen=(lines[0],))
    with pytest.raises(BadInput, match="in the same markets until"):
        lift_records.register(home, ANA, 1, "A line there", within)
    lift_records.withdraw(home, ANA, "Harbor dark", "tidied up")


def test_a_market_that_is_treated_is_not_compared_with(home, marts):
    markets = lift_queries.panel(marts, REQUEST.kind, by_line=True).markets
    one, other = markets[0], markets[-1]
    without = replace(REQUEST, chosen=(one,), left_out=(other,))
    lift_records.register(home, ANA, 1, "One dark", without)
    beside = replace(REQUEST, channel="paid_search", chosen=(other,))
    with pytest.raises(BadInput, match=f"treats {'/'.join(one)} until .* Leave out these markets"):
        lift_records.register(home, ANA, 1, "Other dark", beside)
    apart = replace(beside, left_out=(one,))
    assert lift_records.register(home, ANA, 1, "Other dark", apart).state == "planned"
    for name in ("One dark", "Other dark"):
        lift_records.withdraw(home, ANA, name, "tidied up")


def test_only_analysts_see_or_change_tests(home):
    for act in (
        lambda: lift_records.tests(home, VERA),
        lambda: lift_records.register(home, VERA, 1, "x", REQUEST),
        lambda: lift_records.record(home, VERA, 1, "x"),
        lambda: lift_records.withdraw(home, VERA, "x", "why"),
        lambda: lift_records.result_of(home, VERA, 1, "x"),
    ):
        with pytest.raises(NotAllowed, match="role analyst"):
            act()
    view = page.lift(home, 1, (), protected=True)
    assert "role analyst" in view.empty
    assert not view.tables


def test_what_is_recorded_is_heard_at_the_next_refresh_until_it_is_taken_back(
    home, marts, past, registered
):
    assert lift_records.evidence(home).empty
    found = lift_records.result_of(home, ANA, 1, registered)
    test = lift_records.record(home, ANA, 1, registered)
    assert test.state == "recorded"
    assert test.result == found == analysed(marts, past)
    with pytest.raises(BadInput, match="recorded already"):
        lift_records.record(home, ANA, 1, registered)
    written = _seeded(home)
    assert len(written) == len(past.treated)
    assert set(zip(written["location"], written["service_line"], strict=True)) == set(past.treated)
    assert set(written["test"]) == {f"{test.number} Video dark"}
    assert (written["first_day"] == "2026-09-21").all()  # after two weeks of wash-out
    assert (written["last_day"] == "2026-11-01").all()
    assert float(written["increment"].iloc[0]) == pytest.approx(found.increment, abs=1e-3)
    back = lift_records.withdraw(home, ANA, registered, "the site was down")
    assert (back.state, back.result, back.why) == ("finished", None, "the site was down")
    assert _seeded(home).empty
    told = [(each["action"], each["subject"]) for each in audit.entries(home, 2).to_dict("records")]
    assert told == [(audit.LIFT_RECORDED, registered), (audit.LIFT_WITHDRAWN, registered)]


def _seeded(home: Home) -> pd.DataFrame:
    engine = sa.create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        seeds.write(connection, configuration.load(home))
        return pd.read_sql(sa.text("select * from lift_tests"), connection)


def test_weeks_of_other_tests_are_left_out_of_what_is_usual(home, marts, past, registered):
    assert not any("left out" in each for each in analysed(marts, past).warnings)
    earlier = replace(past, channel="paid_search", starts=("2026-06-01",) * len(past.treated))
    lift_records.keep(home, "ana", 1, "Earlier", earlier, at="2026-05-20T08:00:00.000+00:00")
    found = lift_records.result_of(home, ANA, 1, registered)
    # Two weeks of wash-out, six that count, and two in which search works again.
    assert "10 weeks before it are left out" in found.warnings[-1]
    assert found.expected != analysed(marts, past).expected
    number = lift_records.test_of(home, ANA, registered).number
    assert lift_result.found_of(home, 1, past, lift_records.busy(home, number)) == found
    made = proposed(marts, REQUEST, lift_records.busy(home))
    assert "left out" in made.warnings[-1]
    assert made.plan.first_day == SOON
    lift_records.withdraw(home, ANA, "Earlier", "tidied up")


def test_a_plan_that_was_changed_is_not_heard(home, registered):
    def change(text: str) -> None:
        with sqlite3.connect(home.ledger) as ledger:
            ledger.execute("update lift_test set plan = ? where name = ?", (text, registered))

    with sqlite3.connect(home.ledger) as ledger:
        [(plan,)] = ledger.execute("select plan from lift_test where name = ?", (registered,))
    change(plan.replace('"weeks": 6', '"weeks": 5'))
    try:
        with pytest.raises(BadInput, match="not the one that was registered"):
            lift_records.evidence(home)
    finally:
        change(plan)


def test_a_test_that_runs_has_no_result_yet(marts, past):
    later = replace(past, starts=("2026-10-19",) * len(past.treated))
    with pytest.raises(BadInput, match="counts until 2026-12-13, and the data reach 2026-11-22"):
        analysed(marts, later)
    gone = replace(past, treated=(("Nowhere", "cardiology"), *past.treated[1:]))
    with pytest.raises(BadInput, match="Nothing is counted of the market Nowhere/cardiology"):
        analysed(marts, gone)


def test_weeks_that_are_not_reported_yet_do_not_count_as_empty_ones(tmp_path, past):
    home = made_up.make_home(tmp_path)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as marts:
        marts.execute("delete from conversions where kind = 'kept' and week > '2026-10-05'")
    late = queries.marts(home, 1, protected=False)
    told = lift_queries.panel(late, "kept", by_line=True)
    # Its own last week, of 5 October, is hardly a whole one.
    assert str(told.weeks[-1]) == "2026-09-28"
    assert (told.counts[:, -1] > 0).any()
    with pytest.raises(BadInput, match="the data reach 2026-10-04"):
        analysed(late, past)
    assert str(lift_queries.panel(late, "lead", by_line=True).weeks[-1]) == "2026-11-16"


def test_what_cannot_be_told_is_said(marts):
    refused = {
        "No money goes into a channel 'smoke'": Request("smoke"),
        "at least one week": Request("video", weeks=0),
        "some week of theirs must count": Request("video", by_line=True, later=8),
        "counts one of lead": Request("video", kind="collected"),
        "no market Moon": Request("video", chosen=(("Moon", ""),)),
        "at least two must tell": Request("video", treated=2),
        r"0 of 3 .* Treat one\.": Request("video", treated=0),
        "Harbor cannot be treated and left out": Request("video", chosen=HARBOR, left_out=HARBOR),
        "-1 is no seed": Request("video", seed=-1),
        "2 markets are too few": Request("video", left_out=HARBOR),
        "is no Monday": Request("video", first_day=date(2027, 1, 5)),
        "weeks are too few to try a test of 52": Request("video", weeks=52),
        "A switchback takes 4 pairs": Request("video", design="switchback", pairs=3),
        "too few to try 24 blocks": Request("video", design="switchback", pairs=12, block=8),
    }
    for sentence, request in refused.items():
        with pytest.raises(BadInput, match=sentence):
            proposed(marts, request)
    made = proposed(marts, Request("video", wanted=0.05))
    counted = made_up.tables()["conversions"].query("kind == 'kept'")  # of no known place too
    weeks = sorted(counted["week"].unique())[WARM_UP:-1]  # a year or less, as the model fits
    believed = made_up.tables()["mix_channels"].set_index(["kind", "channel"]).loc["kept", "video"]
    whole = counted.loc[counted["week"].isin(weeks), "conversions"].sum()
    assert made.believed is not None
    assert made.believed[0] == pytest.approx(believed["brought"] / whole)
    said = " ".join(made.warnings)
    assert "cannot tell an effect of 5%" in said
    assert "Only 3 markets" in said
    assert "speaks for more than one market" in said


def test_a_switchback_is_analysed_by_its_blocks(home, marts):
    request = Request("paid_search", design="switchback", block=2, washout=1, pairs=4)
    plan = proposed(marts, request).plan
    assert len(plan.blocks) == 8
    past = replace(plan, starts=("2026-07-20",) * len(plan.treated))
    found = analysed(marts, past)
    assert found.low <= found.increment <= found.high
    assert len(found.effects) == 4
    assert len(found.parts) == len(plan.treated) * 4
    lengths = {date.fromisoformat(b) - date.fromisoformat(a) for *_, a, b in found.parts}
    assert lengths == {timedelta(days=6)}
    told = lift_queries.panel(marts, past.kind, by_line=False)
    paid, start = np.full(told.counts.shape, 100.0), told.at("2026-07-20")
    paid[:, start : start + 16][:, switchback.weeks_off(past.blocks, 2)] = 0.0
    one_of_two = told_by(told, Money(paid, 0 * paid, 0.0, 1.0), past).money
    assert one_of_two == pytest.approx(100 * len(past.treated) * 4)
    view = lift_design.design(home, 1, request)
    assert "off and on by turns" in view.remark


def test_a_result_is_told_with_its_interval_and_what_went_otherwise(home, past, registered):
    test = lift_records.test_of(home, ANA, registered)
    found = lift_records.result_of(home, ANA, 1, registered)
    view = lift_result.result(test, found, "USD")
    assert set(view.figures) == {"course", "weeks", "placebos"}
    assert view.metrics[0].value == found.increment
    assert len(view.tables["effects"].frame) == past.weeks
    drawn = {trace.get("name"): trace for trace in view.figures["course"].spec["data"]}
    told = view.tables[view.figures["course"].table].frame
    told = told.assign(week=told["week"].map(lambda day: f"{day:%Y-%m-%d}")).set_index("week")
    for name, column in (("Counted", "counted"), ("Without the test", "without")):
        points = zip(drawn[name]["x"], drawn[name]["y"], strict=True)
        assert all(told[column][week] == value for week, value in points if value is not None)
    sure = replace(found, increment=50.0, low=20.0, high=80.0, share=0.2, money=1_000.0)
    assert "brought 50" in lift_result.said_of(test, sure)
    assert lift_result.result(test, sure, "USD").metrics[2].value == pytest.approx(20.0)
    lost = replace(found, increment=-50.0, low=-80.0, high=-20.0)
    assert "fewer" in lift_result.said_of(test, lost)
    assert "cannot tell" in lift_result.said_of(test, replace(found, low=-1.0, high=1.0))
    after = replace(test, at="2026-10-01T00:00:00.000+00:00")
    assert "after the test began" in lift_result.result(after, found, "USD").warnings[0]


def test_the_command_does_what_the_page_does(home, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    out = tmp_path / "lift.csv"
    asked = ["lift", "design", "--channel", "display", "--by-line", "--weeks", "4"]
    named = [*asked, "--market", "Harbor/cardiology", "--market", "Harbor/cardiology"]
    assert main([*named, "--out", str(out)]) == 0
    assert pd.read_csv(out)["arm"].tolist().count("Treated") == 1
    asked += ["--first-day", (SOON + timedelta(weeks=30)).isoformat(), "--out", str(out)]
    assert main([*asked[:-1], str(tmp_path / "none" / "lift.csv"), "--save", "By command"]) == 2
    assert main([*asked, "--save", "By command"]) == 0
    assert "Registered as 'By command'" in capsys.readouterr().err
    assert len(pd.read_csv(out)) == 12
    assert main(["lift", "list", "--out", str(out)]) == 0
    listed = pd.read_csv(out).set_index("name").loc["By command"]
    assert listed["first_day"] == (SOON + timedelta(weeks=30)).isoformat()
    assert main(["lift", "analyse", "By command"]) == 2
    assert "counts until" in capsys.readouterr().err
    assert main(["lift", "withdraw", "By command", "--why", "too dear"]) == 0
    assert "Called off" in capsys.readouterr().err


def test_the_page_records_and_takes_back(home, registered, monkeypatch):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    at = app()
    at.query_params["lift_test"] = registered
    at.run()
    at.switch_page(str(PAGES / "planning/lift.py")).run()
    assert not at.exception
    at.button(key="lift_record").click().run()
    assert not at.exception
    assert len(lift_records.evidence(home))
    at.text_input(key="lift_why").input("a storm in these weeks")
    next(each for each in at.button if each.label == "Take the result back").click().run()
    assert not at.exception
    assert lift_records.evidence(home).empty


def test_money_says_whether_anything_was_switched(past):
    """Off in five of twelve markets for nine weeks, 100 a week in each; then otherwise."""
    made = dark(2, later=3)
    weeks = np.arange(np.datetime64("2024-11-25"), np.datetime64("2026-11-23"), 7)
    markets = tuple((f"place {number}", "") for number in range(12))
    panel = Panel(markets, weeks.astype("datetime64[D]"), made.counts)
    starts = {m: c.start for c in made.layout.cohorts for m in c.markets}
    plan = replace(
        past, by_line=False, treated=tuple(markets[m] for m in starts),
        starts=tuple(str(panel.weeks[start]) for start in starts.values()),
        controls=tuple(markets[m] for m in made.layout.controls), washout=1, weeks=11,
    )  # fmt: skip
    paid = np.full(made.counts.shape, 100.0)
    for market, start in starts.items():
        paid[market, start:] = 0.0
    others = np.full(made.counts.shape, 500.0)
    found = told_by(panel, Money(paid, others, 0.0, 1.0), plan)
    assert found.low <= made.truth <= found.high
    assert (found.warnings, found.spoilt) == ((), "")
    counted = [104 - start - plan.washout for start in starts.values()]
    assert found.money == pytest.approx(100 * sum(counted))
    assert len({part[2] for part in found.parts}) == 2
    always, rest = Money(np.full(paid.shape, 100.0), others, 0.0, 1.0), list(range(3, 12))
    asked = Request("video", weeks=8, washout=2, later=3)
    at_stake = lift_designs._at_stake(panel, always, (0, 1, 2), rest, [3, 0, 3], asked)
    assert at_stake == pytest.approx(100 * (7 + 10 + 7))
    on = told_by(panel, Money(np.full(paid.shape, 100.0), others, 0.0, 1.0), plan)
    assert "was not off" in on.warnings[0]
    assert "call the test off" in on.spoilt
    lit = replace(plan, action="on")
    twice = np.full(paid.shape, 100.0)
    for market, start in starts.items():
        twice[market, start:] = 200.0
    more = told_by(panel, Money(twice, others, 0.0, 1.0), lit)
    assert "had 50% of this money in the treated markets before" in more.spoilt
    [planned] = lift_designs._unpaid(lit, panel, Money(twice, others, 0.0, 5_000.0))
    assert "have money of this channel already" in planned
    assert lift_designs._unpaid(lit, panel, Money(0 * twice, others, 0.0, 5_000.0)) == []
    assert not told_by(panel, Money(twice * (twice > 100), others, 0.0, 1.0), lit).spoilt
    unknown = told_by(panel, Money(0 * paid, others, 0.0, 1.0), plan)
    assert "nobody can see" in unknown.warnings[0]
    assert not unknown.spoilt
    treated = list(starts)
    others[treated, -12:] *= 2
    paid[list(made.layout.controls), -12:] *= 2
    said = " ".join(told_by(panel, Money(paid, others, 0.4, 1.0), plan).warnings)
    for words in ("became 200%", "(to 200% and 100% of what it was)", "40% of the channel's money"):
        assert words in said


def test_the_demo_registers_its_own_test_once(home, monkeypatch):
    monkeypatch.setattr(geo_plan, "LOCATIONS", ("Harbor", "Lakeside", "North"))
    geo_plan.register(home)  # no world with a test was simulated here
    truth = {"geo_test": {"first_day": "2026-07-06"}}
    (home.folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    for _ in range(2):
        geo_plan.register(home)
    test = lift_records.test_of(home, ANA, NAME)
    assert (test.state, test.ahead) == ("finished", True)
    assert test.plan.treated == (("Lakeside", ""),)
    assert test.plan.last_day == date(2026, 10, 11)
