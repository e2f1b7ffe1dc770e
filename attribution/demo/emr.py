"""What the medical record and the billing office hold, and what is measured around them."""

import numpy as np
import pandas as pd

from attribution.demo import first_names, names
from attribution.demo.clock import DAY
from attribution.demo.draws import Bools, Draws, Ints
from attribution.demo.education import grains
from attribution.demo.folk import PAYERS, children
from attribution.demo.log import BOOKED, FULFILLED, STATUSES
from attribution.demo.market import LINES, LOCATIONS
from attribution.demo.web import LINE_NAMES, PLACE_NAMES, local_time
from attribution.demo.worlds import World

# Groups of diagnoses, eight of each service line in its order.
_DIAGNOSES = (
    *("knee osteoarthritis", "hip osteoarthritis", "rotator cuff", "low back pain"),
    *("fracture", "sprain", "carpal tunnel", "osteoporosis"),
    *("acne", "eczema", "psoriasis", "skin lesion", "rosacea", "contact dermatitis"),
    *("skin infection", "melanoma screening"),
    *("caries", "periodontitis", "gingivitis", "tooth loss", "dental prophylaxis"),
    *("malocclusion", "impacted tooth", "tooth wear"),
    *("hypertension", "type 2 diabetes", "seasonal allergy", "asthma", "depression"),
    *("lipid disorder", "respiratory infection", "preventive visit"),
)
_PROCEDURES = ("arthroscopy", "joint replacement", "injection", "fracture care")


def persons(world: World) -> pd.DataFrame:
    """Everyone who ever had an appointment; most, not all, left an address and a number."""
    folk = world.folk
    at = np.unique(world.visits["person"])
    mailed = folk.draws.uniform(190, 0, at) < world.knobs.recorded(0.92)
    phoned = folk.draws.uniform(191, 0, at) < world.knobs.recorded(0.96)
    phone = names.formatted(names.phone_numbers(folk), "dashed")[at]
    named = folk.draws.uniform(119, 0, at) < world.knobs.recorded(0.995)
    sex = np.array(["female", "male"], dtype=object)
    zips = np.array(["601", "602", "603", "604", "605", "606"], dtype=object)
    language = np.where(folk.draws.uniform(193, 0, at) < 0.14, "es", "en")
    young = children(folk)[at]
    return pd.DataFrame(
        {
            "patient_id": names.mrn(at),
            "email": names.where(mailed, names.emails(folk)[at]),
            "phone": names.where(phoned, phone),
            "birth_year": np.where(young, 2008 + at % 18, folk.birth_year[at]),
            "sex": sex[first_names.males(folk)[at].astype(np.int64)],
            "zip3": zips[folk.place[at] * 2 + at % 2],
            "language": language,
            "deceased": folk.draws.uniform(194, 0, at) < 0.002,
            "given_name": names.where(named, first_names.recorded(folk)[at]),
        }
    )


def appointments(world: World) -> pd.DataFrame:
    """Every visit that was booked, from before the first day on."""
    visits = world.visits
    person, number, line = visits["person"], visits["number"] + 2, visits["line"]
    starts, booked = visits["starts_at"], visits["booked_at"]
    ahead = visits["status"] == BOOKED
    changed = np.where(ahead, booked, starts + 30)
    waited = np.round(4 + 22 * world.folk.draws.exponential(195, number, person), 0)
    kept = visits["status"] == FULFILLED
    return pd.DataFrame(
        {
            "appointment_id": _visit_ids("A", world),
            "patient_id": names.mrn(person),
            "booked_at": local_time(world, booked),
            "starts_at": local_time(world, starts),
            "status": np.array(STATUSES, dtype=object)[visits["status"]],
            "service_line": LINE_NAMES[line],
            "location": PLACE_NAMES[world.folk.place[person]],
            "provider": _providers(world),
            "minutes_waited": np.where(kept, np.minimum(waited, 120), np.nan),
            "updated_at": local_time(world, changed),
        }
    )


def _visit_ids(prefix: str, world: World) -> names.Texts:
    return names.record_ids(prefix, world.visits["person"], world.visits["number"] + 2)


def _providers(world: World) -> names.Texts:
    visits = world.visits
    code = visits["line"] * 3 + world.folk.place[visits["person"]]
    table = [f"dr-{LINES[n // 18][:4]}-{n // 6 % 3}{n % 6}" for n in range(72)]
    chosen: names.Texts = np.array(table, dtype=object)[code * 6 + visits["person"] % 6]
    return chosen


def encounters(world: World) -> pd.DataFrame:
    """Visits that took place."""
    rows = np.flatnonzero(world.visits["status"] == FULFILLED)
    visits = {name: column[rows] for name, column in world.visits.items()}
    person, line = visits["person"], visits["line"]
    minutes = np.array([30, 20, 45, 20])[line]
    remote = (line == 3) & (world.folk.draws.uniform(196, visits["number"] + 2, person) < 0.18)
    group = _diagnosis(world)[rows] - 8 * line
    operated = (line == 0) & (world.folk.draws.uniform(198, visits["number"] + 2, person) < 0.28)
    return pd.DataFrame(
        {
            "encounter_id": _visit_ids("E", world)[rows],
            "patient_id": names.mrn(person),
            "starts_at": local_time(world, visits["starts_at"]),
            "ends_at": local_time(world, visits["starts_at"] + minutes),
            "class_code": np.where(remote, "VR", "AMB"),
            "appointment_id": _visit_ids("A", world)[rows],
            "service_line": LINE_NAMES[line],
            "location": PLACE_NAMES[world.folk.place[person]],
            "diagnosis_groups": np.array(_DIAGNOSES, dtype=object)[line * 8 + group],
            "procedure_groups": names.where(
                operated, np.array(_PROCEDURES, dtype=object)[(person + group) % 4]
            ),
        }
    )


def _diagnosis(world: World) -> Ints:
    """The diagnosis of each visit, as a position in the list."""
    visits = world.visits
    drawn = world.folk.draws.uniform(197, visits["number"] + 2, visits["person"])
    group: Ints = visits["line"] * 8 + (8 * drawn).astype(np.int64)
    return group


def allergic(world: World) -> Bools:
    """The visits that took place at which a seasonal allergy was found."""
    found: Bools = (world.visits["status"] == FULFILLED) & (
        _diagnosis(world) == _DIAGNOSES.index("seasonal allergy")
    )
    return found


def payments(world: World) -> pd.DataFrame:
    """What was posted, in dollars; negative where it was given back.

    What the insurer leaves is on the statement of its payment, and is due a month later.
    """
    paid, visits = world.payments, world.visits
    person = visits["person"][paid["visit"]]
    first, due = paid["part"] == 0, paid["minute"] // DAY + 30
    start = np.datetime64(world.calendar.start)
    payer = np.array(PAYERS, dtype=object)[world.folk.payer[person]]
    return pd.DataFrame(
        {
            "payment_id": names.record_ids(
                "PAY", person, visits["number"][paid["visit"]] + 2, paid["part"]
            ),
            "posted_at": local_time(world, paid["minute"]),
            "currency": "USD",
            "amount": paid["cents"] / 100,
            "patient_id": names.mrn(person),
            "encounter_id": _visit_ids("E", world)[paid["visit"]],
            "payer_class": np.where(paid["part"] == 1, "self_pay", payer),
            "balance": np.where(first, paid["left"] / 100, np.where(paid["part"] == 1, 0, np.nan)),
            "due_on": pd.Series((start + due).astype("datetime64[s]")).where(first),
        }
    )


def environment(world: World) -> pd.DataFrame:
    """Pollen grains a cubic metre and air quality, by place and day."""
    days = 7 * world.calendar.weeks
    dates = np.arange(days) + np.datetime64(world.calendar.start)
    frames = []
    for number, (place, count) in enumerate(
        zip(LOCATIONS, grains(world.seed, world.calendar), strict=True)
    ):
        draws = Draws(world.seed + 9, np.arange(days) * 3 + number)
        frames.append(
            pd.DataFrame(
                {
                    "day": dates.astype("datetime64[s]"),
                    "place": place,
                    "pollen_tree": count[:, 0],
                    "pollen_grass": count[:, 1],
                    "pollen_weed": count[:, 2],
                    "air_quality_index": np.round(38 + 14 * draws.exponential(5)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
