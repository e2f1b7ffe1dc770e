"""Groups of patients: a few worked by hand, what must hold for any, and what a cohort says."""

import csv
import io
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import marts_fixture as made_up
import pandas as pd
import patients_fixture as patients
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_fixture import app
from warehouse_fixtures import Warehouse, appointment, at, encounter, message, payment, touch

from attribution import audit, cli, group_queries, queries, seeds
from attribution.errors import BadInput
from attribution.group_queries import DIMENSIONS, SUMS, Group, group_of
from attribution.models.parameters import setting_open_channel, setting_stop
from attribution.paths import PAGES, Home
from attribution.small_cells import OTHER
from attribution.ui.views import patient_groups
from attribution.ui.views.group_shares import shares_of
from connectors.contract import CareCode, Feedback, Person, Preference

DAY = timedelta(days=1)
TODAY = at("2026-06-30 12:00")


def seen(who, line, days, **more):
    """A visit kept so many days ago, booked a week before."""
    when = TODAY - days * DAY
    return appointment(f"{who} {days}", who, when - 7 * DAY, when, service_line=line, **more)


ROWS = [
    seen("anchor", "dermatology", 0),
    Person("ann", birth_year=1980, zip3="601"),
    seen("ann", "dental", 60),
    encounter(
        "ann e", "ann", TODAY - 60 * DAY, appointment_id="ann 60", service_line="dental",
        diagnosis_groups="caries|tooth wear",
    ),
    CareCode("code", "diagnosis", patient_id="ann", code_group="asthma"),
    touch("t1", "ann", TODAY - 71 * DAY),
    touch("t2", "ann", TODAY - 68 * DAY, "newsletter/email"),
    payment("p", "ann", TODAY, "100.50"),
    Feedback("f1", TODAY - 50 * DAY, "nps", 10, 10, patient_id="ann"),
    Feedback("f2", TODAY - 40 * DAY, "nps", 5, 10, patient_id="ann"),
    seen("bob", "dental", 272),
    message("m1", "bob", "recall", TODAY - 30 * DAY, sent_at=TODAY - 30 * DAY,
            opened_at=TODAY - 29 * DAY),
    seen("cat", "dental", 425),
    seen("dan", "primary care", 606),
    message("m2", "dan", "recall", TODAY - 100 * DAY, sent_at=TODAY - 100 * DAY),
    appointment("missed", "dan", TODAY - 90 * DAY, TODAY - 80 * DAY, "noshow",
                service_line="primary care"),
    Person("eve", birth_year=1950, deceased=True),
    seen("eve", "primary care", 1276),
    Person("fay", birth_year=2025),
    seen("fay", "primary care", 150),
    seen("gus", "dental", 425),
    seen("gus", "dental", 1000),
    appointment("ahead", "gus", TODAY - DAY, TODAY + 9 * DAY, "booked", service_line="dental"),
    seen("hal", "orthopedics", 171),
    seen("ivy", "orthopedics", 171),
    encounter("ivy e", "ivy", TODAY - 171 * DAY, appointment_id="ivy 171",
              service_line="orthopedics", procedure_groups="arthroscopy"),
    seen("jon", "dental", 425),
    # Allowed it, and then answered a reminder that no more is wanted; letters never were.
    Preference("j letters", "mail", "marketing", False, TODAY - 20 * DAY, patient_id="jon"),
    Preference("j", "email", "marketing", True, TODAY - 20 * DAY, patient_id="jon"),
    message("j m", "jon", "reminder", TODAY - 11 * DAY, channel="email", purpose="treatment",
            sent_at=TODAY - 11 * DAY, unsubscribed_at=TODAY - 10 * DAY),
]  # fmt: skip


@pytest.fixture(scope="module")
def worked():
    opened = Warehouse(of=("patient_groups", "patient_journeys")).build(*ROWS)
    yield opened
    opened.close()


def people_of(warehouse):
    return dict(warehouse.rows("select distinct identifier, person_id from identity"))


def test_lapse_follows_the_rules_of_line_and_age(worked):
    numbers = people_of(worked)
    found = dict(worked.rows("select person_id, state from int_lapse"))
    states = {who: found[number] for who, number in numbers.items() if number in found}
    assert states == {
        "anchor": "active",
        "ann": "active",
        "bob": "due",  # 272 days: the interval of 183 is over
        "cat": "overdue",  # 425: more than half the way from 183 to 548
        "dan": "lapsed",
        "eve": "lost",
        "fay": "due",  # a child of one year is due after 91 days
        "gus": "active",  # booked ahead
        "hal": "no recall",
        "ivy": "no recall",
        "jon": "overdue",
    }
    open_loops = worked.rows("select person_id from int_lapse where is_open_loop")
    assert open_loops == [(numbers["hal"],)]


def test_who_is_not_to_be_called_back_is_excluded(worked):
    lapses = dict(worked.rows("select lapse, people from patient_groups where condition = ''"
                              " and service_line in ('primary care', 'orthopedics')"))  # fmt: skip
    assert lapses == {"lapsed": 1, "excluded": 1, "due": 1, "open loop": 1, "no recall": 1}
    assert worked.rows(
        "select lapse, sum(people) from patient_groups where condition = ''"
        " and service_line = 'dental' group by 1 order by 1"
    ) == [("active", 2), ("due", 1), ("excluded", 1), ("overdue", 1)]


@pytest.mark.parametrize(
    ("for_all", "open_channels", "excluded"),
    [
        (True, ["direct_mail"], ["all", "both"]),
        (True, ["direct_mail", "sms"], ["all", "both"]),
        (False, ["direct_mail", "sms"], ["all"]),
        (False, [], ["all", "both", "texted"]),
    ],
)
def test_nobody_is_excluded_to_whom_a_recall_may_still_be_sent(for_all, open_channels, excluded):
    def wish(who, channel, allowed):
        day = TODAY - 20 * DAY
        return Preference(f"{who} wish", channel, "marketing", allowed, day, patient_id=who)

    def stopped(who, purpose):
        day = TODAY - 10 * DAY
        return message(who, who, "test", day, channel="sms", purpose=purpose, sent_at=day,
                       unsubscribed_at=day)  # fmt: skip

    # Whoever said nothing has refused nothing.
    people = ("all", "allowed", "both", "never asked", "nothing", "texted")
    opened = Warehouse(of=("int_lapse",))
    opened.give("setting_stop", setting_stop(for_all))
    opened.give("setting_open_channel", setting_open_channel(open_channels))
    opened.build(
        seen("anchor", "dermatology", 0),
        *(seen(who, "dental", 425) for who in people),
        wish("all", "any", False),
        wish("allowed", "email", True),
        stopped("allowed", "marketing"),
        stopped("both", "treatment"),
        wish("both", "mail", False),
        stopped("never asked", "treatment"),
        stopped("texted", "marketing"),
    )
    numbers = people_of(opened)
    found = opened.rows("select person_id from int_lapse where excluded = 'opted out'")
    assert {person for (person,) in found} == {numbers[who] for who in excluded}
    opened.close()


def test_a_journey_is_counted_as_by_hand(worked):
    row = worked.frame(
        "select * from patient_numbers where condition = '' and age_band = '45-59'"
    ).to_dict("records")
    assert len(row) == 1
    told = {name: row[0][name] for name in ("zip3", "lapse", "months_silent", "response", *SUMS)}
    assert told == {
        "zip3": "601", "lapse": "active", "months_silent": "0-6", "response": "none sent",
        "people": 1, "visits": 1, "shown": 1, "missed": 0, "missers": 0,
        "value_micros": 100_500_000, "was_silent": 0, "came_back": 0,
        "answers": 1, "promoters": 0, "detractors": 1,  # the latest answer counts
        "touched": 1, "touches": 2, "arrived": 1, "days_to_visit": 11,
    }  # fmt: skip
    journeys = worked.rows(
        "select measure, item from patient_journeys where condition = '' and age_band = '45-59'"
        " order by 1"
    )
    assert journeys == [
        ("days", "8-30"), ("first_channel", "paid_search"), ("last_channel", "email"),
        ("way", "other"),  # one person's way is not named
    ]  # fmt: skip


def test_silence_and_response_are_counted_as_by_hand(worked):
    assert worked.rows(
        "select response, sum(people), sum(missed) from patient_numbers where condition = ''"
        " group by 1 order by 1"
    ) == [("booked", 1, 1), ("none sent", 9, 0), ("opened", 1, 0)]
    silent = worked.rows(
        "select sum(was_silent), sum(came_back) from patient_numbers where condition = ''"
    )
    # bob, cat, dan, eve and jon are silent; gus was, and came back.
    assert silent == [(6, 1)]


def test_who_has_several_conditions_is_counted_with_each(worked):
    assert worked.rows(
        "select condition, people, everyone from patient_groups where condition <> '' order by 1"
    ) == [("asthma", 1, 1), ("caries", 1, 1), ("tooth wear", 1, 1)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home) -> queries.Marts:
    return queries.Marts(home, 1, protected=False)


groups = st.fixed_dictionaries(
    {name: st.lists(st.sampled_from(patients.KNOWN[name]), max_size=2) for name in DIMENSIONS}
    | {"condition": st.sampled_from(("", *patients.KNOWN["condition"]))}
).map(lambda said: group_of(said, patients.KNOWN))


def expected(crowd: pd.DataFrame, group: Group) -> pd.DataFrame:
    chosen = crowd[crowd[group.condition]] if group.condition else crowd
    for name, values in group.wanted.items():
        chosen = chosen[chosen[name].isin(values)]
    return chosen


@given(groups)
@settings(max_examples=15, deadline=None)
def test_groups_partition_and_are_those_who_have_all_in_common(marts, group):
    chosen = expected(patients.people(3000), group)
    counts = group_queries.counted(marts, group)
    by_dimension = counts.groupby("dimension")["people"].sum()
    assert set(by_dimension) == ({len(chosen)} if len(chosen) else set())
    sums = group_queries.sums(marts, group)
    assert {name: sums[name] for name in SUMS if name != "value_micros"} == {
        name: float(chosen[name].sum()) for name in SUMS if name != "value_micros"
    }
    ways = group_queries.journeys(marts, group)
    if group.has_ways:
        assert set(ways.groupby("measure")["people"].sum()) <= {len(chosen)}
    else:
        assert ways.empty


@given(groups, st.sampled_from(DIMENSIONS), st.data())
@settings(max_examples=15, deadline=None)
def test_one_thing_more_in_common_never_adds_anybody(marts, group, name, data):
    value = data.draw(st.sampled_from(group.wanted.get(name, patients.KNOWN[name])))
    said = {**group.wanted, "condition": group.condition}
    narrower = group_of({**said, name: [value]}, patients.KNOWN)
    backwards = {key: list(reversed(values)) for key, values in group.wanted.items()}
    assert group_of({**backwards, "condition": group.condition}, patients.KNOWN) == group
    less, more = (group_queries.counted(marts, each) for each in (narrower, group))
    left = less.merge(more, on=["dimension", "value"], how="left", suffixes=("", "_more"))
    assert (left["people"] <= left["people_more"]).all()


def test_the_page_says_what_the_people_say(marts):
    crowd = patients.people(3000)
    group = Group(lapse=("lapsed",), age_band=("60-74", "75+"))
    view = patient_groups.build(marts, group)
    inside = expected(crowd, group)
    outside = crowd.drop(inside.index)
    shown = {each.name: (each.value, each.before) for each in view.metrics}
    assert shown["group_people"][0] == len(inside)
    for name, over, under in (
        ("group_visits", "visits", "people"),
        ("reactivated", "came_back", "was_silent"),
        ("group_touches", "touches", "touched"),
        ("days_to_visit", "days_to_visit", "arrived"),
    ):
        wanted = [part[over].sum() / part[under].sum() for part in (inside, outside)]
        assert shown[name] == pytest.approx(tuple(wanted)), name
    ages = view.tables["age_band"].frame
    assert ages["people"].tolist() == [0, 0, *inside["age_band"].value_counts()[["60-74", "75+"]]]
    known = outside[outside["channel"] != ""]
    share = view.tables["first_channel"].frame.set_index("value")["others_share"]
    assert share["Paid search"] == pytest.approx((known["channel"] == "paid_search").mean())
    assert "lapse" not in view.figures  # of one value all are


def test_beside_all_patients_stands_nobody(marts):
    view = patient_groups.build(marts, Group())
    for name in ("numbers", "age_band", "first_channel"):
        columns = [column.name for column in view.tables[name].columns]
        assert columns == list(view.tables[name].frame)
        assert not {"others", "others_share"} & set(columns), name
    drawn = view.figures["age_band"].spec
    assert [trace["name"] for trace in drawn["data"] if "name" in trace] == ["Cohort"]
    assert not drawn["layout"]["showlegend"]


def test_two_cohorts_stand_side_by_side(marts):
    crowd = patients.people(3000)
    mine, other = Group(lapse=("lapsed",)), Group(condition="asthma", zip3=("601",))
    view = patient_groups.build(marts, mine, other)
    report = view.tables["report"].frame.set_index(["part", "item", "unit"])
    for group, column in ((mine, "cohort"), (other, "compared")):
        inside = expected(crowd, group)
        assert report.loc[("numbers", "group_people", ""), column] == len(inside)
    assert "condition" not in view.tables  # of who has one, the others are not told
    assert any("not kept by ZIP3" in note for note in view.notes)
    nobody = patient_groups.build(marts, Group(lapse=("due",), service_line=("cardiology",),
                                               age_band=("0-17",), zip3=("elsewhere",),
                                               response=("booked",)))  # fmt: skip
    assert "there is nobody" in nobody.empty


def test_the_command_line_writes_what_the_page_shows_and_writes_it_down(
    home, monkeypatch, capsysbinary
):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    assert cli.main(["export", "cohorts", "--lapse", "Lapsed", "--age-band", "60-74"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode("utf-8-sig"))))
    group = Group(lapse=("lapsed",), age_band=("60-74",))
    shown = patient_groups.patient_groups(home, 1, group, None, protected=True)
    values = {row["item"]: float(row["cohort"]) for row in rows if row["part"] == "numbers"}
    assert {each.name: each.value for each in shown.metrics}.items() <= values.items()
    entry = audit.entries(home, 1).to_dict("records")[0]
    assert entry["subject"] == "cohort report"
    assert "60-74" in entry["detail"]


def test_the_folded_file_is_refused_where_it_would_be_of_less_than_was_chosen(
    home, tmp_path, monkeypatch
):
    copy = Home(shutil.copytree(home.folder, tmp_path / "home"))
    with duckdb.connect(str(copy.generation(1) / "viewers.duckdb")) as database:
        database.execute(f"update patient_groups set zip3 = '{OTHER}' where zip3 = 'elsewhere'")
    monkeypatch.setenv("CARETRACE_HOME", str(copy.folder))
    page = app()
    page.query_params["zip3"] = ["Elsewhere"]
    page.switch_page(str(PAGES / "retention" / "cohorts.py")).run()
    assert not page.exception, page.exception
    said = [each.value.replace("\\", "") for each in page.caption]
    assert "There is no zip3 'elsewhere'. Choose from: 601." in said
    assert not page.get("download_button")
    page.toggle(key="export_small_cells").set_value(True).run()
    assert page.get("download_button")
    page.toggle(key="export_small_cells").set_value(False)
    page.multiselect(key="zip3").set_value(["601"]).run()
    assert page.get("download_button")


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (["--lapse", "gone"], "no lapse 'gone'"),
        (["--condition", "asthma", "--condition", "eczema"], "one at a time"),
        (["--since", "2026-01-01"], "Leave --since out"),
        (["--format", "xlsx", "--out", "cohorts.xlsx"], "written as CSV"),
    ],
)
def test_what_a_cohort_cannot_be_is_refused(home, monkeypatch, capsys, given_, said):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    assert cli.main(["export", "cohorts", *given_]) == 2
    assert said in capsys.readouterr().err


HEADER = "service_line,age_min,age_max,interval_days,lapsed_days,lost_days,open_loop_days,version"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (",,,365,548,,,1", "line 2: lost_days is empty"),
        (",,,365,,1095,,1", "line 2: give interval_days and lapsed_days, or neither"),
        (",,,365,300,1095,,1", "line 2: .* must grow"),
        (",,,12 months,548,1095,,1", "line 2: interval_days '12 months' is not a whole number"),
        (
            ",,,365,548,1095,,1\ndental,0,20,183,548,1095,,1\nDental,20,,1,2,3,,1",
            "line 4: its ages",
        ),
        (",0,64,365,548,1095,,1\n,66,,365,548,1095,,1", "for every age"),
        ("dental,,,183,548,1095,,1", "for every age"),
    ],
)
def test_lapse_rules_that_cannot_work_are_named(tmp_path: Path, rules, said):
    own = tmp_path / "lapse_rules.csv"
    own.write_text(f"{HEADER}\n{rules}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        seeds.read("lapse_rules", own)


def test_own_lapse_rules_take_the_place_of_those_that_ship(tmp_path: Path):
    own = tmp_path / "lapse_rules.csv"
    shipped = (seeds.SEEDS / "lapse_rules.csv").read_text("utf-8")
    own.write_text(shipped.replace("dental,,,183", "dental,,,365"), encoding="utf-8")
    rules = seeds.read("lapse_rules", own).set_index("service_line")
    assert rules.loc["dental", "interval_days"] == "365"


def test_the_rest_of_the_ways_is_one_row_whoever_folded_it():
    counted = pd.DataFrame(
        [("way", "paid_search", 30), ("way", "other", 12), ("way", OTHER, 8), ("days", OTHER, 9)],
        columns=["measure", "item", "people"],
    )
    found = shares_of(counted, counted.iloc[:1], "measure", "item", "way")
    assert found[["value", "people", "others"]].to_numpy().tolist() == [
        ["paid_search", 30.0, 30.0],
        ["other", 20.0, 0.0],
    ]
    assert list(shares_of(counted, counted, "measure", "item", "days")["value"]) == [OTHER]
