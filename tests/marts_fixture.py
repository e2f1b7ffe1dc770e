"""A home folder with one published generation of plausible, seeded, made-up marts."""

import shutil
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import claims_fixture
import credit_fixture
import duckdb
import experience_fixture
import forecast_fixture
import health_fixture
import messages_fixture
import mix_fixture
import numpy as np
import once
import pandas as pd
import paths_fixture
import patients_fixture as made_up_patients
import people_fixture as made_up_people
import returns_fixture
import sqlalchemy as sa
from credit_fixture import MODELS
from grids import grid

from attribution.paths import Home
from attribution.queries import Marts

PAID = {
    "paid_search": ("Brand", "Hip and knee", "Find a doctor"),
    "paid_social": ("Meet the team", "Heart month"),
    "display": ("Retargeting",),
    "video": ("Patient stories",),
    "direct_mail": ("New movers",),
    "offline_media": ("Radio spring",),
    "email": ("Newsletter",),
    "unmapped": ("(none)",),
}
FREE = ("organic_search", "direct", "referral_physician", "outreach_sms")
SERVICE_LINES = ("cardiology", "dermatology", "orthopedics", "primary care", "unassigned")
LOCATIONS = ("Harbor", "Lakeside", "North", "unassigned")
KINDS = {"lead": 3.0, "booked": 2.0, "kept": 1.5, "new_patient": 0.8, "collected": 2.2}
SILENCES = ("6-12", "12-18", "18-24", "24-36", "36+")
LAST_WEEK = date(2026, 11, 16)
WEEKS = 60
CURRENCY = "USD"
SETTINGS = f'currency = "{CURRENCY}"\n'
HOSTILE = "![x](http://evil.example/x.png) <script>alert(1)</script>"


def make_home(folder: Path, *, spend_since: date | None = None, demo: bool = True) -> Home:
    """Write marts, journeys, ledger and pointer of generation 1; the same on every call.

    Its people are simulated ones where `demo`.
    """
    shutil.copytree(once.made("marts", _make), folder, dirs_exist_ok=True)
    home = Home(folder)
    if not demo:
        home.config.write_text(SETTINGS, encoding="utf-8")
    for name in ("marts", "viewers") if spend_since else ():
        with duckdb.connect(str(home.generation(1) / f"{name}.duckdb")) as database:
            database.execute("delete from spend where week < ?", [spend_since])
    return home


def _make(folder: Path) -> None:
    generation = 1
    home = Home(folder)
    home.generation(generation).mkdir(parents=True)
    home.config.write_text(f"{SETTINGS}demo = true\n", encoding="utf-8")
    _write(home.generation(generation) / "marts.duckdb", _tables())
    people = made_up_people.tables() | made_up_people.timelines(home)
    _write(home.generation(generation) / "people.duckdb", people)
    _write_viewers(home.generation(generation))
    home.current.write_text(str(generation), encoding="ascii")
    health_fixture.write_ledger(home, generation)


def _write(path: Path, frames: dict[str, pd.DataFrame]) -> None:
    with duckdb.connect(str(path)) as database:
        for name, frame in frames.items():
            database.register("frame", frame)
            database.execute(f"create table {name} as select * from frame")
            database.unregister("frame")


def _write_viewers(folder: Path) -> None:
    """What viewers are told: here the same, and without intervals; nobody in it is real."""
    shutil.copyfile(folder / "marts.duckdb", folder / "viewers.duckdb")
    with duckdb.connect(str(folder / "viewers.duckdb")) as database:
        database.execute(
            "create table conversions_weekly as select kind, week, currency,"
            " cast(sum(conversions) as bigint) as conversions,"
            " cast(sum(value_micros) as bigint) as value_micros from conversions group by all"
        )


def tables() -> dict[str, pd.DataFrame]:
    """All marts as frames, for the caller to change."""
    return {name: frame.copy() for name, frame in _tables().items()}


@cache
def _tables() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(20261124)
    conversions = _conversions(random)
    credit = credit_fixture.credit(random, conversions, campaigns())
    # Their own dice, so that what is drawn after them stays as it was.
    groups = credit_fixture.credit_groups(np.random.default_rng(7), credit)
    kinds, channels = list(KINDS), sorted({channel for channel, _campaign in campaigns()})
    claims = claims_fixture.claims(weeks())
    curves = mix_fixture.mix_curves(tuple(KINDS))
    return {
        "about": _about(),
        "conversions": conversions,
        "credit": credit,
        "credit_dates": credit_fixture.credit_dates(credit),
        "credit_groups": groups,
        "credit_leans": credit_fixture.credit_leans(groups),
        "learned_groups": credit_fixture.learned_groups(np.random.default_rng(8), kinds, channels),
        "incremental": credit_fixture.incremental(kinds, channels),
        "incremental_draws": credit_fixture.incremental_draws(
            np.random.default_rng(9), kinds, channels
        ),
        "removal_effect": credit_fixture.removal_effect(kinds, channels),
        "mix_curves": curves,
        "mix_channels": mix_fixture.mix_channels(curves),
        "claims": claims,
        "claim_credit": claims_fixture.claim_credit(claims, MODELS),
        "key_events": claims_fixture.key_events(weeks()),
        "spend": _spend(random),
        "sessions": _sessions(random),
        "reactivation": (reactivation := _reactivation(random)),
        "reactivation_steps": experience_fixture.steps(reactivation),
        **experience_fixture.tables(_months(), SERVICE_LINES, LOCATIONS),
        "reach_next": returns_fixture.reach_next(SERVICE_LINES, LOCATIONS),
        "reach_costs": returns_fixture.reach_costs(),
        "return_calibration": returns_fixture.return_calibration(),
        **messages_fixture.tables(weeks(), HOSTILE),
        "paths": paths_fixture.paths(random, SERVICE_LINES, _quarters()),
        "path_lags": paths_fixture.path_lags(random, SERVICE_LINES, _quarters()),
        "transitions": paths_fixture.transitions(),
        "positions": made_up_people.positions(KINDS, SERVICE_LINES, LOCATIONS, _quarters()),
        "companions": made_up_people.companions(KINDS, SERVICE_LINES, LOCATIONS, _quarters()),
        "cohorts": paths_fixture.cohorts(SERVICE_LINES, weeks()),
        "appointments": _appointments(np.random.default_rng(12)),
        **forecast_fixture.marts(LAST_WEEK),
        **made_up_patients.tables(),
        **health_fixture.tables(weeks(), HOSTILE),
    }


def unplaced(marts: Marts, tables: dict[str, pd.DataFrame], campaign: str) -> Any:
    """The marts, with all spend of a campaign in no service line."""

    class Asked:
        protected = False

        def ask(self, statement: sa.Executable) -> pd.DataFrame:
            if "FROM spend" not in str(statement):
                return marts.ask(statement)
            moved = tables["spend"].copy()
            moved.loc[moved["campaign"] == campaign, "service_line"] = "unassigned"
            with duckdb.connect() as database:
                database.register("spend", moved)
                text = statement.compile(compile_kwargs={"literal_binds": True})
                found = database.execute(str(text))
                names = [name for name, *_ in found.description]
                return pd.DataFrame(found.fetchall(), columns=names)

    return Asked()


def weeks() -> list[date]:
    """The Mondays that the marts cover."""
    return [LAST_WEEK - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]


def campaigns() -> list[tuple[str, str]]:
    """Every channel with every campaign of it."""
    paid = [(channel, campaign) for channel, names in PAID.items() for campaign in names]
    return [*paid, *((channel, "(none)") for channel in FREE)]


def _about() -> pd.DataFrame:
    facts = {
        "currency": CURRENCY,
        "first_week": str(weeks()[0]),
        "last_week": str(LAST_WEEK),
        "people": "60000",
    }
    return pd.DataFrame(list(facts.items()), columns=["key", "value"])


def _appointments(random: np.random.Generator) -> pd.DataFrame:
    frame = grid(week=weeks(), service_line=SERVICE_LINES, location=LOCATIONS)
    frame["kept"] = random.poisson(9.0, len(frame))
    frame["missed"] = random.binomial(frame["kept"], 0.12)
    frame["ahead"] = frame["kept"] - random.binomial(frame["kept"], 0.1)
    frame["days_ahead"] = frame["ahead"] * random.integers(4, 30, len(frame))
    return frame


def _conversions(random: np.random.Generator) -> pd.DataFrame:
    frame = grid(kind=list(KINDS), service_line=SERVICE_LINES, location=LOCATIONS, week=weeks())
    season = 1 + 0.2 * np.sin(np.arange(len(frame)) % WEEKS / WEEKS * 2 * np.pi)
    frame["currency"] = CURRENCY
    frame["conversions"] = random.poisson(frame["kind"].map(KINDS) * 4 * season)
    frame["people"] = frame["conversions"]
    value = frame["conversions"] * random.integers(180, 420, len(frame)) * 1_000_000
    frame["value_micros"] = value.where(frame["kind"] == "collected", 0).astype("int64")
    return frame[frame["conversions"] > 0].reset_index(drop=True)


def _spend(random: np.random.Generator) -> pd.DataFrame:
    paid = [(channel, campaign) for channel, names in PAID.items() for campaign in names]
    frame = grid(pair=range(len(paid)), service_line=SERVICE_LINES[:4], week=weeks())
    frame["channel"] = [paid[i][0] for i in frame["pair"]]
    frame["campaign"] = [paid[i][1] for i in frame["pair"]]
    frame["location"] = "unassigned"
    frame["currency"] = CURRENCY
    scale = 1 + frame["pair"] % 4
    frame["spend_micros"] = random.integers(40, 400, len(frame)) * scale * 1_000_000
    frame["impressions"] = random.integers(1_000, 40_000, len(frame))
    frame["clicks"] = random.integers(10, 400, len(frame))
    frame["claimed_conversions"] = random.integers(0, 9, len(frame)).astype("float64")
    frame["claimed_value_micros"] = 0
    euros = frame.iloc[-4:].assign(currency="EUR", campaign="Grenzgang")
    return pd.concat([frame, euros], ignore_index=True).drop(columns=["pair"])


def _sessions(random: np.random.Generator) -> pd.DataFrame:
    known = campaigns()
    frame = grid(pair=range(len(known)), week=weeks())
    frame["channel"] = [known[i][0] for i in frame["pair"]]
    frame["campaign"] = [known[i][1] for i in frame["pair"]]
    frame["sessions"] = random.integers(20, 900, len(frame))
    frame["engaged_sessions"] = frame["sessions"] // 2
    frame["key_events"] = 1.0
    frame["sampled"] = frame["week"] == LAST_WEEK
    frame["thresholded"] = frame["week"] == weeks()[-3]
    frame["other_row"] = False
    return frame.drop(columns=["pair"])


def _reactivation(random: np.random.Generator) -> pd.DataFrame:
    months = _months()
    asked = grid(
        cohort_month=months,
        campaign=("Annual check-up", "Knee follow-up", HOSTILE),
        months_silent=SILENCES,
        service_line=SERVICE_LINES[:3],
        arm=("treated", "holdout"),
    )
    treated = asked["arm"] == "treated"
    outreach = {"Annual check-up": "outreach_email", "Knee follow-up": "outreach_sms"}
    asked["channel"] = asked["campaign"].map(outreach).fillna("outreach_call")
    asked["silent"] = np.where(
        treated, random.integers(60, 160, len(asked)), random.integers(10, 30, len(asked))
    )
    rate = np.where(treated, 0.17, 0.11) / (1 + asked["months_silent"].map(SILENCES.index) * 0.2)
    asked["contacted"] = np.where(treated, (asked["silent"] * 0.93).astype(int), 0)
    asked["engaged"] = np.where(treated, (asked["silent"] * 0.41).astype(int), 0)
    asked["booked"] = random.binomial(asked["silent"], rate)
    asked["booked"] = np.where(
        treated, np.minimum(asked["booked"], asked["engaged"]), asked["booked"]
    )
    asked["kept"] = random.binomial(asked["booked"], 0.8)
    asked["retained"] = random.binomial(asked["kept"], 0.45)
    nobody = grid(
        cohort_month=months,
        campaign=("(none)",),
        months_silent=SILENCES,
        service_line=SERVICE_LINES[:3],
        arm=("none",),
    )
    nobody = nobody.assign(channel="unattributed", silent=300, contacted=0, engaged=0, retained=2)
    nobody = nobody.assign(booked=14, kept=9)
    frame = pd.concat([asked, nobody], ignore_index=True)
    frame["location"] = "North"
    frame["currency"] = CURRENCY
    frame["value_micros"] = frame["kept"] * 210_000_000
    return frame


def _months() -> list[date]:
    return sorted({week.replace(day=1) for week in weeks()})


def _quarters() -> list[date]:
    return sorted(
        {week.replace(month=week.month - (week.month - 1) % 3, day=1) for week in weeks()}
    )
