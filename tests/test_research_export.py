"""Research exports: what leaves is coarse enough, by plain counting, and nothing else does."""

import dataclasses
import io
import json
import shutil
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from hashlib import sha256
from itertools import product

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import research_fixture as made_up
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, encounter, message, payment, touch

from attribution import audit, people
from attribution.cli import main
from attribution.errors import BadInput, NotAllowed, SettingsError, StorageError
from attribution.models.parameters import CreditSettings, setting_timeline
from attribution.paths import Home
from attribution.people import Permit
from attribution.research import columns, files, hierarchies, rare, registry, zip3
from attribution.research.coding import coded
from attribution.research.cohort import Cohort, as_written, members
from attribution.research.differences import choose_beside, levels_of
from attribution.research.export import Request, _classes, export_research
from attribution.research.lattice import Counts, Hierarchy, search, weigh
from attribution.research.reading import tags
from attribution.research.registry import Earlier
from attribution.research.release import choose, released
from attribution.research.rules import Determination, Rules, research_rules
from attribution.transform import build
from attribution.ui.views import research
from connectors.contract import CareCode, Environment, Person

REASON = "a study of what tests need"
PERMIT = Permit("a test", "Ada")
RULES = Rules(determination=Determination("x", date(2020, 1, 1), date(2120, 1, 1), 182))
HIERARCHIES = (
    hierarchies.ages(),
    hierarchies.sexes(),
    hierarchies.areas(["100", "481", "601", "602"]),
    hierarchies.years(2019, 2026),
    hierarchies.visits(),
    hierarchies.lines(["a", "b"]),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return made_up.make_home(tmp_path_factory.mktemp("research") / "home", made_up.people())


@pytest.fixture(scope="module")
def export(home):
    return export_research(home, 1, PERMIT, Request(REASON))


def read_csv(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


# The search


@st.composite
def small_lattices(draw):
    """A few people over two or three hierarchies of at most three levels."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for number in range(draw(st.integers(2, 3))):
        leaves = random.integers(2, 7)
        fine = [str(leaf) for leaf in range(leaves)]
        middle = [f"m{leaf // 2}" for leaf in range(leaves)]
        levels = [fine, middle, ["*"] * leaves][: random.integers(2, 4)]
        weight = float(random.integers(1, 4))
        found.append(
            Hierarchy(str(number), tuple("abc"[: len(levels)]), tuple(map(tuple, levels)), weight)
        )
    rows = random.integers(1, 25)
    leaves = np.stack([random.integers(0, len(h.labels[0]), rows) for h in found], axis=1)
    seen = tuple(1 << random.integers(0, 4, (rows, 1)) for _ in range(random.integers(0, 3)))
    counts = Counts(np.unique(leaves, axis=0), np.array([]), ())
    size = len(counts.leaves)
    counts = Counts(counts.leaves, random.integers(1, 9, size), tuple(s[:size] for s in seen))
    return found, counts, int(random.integers(2, 12)), int(random.integers(1, 4)), random.random()


@settings(max_examples=60)
@given(small_lattices())
def test_the_search_finds_the_least_loss_of_all(lattice):
    found, counts, k, l, share = lattice  # noqa: E741
    most = int(share * counts.people.sum())
    nodes = product(*(range(len(h.levels)) for h in found))
    every = [weigh(node, counts, found, k=k, l=l) for node in nodes]
    allowed = [each for each in every if each.suppressed <= most]
    best = search(counts, found, k=k, l=l, most=most)
    assert (best is None) == (not allowed)
    if best is not None:
        assert best.loss == pytest.approx(min(each.loss for each in allowed), abs=1e-9)
        assert best.suppressed <= most


def test_a_node_is_weighed_as_by_hand():
    """Four people of one area and two of another, two sexes: both classes of an area are kept."""
    area = Hierarchy("area", ("fine", "*"), (("x", "y"), ("*", "*")))
    sex = Hierarchy("sex", ("fine", "*"), (("f", "m"), ("*", "*")))
    counts = Counts(np.array([[0, 0], [0, 1], [1, 0]]), np.array([2, 2, 2]), ())
    fine = weigh((0, 0), counts, (area, sex), k=2, l=1)
    assert (fine.loss, fine.suppressed, fine.classes) == (0.0, 0, 3)
    # One of two quasi-identifiers is lost for all; at k = 3 the two of area y are lost whole.
    assert weigh((0, 1), counts, (area, sex), k=2, l=1).loss == 0.5
    assert weigh((0, 1), counts, (area, sex), k=3, l=1).loss == pytest.approx((4 * 0.5 + 2) / 6)


def test_a_class_of_one_sensitive_value_is_suppressed_however_large():
    """Area x has two conditions over its two sexes, area y has one."""
    area = Hierarchy("area", ("fine", "*"), (("x", "y"), ("*", "*")))
    sex = Hierarchy("sex", ("fine", "*"), (("f", "m"), ("*", "*")))
    conditions = np.array([[0b01], [0b10], [0b01]])
    counts = Counts(np.array([[0, 0], [0, 1], [1, 0]]), np.array([20, 20, 20]), (conditions,))
    assert weigh((0, 0), counts, (area, sex), k=11, l=2).suppressed == 60
    told = weigh((0, 1), counts, (area, sex), k=11, l=2)
    assert (told.suppressed, told.classes) == (20, 1)
    assert weigh((1, 1), counts, (area, sex), k=11, l=2).suppressed == 0
    assert weigh((1, 1), counts, (area, sex), k=11, l=3).suppressed == 60


@pytest.mark.parametrize("hierarchy", HIERARCHIES, ids=lambda h: h.name)
def test_every_level_joins_whole_groups_of_the_level_before(hierarchy):
    for fine, coarse in zip(hierarchy.labels, hierarchy.labels[1:], strict=False):
        joined = {}
        for before, after in zip(fine, coarse, strict=True):
            assert joined.setdefault(before, after) == after
    assert len({len(level) for level in hierarchy.labels}) == 1


def test_no_age_above_89_is_told_apart():
    for level in hierarchies.ages().labels:
        for label in level[1:]:
            numbers = [int(part) for part in label.strip("+*").split("-") if part]
            assert all(number <= 90 for number in numbers)
            assert label.endswith(("+", "*")) or max(numbers) <= 89


def test_areas_of_few_people_and_unknown_ones_are_hidden():
    assert len(zip3.restricted()) == 19
    assert {"036", "205", "369"} <= zip3.restricted() <= set(zip3.states())
    assert all(zip3.shown(prefix) == "000" for prefix in (*zip3.restricted(), "", "000", "xyz"))
    assert (zip3.shown("606"), zip3.state("606"), zip3.state("036")) == ("606", "IL", "unknown")


# Rare values

CODES = st.sampled_from(["ICD10:J45", "ICD10:J30", "ICD10:C50", "PRI001", "PRI002", "asthma", ""])


@settings(max_examples=40)
@given(st.dictionaries(st.one_of(CODES, st.text(max_size=30)), st.integers(1, 40), min_size=1))
def test_no_folded_name_is_of_few_people(people):
    called = rare.folded(people, 11)
    sizes = pd.Series(people).groupby(called).sum()
    assert set(called) == set(people)
    assert (sizes >= 11).all() or list(sizes.index) == ["Other"]
    assert not any("@" in name or name.startswith(("=", "+", "-")) for name in called.values())


def test_rare_codes_become_a_coarser_group_and_then_other():
    told = {"ICD10:J45": 40, "ICD10:J30": 6, "ICD10:J31": 7, "ICD10:C50": 3, "x@y.org": 9}
    assert rare.folded(told, 11) == {
        "ICD10:J45": "ICD10:J45",
        "ICD10:J30": "ICD10:J other",
        "ICD10:J31": "ICD10:J other",
        "ICD10:C50": "Other",
        "x@y.org": "Other",
    }


# The table


def checked(table, quasi, sensitive, rules) -> None:
    """Count k and l by pandas, on words, without anything of ours."""
    frame = table.to_pandas()
    grouped = frame.groupby(list(quasi), observed=True)
    assert grouped.size().min() >= rules.k
    for name in sensitive:
        assert grouped[name].nunique().min() >= rules.l


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(200, 1500), st.sampled_from(columns.PROFILES))
def test_every_class_is_large_and_varied_and_few_are_left_out(seed, count, profile):
    frame = made_up.people(count, seed)
    table = made_up.as_table(frame)
    if profile == "expert":
        weeks = np.random.default_rng(seed).integers(-26, 27, count)
        table = table.append_column("shift_weeks", [weeks])
    inside = members(table, Cohort())
    chosen = choose(coded(table, inside, k=11, l=2), inside, RULES)
    release = released(chosen, profile, RULES)
    assert count - len(release.table) <= 0.05 * count
    assert set(release.table.column_names) <= set(columns.allowed(profile))
    checked(release.table, chosen.quasi, chosen.sensitive, RULES)
    assert release.reached.k >= 11
    assert release.table["row_id"].to_pylist() == sorted(set(release.table["row_id"].to_pylist()))


def test_words_of_a_cohort_are_meant_in_any_case_and_what_many_have_is_listed():
    frame = made_up.people(300)
    frame["service_line"] = frame["service_line"].replace("dental", "primary_care")
    table = made_up.as_table(frame)
    asked = Cohort(service_lines=("Primary  Care", "cardiology"), sexes=("FEMALE",))
    meant = as_written(table, asked, 11)
    assert (meant.service_lines, meant.sexes) == (("primary_care", "cardiology"), ("female",))
    assert members(table, meant).sum() > 0
    with pytest.raises(BadInput) as refused:
        as_written(table, Cohort(service_lines=("primary",)), 11)
    # The service line of one person is not told of.
    listed = "Choose from: cardiology, orthopedics, primary_care."
    assert str(refused.value) == f"Nobody has the service line 'primary'. {listed}"


def test_what_is_measured_is_what_pandas_counts(export):
    frame = read_csv(export.files[files.CSV])
    grouped = frame.groupby(list(columns.QUASI))
    reached = export.disclosure["reached"]
    assert reached["k"] == grouped.size().min()
    for name, value in reached["l"].items():
        assert value == grouped[name].nunique().min()
        everybody = frame[name].value_counts(normalize=True)
        far = max(
            (own[name].value_counts(normalize=True) - everybody).fillna(-everybody).abs().sum() / 2
            for _, own in grouped
        )
        assert reached["t"][name] == pytest.approx(far, abs=1e-4)
    risk = export.disclosure["risk"]
    assert risk["prosecutor, highest"] == pytest.approx(1 / reached["k"], abs=1e-4)
    assert risk["marketer"] == pytest.approx(grouped.ngroups / len(frame), abs=1e-4)
    assert risk["journalist, highest"] <= risk["prosecutor, highest"]


def test_an_unknown_column_is_refused():
    with pytest.raises(NotAllowed, match="patient_id may not be in research data"):
        columns.refuse_others(["age", "patient_id"], "safe-harbor")
    with pytest.raises(NotAllowed, match="first_visit_on"):
        columns.refuse_others(["first_visit_on"], "safe-harbor")


def test_a_date_is_told_only_where_enough_people_could_be_meant():
    frame = made_up.people(2500)
    table = made_up.as_table(frame)
    weeks = np.random.default_rng(1).integers(-26, 27, len(frame))
    table = table.append_column("shift_weeks", [weeks])
    inside = members(table, Cohort())
    numbers = coded(table, inside, k=11, l=2)
    chosen = choose(numbers, inside, RULES, dropped=("age", "sex", "zip3", "visits"))
    release = released(chosen, "expert", RULES)
    told = release.table.to_pandas()
    shown = pd.to_datetime(told["first_visit_on"]).dropna()
    assert 0 < len(shown) == len(told) - release.dates_hidden
    days = pd.to_datetime(frame["first_visit"]).to_numpy().astype("datetime64[D]").astype(int)
    true, moved = days[chosen.kept], (days + 7 * weeks)[chosen.kept]
    line = numbers.codes["service_line"][chosen.kept]
    # For each true day, by hand: the same line and day of the week, at most 26 weeks away.
    alike = (line[:, None] == line) & (true[:, None] % 7 == moved % 7)
    near = np.abs(moved - true[:, None]) <= 26 * 7
    assert ((alike & near).sum(axis=1) >= 11).sum() == len(shown)
    assert set(shown.to_numpy().astype("datetime64[D]").astype(int)) <= set(moved)


# Two exports


def registered(chosen, name="before") -> Earlier:
    tags, places, classes = _classes(chosen)
    order = np.argsort(tags)
    told = tuple(map(tuple, classes))
    return Earlier(
        name, "2026-11-01", levels_of(chosen), tags[order], places[order], told,
        sensitive=chosen.sensitive,
    )  # fmt: skip


def chosen_of(frame, before=(), **cohort):
    table = made_up.as_table(frame)
    inside = members(table, Cohort(**cohort))
    return choose_beside(coded(table, inside, k=11, l=2), inside, RULES, list(before))


def beside(frame, first, last_year):
    try:
        return chosen_of(frame, [registered(first)], last_year=last_year)[0]
    except BadInput:
        return None


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_the_difference_of_two_exports_tells_of_nobody(seed, came, went, narrower):
    frame = made_up.people(1500, seed)
    first, _ = chosen_of(frame.iloc[came:])
    later = frame.iloc[: len(frame) - went]
    second = beside(later, first, 2024 if narrower else None)
    if second is None:  # refused, which tells nothing
        return
    one, two = levels_of(first), levels_of(second)
    assert all(a <= two[n] for n, a in one.items()) or all(a >= two[n] for n, a in one.items())
    common = [max(one[h.name], two[h.name]) for h in second.coded.hierarchies]
    groups = {
        int(tag): tuple(h.labels[c][leaf] for h, c, leaf in zip(HS, common, row, strict=True))
        for HS in [second.coded.hierarchies]
        for tag, row in zip(second.coded.tags, second.coded.leaves, strict=True)
    }
    before, after = set(first.coded.tags[first.kept]), set(second.coded.tags[second.kept])
    for some in (after - before, before - after):
        sizes = pd.Series([groups[tag] for tag in some if tag in groups], dtype=object)
        gone = sum(tag not in groups for tag in some)
        assert all(size >= 11 or gone for size in sizes.value_counts())


def joined(first, second):
    """The people of both, with the groups of the finer of the two."""
    finer = second if all(levels_of(second)[n] <= a for n, a in levels_of(first).items()) else first
    tags, places, _ = _classes(finer)
    return pd.Series(places, tags)[first.coded.tags[first.kept & second.kept]]


@pytest.mark.parametrize("less_first", [True, False])
def test_what_was_left_out_of_one_of_two_exports_is_varied_in_the_groups_of_the_other(less_first):
    """Rows are matched by their other columns: who has both knows what either tells."""
    table = made_up.as_table(made_up.people(1500).assign(treatment=_rare_treatment))
    inside = members(table, Cohort())
    numbers = coded(table, inside, k=11, l=2)
    orders = [("treatment",), ()] if less_first else [(), ("treatment",)]
    first, _ = choose_beside(numbers, inside, RULES, [], (), orders[0])
    try:
        second, _ = choose_beside(numbers, inside, RULES, [registered(first)], (), orders[1])
    except BadInput:  # which tells nothing
        return
    place = {int(tag): row for row, tag in enumerate(numbers.tags)}
    group = joined(first, second)
    treatment = numbers.codes["treatment"][[place[int(tag)] for tag in group.index]]
    assert (pd.Series(treatment).groupby(group.to_numpy()).nunique() >= 2).all()


def _rare_treatment(frame):
    """One in sixty had an operation."""
    rare = np.random.default_rng(7).random(len(frame)) < 1 / 60
    return np.where(rare, "operation", "injection")


def test_lines_that_one_cohort_folds_are_not_told_by_the_finer_groups_of_another():
    """Of the oldest few are of any line, so theirs are Other: the whole tells them apart."""
    frame = made_up.people(1500).assign(treatment=_rare_treatment)
    alike = {"zip3": "601", "visits": 1, "first_visit": date(2025, 3, 3)}
    frame = frame.assign(age=frame["age"].clip(upper=89), **alike)
    oldest = [
        (92, sex, line, "injection")
        for line in ("dental", "cardiology", "orthopedics")
        for sex in ("female", "male")
        for _ in range(5)
    ]
    frame.loc[frame.index[:30], ["age", "sex", "service_line", "treatment"]] = oldest
    first, _ = chosen_of(frame)
    with pytest.raises(BadInput, match="their rows matched"):
        chosen_of(frame, [registered(first)], age_from=90)


def cells_told(made):
    """How many people were in the same exports, of those and no others, in each group of all."""
    levels = [levels_of(chosen) for chosen in made]
    newest = made[-1].coded
    common = [max(each[h.name] for each in levels) for h in newest.hierarchies]
    frame = pd.DataFrame(
        {
            h.name: np.array(h.labels[level])[leaves]
            for h, level, leaves in zip(newest.hierarchies, common, newest.leaves.T, strict=True)
        }
    )
    for number, chosen in enumerate(made):
        frame[f"in {number}"] = np.isin(newest.tags, chosen.coded.tags[chosen.kept])
    inside = frame[[f"in {number}" for number in range(len(made))]]
    return frame[inside.any(axis=1)].groupby(list(frame.columns)).size()


PLACES = [{"locations": ("North",)}, {"locations": ("South",)}, {}]
SEXES = [{"sexes": ("female",)}, {"sexes": ("male",)}, {}]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)], ids=str)
@pytest.mark.parametrize("cohorts", [PLACES, SEXES], ids=["places", "sexes"])
def test_all_less_two_parts_of_it_tells_of_nobody(cohorts, order):
    """Three people are of a third place, or of no sex: what is left of everybody."""
    frame = made_up.people(1500).assign(zip3="601", visits=1, treatment="")
    frame["location"] = np.where(frame.index % 2, "North", "South")
    frame.loc[20:22, ["location", "sex", "service_line"]] = ["Z", "", "dental"]
    made, before, refusal = [], [], ""
    for number, name in zip(order, "abc", strict=True):
        table = made_up.as_table(frame)
        inside = members(table, Cohort(**cohorts[number]))
        numbers = coded(table, inside, k=11, l=2)
        try:
            chosen, _ = choose_beside(numbers, inside, RULES, before, dropped=("sex", "age"))
        except BadInput as refused:  # which tells nothing
            refusal = str(refused)
            break
        made.append(chosen)
        before.append(registered(chosen, name))
    assert len(made) == 3 or any(f"{each.export} of {each.day}" in refusal for each in before)
    assert len(made) > 1
    assert cells_told(made).min() >= 11


def test_what_two_parts_share_is_enough_people():
    """Both and their union give back those who are in both."""
    frame = made_up.people(1500).assign(zip3="601", visits=1, service_line="dental", sex="female")
    frame["location"] = "North"
    frame.loc[frame.index % 2 == 0, "sex"] = "male"
    frame.loc[frame.index % 4 == 0, "location"] = "South"
    frame.loc[[21, 23, 25], "location"] = "South"
    made, before, held = [], [], 0
    for cohort in (Cohort(locations=("South",)), Cohort(sexes=("female",))):
        table = made_up.as_table(frame)
        inside = members(table, cohort)
        numbers = coded(table, inside, k=11, l=2)
        chosen, held = choose_beside(numbers, inside, RULES, before, dropped=("sex", "age"))
        made.append(chosen)
        before.append(registered(chosen))
    assert held == 3
    assert cells_told(made).min() >= 11


def test_the_same_export_again_is_the_same_people_under_new_ids(home, export):
    again = export_research(home, 1, PERMIT, Request(REASON))
    one, two = (read_csv(each.files[files.CSV]) for each in (export, again))
    assert len(one) == len(two)
    assert not set(one["row_id"]) & set(two["row_id"])
    told = [each.drop(columns="row_id").value_counts() for each in (one, two)]
    assert told[0].to_dict() == told[1].to_dict()


def test_who_came_since_is_held_back(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame.iloc[:-3])
    first = export_research(home, 1, PERMIT, Request(REASON))
    made_up.publish(home, 2, frame)
    second = export_research(home, 2, PERMIT, Request(REASON))
    held = second.disclosure["suppressed"]["so that an earlier export does not give them away"]
    assert held == "1 to 10"
    assert second.disclosure["people"] == first.disclosure["people"]
    key = (home.research / "key").read_text(encoding="ascii")
    (home.research / "key").write_text(key[::-1], encoding="ascii")
    with pytest.raises(StorageError, match="Put the key back"):
        export_research(home, 2, PERMIT, Request(REASON))
    (home.research / "key").write_text(key, encoding="ascii")
    next(home.research.glob("*.members")).unlink()
    with pytest.raises(StorageError, match="Put it back from a backup"):
        export_research(home, 2, PERMIT, Request(REASON))


def test_who_is_forgotten_leaves_the_registry_and_the_others_stay_protected(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame)
    export_research(home, 1, PERMIT, Request(REASON))
    [before] = registry.earlier(home)
    everybody = tags(home, frame["person_id"].to_numpy())
    inside = everybody[np.isin(everybody, before.tags)]
    gone, kept = inside[:1], next(home.research.glob("*.members")).read_bytes()
    assert registry.forget_people(home, "ann", everybody[:0]) == 0
    assert registry.forget_people(home, "ann", gone) == 1
    [after] = registry.earlier(home)
    assert len(after.tags) == len(before.tags)
    assert set(inside.tolist()) - set(after.tags.tolist()) == set(gone.tolist())
    assert gone.astype("<i8").tobytes() not in zstandard.decompress(
        next(home.research.glob("*.members")).read_bytes()
    )
    for one in (before, after):
        sizes = np.bincount(one.places)
        assert len(sizes) == len(one.classes)
    assert np.bincount(after.places).tolist() == np.bincount(before.places).tolist()
    # The next export is as careful about who went as where their number is still known.
    other = Home(tmp_path / "other")
    shutil.copytree(home.folder, other.folder)
    next(other.research.glob("*.members")).write_bytes(kept)
    told = []
    for place in (home, other):
        made_up.publish(place, 2, frame[~np.isin(everybody, gone)])
        told.append(export_research(place, 2, PERMIT, Request(REASON)).disclosure)
    assert told[0] == told[1]
    assert audit.entries(home)["action"].tolist() == [
        audit.RESEARCH_EXPORTED, audit.RESEARCH_FORGOTTEN, audit.RESEARCH_EXPORTED,
    ]  # fmt: skip


def test_who_is_forgotten_has_one_number_in_all_exports(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame)
    for _ in range(2):
        export_research(home, 1, PERMIT, Request(REASON))
    was = registry.earlier(home)
    assert registry.forget_people(home, "ann", was[0].tags[:3]) == 2
    new = [set(after.tags) - set(was[0].tags) for after in registry.earlier(home)]
    assert new[0] == new[1]
    assert len(new[0]) == 3


# What is read of people


def test_a_person_is_told_by_their_visits_payments_and_messages():
    built = Warehouse(of=("research_people", "research_weeks")).build(
        Person("p1", birth_year=1980, sex="Female", zip3="606"),
        Person("p2", birth_year=1930, sex="male", zip3="036"),
        touch("t1", "p1", at("2024-01-02"), "google/cpc"),
        touch("t2", "p1", at("2024-01-05"), "news/email"),
        *(
            appointment(f"a{n}", "p1", at(day), at(day), service_line=line, location="North")
            for n, day, line in (
                (1, "2024-01-20 12:00", "derm"),
                (2, "2024-03-20 12:00", "derm"),
                (3, "2024-09-20 12:00", "ortho"),
            )
        ),
        encounter(
            "e1", "p1", at("2024-01-20 12:00"), appointment_id="a1", diagnosis_groups="D1|D2"
        ),
        encounter("e2", "p1", at("2024-03-20 12:00"), appointment_id="a2", diagnosis_groups="D3"),
        encounter("e3", "p1", at("2024-09-20 12:00"), appointment_id="a3", diagnosis_groups="D3"),
        encounter("e4", "p2", at("2024-02-01 12:00"), service_line="derm", procedure_groups="P1"),
        CareCode("c1", "diagnosis", encounter_id="e4", code_group="D9"),
        payment("y1", "p1", at("2024-02-01"), "120.50"),
        message("m1", "p1", "recall", at("2024-05-01"), sent_at=at("2024-05-01")),
        message(
            "m2",
            "p1",
            "recall",
            at("2024-06-01"),
            sent_at=at("2024-06-01"),
            clicked_at=at("2024-06-02"),
        ),
        message("m3", "p1", "recall", at("2024-07-01")),
        *(
            Environment(
                date(2024, 1, 1) + timedelta(days=n),
                "north",
                10.0 * (n in (19, 78)),
                air_quality_index=60.0,
            )
            for n in range(300)
        ),
    )
    found = built.frame("select * from research_people order by age").to_dict("records")
    one, two = found
    assert (one["age"], one["sex"], one["zip3"]) == (44, "female", "606")
    assert (two["age"], two["condition"], two["treatment"]) == (94, "D9", "P1")
    assert (one["visits"], one["span_days"], str(one["first_visit"])[:10]) == (3, 244, "2024-01-20")
    assert (one["service_line"], one["condition"], one["location"]) == ("derm", "D3", "North")
    assert (one["paid_micros"], one["first_channel"]) == (120_500_000, "paid_search")
    assert (one["emails"], one["texts"], one["responses"]) == (2, 0, 1)
    # The place that is measured is the only one, so it holds for who has none.
    assert (one["pollen_visits"], one["high_pollen_visits"], one["poor_air_visits"]) == (3, 2, 3)
    assert (two["pollen_visits"], two["high_pollen_visits"]) == (1, 0)
    weeks = built.frame("select * from research_weeks where kind = 'all' and location = ''")
    assert weeks.groupby("weeks")["visits"].sum().to_dict() == {1: 4, 4: 4}
    assert set(built.frame("select kind from research_weeks")["kind"]) == {"all", "service_line"}
    # Whoever wants no timelines kept wants nothing kept of single people's care.
    built.replace("setting_timeline", setting_timeline(keep_timeline=False))
    kept = ("research_people", "research_weeks")
    build(built.connection, [model for model in built.models if model.name in kept])
    assert [built.rows(f"select count(*) from {name}") for name in kept] == [[(0,)]] * 2
    built.close()


def test_where_nobody_is_kept_it_is_said_why(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(20))
    with duckdb.connect(str(home.generation(1) / "people.duckdb")) as kept:
        kept.execute("delete from research_people")
    with pytest.raises(BadInput, match="keep_timeline = false"):
        export_research(home, 1, PERMIT, Request(REASON))
    at = people.people(home, 1, PERMIT)
    assert "keep_timeline = false" in research.build(at, Cohort(), ()).empty


def test_an_export_waits_for_the_one_that_is_being_made(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(1500))
    with ThreadPoolExecutor(1) as other:
        with registry.one_at_a_time(home):
            waiting = other.submit(export_research, home, 1, PERMIT, Request("short"))
            with pytest.raises(BadInput, match="Say what the data are for"):
                waiting.result(5)
            waiting = other.submit(export_research, home, 1, PERMIT, Request(REASON))
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            assert registry.earlier(home) == []
        waiting.result(30)
    assert len(registry.earlier(home)) == 1


# The files


def test_nothing_that_identifies_is_in_any_file(home, export):
    expert = export_research(home, 1, PERMIT, Request(REASON, "expert"))
    for made in (export, expert):
        every = dict(made.files) | {"all.zip": files.zipped(made.files)}
        with zipfile.ZipFile(io.BytesIO(every["all.zip"])) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            every |= {f"zip/{name}": archive.read(name) for name in archive.namelist()}
        frame = read_csv(made.files[files.CSV])
        text = "\n".join(frame.astype(str).agg(" ".join, axis=1)).encode()
        for content in (*every.values(), text):
            for canary in made_up.CANARIES:
                assert canary.encode() not in content
        parquet = pyarrow.parquet.read_table(io.BytesIO(made.files[files.PARQUET]))
        assert parquet.to_pandas().astype(str).to_dict("list").keys() == set(frame.columns)
        assert not parquet.schema.metadata
        people = made_up.people()["person_id"]
        assert not people.astype(str).isin(frame.to_numpy().ravel()).any()


def test_every_value_is_one_of_the_codebook(export):
    frame = read_csv(export.files[files.CSV])
    book = read_csv(export.files[files.CODEBOOK]).set_index("column")
    assert list(book.index) == list(frame.columns)
    for name in frame.columns[1:]:
        assert set(frame[name]) == set(book.loc[name, "values"].split("; "))
    assert "treatment" not in frame  # the same of everybody
    assert export.disclosure["left_out_because_the_same_for_everybody"] == ["treatment"]
    assert set(frame["zip3"]) <= {"601", "602", "481", "000", "IL", "MI", "unknown", "*"}
    assert len(export.disclosure["identifiers"]) == 18


def test_the_log_has_who_why_and_the_hash_of_every_file(home, export):
    entries = audit.entries(home)
    own = entries[entries["action"] == audit.RESEARCH_EXPORTED].iloc[0]
    detail = json.loads(own["detail"])
    assert (own["actor"], detail["reason"]) == ("Ada", REASON)
    assert detail["sha256"] == {
        name: sha256(content).hexdigest() for name, content in export.files.items()
    }
    manifest = json.loads(export.files[files.MANIFEST])
    assert manifest["sha256"].items() <= detail["sha256"].items()
    assert manifest["made_by"] == "Ada"
    assert not audit.verify(home).problems


def test_a_place_of_care_is_logged_but_not_told(home):
    made = export_research(
        home, 1, PERMIT, Request(REASON, cohort=Cohort(locations=("Lakeside Canary Clinic",)))
    )
    assert all(b"Canary" not in content for content in made.files.values())
    assert "Lakeside Canary Clinic" in audit.entries(home, 1)["detail"].iloc[0]


@pytest.mark.parametrize("name", ["data.zip", "data"])
def test_the_command_writes_files_for_its_owner_alone(home, tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setattr("attribution.versions.require", lambda *_: None)
    out = tmp_path / name
    words = ["research", "export", "--people", "--reason", REASON, "--out", str(out)]
    assert main([*words, "--without", "paid", "--ages", "18-"]) == 0
    assert "k 1" in capsys.readouterr().out
    every = [out] if out.is_file() else list(out.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in every)
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("short"), "Say what the data are for"),
        (Request(REASON, cohort=Cohort(age_from=95)), "Ages above 89 are told together"),
        (Request(REASON, cohort=Cohort(age_from=50, age_to=40)), "holds nobody"),
        (Request(REASON, cohort=Cohort(conditions=("none such",))), "Nobody has the condition"),
        (Request(REASON, cohort=Cohort(last_year=1950)), "fewer than 11 people"),
        (Request(REASON, keep=("age", "zip3", "visits")), "Let "),
        (Request(REASON, keep=("name",)), "name cannot be kept"),
        (Request(REASON, dropped=("service_line",)), "service_line cannot be left out"),
        (Request(REASON, dropped=("paid", "condition")), "the same of all"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_change(home, request_, says):
    before = len(audit.entries(home))
    with pytest.raises(BadInput, match=says):
        export_research(home, 1, PERMIT, request_)
    assert len(audit.entries(home)) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say so: --people"),
        (("--people", "--out", "{folder}"), "is there already"),
        (("--people", "--out", "{folder}/none/data.zip"), "There is no folder"),
        (("--people", "--ages", "old"), "'old' is no span"),
        (("--people", "--years", "-"), "'-' is no span"),
    ],
)
def test_the_command_says_what_to_type(home, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setattr("attribution.versions.require", lambda *_: None)
    told = [word.format(folder=tmp_path) for word in words]
    usual = ["--reason", REASON, "--out", str(tmp_path / "data")]
    assert main(["research", "export", *usual, *told]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_the_same_of_everybody_is_said(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people())
    made = export_research(home, 1, PERMIT, Request(REASON, cohort=Cohort(conditions=("DEN0",))))
    assert "condition" not in read_csv(made.files[files.CSV])
    assert b"The same of everybody: condition, treatment." in made.files[files.REPORT]


def test_a_reader_without_a_permit_gets_nothing(home):
    with pytest.raises(NotAllowed):
        export_research(home, 1, Permit(""), Request(REASON))


def test_dates_are_shifted_only_under_a_determination_in_force(tmp_path):
    home = made_up.make_home(tmp_path / "home", made_up.people(300), expires="2021-01-01")
    with pytest.raises(NotAllowed, match=r"Dr\. Expert holds from 2020-01-01 to 2021-01-01"):
        export_research(home, 1, PERMIT, Request(REASON, "expert"))
    home.config.write_text("", encoding="utf-8")
    with pytest.raises(NotAllowed, match="Shifted dates need"):
        export_research(home, 1, PERMIT, Request(REASON, "expert"))


def test_dates_stay_shifted_as_they_were_when_the_determination_is_renewed(tmp_path):
    """Whoever has two shifts of one day, each drawn for itself, knows more of the true one."""
    frame = made_up.people(1500).assign(zip3="601")
    home = made_up.make_home(tmp_path / "home", frame)
    asked = Request(REASON, "expert", dropped=("sex", "age", "visits"))
    told, first = [], home.config.read_text(encoding="utf-8")
    for config in (first, first.replace("on = 2020", "on = 2021")):
        home.config.write_text(config, encoding="utf-8")
        made = export_research(home, 1, PERMIT, asked)
        rows = read_csv(made.files[files.CSV]).drop(columns="row_id")
        assert (rows["first_visit_on"] != "").any()
        told.append(rows.value_counts().to_dict())
    assert told[0] == told[1]
    home.config.write_text(first.replace("= 182", "= 364"), encoding="utf-8")
    with pytest.raises(BadInput, match="max_shift_days = 182"):
        export_research(home, 1, PERMIT, asked)


def test_dates_whose_shift_was_not_written_down_are_shifted_by_the_determination_of_then_alone(
    tmp_path, monkeypatch
):
    home = made_up.make_home(tmp_path / "home", made_up.people(1500).assign(zip3="601"))
    asked = Request(REASON, "expert", dropped=("sex", "age", "visits"))
    export_research(home, 1, PERMIT, asked)
    [found] = registry.earlier(home)
    before = dataclasses.replace(found, drawn=None, day="2020-06-01")
    monkeypatch.setattr("attribution.research.registry.earlier", lambda _: [before])
    assert export_research(home, 1, PERMIT, asked).export
    renewed = home.config.read_text(encoding="utf-8").replace("on = 2020", "on = 2021")
    home.config.write_text(renewed, encoding="utf-8")
    with pytest.raises(BadInput, match="Put that determination's by, on and max_shift_days back"):
        export_research(home, 1, PERMIT, asked)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("k = 5", "k must be a whole number, 11 or more"),
        ("l = 1", "l must be"),
        ("max_suppressed = 0.2", "max_suppressed must be"),
        ("m = 1", "m is not a setting"),
        ("[research.determination]\nby = ''", "determination.by must name"),
        ("[research.determination]\non = '2026'", "determination.on must be a date"),
    ],
)
def test_settings_can_only_be_stricter(tmp_path, said, problem):
    home = made_up.Home(tmp_path)
    home.config.write_text(f"[research]\n{said}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        research_rules(home)


@pytest.mark.parametrize(
    ("zone", "asked", "came", "days"),
    [
        ("America/Los_Angeles", "2024-05-15 00:00", "2024-05-15 01:00", 0),
        ("America/Los_Angeles", "2024-05-14 01:00", "2024-05-15 01:00", 1),
        ("Europe/Berlin", "2024-05-15 22:30", "2024-05-15 12:00", None),
    ],
)
def test_a_lead_led_to_a_visit_of_its_own_day_or_a_later_one(zone, asked, came, days):
    built = Warehouse(CreditSettings(timezone=zone), of=("research_people",)).build(
        Person("p1", birth_year=1980),
        touch("t1", "p1", at(asked), kind="form"),
        appointment("a1", "p1", at(came), at(came)),
    )
    assert built.rows("select lead_days from research_people") == [(days,)]
    built.close()
