"""The page of one person: found by a hashed number for a reason, told whole, written down."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import duckdb
import marts_fixture as made_up
import pandas as pd
import people_fixture as made_up_people
import pytest
from people_fixture import CRM_NUMBER, PERSON, RECORD_NUMBER
from shell_fixture import app
from streamlit.testing.v1 import AppTest
from warehouse_fixtures import (
    Warehouse,
    appointment,
    at,
    call,
    contact,
    encounter,
    message,
    payment,
    touch,
)

from attribution import audit, patient, patient_search, people
from attribution.errors import BadInput, NotAllowed, SettingsError
from attribution.models.parameters import setting_timeline
from attribution.paths import PAGES, Home
from attribution.patient import Profile, System
from attribution.patient_search import NOT_FOUND, SEARCHES, open_journey, sought
from attribution.people import People, Permit
from attribution.settings import load
from attribution.ui import watch
from attribution.ui.view import records
from attribution.ui.views import patient_journey
from attribution.ui.views.patient_entries import entries
from attribution.ui.views.patient_next import standing
from connectors.contract import CareCode, Deal, Feedback, Person, Preference

CANARY = "Jane Canary"
EMR, CRM = System("patient_id", "emr"), System("crm_id", "crm")
PERMIT = Permit("a test", "ann")
CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENT = Profile(("emr",), True, False, 1958, "female", "601", "en")


@pytest.fixture(autouse=True)
def nobody_searched():
    SEARCHES.clear()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


def life():
    """One person in every row of the contract that can be about somebody, and a stranger."""
    day = at("2025-03-04 16:00")
    later = day + timedelta(days=1)
    yield Person("p", birth_year=1958, sex="Female", zip3="601", language="en", updated_at=day)
    yield touch("t1", "p", day, utm_campaign="brand")
    yield touch("t2", "p", day, "news/email", kind="email_open")
    yield touch("t3", None, day, client_id="stranger")
    yield call("c1", "p", later, outcome="missed", answered=False, tags=CANARY, updated_at=day)
    stages = json.dumps({"lead": "2025-03-05T10:00:00Z", "broken": "soon"})
    yield contact("p", later, lead_at=later, lifecycle_dates=stages)
    money = Decimal("345.10")
    yield Deal("d1", later, later, contact_id="p", won=True, closed_at=day, amount=money)
    seen = at("2025-03-20 14:30")
    yield appointment("a1", "p", later, seen, service_line="cardiology", minutes_waited=7.0)
    yield appointment("a2", "p", later, seen + timedelta(days=9), "noshow")
    yield appointment("a3", "p", later, seen + timedelta(days=90), "proposed")
    yield encounter(
        "e1", "p", seen, appointment_id="a1", diagnosis_groups="I10", procedure_groups="93"
    )
    yield encounter("e2", "p", seen + timedelta(days=40), class_code="EMER")
    yield CareCode("k1", "diagnosis", encounter_id="e2", code_group="S52")
    yield payment(
        "y1", "p", seen, "120.50", payer_class="self_pay", balance=Decimal(40),
        due_on=at("2025-05-01").date(),
    )  # fmt: skip
    yield message(
        "m1", "p", "recall", later, sent_at=later, opened_at=later + timedelta(hours=2),
        replied_at=later + timedelta(hours=3),
    )  # fmt: skip
    yield message("m2", "p", "winback", day, arm="holdout")
    yield Preference("r1", "SMS", "marketing", False, day, how="portal", patient_id="p")
    yield Feedback("f1", seen, "nps", 9, 10, patient_id="p", comment=CANARY)
    for number, score in enumerate((4, 2, 4)):
        yield Feedback(
            f"s{number}", later, "survey", score, 4, patient_id="p", response_id="s",
            survey="HCAHPS", question=f"Q{number}", comment=CANARY,
        )  # fmt: skip


@pytest.fixture(scope="module")
def built():
    made = Warehouse(of=["person_events", "person_profiles", "person_numbers", "journey_credit"])
    yield made.build(*life())
    made.close()


class InMemory(People):
    """The questions about people, asked of tables in memory."""

    def __init__(self, built: Warehouse) -> None:
        self._built = built

    def ask(self, statement) -> pd.DataFrame:
        result = self._built.connection.execute(statement)
        return pd.DataFrame(map(tuple, result), columns=list(result.keys()))


@pytest.fixture
def at_people(built) -> People:
    return InMemory(built)


def test_everything_that_happened_is_an_event(at_people):
    person = patient.find(at_people, "p")
    told = patient.events(at_people, person)
    found = {(row.kind, row.what) for row in told.itertuples()}
    assert found == {
        ("touch", "session"), ("shown", "email_open"), ("call", "missed"),
        ("lead", "contact"), ("lead", "lead"), ("stage", "lead"), ("deal", "won"),
        ("booking", "booked"), ("booking", "proposed"),
        ("visit", "fulfilled"), ("visit", "noshow"), ("visit", "proposed"),
        ("encounter", "stay"), ("diagnosis", ""), ("procedure", ""),
        ("payment", "payment"), ("balance", ""),
        ("message", "sent"), ("message", "opened"), ("message", "replied"),
        ("message", "held_out"), ("preference", "marketing"),
        ("feedback", "nps"), ("feedback", "survey"),
        *(("conversion", kind) for kind in ("lead", "booked", "kept", "new_patient", "collected")),
    }  # fmt: skip
    one = {(row["kind"], row["what"]): row for row in told.to_dict("records")}
    assert one["touch", "session"]["campaign"] == "brand"
    assert one["touch", "session"]["source"] == "files"
    assert one["visit", "fulfilled"]["number"] == 7
    assert one["deal", "won"]["amount"] == pytest.approx(345.1)
    assert one["balance", ""]["detail"] == "2025-05-01"
    assert (one["feedback", "survey"]["number"], one["feedback", "survey"]["out_of"]) == (2, 3)
    assert one["preference", "marketing"]["number"] == 0
    assert set(told.loc[told["kind"] == "diagnosis", "detail"]) == {"I10", "S52"}
    assert told["happened_at"].is_monotonic_increasing
    known = patient.profile(at_people, person)
    assert known == Profile(("files",), True, False, 1958, "female", "601", "en")


def test_marketing_before_a_conversion_and_its_shares(at_people):
    told = patient.events(at_people, patient.find(at_people, "p"))
    [booked] = told.loc[(told["kind"] == "conversion") & (told["what"] == "lead"), "conversion_id"]
    given = patient.credited(at_people, [booked], "linear")
    assert next(iter(given["channel"])) == "paid_search"
    assert given["share"].sum() == pytest.approx(1)


def test_strangers_and_words_of_people_are_not_kept(built):
    tables = ("person_events", "person_profiles", "person_numbers")
    everyone = [built.rows(f"select distinct person_id from {table}") for table in tables]
    assert everyone[0] == everyone[1] == everyone[2] != []
    assert built.rows("select count(*) from person_numbers") == [(1,)]
    assert CANARY not in repr([built.rows(f"select * from {table}") for table in tables])


def test_no_timeline_is_kept_where_none_is_wanted(built, home, tmp_path):
    built.replace("setting_timeline", setting_timeline(keep_timeline=False))
    wanted = {"person_numbers", "person_profiles", "person_events"}
    from attribution.transform import build

    build(built.connection, [model for model in built.models if model.name in wanted])
    assert [built.rows(f"select count(*) from {name}") for name in sorted(wanted)] == [[(0,)]] * 3
    built.replace("setting_timeline", setting_timeline(keep_timeline=True))
    build(built.connection, [model for model in built.models if model.name in wanted])
    said = Home(tmp_path)
    said.config.write_text('[people]\nkeep_timeline = false\n[sources.a]\nkind = "files"\n')
    with pytest.raises(SettingsError) as wrong:
        load(said)
    assert "keep_timeline" not in str(wrong.value)
    said.config.write_text("[people]\nkeep_timelines = 3\n")
    with pytest.raises(SettingsError, match="did you mean keep_timeline"):
        load(said)


@pytest.mark.parametrize("typed", [RECORD_NUMBER, f"  {RECORD_NUMBER} "])
def test_a_number_is_found_as_the_door_wrote_it(home, typed):
    asked = sought(home, EMR, typed, "treatment")
    assert open_journey(home, 1, PERMIT, asked).person == PERSON


def log(home: Home) -> pd.DataFrame:
    found = audit.entries(home)
    return found.assign(detail=found["detail"].map(json.loads))


@pytest.mark.parametrize(
    ("system", "typed"),
    [
        (EMR, RECORD_NUMBER.lstrip("0")),  # zeros in front count
        (CRM, RECORD_NUMBER),  # another system's
        (System("patient_id", "other"), RECORD_NUMBER),
        (EMR, "00000000"),  # a placeholder: nobody's
        (EMR, "9" * 65),
    ],
)
def test_who_is_not_found_is_not_found_in_one_way(home, system, typed):
    assert open_journey(home, 1, PERMIT, sought(home, system, typed, "billing")) is None
    last = log(home).iloc[-1]
    assert (last["action"], last["actor"]) == (audit.PEOPLE_SOUGHT, "ann")
    assert last["detail"] == {
        "found": False, "reason": "billing", "system": system.namespace, "ticket": ""
    }  # fmt: skip
    assert typed not in repr(last.to_dict())


def test_each_look_is_written_down_with_its_reason(home):
    asked = sought(home, CRM, CRM_NUMBER, "outreach", " care-1042 ")
    assert CRM_NUMBER not in repr(asked)
    opening = open_journey(home, 1, PERMIT, asked)
    last = log(home).iloc[-1]
    assert (last["action"], last["subject"]) == (audit.PEOPLE_SEEN, "patient journey")
    assert last["detail"] | {"permit": ""} == {
        "person": PERSON, "reason": "outreach", "ticket": "CARE-1042", "generation": 1,
        "permit": "",
    }  # fmt: skip
    before = len(audit.entries(home))
    patient_search.looked_at(home, 1, PERMIT, opening)
    assert len(audit.entries(home)) == before
    _, again = patient_search.looked_at(home, 1, replace(PERMIT, reader="bob"), opening)
    assert again.reader == "bob"
    assert audit.entries(home).iloc[-1]["actor"] == "bob"


@pytest.mark.parametrize(
    ("typed", "reason", "ticket", "said"),
    [
        ("", "treatment", "", "Type the number"),
        (RECORD_NUMBER, "", "", "Choose a reason"),
        (RECORD_NUMBER, "curiosity", "", "Choose a reason"),
        (RECORD_NUMBER, "treatment", RECORD_NUMBER, "A ticket is"),
        (RECORD_NUMBER, "treatment", "MRN-77123", "A ticket is"),
        (RECORD_NUMBER, "treatment", "Jane Doe", "A ticket is"),
    ],
)
def test_what_will_not_do_is_said_without_what_was_typed(home, typed, reason, ticket, said):
    with pytest.raises(BadInput, match=said) as refused:
        sought(home, EMR, typed, reason, ticket)
    assert not typed or typed not in str(refused.value)


def test_another_generation_is_asked_whose_number_it_is_now(home, monkeypatch):
    opening = open_journey(home, 1, PERMIT, sought(home, EMR, RECORD_NUMBER, "billing"))
    assert RECORD_NUMBER not in repr(opening)
    assert opening.number_hash not in repr(opening)
    monkeypatch.setattr(people, "_opened", lambda home, _generation: people.People(home, 1))
    # A person was split: the larger part keeps their number here, and the record is another's.
    monkeypatch.setattr(patient, "find", lambda _at, _number: PERSON + 1)
    _, again = patient_search.looked_at(home, 2, PERMIT, opening)
    assert (again.person, again.generation) == (PERSON + 1, 2)
    assert log(home).iloc[-1]["detail"]["person"] == PERSON + 1
    monkeypatch.setattr(patient, "find", lambda _at, _number: None)
    before = len(audit.entries(home))
    assert patient_search.looked_at(home, 3, PERMIT, again)[1] is None
    assert len(audit.entries(home)) == before


def test_a_permit_is_needed(home):
    asked = sought(home, EMR, RECORD_NUMBER, "treatment")
    with pytest.raises(NotAllowed):
        open_journey(home, 1, Permit(""), asked)
    opening = open_journey(home, 1, PERMIT, asked)
    with pytest.raises(NotAllowed):
        patient_search.looked_at(home, 1, Permit(""), opening)


def test_whoever_guesses_is_stopped_and_others_are_not(home):
    wrong, right = (sought(home, EMR, n, "quality") for n in ("123", RECORD_NUMBER))
    for _ in range(patient_search.MOST_MISSES):
        assert open_journey(home, 1, PERMIT, wrong) is None
    with pytest.raises(NotAllowed, match="Too many searches: wait 10 minutes"):
        open_journey(home, 1, PERMIT, right)
    assert audit.entries(home).iloc[-1]["action"] == audit.DENIED
    assert open_journey(home, 1, replace(PERMIT, reader="bob"), right) is not None


def test_searches_are_allowed_again_after_the_time_that_is_said(home, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(patient_search, "time", SimpleNamespace(monotonic=lambda: clock.now))
    asked, right = (sought(home, EMR, n, "quality") for n in ("123", RECORD_NUMBER))
    open_journey(home, 1, PERMIT, right)
    clock.now += 300
    for _ in range(patient_search.MOST_MISSES):
        open_journey(home, 1, PERMIT, asked)
    clock.now += 60  # the one that found somebody will be over first, and frees nobody
    with pytest.raises(NotAllowed, match="wait 9 minutes"):
        open_journey(home, 1, PERMIT, asked)
    clock.now += 9 * 60
    assert open_journey(home, 1, PERMIT, asked) is None


def stands(*told, profile=PATIENT, now=NOW):
    """How a person stands to whom this happened."""
    frame = made_up_people.happened(told).drop(columns=["person_id", "tie"])
    frame["amount"] = frame.pop("amount_micros").astype("float64") / 1e6
    return standing(records(frame), profile, CHICAGO, now, "USD")


KEPT = ("2026-05-01 15:00", "visit", "fulfilled", {"other_at": "2026-04-01 15:00"})
LONG_AGO = ("2025-05-01 15:00", "visit", "fulfilled", {"other_at": "2025-04-01 15:00"})
AHEAD = ("2026-07-02 15:00", "visit", "booked", {"other_at": "2026-05-20 15:00"})
MISSED = ("2026-05-20 15:00", "visit", "noshow", {"other_at": "2026-05-02 15:00"})
ASKED = ("2026-05-25 15:00", "conversion", "lead", {"conversion_id": 3})
BOOKED = ("2026-05-26 15:00", "booking", "booked", {"other_at": "2026-07-02 15:00"})
PROPOSED = ("2026-06-20 15:00", "visit", "proposed", {"other_at": "2026-05-01 15:00"})
OWED = ("2026-05-10 15:00", "balance", "", {"amount_micros": 40_000_000, "detail": "2026-05-30"})
CALLED_OFF = ("2026-07-09 15:00", "visit", "cancelled", {"other_at": "2026-05-30 15:00"})
SUGGESTED = ("2026-05-27 15:00", "booking", "proposed", {"other_at": "2026-06-20 15:00"})
LATER = ("2026-06-20 15:00", "visit", "proposed", {"other_at": "2026-05-27 15:00"})
PAID = ("2026-05-31 15:00", "balance", "", {"amount_micros": 0, "detail": ""})
NO_SMS = ("2026-05-10 15:00", "preference", "marketing", {"channel": "sms", "number": 0})


@pytest.mark.parametrize(
    ("told", "state", "steps"),
    [
        ([KEPT], "Patient", []),
        ([LONG_AGO], "Lapsed", ["Lapsed"]),
        ([LONG_AGO, AHEAD], "Patient", ["Next visit is booked"]),
        ([AHEAD], "Booked", ["Next visit is booked"]),
        ([KEPT, MISSED], "Patient", ["Visit to book again"]),
        ([KEPT, MISSED, AHEAD], "Patient", ["Next visit is booked"]),
        ([ASKED], "Lead", ["Inquiry without a booking"]),
        ([ASKED, BOOKED], "Lead", []),
        # What is only proposed is not booked; what was called off ahead of its day is no more.
        ([ASKED, SUGGESTED], "Lead", ["Inquiry without a booking"]),
        ([KEPT, MISSED, LATER], "Patient", ["Follow-up", "Visit to book again"]),
        ([KEPT, MISSED, CALLED_OFF], "Patient", ["Visit to book again"]),
        ([KEPT, PROPOSED], "Patient", ["Follow-up"]),
        ([KEPT, PROPOSED, AHEAD], "Patient", ["Next visit is booked"]),
        ([KEPT, OWED], "Patient", ["Open balance"]),
        ([KEPT, OWED, PAID], "Patient", []),
        ([KEPT, NO_SMS], "Patient", ["Does not want"]),
        ([NO_SMS], "Known", ["Does not want"]),
    ],
)
def test_what_comes_next_is_what_the_record_says(told, state, steps):
    found = stands(*told)
    assert (found.state, [step.title for step in found.steps]) == (state, steps)


def test_what_is_owed_and_when_is_said():
    found = stands(KEPT, OWED)
    assert (found.balance, found.due_on) == (40.0, datetime(2026, 5, 30).date())  # noqa: DTZ001
    assert found.steps[0].words == "$40.00, 2 days overdue."
    day_before = datetime(2026, 5, 31, 12, tzinfo=UTC)
    assert stands(KEPT, OWED, now=day_before).steps[0].words == "$40.00, 1 day overdue."
    assert stands(KEPT).balance is None


def test_nothing_is_to_be_done_for_the_dead():
    found = stands(LONG_AGO, OWED, MISSED, profile=replace(PATIENT, deceased=True))
    assert found.state == "Deceased"
    assert [step.tone for step in found.steps] == ["stop"]


@pytest.mark.parametrize(
    ("born", "band"), [(1957, "65 to 69"), (2026, "0 to 4"), (1936, "90 or older"), (None, "—")]
)
def test_age_is_told_in_a_band_of_five_years_alone(born, band):
    profile = replace(PATIENT, birth_year=born)
    facts = patient_journey._facts(profile, [], stands(KEPT), NOW)
    assert [each.value for each in facts if each.title == "Age"] == [band]


def test_lines_read_well_and_times_are_local(at_people):
    told = patient.events(at_people, patient.find(at_people, "p"))
    lines = {line.title: line for line in entries(records(told), CHICAGO, NOW)}
    visit = lines["Kept visit"]
    assert (visit.at.hour, visit.at.minute, visit.mark) == (9, 30, "done")
    assert visit.words == ("Cardiology", "booked 15 days before", "waited 7 min")
    assert lines["Message “recall”"].words == (
        "by e-mail", "marketing", "sent, opened after 2 hours, replied after 3 hours"
    )  # fmt: skip
    assert lines["Message “winback”"].words[-1] == "held out: nothing was sent"
    assert lines["Marketing by SMS refused"].mark == "missed"
    assert lines["Survey HCAHPS"].words == ("2 of 3 answers the best",)
    assert "Became a lead" not in lines  # it became a contact in that very moment
    assert lines["Balance $40.00"].words == ("due 1 May 2025",)


def told_of(home: Home, **asked: object) -> patient_journey.Journey:
    opening = open_journey(home, 1, PERMIT, sought(home, EMR, RECORD_NUMBER, "treatment"))
    wanted = patient_journey.Asked(**asked)
    return patient_journey.journey(home, 1, opening, wanted, "linear", NOW)


def test_filters_narrow_what_is_shown_and_not_what_is_due(home):
    whole = told_of(home)
    assert [each.title.split(" · ")[0] for each in whole.episodes] == ["Contacts", "Cardiology"]
    assert whole.service_lines == ("cardiology",)
    assert [(each.title, len(each.given)) for each in whole.credited] == [("Booked", 1)]
    some = told_of(home, lanes=("visits",))
    lanes = set(some.view.tables["entries"].frame["lane"])
    assert lanes == {"Visits"}
    assert len(told_of(home, span="1y").episodes) == 1
    assert told_of(home, span="3m").view.figures == {}
    line = told_of(home, service_lines=("cardiology",))
    assert len(line.view.tables["entries"].frame) == 2
    steps = {tuple(each.standing.steps) for each in (whole, some, line)}
    assert [step.title for step in steps.pop()] == ["Open balance", "Lapsed", "Does not want"]
    assert not steps


def test_that_nothing_is_kept_of_touches_is_not_taken_for_no_marketing(home, tmp_path):
    copy = Home(tmp_path / "home")
    shutil.copytree(home.folder, copy.folder)
    with duckdb.connect(str(copy.generation(1) / "people.duckdb")) as connection:
        for table in ("journeys", "journey_credit"):
            connection.execute(f"delete from {table}")
    assert told_of(home).keeps_credit
    assert not told_of(copy).keeps_credit


def test_the_figure_and_the_list_tell_the_same(home):
    whole = told_of(home)
    [trace] = whole.view.figures["timeline"].spec["data"]
    listed = [line for each in whole.episodes for _month, lines in each.months for line in lines]
    assert len(trace["x"]) == len(listed) == len(whole.view.tables["entries"].frame)
    assert sorted(trace["x"]) == sorted(f"{line.at:%Y-%m-%dT%H:%M}" for line in listed)
    assert "<script>" not in repr(trace["customdata"])


def opened(home: Home, monkeypatch) -> AppTest:
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    page = app().run()
    page.switch_page(str(PAGES / "people/patient_journey.py")).run()
    assert not page.exception, page.exception
    return page


def said(page: AppTest) -> str:
    sinks = (page.markdown, page.caption, page.warning, page.info, page.error)
    return " ".join(each.value for sink in sinks for each in sink)


def test_the_page_keeps_nothing_of_what_was_typed(home, monkeypatch, caplog):
    page = opened(home, monkeypatch)
    page.text_input(key="patient_number_0").input(RECORD_NUMBER)
    page.button(key="patient_go").click().run()
    assert "Choose a reason" in said(page)
    assert "What comes next" not in said(page)
    page.text_input(key="patient_number_1").input("00077124")
    page.selectbox(key="patient_reason").select("treatment")
    page.button(key="patient_go").click().run()
    assert NOT_FOUND[:30] in said(page)
    page.text_input(key="patient_number_2").input(RECORD_NUMBER)
    page.selectbox(key="patient_reason").select("treatment")
    page.button(key="patient_go").click().run()
    assert not page.exception
    text = said(page)
    assert "What comes next" in text
    assert "**Open balance**" in text
    assert "![x](http" not in text
    state = vars(page.session_state._state)
    kept = repr(state) + repr(page.query_params) + caplog.text + text
    assert "77123" not in kept
    assert "77124" not in kept
    for file in home.folder.rglob("*"):
        assert not file.is_file() or b"77123" not in file.read_bytes(), file
    page.pills(key="patient_filter_lanes").select("visits").run()
    assert "Kept visit" in said(page)
    assert "**Paid" not in said(page)
    page.button(key="patient_close").click().run()
    assert "What comes next" not in said(page)
    assert audit.verify(home).problems == ()


def test_a_person_whose_number_went_is_told_of_no_more(home, monkeypatch):
    monkeypatch.setattr(patient, "profile", lambda _at, _person: None)
    page = opened(home, monkeypatch)
    page.text_input(key="patient_number_0").input(RECORD_NUMBER)
    page.selectbox(key="patient_reason").select("treatment")
    page.button(key="patient_go").click().run()
    assert NOT_FOUND[:30] in said(page)
    assert "What comes next" not in said(page)


def test_a_page_left_alone_is_blanked_when_its_session_is_over(home, monkeypatch):
    asked, blanked = [], []
    stands_still = SimpleNamespace(
        may=lambda _home, what, *, alive: asked.append((what, alive)) or not blanked
    )
    monkeypatch.setattr(watch, "access", stands_still)
    monkeypatch.setattr(watch, "st", SimpleNamespace(rerun=lambda: blanked.append(True)))
    watch._look(home, "people")
    assert blanked == []
    stands_still.may = lambda *_args, **_more: False
    watch._look(home, "people")
    assert blanked == [True]
    assert asked == [("people", False)]  # looking is no sign of life

    def unreadable(*_args, **_more):
        raise SettingsError("caretrace.toml is no TOML file")

    stands_still.may = unreadable  # who may read cannot be known
    watch._look(home, "people")
    assert blanked == [True, True]
