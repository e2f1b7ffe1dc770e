"""A home folder with one published generation of plausible, seeded, made-up marts."""

import shutil
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import claims_fixture
import duckdb
import experience_fixture
import forecast_fixture
import messages_fixture
import mix_fixture
import numpy as np
import once
import pandas as pd
import patients_fixture as made_up_patients
import people_fixture as made_up_people
import returns_fixture

from attribution.ledger import Ledger
from attribution.paths import Home

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
MODELS = (
    "first",
    "last",
    "last_non_direct",
    "linear",
    "position",
    "milestone",
    "time_decay",
    "markov",
    "shapley_sum",
    "shapley_rate",
    "incremental",
)
WEIGHED = MODELS[:-1]
INSIDE = ("referral_physician",)  # nothing says how hard these press
LEARNED = ("markov", "shapley_rate")
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
    _ledger(home, generation)


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
    credit = _credit(random, conversions)
    # Their own dice, so that what is drawn after them stays as it was.
    groups = _credit_groups(np.random.default_rng(7), credit)
    claims = claims_fixture.claims(weeks())
    curves = mix_fixture.mix_curves(tuple(KINDS))
    return {
        "about": _about(),
        "conversions": conversions,
        "credit": credit,
        "credit_dates": _credit_dates(credit),
        "credit_groups": groups,
        "credit_leans": _credit_leans(groups),
        "learned_groups": _learned_groups(np.random.default_rng(8)),
        "incremental": _incremental(),
        "incremental_draws": _incremental_draws(np.random.default_rng(9)),
        "removal_effect": _removal_effect(),
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
        "return_calibration": returns_fixture.return_calibration(),
        **messages_fixture.tables(weeks(), HOSTILE),
        "paths": _paths(random),
        "path_lags": _path_lags(random),
        "transitions": _transitions(),
        "positions": made_up_people.positions(KINDS, SERVICE_LINES, LOCATIONS, _quarters()),
        "companions": made_up_people.companions(KINDS, SERVICE_LINES, LOCATIONS, _quarters()),
        "cohorts": _cohorts(),
        "appointments": _appointments(np.random.default_rng(12)),
        **forecast_fixture.marts(LAST_WEEK),
        **made_up_patients.tables(),
        "unmapped": _unmapped(),
        "rejected": _rejected(),
        "coverage": _coverage(),
        "unknown_codes": _unknown_codes(),
        "matches": _matches(),
        "shared_identifiers": _shared_identifiers(),
        "person_changes": _person_changes(),
    }


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


def _grid(**dimensions: object) -> pd.DataFrame:
    index = pd.MultiIndex.from_product(list(dimensions.values()), names=list(dimensions))
    return index.to_frame(index=False)


def _appointments(random: np.random.Generator) -> pd.DataFrame:
    frame = _grid(week=weeks(), service_line=SERVICE_LINES, location=LOCATIONS)
    frame["kept"] = random.poisson(9.0, len(frame))
    frame["missed"] = random.binomial(frame["kept"], 0.12)
    frame["ahead"] = frame["kept"] - random.binomial(frame["kept"], 0.1)
    frame["days_ahead"] = frame["ahead"] * random.integers(4, 30, len(frame))
    return frame


def _conversions(random: np.random.Generator) -> pd.DataFrame:
    frame = _grid(kind=list(KINDS), service_line=SERVICE_LINES, location=LOCATIONS, week=weeks())
    season = 1 + 0.2 * np.sin(np.arange(len(frame)) % WEEKS / WEEKS * 2 * np.pi)
    frame["currency"] = CURRENCY
    frame["conversions"] = random.poisson(frame["kind"].map(KINDS) * 4 * season)
    frame["people"] = frame["conversions"]
    value = frame["conversions"] * random.integers(180, 420, len(frame)) * 1_000_000
    frame["value_micros"] = value.where(frame["kind"] == "collected", 0).astype("int64")
    return frame[frame["conversions"] > 0].reset_index(drop=True)


def _credit(random: np.random.Generator, conversions: pd.DataFrame) -> pd.DataFrame:
    """Split every cell of `conversions` over two campaigns and the unattributed, exactly."""
    known = campaigns()
    parts = []
    for model in MODELS:
        first, second = (random.integers(0, len(known), len(conversions)) for _ in range(2))
        share = random.uniform(0.2, 0.6, len(conversions))
        left = conversions["conversions"].astype("float64")
        money = conversions["value_micros"].copy()
        for chosen, part in ((first, share), (second, 0.3)):
            piece = conversions.drop(columns=["people"])
            piece["channel"] = [known[i][0] for i in chosen]
            piece["campaign"] = [known[i][1] for i in chosen]
            piece["conversions"] = (conversions["conversions"] * part).round(3)
            piece["value_micros"] = (conversions["value_micros"] * part).astype("int64")
            if model == "incremental":  # part of what would have come anyway
                inside = piece["channel"].isin(INSIDE)
                piece["channel"] = piece["channel"].mask(inside, "baseline")
                piece["campaign"] = piece["campaign"].mask(inside, "")
            left, money = left - piece["conversions"], money - piece["value_micros"]
            parts.append(piece.assign(model=model))
        rest = conversions.drop(columns=["people"]).assign(
            channel="baseline" if model == "incremental" else "unattributed",
            campaign="",
            model=model,
            conversions=left,
            value_micros=money,
        )
        parts.append(rest)
    frame = pd.concat(parts, ignore_index=True)
    grain = ["model", "kind", "channel", "campaign", "service_line", "location", "week", "currency"]
    return frame.groupby(grain, as_index=False)[["conversions", "value_micros"]].sum()


def _credit_dates(credit: pd.DataFrame) -> pd.DataFrame:
    """The same credit, by touches some weeks before and by bookings and visits that differ."""
    cell = ["kind", "channel", "campaign", "service_line", "location", "week", "currency"]
    wide = (
        credit[credit["model"].isin(WEIGHED)]
        .pivot_table(
            index=cell, columns="model", values=["conversions", "value_micros"], aggfunc="sum"
        )
        .fillna(0.0)
    )
    frame = pd.DataFrame(index=wide.index)
    for model in WEIGHED:
        frame[f"{model}_conversions"] = wide["conversions"][model]
        frame[f"{model}_value"] = wide["value_micros"][model].astype("int64")
    frame = frame.reset_index()
    known = frame["channel"] != "unattributed"
    parts = [
        frame.assign(
            basis=basis,
            is_dated=dated,
            week=[
                week - timedelta(weeks=back if has else 0)
                for week, has in zip(frame["week"], dated, strict=True)
            ],
        )
        for basis, back, dated in (
            ("touch", 3, known),
            ("booking", 2, frame["kind"] != "lead"),
            ("visit", -1, frame["kind"] != "lead"),
        )
    ]
    grain = ["basis", *cell, "is_dated"]
    return pd.concat(parts, ignore_index=True).groupby(grain, as_index=False).sum()


def _credit_groups(random: np.random.Generator, credit: pd.DataFrame) -> pd.DataFrame:
    """Each cell's credit in one group of people; nobody's credit is in none."""
    cell = ["kind", "channel", "service_line", "location", "week", "currency"]
    known = credit[credit["channel"].ne("unattributed") & credit["model"].isin(WEIGHED)]
    wide = known.pivot_table(
        index=cell, columns="model", values=["conversions", "value_micros"], aggfunc="sum"
    ).fillna(0.0)
    frame = pd.DataFrame({"person_group": random.integers(0, 100, len(wide))}, index=wide.index)
    for model in WEIGHED:
        frame[f"{model}_conversions"] = wide["conversions"][model]
        frame[f"{model}_value"] = wide["value_micros"][model].astype("int64")
    return frame.reset_index()


def _credit_leans(groups: pd.DataFrame) -> pd.DataFrame:
    """Channels of the same cell shared a fifth of the smaller one's credit."""
    cell = ["kind", "service_line", "location", "week", "currency"]
    learned = [f"{model}_{what}" for model in LEARNED for what in ("conversions", "value")]
    each = groups[[*cell, "channel", *learned]].iloc[::3]  # not every journey has rivals
    pairs = each.merge(each.rename(columns={"channel": "rival"}), on=cell, suffixes=("", "_other"))
    pairs = pairs[pairs["channel"] < pairs["rival"]]
    for name in learned:
        shared = np.minimum(pairs[name], pairs[f"{name}_other"]) / 5
        pairs[name] = shared.astype("int64") if name.endswith("value") else shared
    return pairs[[*cell, "channel", "rival", *learned]].reset_index(drop=True)


def _learned_groups(random: np.random.Generator) -> pd.DataFrame:
    channels = sorted({channel for channel, _campaign in campaigns()})
    frame = _grid(model=LEARNED, kind=list(KINDS), channel=channels, person_group=range(100))
    return frame.assign(log_change=random.normal(0, 0.004, len(frame)))


def _incremental() -> pd.DataFrame:
    names = [*sorted({channel for channel, _campaign in campaigns()}), "baseline"]
    frame = _grid(kind=list(KINDS), channel=names)
    said = (
        "panel",
        "panel and holdout",
        "panel and lift test",
        "not identified",
    )
    rank = frame.index % len(names)
    evidence = pd.Series([said[number % len(said)] for number in rank])
    evidence = evidence.mask(frame["channel"].isin(INSIDE), "inside baseline")
    size = (400.0 / (1 + rank)).where(evidence != "inside baseline", 0.0)
    return frame.assign(
        conversions=size, value_micros=0, low=size * 0.7, high=size * 1.4, share=0.05,
        evidence=evidence.where(frame["channel"] != "baseline", "panel"),
        method="places and weeks", weeks=58, places=3, known=0.8, lift_tests=0, holdouts=0,
    )  # fmt: skip


def _incremental_draws(random: np.random.Generator) -> pd.DataFrame:
    channels = sorted({channel for channel, _campaign in campaigns()})
    frame = _grid(kind=list(KINDS), channel=[*channels, "baseline"], draw=range(100))
    return frame.assign(multiplier=random.gamma(25, 1 / 25, len(frame)).round(9))


def _removal_effect() -> pd.DataFrame:
    channels = sorted({channel for channel, _campaign in campaigns()})
    frame = _grid(kind=sorted(KINDS), channel=channels)
    effect = 0.6 / (1 + frame.index % len(channels))
    return frame.assign(removal_effect=effect, low=effect * 0.9, high=effect * 1.08, markov_order=1)


def _spend(random: np.random.Generator) -> pd.DataFrame:
    paid = [(channel, campaign) for channel, names in PAID.items() for campaign in names]
    frame = _grid(pair=range(len(paid)), service_line=SERVICE_LINES[:4], week=weeks())
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
    frame = _grid(pair=range(len(known)), week=weeks())
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
    asked = _grid(
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
    nobody = _grid(
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


def _paths(random: np.random.Generator) -> pd.DataFrame:
    ways = [("paid_search",), ("email",), ("display", "direct"), ("email", "direct")]
    ways += [("organic_search", "email", "paid_search"), ("paid_social", "other"), ("other",)]
    frame = _grid(
        kind=("booked", "lead", "new_patient"),
        service_line=SERVICE_LINES,
        quarter=_quarters(),
        outcome=("converted", "lost"),
        way=range(len(ways)),
    )
    for step in range(4):
        named = [way[step] if step < len(way) else "" for way in ways]
        frame[f"step_{step + 1}"] = frame["way"].map(dict(enumerate(named)))
    converted = frame["outcome"] == "converted"
    frame["journeys"] = random.integers(11, 90, len(frame)) * np.where(converted, 1, 6)
    frame["touches"] = frame["journeys"] * (frame["way"] % 3 + 1)
    days = pd.Series(random.uniform(1, 60, len(frame)))
    frame["median_days"] = days.where(converted)
    return frame.drop(columns="way")


def _path_lags(random: np.random.Generator) -> pd.DataFrame:
    frame = _grid(
        kind=("booked", "lead", "new_patient"),
        service_line=SERVICE_LINES,
        quarter=_quarters(),
        measure=("days", "touches"),
    )
    frame["journeys"] = random.integers(40, 400, len(frame))
    frame["short_journeys"] = frame["journeys"] // 4
    middle = np.where(frame["measure"] == "days", random.uniform(8, 30, len(frame)), 3.0)
    for name, times in (("p10", 0.1), ("p25", 0.4), ("p50", 1.0), ("p75", 2.0), ("p90", 3.0)):
        frame[name] = middle * times
    return frame


def _transitions() -> pd.DataFrame:
    moves = [("(start)", "email", 40), ("email", "(conversion)", 15), ("email", "(null)", 15)]
    moves += [("email", "direct", 10), ("(start)", "other", 30), ("other", "email", 12)]
    moves += [("other", "(null)", 18), ("direct", "(conversion)", 6), ("direct", "email", 4)]
    rows = [(kind, *move) for kind in ("booked", "lead", "new_patient") for move in moves]
    return pd.DataFrame(rows, columns=["kind", "from_channel", "to_channel", "moves"])


STAGES = (
    ("lead", "booked", 3, 0.5),
    ("lead", "kept", 6, 0.4),
    ("lead", "new_patient", 9, 0.25),
    ("lead", "collected", 20, 120e6),
    ("booked", "kept", 6, 0.8),
    ("kept", "collected", 12, 250e6),
)


def _cohorts() -> pd.DataFrame:
    """Cohorts whose share `1 / lag` arrives each week, so that one of that many weeks is whole."""
    frame = _grid(stage=range(len(STAGES)), service_line=SERVICE_LINES, week=weeks())
    for place, name in enumerate(("kind_from", "kind_to", "lag", "rate")):
        frame[name] = [STAGES[stage][place] for stage in frame["stage"]]
    frame["age_weeks"] = [(LAST_WEEK - week).days // 7 for week in frame["week"]]
    frame["entered"] = 40 + frame["age_weeks"] % 7
    frame["maturity"] = ((frame["age_weeks"] + 1) / frame["lag"]).clip(upper=1.0)
    whole = frame["entered"] * frame["rate"]
    frame["arrived"] = (whole * frame["maturity"]).round().astype("int64")
    still = (whole - frame["arrived"]).where(frame["maturity"] < 1, 0.0).clip(lower=0.0)
    for name, times in (("expected", 1.0), ("low", 0.7), ("high", 1.4)):
        frame[name] = frame["arrived"] + still * times
    frame["is_immature"] = frame["maturity"] < 0.9
    return frame.drop(columns=["stage", "lag", "rate"])


def _unmapped() -> pd.DataFrame:
    day = weeks()[3]
    rows = [
        ("web_sessions", "tiktok", "cpc", "spring launch", 412, 0, day, LAST_WEEK),
        ("ad_spend", HOSTILE, "paid", "", 61, 8_300_000_000, day, LAST_WEEK),
    ]
    columns = ["origin", "utm_source", "utm_medium", "utm_campaign", "rows_seen", "spend_micros"]
    return pd.DataFrame(rows, columns=[*columns, "first_day", "last_day"])


def _rejected() -> pd.DataFrame:
    rows = [
        ("crm", "contacts.csv", "contact", 17, "created_at", "##-##-#", "not a date"),
        ("crm", "contacts.csv", "contact", 90, "email", "aaaa", "not an e-mail address"),
    ]
    columns = ["source", "file", "table_name", "row_number", "column_name", "shape", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _unknown_codes() -> pd.DataFrame:
    local = "urn:oid:1.2.840.113619"
    rows = [
        ("emr", "booking", local, "NEWPT", 812, 640),
        ("emr", "diagnosis", "http://hl7.org/fhir/sid/icd-10-cm", "M25*", 90, 71),
        ("emr", "visit", local, "(rare)", None, None),
    ]
    columns = ["source", "said_of", "system", "code", "visits", "people"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"visits": "Int64", "people": "Int64"})


def _coverage() -> pd.DataFrame:
    rows = [
        ("emr", "main", "appointment", weeks()[0], LAST_WEEK + timedelta(days=6), 181_402),
        ("google", "123", "web_sessions", weeks()[0], LAST_WEEK + timedelta(days=5), 8_120),
        ("meta", "act_1", "ad_spend", weeks()[0], LAST_WEEK + timedelta(days=6), 4_410),
    ]
    columns = ["source", "account", "table_name", "first_day", "last_day", "rows_loaded"]
    return pd.DataFrame(rows, columns=columns)


def _matches() -> pd.DataFrame:
    own = {"crm": 9_000, "emr": 21_000, "meta": 8}
    both = {("crm", "emr"): 4_500, ("crm", "meta"): 0, ("emr", "meta"): 0}
    rows = [
        (one, other, own[one] if one == other else both[min(one, other), max(one, other)])
        for one in own
        for other in own
    ]
    frame = pd.DataFrame(rows, columns=["source", "other", "people"])
    few = frame["people"].between(1, 10)
    return frame.assign(people=frame["people"].astype("Int64").mask(few))


def _shared_identifiers() -> pd.DataFrame:
    rows = [("crm", "phone", "patients", 120), ("emr", "phone", "patients", 130)]
    rows += [("crm", "email", "contacts", None)]
    frame = pd.DataFrame(rows, columns=["source", "kind", "reason", "identifiers"])
    return frame.astype({"identifiers": "Int64"})


def _person_changes() -> pd.DataFrame:
    rows = [("merge", "the same phone number", 41, 3), ("split", "a shared phone number", 5, 0)]
    return pd.DataFrame(rows, columns=["kind", "cause", "changes", "latest"])


def _ledger(home: Home, generation: int) -> None:
    with Ledger(home) as ledger:
        run = ledger.start(["extract emr", "extract meta", "identity", "marts", "publish"])
        for name, rows in (("extract emr", 181_402), ("identity", 60_000), ("marts", 44_010)):
            with ledger.step(run, name) as note:
                note.rows = rows
        with ledger.step(run, "extract meta") as note:
            note.failed = True
            note.message = "Meta Ads refused the token. Make a new one and set its variable."
        with ledger.step(run, "publish"):
            pass
        ledger.source_done("emr", "files", "main", 181_402, None)
        ledger.source_done("google", "ga4", "123", 8_120, None)
        ledger.source_done("meta", "meta_ads", "act_1", 4_410, None)
        ledger.source_done("meta", "meta_ads", "act_1", 0, "Meta Ads refused the token.")
        ledger.published(generation, run, {"credit": "0" * 64}, "refresh")
        ledger.finish(run, "partial", generation, "meta could not be read.")
