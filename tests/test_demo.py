"""The simulated health system: same seed, same bytes; rows that fit; effects that are true."""

import hashlib
import json
import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attribution.demo import prepare, simulate, tables_of, world
from attribution.demo.config import config_toml
from attribution.demo.draws import Draws
from attribution.demo.education import FLOWS, TIP_VISIT, families
from attribution.demo.folk import folk_of
from attribution.demo.log import FULFILLED
from attribution.demo.market import LEVER, PAID, SWITCHES, weekly_spend
from attribution.demo.truth import truth_of
from attribution.demo.worlds import KINDS, calendar_of, levers_off, live
from attribution.errors import BadInput, SettingsError
from attribution.paths import Home
from connectors.contract import BY_TABLE, AdSpend, contract_fields
from connectors.files import connect
from connectors.source import Columns, Context, Rejected

UNTIL = date(2026, 11, 22)
PEOPLE = 3000


@pytest.fixture(scope="module")
def lived():
    return world(PEOPLE, 7, until=UNTIL)


@pytest.fixture(scope="module")
def tables(lived):
    return tables_of(lived)


@pytest.fixture(scope="module")
def truth(lived):
    return truth_of(lived)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, simulate(folder, people=600, until=UNTIL, days=182)


@pytest.fixture(scope="module")
def small():
    """The rows of the world that was written."""
    return tables_of(world(600, 7, until=UNTIL, days=182))


@pytest.fixture(scope="module")
def loaded(written):
    """What the files connector makes of the dropped files: row counts, columns, rejects."""
    folder, _ = written
    document = tomllib.loads((folder / "caretrace.toml").read_text("utf-8"))
    counts, columns, rejected = Counter(), {}, []
    for name, table in document["sources"].items():
        context = Context(name, name, table, datetime.now(UTC), document["first_day"])
        for piece in connect(context).slices({}):
            for item in piece.read():
                if isinstance(item, Columns):
                    counts[item.row.spec.table] += len(item.table)
                    columns.setdefault(item.row.spec.table, item.table)
                elif isinstance(item, Rejected):
                    rejected.append(item)
    return counts, columns, rejected


def fingerprints(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "caretrace.toml"  # names the folder
    }


def happened(world, people):
    """All that a world records of some people."""
    parts = {}
    for name in ("inquiries", "visits", "touches", "messages"):
        log = getattr(world, name)
        mine = np.isin(log["person"], people)
        rows = np.stack([column[mine] for column in log.values()])
        parts[name] = rows[:, np.lexsort(rows)]
    return parts


def test_one_draw_does_not_depend_on_the_others():
    together = Draws(3, np.arange(100)).uniform(5, 9)
    alone = Draws(3, np.array([42])).uniform(5, 9)
    assert together[42] == alone[0]
    assert Draws(3, np.arange(100)).uniform(5, np.full(100, 9)).tolist() == together.tolist()


def test_draws_are_uniform_and_unrelated():
    draws = Draws(1, np.arange(20_000))
    first, second, later = draws.uniform(1, 0), draws.uniform(2, 0), draws.uniform(1, 1)
    assert abs(first.mean() - 0.5) < 0.01
    assert np.bincount((first * 10).astype(int)).min() > 1800
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, later)[0, 1]) < 0.03


def test_same_seed_writes_the_same_bytes(written, tmp_path):
    folder, summary = written
    simulate(tmp_path, people=600, until=UNTIL, days=182)
    assert fingerprints(tmp_path) == fingerprints(folder)
    assert summary.last_day == UNTIL
    assert summary.first_day == date(2026, 5, 25)


def test_another_seed_is_another_world():
    assert (
        world(300, 7, until=UNTIL, days=182).totals()
        != world(300, 8, until=UNTIL, days=182).totals()
    )


def test_weeks_end_on_a_sunday():
    for day in range(1, 15):
        calendar = calendar_of(date(2026, 11, day), 730)
        assert calendar.until.weekday() == 6
        assert calendar.until <= date(2026, 11, day)
        assert calendar.start.weekday() == 0
        assert calendar.weeks == 104


def test_rows_have_the_contracts_columns(tables):
    assert set(tables) <= set(BY_TABLE)
    assert {"ad_spend", "call", "message", "preference", "environment"} < set(tables)
    for name, table in tables.items():
        fields = {field.name: field for field in contract_fields(BY_TABLE[name])}
        assert set(table.columns) <= set(fields), name
        for field in fields.values():
            if field.required and field.default is None:
                assert table[field.name].notna().all(), f"{name}.{field.name}"
            if field.one_of and field.name in table:
                assert set(table[field.name]) <= set(field.one_of), f"{name}.{field.name}"


def test_keys_are_unique(tables):
    for name, table in tables.items():
        # What a table leaves out is the same in all of its rows.
        key = [column for column in BY_TABLE[name].spec.key if column in table]
        assert not table.duplicated(key).any(), name


def test_every_good_row_loads_and_every_bad_one_is_explained(written, loaded):
    _, summary = written
    counts, _, rejected = loaded
    # The agency's workbook is by the week, so it has fewer rows than days.
    assert {k: v for k, v in counts.items() if k != "ad_spend"} == {
        k: v for k, v in summary.rows.items() if k != "ad_spend"
    }
    assert Counter(reject.table for reject in rejected) == {"payment": 13, "call": 12}
    assert all(reject.reason for reject in rejected)


def test_foreign_formats_come_out_as_they_went_in(loaded, small):
    _, columns, _ = loaded
    paid = columns["payment"].column("amount_micros").to_pylist()
    assert sum(paid) == round(small["payment"]["amount"].sum() * 100) * 10_000
    assert set(columns["appointment"].column("status").to_pylist()) <= {
        "fulfilled", "noshow", "cancelled", "booked",
    }  # fmt: skip
    assert set(columns["message"].column("arm").to_pylist()) == {"treated", "holdout"}
    local = small["contact"]["created_at"].dt.tz_localize("America/Chicago").dt.tz_convert("UTC")
    assert columns["contact"].column("created_at").to_pylist() == local.dt.to_pydatetime().tolist()


def test_platforms_claim_more_than_there_is(lived, tables):
    """By views too, some under two names, and together more than all inquiries there were."""
    claims = tables["claimed_conversions"]
    once = claims[claims["action"] != "offsite_conversion.fb_pixel_lead"]
    by = once.groupby("counted_by")["conversions"].sum()
    assert by["view"] > 0.2 * by["click"] > 0
    assert once["conversions"].sum() > len(lived.inquiries["person"])
    assert len(claims) > len(once)
    spend = tables["ad_spend"]
    assert 0 < spend["claimed_conversions"].sum() <= once["conversions"].sum()


def test_claims_of_the_last_days_are_still_arriving(lived, tables):
    """On the day on which the ad was clicked stands what came of it; that takes days to tell."""
    claims = tables["claimed_conversions"]
    last = pd.Timestamp(lived.calendar.until)
    by_day = claims.groupby("day")["conversions"].sum()
    usual = by_day[last - pd.Timedelta(days=62) : last - pd.Timedelta(days=35)].mean()
    assert by_day.reindex(pd.date_range(last - pd.Timedelta(days=2), last)).fillna(0).mean() < usual
    # As the platforms themselves date them, and their connectors say.
    assert claims.groupby("network")["dated"].unique().map(list).to_dict() == {
        "bing": ["touch"], "facebook": ["conversion"], "google": ["touch"], "youtube": ["touch"],
    }  # fmt: skip
    assert (claims["day"] <= last).all()


def test_spend_survives_decimal_commas(written, small):
    folder, _ = written
    document = tomllib.loads((folder / "caretrace.toml").read_text("utf-8"))
    context = Context(
        "m", "m", document["sources"]["microsoft_ads"], datetime.now(UTC), date(2020, 1, 1)
    )
    items = [item for piece in connect(context).slices({}) for item in piece.read()]
    (table,) = [i.table for i in items if isinstance(i, Columns) and i.row is AdSpend]
    spend = small["ad_spend"]
    expected = round(spend.loc[spend["network"] == "bing", "spend"].sum() * 100) * 10_000
    assert sum(table.column("spend_micros").to_pylist()) == expected


def test_off_is_the_difference_of_two_runs(lived, truth):
    for channel in ("paid_search", "display", "direct_mail", "video", "outreach_sms"):
        without = world(PEOPLE, 7, frozenset([channel]), until=UNTIL).totals()
        lost = {kind: lived.totals()[kind] - without[kind] for kind in KINDS}
        assert truth["channels"][channel]["incremental"] == pytest.approx(lost), channel


@pytest.mark.parametrize("lever", ["nonbrand", "directory", "display", "organic_social"])
def test_a_channel_changes_nothing_for_those_it_never_reached(lived, lever):
    without = world(PEOPLE, 7, frozenset([lever]), until=UNTIL)
    codes = [LEVER[lever], -1 - LEVER[lever]]
    reached = lived.touches["person"][np.isin(lived.touches["lever"], codes)]
    others = np.setdiff1d(lived.folk.ids, reached)
    assert 0 < len(others) < PEOPLE
    before, after = happened(lived, others), happened(without, others)
    for name in before:
        assert np.array_equal(before[name], after[name]), name
    assert not np.isin(without.touches["lever"], codes).any()


def test_some_people_live_as_they_do_among_all(lived):
    some = np.arange(0, PEOPLE, 7)
    alone = live(folk_of(7, some), 7, lived.calendar, frozenset())
    among, apart = happened(lived, some), happened(alone, some)
    for name in among:
        assert np.array_equal(among[name], apart[name]), name
    assert alone.totals() == lived.totals(some)


def test_switching_off_names():
    assert levers_off(["paid_search"]) == {"brand", "nonbrand"}
    assert levers_off(["paid_search:brand"]) == {"brand"}
    assert levers_off(["reactivation_all_sms_2026_02"]) == {"reactivation_all_sms_2026_02"}
    with pytest.raises(ValueError, match="no channel 'paid_serch'"):
        levers_off(["paid_serch"])


def test_truth_covers_every_channel_and_names_its_estimand(truth):
    assert set(SWITCHES) <= set(truth["channels"])
    assert len([c for c, t in truth["channels"].items() if t["spend"] > 0 and ":" not in c]) == 8
    assert "every random draw stays the same" in truth["estimand"]
    json.dumps(truth)


def test_brand_ads_bring_back_little_of_what_last_click_gives_them(lived, truth):
    asked = lived.inquiries["lever"]
    last_click = {name: int((asked == LEVER[name]).sum()) for name in PAID}
    brand = truth["channels"]["paid_search:brand"]
    video = truth["channels"]["video"]
    assert brand["true_roas"] < 1
    assert brand["incremental"]["lead"] < 0.25 * last_click["brand"]
    assert video["incremental"]["lead"] > 3 * last_click["video"]


def test_a_baseline_would_have_come_anyway(truth):
    assert 0.35 < truth["baseline_share"]["new_patient"] < 0.65
    assert 0.45 < truth["baseline_share"]["lead"] < 0.75
    for kind in KINDS:
        assert truth["baseline"][kind] < truth["total"][kind]


def test_visits_are_kept_at_a_plausible_rate(lived):
    status = lived.visits["status"][lived.visits["reason"] < 3]
    rates = np.bincount(status, minlength=4) / len(status)
    assert 0.74 < rates[FULFILLED] < 0.88
    assert 0.35 < lived.inquiries["booked"].mean() < 0.55


def test_holdouts_differ_from_the_treated_by_chance_only():
    large = world(12_000, 11, until=UNTIL)
    for number, campaign in enumerate(large.campaigns):
        mine = large.messages["campaign"] == number
        person, treated = large.messages["person"][mine], large.messages["treated"][mine] == 1
        size = len(person)
        share = 1 - treated.mean()
        assert abs(share - campaign.holdout) < 4 * np.sqrt(0.25 / size)
        silent = large.messages["silent_weeks"][mine]
        apart = silent[treated].mean() - silent[~treated].mean()
        error = silent.std() * np.sqrt(1 / treated.sum() + 1 / (~treated).sum())
        assert abs(apart) < 4 * error


def test_the_message_helps_most_in_the_middle_of_silence(truth):
    assert len(truth["reactivation"]) >= 6
    lost, treated = Counter(), Counter()
    for campaign in truth["reactivation"].values():
        for band, effect in campaign["by_months_silent"].items():
            treated[band] += effect["treated"]
            lost[band] += effect["kept_within_90_days"] - effect["kept_without_message"]
    lift = {band: lost[band] / treated[band] for band in treated}
    assert lift["12-18"] > lift["24-36"] > lift["36+"]
    total = sum(lost.values()) / sum(treated.values())
    assert 0.02 < total < 0.06


def test_held_out_people_get_nothing(tables):
    held = tables["message"][tables["message"]["arm"] == "holdout"]
    assert len(held)
    assert held[["sent_at", "opened_at", "clicked_at", "replied_at"]].isna().all(axis=None)
    assert (held["cost"] == 0).all()


def test_tips_bring_what_the_truth_says_and_to_those_written_to_alone(lived, truth):
    without = world(PEOPLE, 7, frozenset(["wellness_tips"]), until=UNTIL)
    lost = lived.totals()["kept"] - without.totals()["kept"]
    told = truth["education"]["wellness_tips"]
    more = told["kept_within_90_days"] - told["kept_without_message"]
    assert 0 < more <= lost
    assert told["lift_points"] == pytest.approx(100 * more / told["treated"], abs=0.01)
    held = np.unique(lived.visits["person"][lived.visits["number"] == TIP_VISIT])
    young, _week, treated = families(lived.folk, without.visits, lived.calendar)
    assert set(held) <= set(young[treated])
    assert told["assigned"] == told["held_out"] + told["treated"] <= len(young)


def test_machines_open_and_people_leave_and_then_get_nothing_more(tables):
    sent, opened = tables["message"], tables["message_event"]
    taught = sent[sent["flow"].isin(FLOWS)]
    assert set(taught["flow"]) == set(FLOWS)
    assert set(opened["message_id"]) < set(taught.loc[taught["channel"] == "email", "message_id"])
    left = taught.dropna(subset=["unsubscribed_at"]).set_index(["patient_id", "channel"])
    later = taught.join(left["sent_at"].rename("left_at"), on=["patient_id", "channel"])
    assert len(left) > 2
    assert not (later["sent_at"] > later["left_at"]).any()


def test_on_the_last_day_something_is_due_and_pollen_is_in_the_air(tables):
    """So that outreach has somebody to write to: what is due soon, and where it blooms."""
    paid = tables["payment"].dropna(subset=["balance"])
    last = paid.sort_values("posted_at", kind="stable").groupby("patient_id").tail(1)
    soon = last["due_on"].between(*pd.to_datetime(["2026-09-23", "2026-11-29"]))
    assert 0.01 < ((last["balance"] >= 5) & soon).mean() < 0.5
    measured = tables["environment"]
    newest = measured[measured["day"] == pd.Timestamp(UNTIL)]
    assert (newest[["pollen_tree", "pollen_grass", "pollen_weed"]].max(axis=1) >= 90).any()


def test_spend_follows_the_number_of_people(lived, tables):
    spent = tables["ad_spend"]["spend"].sum()
    planned = sum(weekly_spend(lived.plan, lever, PEOPLE).sum() for lever in PAID)
    assert spent == pytest.approx(planned, rel=0.02)


def test_a_channel_that_is_off_leaves_no_trace():
    quiet = tables_of(world(800, 7, frozenset(["video", "outreach_email"]), until=UNTIL, days=182))
    assert "youtube" not in set(quiet["ad_spend"]["network"])
    assert "youtube" not in set(quiet["touchpoint"]["utm_source"])
    mail = quiet["message"].query("channel == 'email' and purpose == 'marketing'")
    assert set(mail["arm"]) == {"holdout"}
    assert set(mail["flow"].str.split("_").str[0]) == {"reactivation", "wellness"}


def test_tracking_loses_some_of_what_happened(lived, tables):
    clicks = tables["touchpoint"][tables["touchpoint"]["kind"] == "click"]
    assert 0.08 < clicks["client_id"].isna().mean() < 0.20
    web = lived.inquiries["lever"] >= 0
    found = tables["contact"]["client_id"].notna().sum() / web.sum()
    assert 0.2 < found < 0.8


def test_no_address_or_number_could_be_anyones(tables):
    mail = tables["contact"]["email"].dropna().str.lower()
    assert mail.str.endswith(("@example.org", "@exmaple.org")).all()
    assert tables["person"]["phone"].dropna().str.contains("-555-").all()


def test_odd_links_reach_no_rule(tables):
    sources = set(tables["touchpoint"]["utm_source"])
    assert {"lobby_poster", "tt_creator"} & sources


def test_demo_does_not_overwrite_a_real_installation(tmp_path):
    (tmp_path / "caretrace.toml").write_text('title = "Ours"\n')
    with pytest.raises(SettingsError, match="real installation"):
        prepare(Home(tmp_path), people=100, seed=1)
    assert (tmp_path / "caretrace.toml").read_text() == 'title = "Ours"\n'


def test_demo_starts_anew_for_another_world_only(tmp_path):
    home, said = Home(tmp_path), []
    prepare(home, people=100, seed=1, until=UNTIL, days=70)
    before = fingerprints(tmp_path)
    home.current.write_text("3")
    prepare(home, people=100, seed=1, until=UNTIL, days=70, say=said.append)
    assert "already simulated" in said[-1]
    assert home.current.exists()
    prepare(home, people=100, seed=2, until=UNTIL, days=70)
    assert not home.current.exists()
    after = fingerprints(tmp_path)
    assert before.keys() == after.keys()
    assert before["truth.json"] != after["truth.json"]
    assert Path(tomllib.loads(home.config.read_text())["sources"]["crm"]["folder"]).is_dir()


@pytest.mark.parametrize("people", [99, 0, -5])
def test_a_demo_of_too_few_people_is_refused_and_changes_nothing(tmp_path, people):
    home = published_demo(tmp_path)
    with pytest.raises(BadInput, match="give --people 100 or more"):
        prepare(home, people=people, seed=1)
    assert home.current.read_text() == "3"
    assert (tmp_path / "drop").is_dir()


def test_a_demo_that_cannot_be_simulated_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(folder, **_):
        folder.mkdir()
        raise OSError(28, "No space left on device")

    home = published_demo(tmp_path)
    before = fingerprints(tmp_path)
    monkeypatch.setattr("attribution.demo.simulation.simulate", fail)
    with pytest.raises(OSError, match="No space"):
        prepare(home, people=200, seed=1)
    assert fingerprints(tmp_path) == before
    assert not (tmp_path / "simulating").exists()


def published_demo(folder):
    home = Home(folder)
    home.config.write_text("demo = true\n")
    (folder / "drop").mkdir()
    home.current.write_text("3")
    return home


def test_configuration_quotes_any_folder():
    document = tomllib.loads(config_toml(Path('/a "b" é/drop')))
    assert document["sources"]["crm"]["folder"] == '/a "b" é/drop/crm'
    assert document["demo"] is True
