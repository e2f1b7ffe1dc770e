"""The budget: its laws, plans worked by hand, capacity, and scenarios that are kept."""

import csv
import io
from datetime import timedelta

import duckdb
import marts_fixture as made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import audit, mix_command, mix_queries, planning, queries
from attribution.cli import main
from attribution.errors import BadInput, NotAllowed
from attribution.models.budget import judged, limits_of, plan
from attribution.models.response import Curves
from attribution.paths import Home
from attribution.planning import Request
from attribution.queries import Marts
from attribution.roles import Reader
from attribution.ui.views import budget as page

few = settings(max_examples=12, deadline=None)
ANALYST = Reader("ana", frozenset({"analyst"}))


def curves_of(seed: int, channels: int, draws: int = 20) -> Curves:
    rng = np.random.default_rng(seed)
    return Curves(rng.gamma(2, 20, (draws, channels)), rng.gamma(2, 1_000, (draws, channels)) + 10)


@few
@given(st.integers(0, 9_999), st.integers(2, 8), st.floats(0, 1), st.booleans())
def test_plans_spend_the_total_within_bounds_and_leave_the_locked(seed, channels, part, careful):
    rng = np.random.default_rng(seed)
    now = rng.gamma(2, 1_000, channels)
    low, high = now * rng.uniform(0, 1, channels), now * rng.uniform(1, 3, channels)
    low[0] = high[0] = now[0]
    total = float(low.sum() + part * (high - low).sum())
    limits = limits_of(total, low, high)
    made = plan(curves_of(seed, channels), now, limits, careful=careful)
    assert made.spend.sum() == pytest.approx(total, rel=1e-6)
    assert (made.spend >= low - 1e-6).all()
    assert (made.spend <= high + 1e-6).all()
    assert made.spend[0] == pytest.approx(now[0])
    assert 0 <= made.sure <= 1
    assert made.interval[0] <= made.interval[1]


@few
@given(st.integers(0, 9_999), st.integers(2, 8))
def test_more_money_never_lowers_the_best_and_no_plan_beats_it(seed, channels):
    rng = np.random.default_rng(seed)
    curves, now = curves_of(seed, channels), rng.gamma(2, 1_000, channels)
    low, high = now * 0.2, now * 3
    gains = [
        plan(curves, now, limits_of(float(now.sum()) * more, low, high)).gain
        for more in (0.8, 1.0, 1.3)
    ]
    assert gains[0] <= gains[1] <= gains[2]
    assert gains[1] >= -1e-6  # today's is among the plans
    for _ in range(5):
        other = rng.uniform(low, high)
        other *= now.sum() / other.sum()
        if (other >= low).all() and (other <= high).all():
            assert judged(curves, now, other).gain <= gains[1] + 1e-6


def test_a_plan_worked_by_hand():
    """Ceilings of 90 and 10, half at 100: one more brings the same where (100 + x) is as 3 to 1."""
    curves = Curves(np.array([[90.0, 10.0]]), np.array([[100.0, 100.0]]))
    now = np.array([200.0, 200.0])
    made = plan(curves, now, limits_of(400.0, np.zeros(2), np.full(2, 400.0)))
    assert made.spend == pytest.approx([350.0, 50.0], abs=1e-3)
    assert made.gain == pytest.approx(90 * 350 / 450 + 10 * 50 / 150 - 100 * 200 / 300)
    assert made.sure == 1.0


def test_a_careful_plan_does_not_bet():
    """The second channel may do much or nothing: any move loses in half the draws."""
    top = np.column_stack([np.full(20, 50.0), np.repeat([5.0, 140.0], 10)])
    curves, now = Curves(top, np.full((20, 2), 500.0)), np.array([500.0, 500.0])
    limits = limits_of(1_000.0, np.zeros(2), np.full(2, 1_000.0))
    usual, careful = (plan(curves, now, limits, careful=how) for how in (False, True))
    assert usual.spend[1] > now[1] + 50
    assert careful.spend == pytest.approx(now, abs=1.0)
    assert np.sort(careful.gains)[:4].mean() > np.sort(usual.gains)[:4].mean() + 1


def test_no_service_line_is_given_more_than_it_can_take():
    curves, now = curves_of(3, 3), np.array([500.0, 500.0, 500.0])
    low, high, shares = np.zeros(3), np.full(3, 3_000.0), np.eye(3)[:1]
    free = plan(curves, now, limits_of(3_000.0, low, high))
    more = (curves.brings(free.spend) - curves.brings(now)).mean(axis=0)[0]
    room = np.array([0.3 * more])
    made = plan(curves, now, limits_of(3_000.0, low, high, (), shares, room))
    assert (curves.brings(made.spend) - curves.brings(now)).mean(axis=0)[0] <= room[0] + 1e-4
    assert made.spend.sum() == pytest.approx(3_000.0)
    assert made.gain < free.gain
    with pytest.raises(BadInput, match="what the service lines can take"):
        plan(curves, now, limits_of(9_000.0, low, high, (), np.eye(3), np.full(3, 0.01)))


def test_what_cannot_be_spent_is_refused():
    with pytest.raises(BadInput, match="cannot be spent: all channels together take from 1 to 4"):
        limits_of(9.0, np.array([1.0, 0.0]), np.array([2.0, 2.0]))
    with pytest.raises(BadInput, match="The least spend of video is above its most"):
        limits_of(9.0, np.array([3.0]), np.array([2.0]), ("video",))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


def test_a_plan_keeps_within_what_was_ever_spent_unless_a_test_was_heard(marts):
    made = planning.scenario(marts, Request())
    assert made.total == pytest.approx(made.total_now)
    assert not made.beyond
    lines = {line.channel: line for line in made.lines}
    assert lines["video"].least == 0.0
    assert lines["display"].least == pytest.approx(0.6 * lines["display"].now)
    assert all(line.least <= line.suggested <= line.most + 1e-6 for line in made.lines)
    asked = Request(
        locked=("display",), bounds=(("paid_search", 7_000.0, 9_000.0),), total=12_000.0
    )
    forced = planning.scenario(marts, asked)
    lines = {line.channel: line for line in forced.lines}
    assert lines["display"].suggested == pytest.approx(lines["display"].now)
    assert lines["paid_search"].suggested >= 7_000
    assert forced.beyond == ("paid_search",)


def test_margin_counts_what_is_spent_more(marts):
    today = planning.scenario(marts, Request("margin", margin=0.4))
    more = planning.scenario(marts, Request("margin", margin=0.4, total=today.total_now + 1_000))
    brought = sum(line.brings - line.brings_now for line in more.lines)
    assert more.gain == pytest.approx(brought - 1_000)
    assert today.gain > 0


def test_room_of_a_service_line_binds_the_plan(marts):
    free = planning.scenario(marts, Request(total=12_000.0))
    tight = planning.scenario(marts, Request(total=12_000.0, room=(("cardiology", 0.5),)))
    assert tight.gain < free.gain
    shares = mix_queries.line_shares(marts, tuple(line.channel for line in tight.lines))
    assert shares.sum().to_numpy() == pytest.approx(1.0)
    taken = sum(
        shares.loc["cardiology", line.channel] * (line.brings - line.brings_now)
        for line in tight.lines
    )
    assert taken <= 0.5 + 1e-3
    for share in (9.0, 0.0, -0.5, float("nan")):
        with pytest.raises(BadInput, match="is no share that a channel may move by"):
            planning.scenario(marts, Request(change=share))
    with pytest.raises(BadInput, match="There is no service line 'botany'"):
        planning.scenario(marts, Request(room=(("botany", 1.0),)))
    with pytest.raises(BadInput, match="There is no curve of a channel 'smoke'"):
        planning.scenario(marts, Request(locked=("smoke",)))


def test_what_is_booked_for_weeks_to_come_gives_no_service_line_more(marts, tmp_path):
    booked = made_up.make_home(tmp_path)
    ahead = queries.about(marts).last_week + timedelta(weeks=5)
    with duckdb.connect(str(booked.generation(1) / "marts.duckdb")) as database:
        for table, amount in (("spend", "spend_micros"), ("conversions", "conversions")):
            database.execute(
                f"insert into {table} select * replace (? as week, 1000 * {amount} as {amount})"
                f" from {table} where service_line = 'cardiology'",
                [ahead],
            )
    found = mix_queries.line_shares(queries.marts(booked, 1, protected=False), ("video",))
    assert found["video"].to_dict() == pytest.approx(
        mix_queries.line_shares(marts, ("video",))["video"].to_dict()
    )


def test_scenarios_are_kept_written_down_and_read_again(home, marts):
    asked = Request(total=9_000.0, locked=("video",), careful=True)
    made = planning.keep(home, ANALYST, 1, "  Autumn   plan ", asked)
    assert planning.kept(home, ANALYST) == [made]
    assert (made.name, made.actor, made.request) == ("Autumn plan", "ana", asked)
    assert made.lines == planning.scenario(marts, asked).lines
    last = audit.entries(home, 1).iloc[0]
    assert (last["action"], last["subject"]) == (audit.SCENARIO_KEPT, "Autumn plan")
    with pytest.raises(BadInput, match="There is a scenario 'Autumn plan' already"):
        planning.keep(home, ANALYST, 1, "Autumn plan", asked)
    with pytest.raises(BadInput, match="needs a name"):
        planning.keep(home, ANALYST, 1, " ", asked)
    viewer = Reader("vi", frozenset({"viewer"}))
    for forbidden in (
        lambda: planning.keep(home, viewer, 1, "Mine", asked),
        lambda: planning.kept(home, viewer),
    ):
        with pytest.raises(NotAllowed):
            forbidden()
    table = page.compared([made]).frame
    assert table["plan_gain"].tolist() == [made.gain]


def test_the_page_says_what_the_plan_says_and_viewers_are_told_nothing(home, marts):
    view = page.budget(home, 1, Request(), protected=False)
    made = planning.scenario(marts, Request())
    assert view.metrics[0].value == pytest.approx(made.gain)
    assert view.metrics[1].value == made.sure
    assert set(view.figures) == {f"curve_{line.channel}" for line in made.lines}
    assert "Display" in view.warnings[0]  # of which the weeks tell hardly anything
    shaded = view.figures["curve_video"].spec["layout"]["shapes"]
    assert shaded[1]["x0"] == pytest.approx(1.5 * 1_000)
    assert view.notes[-1].startswith("In no plan, as there is no curve of them: Email. A")
    still = Request(locked=tuple(line.channel for line in made.lines))
    view = page.budget(home, 1, still, protected=False)
    assert view.metrics[1].value is None  # nothing moves, so there is nothing to be sure of
    assert view.notes[0].startswith("Nothing moves: within these bounds no other plan")
    assert mix_command._sentence(planning.scenario(marts, still)).startswith("Nothing moves")
    told = page.budget(home, 1, Request(), protected=True)
    assert told.empty == page.PROTECTED
    assert not told.metrics
    assert not told.figures
    refused = page.budget(home, 1, Request(total=1.0), protected=False)
    assert "cannot be spent" in refused.empty


def test_the_command_writes_the_plan_of_the_page(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setattr("attribution.versions.require", lambda *_, **__: None)
    out = tmp_path / "plan.csv"
    said = ["--lock", "display", "--bound", "video=0:1200", "--room", "cardiology=2"]
    assert main(["budget", "--total", "9000", *said, "--out", str(out)]) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"))))
    request = Request(
        total=9_000.0, locked=("display",), bounds=(("video", 0.0, 1_200.0),),
        room=(("cardiology", 2.0),),
    )  # fmt: skip
    made = planning.scenario(queries.marts(home, 1, protected=False), request)
    assert {row["channel"]: float(row["spend_suggested"]) for row in rows} == pytest.approx(
        {line.channel: line.suggested for line in made.lines}
    )
    assert {row["small_cells"] for row in rows} != {""}
    assert "beats today's in" in capsys.readouterr().err
    last = audit.entries(home, 1).iloc[0]
    assert (last["action"], last["subject"]) == (audit.EXPORTED, "budget plan")
    before = planning.kept(home, ANALYST)
    for folder in (tmp_path, tmp_path / "none" / "plan.csv"):
        assert main(["budget", "--save", "Unwritten", "--out", str(folder)]) == 2
        assert "folder" in capsys.readouterr().err
    assert planning.kept(home, ANALYST) == before
    assert main(["budget", "--bound", "video"]) == 2
    assert "is no bound" in capsys.readouterr().err
    for wrong in ("-5:9", "0:inf", "nan:9"):
        assert main(["budget", "--bound", f"video={wrong}"]) == 2
        assert "are no bounds of video" in capsys.readouterr().err
    assert main(["budget", "--room", "cardiology=nan"]) == 2
    assert "is no room of cardiology" in capsys.readouterr().err
    for margin in ("40", "-0.4"):
        assert main(["budget", "--objective", "margin", f"--margin={margin}"]) == 2
        assert f"{margin} is no part of money" in capsys.readouterr().err
    assert main(["mix", "--kind", "kept", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("channel,spend,brought,low,high,evidence")
